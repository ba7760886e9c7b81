"""The workspace: everything put together on one server, and what tests do and see there."""

import asyncio
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web

from bot.sandbox.slack.api import Api
from bot.sandbox.slack.control import Control
from bot.sandbox.slack.events import Events
from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.interactions import Interactions
from bot.sandbox.slack.limits import Limits
from bot.sandbox.slack.messages import Messages
from bot.sandbox.slack.methods import Services
from bot.sandbox.slack.model import (
    Breach,
    Call,
    Channel,
    Clock,
    Envelope,
    Group,
    Impossible,
    Json,
    Manifest,
    Settings,
    StoredFile,
    User,
    View,
)
from bot.sandbox.slack.people import People
from bot.sandbox.slack.socket import DisconnectReason, EnvelopeType, Hub
from bot.sandbox.slack.state import State, populate
from bot.sandbox.slack.tasks import Tasks
from bot.sandbox.slack.tickets import ResponseUrls, Triggers
from bot.sandbox.slack.views import Views

T = TypeVar("T")
_LARGEST_BODY = 64 * 1024 * 1024
_STOP_SECONDS = 2.0


class Workspace:
    """A Slack workspace with one installed app, on a loopback port of its own.

    People and channels are given by name or id; `@alice` as a channel is Alice's direct
    conversation with the app. Enter it with `async with`; on leaving, everything it started has
    ended, and a failure of its own background work is raised.
    """

    def __init__(self, manifest: Mapping[str, Any], settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.state = State(Manifest(manifest), self.settings)
        populate(self.state)
        self.faults = Faults()
        self._tasks = Tasks()
        self.hub = Hub(self.state, self.faults, self._tasks)
        self._events = Events(self.state, self.hub, self.faults)
        self._messages = Messages(self.state, self._events)
        self._views = Views(self.state)
        triggers = Triggers(self.state)
        self._response_urls = ResponseUrls(self.state, self._messages)
        self.people = People(
            self.state,
            self._events,
            self._messages,
            self._views,
            Interactions(self.state, self.hub, triggers, self._response_urls, self._views),
        )
        self._api = Api(
            Services(
                self.state,
                self.hub,
                self.faults,
                Limits(self.settings.post_burst),
                self._events,
                self._messages,
                self._views,
                triggers,
            )
        )
        self.control = Control(self.state, self.people, self.hub, self.faults, self._events)
        self._runner: web.AppRunner | None = None

    # --- life -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[self.control.check_host])
        app.router.add_route("GET", "/api/{method}", self._api.serve)
        app.router.add_route("POST", "/api/{method}", self._api.serve)
        app.router.add_get("/link/", self.hub.serve)
        app.router.add_post("/response/{team}/{key}", self._response_urls.serve)
        app.router.add_post("/upload/v1/{file}", self._api.upload)
        self.control.add_routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_SECONDS)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.settings.host, self.settings.port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        port = self._runner.addresses[0][1]
        self.state.base_url = f"http://127.0.0.1:{port}"
        self.hub.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.state.feed.close()
        try:
            await self._tasks.close()
        finally:
            await self.hub.close()
            if self._runner is not None:
                await self._runner.cleanup()

    # --- what the app needs to know ---------------------------------------------------------

    @property
    def api_url(self) -> str:
        """The Web API's base, with its trailing slash."""
        return f"{self.state.base_url}/api/"

    @property
    def page_url(self) -> str:
        """The browser page's address, with the token that lets one in."""
        return f"{self.state.base_url}/?token={self.control.token}"

    @property
    def bot_token(self) -> str:
        """The `xoxb-` token."""
        return self.state.bot_token

    @property
    def app_token(self) -> str:
        """The `xapp-` token, for Socket Mode only."""
        return self.state.app_token

    @property
    def bot_user_id(self) -> str:
        """The app's bot user."""
        return self.state.bot_user_id

    @property
    def team_id(self) -> str:
        """The workspace."""
        return self.state.team_id

    @property
    def clock(self) -> Clock:
        """The stand-in's time; `clock.advance(seconds)` moves it."""
        return self.state.clock

    def user_id(self, who: str) -> str:
        """The id of a person given by name."""
        return self.state.user(who).id

    def channel_id(self, where: str) -> str:
        """The id of a channel given by name."""
        return self._channel(where).id

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

    # --- what a test sees -------------------------------------------------------------------

    def messages(self, where: str, thread_ts: str | None = None) -> list[Json]:
        """Copies of all messages in time order, or of one thread's: its root and the replies."""
        channel = self._channel(where)
        found = (
            list(channel.messages.values())
            if thread_ts is None
            else self.state.thread(channel, thread_ts)
        )
        return copy.deepcopy(found)

    def app_messages(self, where: str, thread_ts: str | None = None) -> list[Json]:
        """Like `messages`, but only those of the app."""
        bot_id = self.state.bot_id
        return [m for m in self.messages(where, thread_ts) if m.get("bot_id") == bot_id]

    def ephemerals(self, who: str, where: str) -> list[Json]:
        """What only this person sees in a channel."""
        user_id = self.user_id(who)
        found = [m for m in self._channel(where).ephemerals if m["shown_to"] == user_id]
        return copy.deepcopy(found)

    def views(self, who: str) -> list[View]:
        """The modals open before a person, the top one last."""
        return self.state.stack(self.user_id(who))

    def home(self, who: str) -> View | None:
        """A person's Home tab, if the app has published one."""
        return self.state.homes.get(self.user_id(who))

    @property
    def files(self) -> list[StoredFile]:
        """All files, with their content."""
        return list(self.state.files.values())

    @property
    def calls(self) -> list[Call]:
        """All Web API calls in order of arrival."""
        return self.state.calls

    def calls_of(self, method: str) -> list[Call]:
        """The calls of one method."""
        return [call for call in self.state.calls if call.method == method]

    @property
    def violations(self) -> list[Breach]:
        """What the app did that Slack would not stand for; empty is good."""
        return self.state.violations

    @property
    def envelopes(self) -> list[Envelope]:
        """All deliveries in order, retries and duplicates included."""
        return self.state.envelopes

    @property
    def notices(self) -> list[Json]:
        """What Slack itself told people, for example `operation_timeout`."""
        return self.state.notices

    # --- waiting ----------------------------------------------------------------------------

    async def wait_for(
        self, predicate: Callable[[], T], timeout: float = 5.0, what: str = "what was awaited"
    ) -> T:
        """Return what `predicate` gives as soon as it is true; asked again at every change.

        Raises `TimeoutError` with the newest messages, calls and violations.
        """
        try:
            async with asyncio.timeout(timeout):
                while not (value := predicate()):
                    await self.state.feed.changed()
                return value
        except TimeoutError:
            raise TimeoutError(f"{what} did not happen in {timeout} s. {self._lately()}") from None

    async def wait_for_message(
        self, where: str, containing: str = "", thread_ts: str | None = None, timeout: float = 5.0
    ) -> Json:
        """Return the newest message of the app that shows this text (in `text` or blocks)."""

        def newest() -> Json | None:
            found = self.app_messages(where, thread_ts)
            return next((m for m in reversed(found) if containing in shown_text(m)), None)

        found = await self.wait_for(newest, timeout, f"a message with {containing!r}")
        return found or {}

    async def wait_for_sockets(self, count: int = 1, timeout: float = 5.0) -> None:
        """Return once the app holds this many sockets."""
        opened = f"{count} open sockets"
        await self.wait_for(lambda: len(self.hub.sockets) == count, timeout, opened)

    async def wait_for_view(self, who: str, timeout: float = 5.0) -> View:
        """Return the top modal as soon as one is open before this person."""
        stack = await self.wait_for(lambda: self.views(who), timeout, f"a modal for {who}")
        return stack[-1]

    async def settled(self, timeout: float = 5.0) -> None:
        """Return once no delivery waits for its acknowledgement."""
        await self.wait_for(
            lambda: all(envelope.outcome != "waiting" for envelope in self.envelopes),
            timeout,
            "the end of all deliveries",
        )

    # --- changing the workspace -------------------------------------------------------------

    def add_user(self, name: str, real_name: str = "", **flags: Any) -> str:
        """Add a person; `flags` are fields of `User` such as `is_restricted=True`."""
        flags.setdefault("team_id", self.team_id)
        user_id = str(flags.pop("id", "") or self.state.ids.next("U"))
        user = User(id=user_id, name=name, real_name=real_name or name.title(), **flags)
        return self.state.add_user(user).id

    def change_user(self, who: str, **flags: object) -> None:
        """Change a person's fields, for example `deleted=True`; a `user_change` follows."""
        self._events.user_changed(self.state.change_user(who, **flags))

    def add_channel(
        self, name: str, members: Iterable[str] = (), *, bot: bool = True, **details: object
    ) -> str:
        """Add a channel; `details` are fields of `Channel` such as `is_ext_shared=True`."""
        everyone = [*members, "app"] if bot else list(members)
        return self.state.add_channel(name, everyone, **details).id

    def change_channel(self, where: str, **details: object) -> None:
        """Change a channel's fields, for example `is_ext_shared=True` or `archived=True`."""
        channel = self._channel(where)
        for name, value in details.items():
            if not hasattr(channel, name):
                raise Impossible(f"A channel has no {name!r}.")
            setattr(channel, name, value)
        self.state.publish_channel(channel)

    def invite(self, who: str, where: str) -> None:
        """Make a person, or the app (`app`), a member."""
        user, channel = self.state.user(who), self._channel(where)
        if user.id not in channel.members:
            channel.members.append(user.id)
            self.state.publish_channel(channel)
            self._events.joined(channel, user)

    def remove(self, who: str, where: str) -> None:
        """End a membership."""
        user, channel = self.state.user(who), self._channel(where)
        if user.id in channel.members:
            self._events.joined(channel, user, left=True)
            channel.members.remove(user.id)
            self.state.publish_channel(channel)

    def set_group(
        self, handle: str, users: Iterable[str], *, name: str = "", disabled: bool = False
    ) -> str:
        """Make or change a user group and return its id."""
        members = [self.user_id(who) for who in users]
        known = [group for group in self.state.groups.values() if group.handle == handle]
        group = known[0] if known else Group(self.state.ids.next("S"), handle, name or handle)
        self.state.groups[group.id] = group
        added = [user for user in members if user not in group.users]
        removed = [user for user in group.users if user not in members]
        group.users, group.disabled = members, disabled
        self._events.group_changed(group, added, removed)
        return group.id

    # --- faults and forgeries ---------------------------------------------------------------

    async def disconnect(self, reason: DisconnectReason, number: int | None = None) -> None:
        """Send a `disconnect` frame to all sockets, or to one."""
        await self.hub.disconnect(reason, number)

    async def close_sockets(self, number: int | None = None) -> None:
        """Send a close frame."""
        await self.hub.close(number)

    async def abort_sockets(self, number: int | None = None) -> None:
        """Cut the TCP connections."""
        self.hub.abort(number)

    def revoke_tokens(self) -> None:
        """Revoke the bot token; the app hears `tokens_revoked`."""
        self.faults.revoked.add(self.bot_token)
        self._events.tokens_revoked()

    async def inject_envelope(self, kind: EnvelopeType, payload: Json) -> Envelope:
        """Deliver any payload at all; returns when acked or timed out."""
        return await self.hub.deliver(kind, payload)

    async def redeliver(self, envelope: Envelope, *, attempt: int = 1) -> Envelope:
        """Deliver an envelope's payload again, in a new envelope; events as a retry."""
        if envelope.type == "events_api":
            return await self.hub.deliver(
                "events_api", envelope.payload, attempt=attempt, reason="timeout"
            )
        kind: EnvelopeType = (
            "slash_commands" if envelope.type == "slash_commands" else "interactive"
        )
        return await self.hub.deliver(kind, envelope.payload)

    def inject_event(self, event: Json, where: str | None = None) -> None:
        """Send any event, wrapped and retried like Slack's own, whatever is subscribed."""
        channel = None if where is None else self._channel(where)
        self.hub.deliver_event(self._events.wrap(event, channel))

    # --- details ----------------------------------------------------------------------------

    def _channel(self, where: str) -> Channel:
        if where.startswith("@"):
            return self.state.direct(where)
        return self.state.channel(where)

    def _place(self, where: str) -> str:
        return self._channel(where).id if where.startswith("@") else where

    def _lately(self) -> str:
        said = [
            f"{channel.name}: {shown_text(message)[:150]!r}"
            for channel in self.state.channels.values()
            for message in list(channel.messages.values())[-4:]
        ]
        called = [f"{call.method} {call.error or 'ok'}" for call in self.calls[-8:]]
        broken = [f"{breach.where}: {breach.code}" for breach in self.violations[-5:]]
        lately = f"Lately said: {said}. Called: {called}. Violations: {broken}."
        return f"{lately} Sockets: {len(self.hub.sockets)}. Notices: {self.notices[-3:]}."


def shown_text(message: Json) -> str:
    """All text that a message shows: its `text` and every text in its blocks."""
    parts: list[str] = []
    _collect({"text": message.get("text", ""), "blocks": message.get("blocks", [])}, parts)
    return "\n".join(parts)


def _collect(node: object, parts: list[str]) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "text" and isinstance(value, str):
                parts.append(value)
            else:
                _collect(value, parts)
    elif isinstance(node, list):
        for item in node:
            _collect(item, parts)
