"""Our sockets to Slack: several at once, watched, rebuilt where the client cannot help itself."""

import asyncio
import logging
import random
import time
from collections.abc import Callable

import structlog
from aiohttp import ClientError, WSMessage
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode.aiohttp import SocketModeClient

from bot.core.errors import BadSettings
from bot.slack.api import TOKEN_REFUSED, Identity, Limited, Refused, SlackApi, Uncertain

__all__ = ["Identity", "Sockets", "check_tokens"]

log = structlog.get_logger()

_PING = 10.0  # seconds between two pings of ours
_QUIET = 5  # pings without an answer: one more than the client itself waits for
_CHECK = 1.0  # seconds between two looks at a socket
_GRACE = 3.0  # seconds that the client has for coming back by itself
_CONNECT = 20.0
_CLOSE = 3.0
_LONGEST_WAIT = 30.0

_BOT, _APP = "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"
_NO_BOT = ("xapp-", "xoxp-", "xoxc-", "xoxs-")


async def check_tokens(api: SlackApi, app_token: str) -> Identity:
    """Who we are. Raises `BadSettings` with a sentence for each token that Slack will not take,
    and `Uncertain` or `Limited` where Slack does not answer.
    """
    mistakes: list[str] = []
    identity: Identity | None = None
    try:
        # also warms Bolt's way to Slack: it asks the same before the first event
        identity = await api.auth_test()
    except Refused as refused:
        mistakes.append(_mistake(_BOT, refused.code))
    if identity is not None and str(api.client.token).startswith(_NO_BOT):
        # Slack tells any kind of token whose it is
        mistakes.append(_mistake(_BOT, "not_allowed_token_type"))
    try:
        await api.try_app_token(app_token)
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
    if code == "not_allowed_token_type":
        return f"{name}: this is no {kind} token ({code}); one begins with {begins}."
    if code == "missing_scope":
        scope = "connections:write" if name == _APP else "those of manifest.yml"
        return f"{name}: the token lacks a scope ({code}): {scope}."
    return f"{name}: Slack refuses this token ({code})."


class _Socket:
    """One connection's life: built, watched, closed, and built anew."""

    def __init__(self, build: Callable[[], AsyncSocketModeHandler], ping: float) -> None:
        self._handler = build()
        self._ping = ping
        self._heard_at = time.monotonic()
        self._down_since: float | None = None
        self._client.on_message_listeners.append(self._heard)
        self._pong: float | None = None

    @property
    def _client(self) -> SocketModeClient:
        return self._handler.client

    @property
    def up(self) -> bool:
        """Whether frames can come in now, as far as the client knows."""
        client = self._client
        session = client.current_session
        return not (client.closed or client.stale or session is None or session.closed)

    async def connect(self, seconds: float) -> bool:
        """Whether it is connected; the client alone would try for ever."""
        try:
            async with asyncio.timeout(seconds):
                await self._handler.connect_async()  # type: ignore[no-untyped-call]
        except (TimeoutError, ClientError, SlackClientError, OSError) as error:
            log.warning("socket_not_connected", error=type(error).__name__)
            return False
        self._heard_at = time.monotonic()
        return self.up

    def dead(self, grace: float) -> str:
        """Why it has to be built anew; empty while it works or may still help itself."""
        now = time.monotonic()
        if not self.up:
            self._down_since = self._down_since or now
            return "down" if now - self._down_since > grace else ""
        self._down_since = None
        if self._client.last_ping_pong_time != self._pong:
            self._pong = self._client.last_ping_pong_time
            self._heard_at = now
        return "silent" if now - self._heard_at > _QUIET * self._ping else ""

    async def close(self, seconds: float) -> None:
        """Close it; Slack may never finish the close handshake."""
        try:
            async with asyncio.timeout(seconds):
                await self._handler.close_async()  # type: ignore[no-untyped-call]
        except (TimeoutError, ClientError, OSError) as error:
            log.info("socket_close_cut", error=type(error).__name__)
            await self._client.aiohttp_client_session.close()
        # the client cancels its tasks without waiting for their end
        await asyncio.sleep(0)

    async def _heard(self, message: WSMessage) -> None:  # noqa: ARG002 -- the client calls it so
        self._heard_at = time.monotonic()


class Sockets:
    """`count` sockets on one app: when one goes, the others still hear.

    `ping`, `check` and `grace` are seconds: between pings, between looks at a socket, and for the
    client's own attempts to come back.
    """

    def __init__(
        self,
        app: AsyncApp,
        app_token: str,
        *,
        count: int = 2,
        ping: float = _PING,
        check: float = _CHECK,
        grace: float = _GRACE,
    ) -> None:
        self._app = app
        self._token = app_token
        self._count = count
        self._ping = ping
        self._check = check
        self._grace = grace
        self._sockets: dict[int, _Socket] = {}
        # its lines hold the socket's address with its ticket, and say what we say ourselves
        self._silent = logging.getLogger("countersign.sockets")
        self._silent.setLevel(logging.CRITICAL + 1)

    @property
    def connected(self) -> int:
        """How many sockets Slack can send to now."""
        return sum(socket.up for socket in self._sockets.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Keep all of them open until `stop`, then close them, so that no new events come in."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._count):
                group.create_task(self._keep(number, stop), name=f"socket {number}")

    async def _keep(self, number: int, stop: asyncio.Event) -> None:
        failures = 0
        while not stop.is_set():
            socket = self._sockets[number] = _Socket(self._build, self._ping)
            try:
                if await self._connected(socket, stop):
                    failures = 0
                    log.info("socket_connected", number=number, connected=self.connected)
                    why = await self._watch(socket, stop)
                    if why:
                        log.warning("socket_rebuilt", number=number, why=why)
                elif not stop.is_set():
                    failures += 1
                    log.warning("socket_refused", number=number, failures=failures)
            finally:
                await socket.close(_CLOSE)
                del self._sockets[number]
            if failures:
                wait = min(2.0 ** (failures - 1), _LONGEST_WAIT)
                await _wait(stop, wait * random.uniform(0.8, 1.2))  # noqa: S311 -- no secret

    async def _connected(self, socket: _Socket, stop: asyncio.Event) -> bool:
        """Connect, unless a stop comes first."""
        async with asyncio.TaskGroup() as group:
            connecting = group.create_task(socket.connect(_CONNECT), name="connect")
            stopping = group.create_task(stop.wait(), name="stop while connecting")
            await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not connecting.done():
                connecting.cancel()
                return False
        return connecting.result()

    async def _watch(self, socket: _Socket, stop: asyncio.Event) -> str:
        """Look at it until it has to be built anew, and why; empty when it is time to stop."""
        while not await _wait(stop, self._check):
            if why := socket.dead(self._grace):
                return why
        return ""

    def _build(self) -> AsyncSocketModeHandler:
        handler = AsyncSocketModeHandler(
            self._app, self._token, logger=self._silent, ping_interval=self._ping
        )
        # taken from the environment by the client itself, which ignores NO_PROXY
        handler.client.proxy = None
        return handler


async def _wait(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for a stop, at most so long; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True
