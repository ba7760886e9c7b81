"""What a test sees of a workspace, and how it waits for that."""

import asyncio
import copy
from collections.abc import Callable
from typing import TypeVar

from bot.sandbox.slack.clock import Clock
from bot.sandbox.slack.model import Breach, Call, Channel, Envelope, Json, StoredFile, View
from bot.sandbox.slack.socket import Hub
from bot.sandbox.slack.state import State

T = TypeVar("T")


class Sights:
    """The part of the workspace that only looks."""

    state: State
    hub: Hub

    # --- what the app needs to know ---------------------------------------------------------

    @property
    def api_url(self) -> str:
        """The Web API's base, with its trailing slash."""
        return f"{self.state.base_url}/api/"

    @property
    def page_url(self) -> str:
        """The browser page's address, with the token that lets one in."""
        return f"{self.state.base_url}/?token={self.state.page_token}"

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
        """The Web API calls in order of arrival, the newest `Settings.records` of them."""
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
        """The deliveries in order, retries and duplicates included; as many as of the calls."""
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

    # --- details ----------------------------------------------------------------------------

    def _channel(self, where: str) -> Channel:
        if where.startswith("@"):
            return self.state.direct(where)
        return self.state.channel(where)

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
