"""Our sockets to Slack: several at once, watched, rebuilt where the client cannot help itself."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import ClientError, WSMessage
from slack_bolt.adapter.socket_mode.async_internals import (
    run_async_bolt_app,
    send_async_response,
)
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.core.errors import BadSettings
from bot.slack.api import (
    TOKEN_REFUSED,
    Identity,
    Limited,
    Refused,
    SlackApi,
    SlackProblem,
    Uncertain,
)

__all__ = ["Identity", "Pauses", "Sockets", "check_tokens"]

log = structlog.get_logger()

_QUIET = 5  # pings without an answer
_CONNECT = 10.0
_CLOSE = 3.0
_ANSWER = 2.0  # seconds of it for what was heard and is not acked yet
_LONGEST_WAIT = 30.0
_SHORT = 5.0  # seconds: a life as short as that is a failure, if it is not the only one
_LOOK_AGAIN = 10  # times the doubt: between two looks whether a foreign connection is still there
_TOO_MANY, _COUNT = "too_many_websockets", "count"
# Slack does it every few hours, and we do
_LEVELS = dict.fromkeys(("warning", "refresh_requested", _COUNT), logging.INFO)

_BOT, _APP = "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"
_NO_BOT = ("xapp-", "xoxp-", "xoxc-", "xoxs-")


async def check_tokens(api: SlackApi, app_token: str) -> Identity:
    """Who we are. Raises `BadSettings` with a sentence for each token that Slack will not take,
    and `Uncertain` or `Limited` where Slack does not answer.
    """
    mistakes: list[str] = []
    identity: Identity | None = None
    try:
        identity = await api.auth_test()
    except Refused as refused:
        mistakes.append(_mistake(_BOT, refused.code))
    if identity is not None and str(api.client.token).startswith(_NO_BOT):
        # Slack tells any kind of token whose it is
        mistakes.append(_mistake(_BOT, "not_allowed_token_type"))
    try:
        await api.socket_url(app_token)
    except Refused as refused:
        mistakes.append(_mistake(_APP, refused.code))
    except (Limited, Uncertain) as problem:
        # no fault of the token's: the sockets will try on their own
        log.warning("app_token_not_tried", why=str(problem))
    if identity is None or mistakes:
        raise BadSettings(mistakes)
    return identity


def _mistake(name: str, code: str) -> str:
    kind, begins = ("bot", "xoxb-") if name == _BOT else ("app-level", "xapp-")
    if code in TOKEN_REFUSED:
        return f"{name}: Slack does not accept this token ({code})."
    if code == "link_disabled":
        return f"{name}: Socket Mode is off ({code}): turn it on, at https://api.slack.com/apps."
    if code == "not_allowed_token_type":
        return f"{name}: this is no {kind} token ({code}); one begins with {begins}."
    if code == "missing_scope":
        scope = "connections:write" if name == _APP else "those of manifest.yml"
        return f"{name}: the token lacks a scope ({code}): {scope}."
    return f"{name}: Slack refuses this token ({code})."


class _Client(SocketModeClient):
    """The SDK's, for one connection: to change it, the SDK would close the old one first, and what
    is under way there, such as a click, would be lost. It says what Slack tells about itself.
    """

    def __init__(self, app: AsyncApp, app_token: str, ping: float, logger: logging.Logger) -> None:
        super().__init__(
            app_token,
            logger=logger,
            web_client=app.client,
            auto_reconnect_enabled=False,
            ping_interval=ping,
        )
        self.default_auto_reconnect_enabled = False
        # taken from the environment by the client itself, which ignores NO_PROXY
        self.proxy = None
        self.heard_at = time.monotonic()
        self.told_to_leave = ""  # why, in Slack's word
        self.greeting: Callable[[int], None] = lambda _: None
        self.stirred = asyncio.Event()  # something about the connection itself has changed
        self.idle = asyncio.Event()  # nothing that was heard waits for its ack
        self.idle.set()
        self._app = app
        self._answering = 0
        self.socket_mode_request_listeners.append(self._answer)
        self.on_close_listeners.append(self._ended)
        self.on_error_listeners.append(self._ended)

    async def run_message_listeners(self, message: dict[str, Any], raw_message: str) -> None:
        """One frame."""
        self.heard_at = time.monotonic()
        match message.get("type"):
            case "hello":
                count = message.get("num_connections")
                self.greeting(count if isinstance(count, int) else 0)
            case "disconnect":
                self.told_to_leave = str(message.get("reason") or "disconnect")
                self.stirred.set()
            case _:
                await super().run_message_listeners(message, raw_message)

    async def _answer(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        began = time.time()
        self._answering += 1
        self.idle.clear()
        try:
            answer = await run_async_bolt_app(self._app, request)
            await send_async_response(client, request, answer, began)
        finally:
            self._answering -= 1
            if not self._answering:
                self.idle.set()

    async def _ended(self, _: WSMessage) -> None:
        self.stirred.set()


class _Socket:
    """One connection's life: built, watched, closed."""

    def __init__(self, client: _Client, number: int) -> None:
        self.client = client
        self.number = number
        self._pong: float | None = None

    @property
    def up(self) -> bool:
        """Whether frames can come in now, as far as the client knows."""
        client = self.client
        session = client.current_session
        return not (client.closed or session is None or session.closed)

    async def connect(self, url: str, seconds: float) -> bool:
        """Whether it is connected; the client alone would try for ever."""
        self.client.wss_uri = url
        try:
            async with asyncio.timeout(seconds):
                await self.client.connect()  # type: ignore[no-untyped-call]
        except (TimeoutError, ClientError, OSError) as error:
            log.warning("socket_not_connected", error=type(error).__name__)
            return False
        self.client.heard_at = time.monotonic()
        return self.up

    def over(self) -> str:
        """Why another one has to take its place; empty while it is good."""
        if self.client.told_to_leave:
            return self.client.told_to_leave
        if not self.up:
            return "down"
        if self.client.last_ping_pong_time != self._pong:
            self._pong = self.client.last_ping_pong_time
            self.client.heard_at = time.monotonic()
        quiet = time.monotonic() - self.client.heard_at
        return "silent" if quiet > _QUIET * self.client.ping_interval else ""

    async def close(self) -> None:
        """Close it, once what it has heard is acked; Slack may never finish the handshake."""
        try:
            async with asyncio.timeout(_CLOSE):
                if self.up:
                    await _wait(self.client.idle, _ANSWER)
                await self.client.close()  # type: ignore[no-untyped-call]
        except (TimeoutError, ClientError, OSError) as error:
            log.info("socket_close_cut", error=type(error).__name__)
            await self.client.aiohttp_client_session.close()
        # the client cancels its tasks without waiting for their end
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Pauses:
    """Seconds: between pings; between looks at a socket; for which one that Slack takes away stays
    beside the one in its place; after which a connection that is not ours is believed in.
    """

    ping: float = 10.0
    check: float = 1.0
    linger: float = 10.0
    doubt: float = 60.0


class Sockets:
    """`count` sockets on one app: when one goes, the others still hear, and the next one is open
    before it is closed.
    """

    def __init__(
        self,
        app: AsyncApp,
        api: SlackApi,
        app_token: str,
        *,
        count: int = 2,
        pauses: Pauses | None = None,
    ) -> None:
        self.trouble = ""  # why Slack gave no socket when it was last asked
        self.elsewhere = 0  # sockets that other processes of ours hold
        self.foreign = 0  # sockets on our app that nobody of ours holds
        self._app = app
        self._api = api
        self._token = app_token
        self._count = count
        self._pauses = pauses or Pauses()
        self._sockets: dict[int, _Socket] = {}
        self._open: set[_Socket] = set()
        self._first = asyncio.Event()
        self._doubt_since = 0.0
        self._look_again_at = float("inf")
        # its lines hold the socket's address with its ticket, and say what we say ourselves
        self._silent = logging.getLogger("countersign.sockets")
        self._silent.setLevel(logging.CRITICAL + 1)

    @property
    def connected(self) -> int:
        """How many sockets Slack can send to now."""
        return sum(socket.up for socket in self._sockets.values())

    @property
    def held(self) -> int:
        """How many Slack may count as ours: also those that it takes away."""
        return sum(socket.up for socket in self._open)

    async def first(self, seconds: float) -> None:
        """Wait until one has been connected, but no longer than this."""
        await _wait(self._first, seconds)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep all of them open until `stop`, then close them, so that no new events come in."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._count):
                group.create_task(self._keep(number, stop, group), name=f"socket {number}")
            await stop.wait()
            for socket in self._open:
                socket.client.stirred.set()

    async def _keep(self, number: int, stop: asyncio.Event, group: asyncio.TaskGroup) -> None:
        failures = 0
        while not stop.is_set():
            socket = await self._next(number, stop)
            if socket is None:
                failures += 1
                await _pause(failures, stop)
                continue
            if (old := self._sockets.get(number)) is not None:
                group.create_task(self._see_out(old, stop), name=f"socket {number} leaving")
            self._sockets[number] = socket
            self._first.set()
            log.info("socket_connected", number=number, connected=self.connected)
            began = time.monotonic()
            why = await self._watch(socket, stop)
            if why:
                level = _LEVELS.get(why, logging.WARNING)
                log.log(level, "socket_renewed", number=number, why=why)
            if why == _TOO_MANY:
                await self._close(socket)  # there is no room for another one beside it
            # one that was soon lost is followed at once; if that goes on, Slack is not hammered
            failures = failures + 1 if time.monotonic() - began < _SHORT else 0
            if failures > 1 or why == _TOO_MANY:
                await _pause(max(failures - 1, 1), stop)
        if (last := self._sockets.pop(number, None)) is not None:
            await self._close(last)

    async def _next(self, number: int, stop: asyncio.Event) -> _Socket | None:
        """A new connection; None where there is none to be had, or a stop came first."""
        client = _Client(self._app, self._token, self._pauses.ping, self._silent)
        client.greeting = self._greeted
        socket = _Socket(client, number)
        self._open.add(socket)
        good = False
        try:
            good = await _unless(stop, self._connect(socket))
        finally:
            if not good:
                await self._close(socket)
        return socket if good else None

    async def _connect(self, socket: _Socket) -> bool:
        try:
            url = await self._api.socket_url(self._token)
        except Limited as limited:
            log.warning("socket_limited", number=socket.number, seconds=limited.seconds)
            await asyncio.sleep(limited.seconds)
            return False
        except SlackProblem as problem:
            self.trouble = (
                _mistake(_APP, problem.code)
                if isinstance(problem, Refused)
                else f"Slack gives no socket ({problem})."
            )
            log.warning("socket_refused", number=socket.number, why=self.trouble)
            return False
        if not await socket.connect(url, _CONNECT):
            self.trouble = "The connection to a socket's address fails."
            return False
        self.trouble = ""
        return True

    async def _watch(self, socket: _Socket, stop: asyncio.Event) -> str:
        """Look at it until another has to take its place, and why; empty at a stop."""
        while not stop.is_set():
            if why := socket.over():
                return why
            if socket.number == 0 and time.monotonic() >= self._look_again_at:
                self._look_again_at = float("inf")  # the next hello says when
                return _COUNT
            await _wait(socket.client.stirred, self._pauses.check)
        return ""

    async def _see_out(self, socket: _Socket, stop: asyncio.Event) -> None:
        """What Slack still sends on it is heard until Slack closes it, or for a while."""
        until = time.monotonic() + self._pauses.linger
        while socket.up and not stop.is_set() and time.monotonic() < until:
            await _wait(stop, min(self._pauses.check, self._pauses.linger))
        await self._close(socket)

    async def _close(self, socket: _Socket) -> None:
        await socket.close()
        self._open.discard(socket)

    # --- who else is there ------------------------------------------------------------------

    def _greeted(self, count: int) -> None:
        """Slack says at each hello how many sockets the app has.

        One that broke is counted for a moment, and what other processes of ours hold is known only
        as of a moment ago: what is too many has to be so again later before it is told.
        """
        more, now = count - self.held - self.elsewhere, time.monotonic()
        if more <= 0:
            if self.foreign:
                log.info("foreign_connection_gone")
            self.foreign, self._doubt_since, self._look_again_at = 0, 0.0, float("inf")
        elif not self._doubt_since:
            self._doubt_since, self._look_again_at = now, now + self._pauses.doubt
        elif now - self._doubt_since >= self._pauses.doubt:
            self.foreign, self._look_again_at = more, now + _LOOK_AGAIN * self._pauses.doubt
            log.warning(
                "foreign_connection",
                connections=more,
                mend="another program uses SLACK_APP_TOKEN and gets a part of what people say: "
                "stop it, or give it an app of its own",
            )


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, bool]) -> bool:
    """Whether `work` succeeded, unless a stop comes first: then it is cut off."""
    async with asyncio.TaskGroup() as group:
        working = group.create_task(work, name="connect")
        stopping = group.create_task(stop.wait(), name="stop while connecting")
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            working.cancel()
            return False
    return working.result()


async def _pause(failures: int, stop: asyncio.Event) -> None:
    """Longer after each failure; a stop ends it."""
    wait = min(2.0 ** (failures - 1), _LONGEST_WAIT)
    await _wait(stop, wait * random.uniform(0.8, 1.2))  # noqa: S311 -- no secret


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most so long; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
