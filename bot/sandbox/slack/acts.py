"""What tests let people do in a workspace."""

from collections.abc import Mapping, Sequence

from bot.sandbox.slack.model import Envelope, Json
from bot.sandbox.slack.people import People
from bot.sandbox.slack.sights import Sights


class Acts(Sights):
    """The part that acts as somebody; raises `Impossible` for what Slack's client would not do."""

    people: People

    # --- what people do ---------------------------------------------------------------------

    async def post(
        self,
        who: str,
        where: str,
        text: str,
        thread_ts: str | None = None,
        files: Sequence[tuple[str, bytes]] = (),
    ) -> str:
        """Post `text` (in Slack's escaped form) and return its `ts`."""
        return self.people.post(who, where, text, thread_ts, files)

    async def post_as_bot(
        self, who: str, where: str, content: Mapping[str, object], thread_ts: str | None = None
    ) -> str:
        """Let another app's bot post text, blocks and attachments; the message's `ts`."""
        return self.people.post_as_bot(who, where, content, thread_ts)

    async def mention(self, who: str, where: str, text: str, thread_ts: str | None = None) -> str:
        """Post a message that begins with the app's mention."""
        return self.people.post(who, where, f"<@{self.bot_user_id}> {text}", thread_ts)

    async def dm(self, who: str, text: str, thread_ts: str | None = None) -> str:
        """Write to the app directly."""
        return self.people.post(who, "app", text, thread_ts)

    async def edit(self, who: str, where: str, ts: str, text: str) -> None:
        """Edit an own message."""
        self.people.edit(who, where, ts, text)

    async def delete(self, who: str, where: str, ts: str) -> None:
        """Delete an own message."""
        self.people.delete(who, where, ts)

    async def react(
        self, who: str, where: str, ts: str, name: str, *, remove: bool = False
    ) -> None:
        """Add or remove a reaction."""
        self.people.react(who, where, ts, name, remove=remove)

    async def open_home(self, who: str, tab: str = "home") -> None:
        """Open the app's Home (or `messages`) tab."""
        self.people.open_home(who, tab)

    async def click(  # noqa: PLR0913 - who, where, on what, choosing what, forged how
        self,
        who: str,
        where: str,
        ts: str,
        *,
        action_id: str | None = None,
        text: str | None = None,
        block_id: str | None = None,
        value: object = None,
        overrides: Mapping[str, object] | None = None,
    ) -> Envelope:
        """Click the element with this action id or label; returns when acked or timed out.

        `value` is the option chosen in a select or overflow; for a button it forges the value.
        `overrides` replace top-level keys of the payload (`team`, `api_app_id`, `user`, …).
        """
        return await self.people.click(
            who,
            self._place(where),
            ts,
            action_id=action_id,
            text=text,
            block_id=block_id,
            value=value,
            overrides=overrides,
        )

    async def click_view(
        self,
        who: str,
        view_id: str | None = None,
        *,
        action_id: str | None = None,
        text: str | None = None,
        block_id: str | None = None,
        value: object = None,
        overrides: Mapping[str, object] | None = None,
    ) -> Envelope:
        """Click in the top modal, in the view with this id, or in the Home tab (`home`)."""
        return await self.people.click_view(
            who,
            view_id,
            action_id=action_id,
            text=text,
            block_id=block_id,
            value=value,
            overrides=overrides,
        )

    async def submit(
        self,
        who: str,
        view_id: str | None = None,
        values: Mapping[str, object] | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> Envelope:
        """Fill in (`values` by action or block id) and send the top modal, or the one named."""
        return await self.people.submit(who, view_id, values, overrides)

    async def close_view(
        self, who: str, view_id: str | None = None, *, everything: bool = False
    ) -> Envelope | None:
        """Close the top modal, the one named, or all of them."""
        return await self.people.close_view(who, view_id, everything=everything)

    async def slash(
        self,
        who: str,
        where: str,
        command: str,
        text: str = "",
        *,
        overrides: Mapping[str, object] | None = None,
    ) -> Envelope:
        """Run a slash command; returns when acked or timed out."""
        return await self.people.slash(who, self._place(where), command, text, overrides)

    async def shortcut(
        self, who: str, callback_id: str, where: str | None = None, ts: str | None = None
    ) -> Envelope:
        """Run a global shortcut, or a message shortcut on the message `ts`."""
        place = None if where is None else self._place(where)
        return await self.people.shortcut(who, callback_id, place, ts)

    async def suggest(
        self, who: str, action_id: str, typed: str, *, where: str = "", ts: str = ""
    ) -> list[Json]:
        """Type into a select that asks the app, in a message or the top modal: what it offers."""
        place = self._place(where) if where else where
        return await self.people.suggest(who, action_id, typed, where=place, ts=ts)

    async def stop_session(self, who: str, where: str, thread_ts: str) -> None:
        """Press Stop beside the app's work in a thread."""
        self.people.stop_session(who, self._place(where), thread_ts)

    async def rename_session(self, who: str, where: str, thread_ts: str, title: str) -> None:
        """Give the app's session in a thread another title."""
        self.people.rename_session(who, self._place(where), thread_ts, title)
