"""What people do in the client: what tests and the control API both act through."""

from collections.abc import Mapping, Sequence
from typing import Unpack
from urllib.parse import quote

from bot.sandbox.slack.events import Events
from bot.sandbox.slack.interactions import Interactions, Message, Use
from bot.sandbox.slack.messages import Messages
from bot.sandbox.slack.model import Channel, Envelope, Impossible, Json, StoredFile, User
from bot.sandbox.slack.sights import Sights
from bot.sandbox.slack.streams import Streams
from bot.sandbox.slack.views import Views
from bot.sandbox.validate import validate


class People(Sights):
    """The part that acts as any user, by name or id; raises `Impossible` for what Slack's client
    would not let them do.
    """

    _events: Events
    _messages: Messages
    _views: Views
    _interactions: Interactions
    _streams: Streams

    async def post(
        self,
        who: str,
        where: str,
        text: str,
        thread_ts: str | None = None,
        files: Sequence[tuple[str, bytes]] = (),
    ) -> str:
        """Post `text` (in Slack's escaped form) and return its `ts`."""
        user, channel = self._writer(who, where)
        if thread_ts is not None:
            self.state.message(channel.id, thread_ts)
        stored = [self._store(user, channel, name, content) for name, content in files]
        message = self._messages.by_user(user, channel, text, thread_ts, stored)
        return str(message["ts"])

    async def post_as_bot(
        self, who: str, where: str, content: Mapping[str, object], thread_ts: str | None = None
    ) -> str:
        """Another app's bot posts, with attachments or blocks of its own; the message's `ts`."""
        user, channel = self._writer(who, where)
        if not user.is_bot or user.id == self.state.bot_user_id:
            raise Impossible(f"{user.name} is no other bot.")
        if thread_ts is not None:
            self.state.message(channel.id, thread_ts)
        if violations := validate(dict(content), "message"):
            raise Impossible(f"Slack would refuse it: {violations[0].message}")
        return str(self._messages.by_bot(user, channel, dict(content), thread_ts)["ts"])

    async def mention(self, who: str, where: str, text: str, thread_ts: str | None = None) -> str:
        """Post a message that begins with the app's mention."""
        return await self.post(who, where, f"<@{self.bot_user_id}> {text}", thread_ts)

    async def dm(self, who: str, text: str, thread_ts: str | None = None) -> str:
        """Write to the app directly."""
        return await self.post(who, "app", text, thread_ts)

    async def edit(self, who: str, where: str, ts: str, text: str) -> None:
        """Edit an own message."""
        user, channel, message = self._own(who, where, ts)
        del user
        self._messages.edit_by_user(channel, message, text)

    async def delete(self, who: str, where: str, ts: str) -> None:
        """Delete an own message; an admin may delete any."""
        _, channel, message = self._own(who, where, ts, admins=True)
        self._messages.delete(channel, message)

    def delete_of_app(self) -> None:
        """Delete the newest message of the app, wherever it stands, as an admin might."""
        written = [
            (message["ts"], channel, message)
            for channel in self.state.channels.values()
            for message in channel.messages.values()
            if message.get("bot_id") == self.state.bot_id
        ]
        if written:
            _, channel, message = max(written, key=lambda one: str(one[0]))
            self._messages.delete(channel, message)

    async def react(
        self, who: str, where: str, ts: str, name: str, *, remove: bool = False
    ) -> None:
        """Add or remove a reaction."""
        user, channel = self._writer(who, where)
        message = self.state.message(channel.id, ts)
        self._messages.react(channel, message, user.id, name.strip(":"), remove=remove)

    async def open_home(self, who: str, tab: str = "home") -> None:
        """Open the app's Home or Messages tab."""
        user = self._active(who)
        home = self.state.homes.get(user.id)
        view = None if home is None else self.state.show_view(home)
        self._events.home_opened(user, tab, view)

    async def click(self, who: str, where: str, ts: str, **use: Unpack[Use]) -> Envelope:
        """Use a button, select or overflow of a message or of an ephemeral one; returns when acked
        or timed out.
        """
        user = self._active(who)
        channel = self.place(user, where)
        message = self._seen(user, channel, ts)
        return await self._interactions.click(user, channel, message, use)

    async def click_view(
        self, who: str, view_id: str | None = None, **use: Unpack[Use]
    ) -> Envelope:
        """Use an element of the top modal, the view with this id, or the Home tab (`home`)."""
        user = self._active(who)
        home = self.state.homes.get(user.id)
        if home is not None and view_id in {"home", home.id}:
            view = home
        else:
            view = self._views.before(user.id, view_id)
        return await self._interactions.click_view(user, view, use)

    async def submit(
        self,
        who: str,
        view_id: str | None = None,
        values: Mapping[str, object] | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> Envelope:
        """Fill in (`values` by action or block id) and send the top modal, or the one named."""
        user = self._active(who)
        view = self._views.before(user.id, view_id)
        return await self._interactions.submit(user, view, values or {}, overrides)

    async def close_view(
        self, who: str, view_id: str | None = None, *, everything: bool = False
    ) -> Envelope | None:
        """Close the top modal, the one with this id, or all."""
        user = self._active(who)
        view = self._views.before(user.id, view_id)
        return await self._interactions.close(user, view, everything=everything)

    async def slash(
        self,
        who: str,
        where: str,
        command: str,
        text: str = "",
        overrides: Mapping[str, object] | None = None,
    ) -> Envelope:
        """Run a slash command; returns when acked or timed out."""
        user, channel = self._writer(who, where)
        return await self._interactions.slash(user, channel, command, text, overrides)

    async def shortcut(
        self,
        who: str,
        callback_id: str,
        where: str | None = None,
        ts: str | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> Envelope:
        """Run a global shortcut, or a message shortcut on the message `ts`."""
        user = self._active(who)
        if where is None or ts is None:
            return await self._interactions.shortcut(user, callback_id, overrides=overrides)
        channel = self.place(user, where)
        message = self._seen(user, channel, ts)
        return await self._interactions.shortcut(user, callback_id, channel, message, overrides)

    async def suggest(
        self, who: str, action_id: str, typed: str, *, where: str = "", ts: str = ""
    ) -> list[Json]:
        """Type into a select that asks the app; in a message, or else in the top modal."""
        user = self._active(who)
        if not ts:
            view = self._views.before(user.id, None)
            return await self._interactions.suggest(user, view, action_id, typed)
        channel = self.place(user, where)
        shown = Message(channel, self._seen(user, channel, ts))
        return await self._interactions.suggest(user, shown, action_id, typed)

    async def stop_session(self, who: str, where: str, thread_ts: str) -> None:
        """Press Stop beside an agent's work; its streams end here and now."""
        user, channel = self._writer(who, where)
        session = self.state.sessions.get((channel.id, thread_ts))
        if session is None or session.status_at(self.state.clock.now()) != "processing":
            raise Impossible(f"Nothing works in the thread {thread_ts}.")
        running = self._streams.in_thread(channel, thread_ts)
        for stream in running:
            self._streams.end(stream, "stopped")
        stopped = [str(stream.message["ts"]) for stream in running]
        self._events.session_stopped(channel, user, thread_ts, stopped)

    async def rename_session(self, who: str, where: str, thread_ts: str, title: str) -> None:
        """Give an agent's session another title."""
        user, channel = self._writer(who, where)
        session = self.state.sessions.get((channel.id, thread_ts))
        if session is None:
            raise Impossible(f"There is no session in the thread {thread_ts}.")
        if not 1 <= len(title) <= 200:
            raise Impossible("A title has 1 to 200 characters.")
        before, session.title = session.title, title
        self.state.feed.publish("session", session.as_json(self.state.clock.now()))
        self._events.session_renamed(channel, user, thread_ts, title, before)

    def place(self, user: User, where: str) -> Channel:
        """A channel that this person is in; `app` or their own `@name` is the app's DM."""
        if where in {"app", f"@{user.name}"}:
            return self.state.direct(user.id)
        channel = self.state.channel(where)
        if user.id not in channel.members:
            raise Impossible(f"{user.name} is not in {channel.name}.")
        return channel

    def _active(self, who: str) -> User:
        user = self.state.user(who)
        if user.deleted:
            raise Impossible(f"{user.name} is deactivated and cannot do anything.")
        return user

    def _writer(self, who: str, where: str) -> tuple[User, Channel]:
        user = self._active(who)
        channel = self.place(user, where)
        if channel.archived:
            raise Impossible(f"{channel.name} is archived.")
        return user, channel

    def _own(
        self, who: str, where: str, ts: str, *, admins: bool = False
    ) -> tuple[User, Channel, Json]:
        user, channel = self._writer(who, where)
        message = self.state.message(channel.id, ts)
        if message.get("user") != user.id and not (admins and user.is_admin):
            raise Impossible(f"{user.name} did not write message {ts}.")
        return user, channel, message

    def _seen(self, user: User, channel: Channel, ts: str) -> Json:
        for message in channel.ephemerals:
            if message["ts"] == ts and message["shown_to"] == user.id:
                return message
        return self.state.message(channel.id, ts)

    def _store(self, user: User, channel: Channel, name: str, content: bytes) -> StoredFile:
        file_id = self.state.ids.next("F")
        file = StoredFile(
            file_id,
            name,
            len(content),
            user.id,
            content=content,
            complete=True,
            channels=[channel.id],
            url=f"{self.state.base_url}/files/{file_id}/{quote(name, safe='')}",
        )
        self.state.files[file.id] = file
        self.state.feed.publish("file", file.as_json())
        return file
