"""The bus between processes: Redis publish/subscribe, one channel per workspace.

Redis is only faster: while it is away events are still told within the process, and rows say to
the others what they missed. After an outage an event may be heard twice.
"""

import asyncio
import random
import secrets
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal, cast, get_args, get_type_hints
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from bot.core.bus import Bus
from bot.core.errors import BadSettings
from bot.core.tasks import Tasks
from bot.core.values import Event, Thread

log = structlog.get_logger()

_VERSION = 1
_KINDS = frozenset(get_args(get_type_hints(Event)["kind"]))
_URGENT = frozenset({"stop", "yield"})  # never dropped: somebody waits for what they cause
_QUEUED = 1_000  # progress that waits to be sent; the oldest is dropped for the newest
_BATCH = 200
_LARGEST = 64 * 1024  # bytes of one message that are read at all
_TIMEOUT = 2.0  # seconds for one round trip
_QUIET = 5.0  # seconds of silence after which the subscription is tried
_FIRST = 1.0  # seconds that an opening waits for Redis
_FLUSH = 1.0  # seconds that a closing gives what is still to be sent
_SHORTEST, _LONGEST = 0.1, 5.0  # seconds between two tries to connect
_COMPLAIN = 30.0  # seconds between two log lines about what cannot be read
_AWAY = (RedisError, OSError, TimeoutError)

_Short = Annotated[str, Field(max_length=200)]


class _Envelope(BaseModel):
    """What every version of a message has."""

    model_config = ConfigDict(extra="ignore")

    v: int
    sender: str
    kind: str


class _Message(_Envelope):
    """One event as it travels, version 1."""

    org: _Short
    channel: _Short
    thread_ts: _Short
    run_id: UUID
    key: str = ""
    text: str = ""
    detail: str = ""
    failed: bool = False
    call_id: UUID | None = None

    @classmethod
    def of(cls, event: Event, sender: str) -> "_Message":
        return cls(
            v=_VERSION,
            sender=sender,
            kind=event.kind,
            org=event.thread.org,
            channel=event.thread.channel,
            thread_ts=event.thread.ts,
            run_id=event.run_id,
            key=event.key,
            text=event.text,
            detail=event.detail,
            failed=event.failed,
            call_id=event.call_id,
        )

    def event(self) -> Event:
        return Event(
            Thread(self.org, self.channel, self.thread_ts),
            self.run_id,
            # the reader has compared it with the kinds that there are
            cast('Literal["stop"]', self.kind),
            key=self.key,
            text=self.text,
            detail=self.detail,
            failed=self.failed,
            call_id=self.call_id,
        )


class _Queue:
    """What waits to be sent: urgent events first, each once; of progress the newest."""

    def __init__(self, size: int) -> None:
        self._urgent: dict[tuple[str, Thread, UUID], Event] = {}
        self._progress: deque[Event] = deque(maxlen=size)
        self.filled = asyncio.Event()
        self.dropped = 0

    def put(self, event: Event) -> None:
        if event.kind in _URGENT:
            self._urgent[event.kind, event.thread, event.run_id] = event
        else:
            self.dropped += len(self._progress) == self._progress.maxlen
            self._progress.append(event)
        self.filled.set()

    def take(self) -> list[Event]:
        """The next ones; they are gone from here. Nothing is lost that is put back."""
        taken = list(self._urgent.values())
        self._urgent.clear()
        while self._progress and len(taken) < _BATCH:
            taken.append(self._progress.popleft())
        if not self._progress:
            self.filled.clear()
        return taken

    def put_back(self, events: list[Event]) -> None:
        """They could not be sent: first in line again, as far as there is room."""
        for event in reversed(events):
            if event.kind in _URGENT:
                self._urgent.setdefault((event.kind, event.thread, event.run_id), event)
            elif len(self._progress) < (self._progress.maxlen or 0):
                self._progress.appendleft(event)
            else:
                self.dropped += 1
        self.filled.set()


class RedisBus(Bus):
    """Tells its own process at once and the others through Redis."""

    def __init__(self, redis: "Redis", org: str, size: int = _QUEUED) -> None:
        super().__init__()
        self._redis = redis
        self._org = org
        self._channel = f"countersign:events:{org}"
        self._id = secrets.token_hex(8)
        self._queue = _Queue(size)
        self._idle = asyncio.Event()  # nothing waits, and nothing is on its way
        self._idle.set()
        self._trouble: dict[str, str] = {"hearing": "not connected yet"}
        self._tried = asyncio.Event()  # the first try to connect has ended, well or not
        self._complained = -_COMPLAIN

    @property
    def away(self) -> str:
        return next(iter(self._trouble.values()), "")

    @property
    def dropped(self) -> int:
        """How many events other processes will never hear of."""
        return self._queue.dropped

    def publish(self, event: Event) -> None:
        """Tell all listeners here, and the other processes soon. Never blocks, never raises."""
        super().publish(event)
        self._idle.clear()
        self._queue.put(event)

    async def connected(self, seconds: float) -> None:
        """Wait for the first try to connect, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._tried.wait()
        except TimeoutError:
            log.warning("redis_away", error="no answer yet")

    async def flush(self, seconds: float) -> None:
        """Give what is still to be sent so much time, unless Redis is away."""
        if self._trouble:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.info("bus_not_flushed")

    # --- to the others ----------------------------------------------------------------------

    async def send(self) -> None:
        """Send what is published, for ever."""
        wait = _SHORTEST
        while True:
            await self._queue.filled.wait()
            events = self._queue.take()
            try:
                await self._send(events)
            except _AWAY as error:
                self._queue.put_back(events)
                self._lost("sending", error)
                await asyncio.sleep(_jittered(wait))
                wait = min(wait * 2, _LONGEST)
            else:
                self._back("sending")
                wait = _SHORTEST
                if not self._queue.filled.is_set():
                    self._idle.set()

    async def _send(self, events: list[Event]) -> None:
        async with asyncio.timeout(_TIMEOUT), self._redis.pipeline(transaction=False) as pipeline:
            for event in events:
                pipeline.publish(self._channel, _Message.of(event, self._id).model_dump_json())
            await pipeline.execute()

    # --- from the others --------------------------------------------------------------------

    async def hear(self) -> None:
        """Tell here what others publish, for ever."""
        wait = _SHORTEST
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    async with asyncio.timeout(_TIMEOUT):
                        await subscription.subscribe(self._channel)
                        await subscription.get_message(timeout=_TIMEOUT)
                    self._back("hearing")
                    wait = _SHORTEST
                    await self._read(subscription)
            except _AWAY as error:
                self._lost("hearing", error)
            await asyncio.sleep(_jittered(wait))
            wait = min(wait * 2, _LONGEST)

    async def _read(self, subscription: PubSub) -> None:
        """Read until the connection is lost, or does not answer any more."""
        asked = False
        while True:
            message = await subscription.get_message(timeout=_TIMEOUT if asked else _QUIET)
            if message is None:
                if asked:
                    raise TimeoutError
                async with asyncio.timeout(_TIMEOUT):
                    await subscription.ping()
            asked = message is None
            if message is not None and message["type"] == "message":
                self._received(message["data"])

    def _received(self, data: bytes) -> None:
        event = self._understood(data)
        if event is not None:
            # a listener's fault is the loop's to report, and must not end the hearing
            asyncio.get_running_loop().call_soon(self._tell_of_others, event)

    def _understood(self, data: bytes) -> Event | None:
        """The event, unless it is our own, of another workspace, newer than we are, or broken."""
        if len(data) > _LARGEST:
            self._complain("too large")
            return None
        try:
            envelope = _Envelope.model_validate_json(data)
            if envelope.v != _VERSION or envelope.kind not in _KINDS:
                return None
            if envelope.sender == self._id:
                return None
            message = _Message.model_validate_json(data)
        except ValidationError as error:
            self._complain(f"{error.error_count()} mistakes")
            return None
        return message.event() if message.org == self._org else None

    def _complain(self, why: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._complained >= _COMPLAIN:
            self._complained = now
            log.warning("bus_message_ignored", why=why)

    # --- how it goes ------------------------------------------------------------------------

    def _lost(self, what: str, error: Exception) -> None:
        self._tried.set()
        # the error's text may hold the address, and that a password
        name = type(error).__name__
        if not self._trouble or "not connected yet" in self._trouble.values():
            log.warning("redis_away", error=name)
        self._trouble[what] = f"no answer ({name})"

    def _back(self, what: str) -> None:
        self._tried.set()
        if self._trouble.pop(what, "") and not self._trouble:
            log.info("redis_connected")


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 -- no secret


@asynccontextmanager
async def open_bus(url: str, org: str) -> AsyncIterator[Bus]:
    """A workspace's bus, within the process and through Redis as well.

    Redis may be away, also at start. Raises `BadSettings` for what is no address of a Redis.
    """
    try:
        redis = Redis.from_url(
            url,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),  # we try again ourselves, and say so
            client_name="countersign",
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
    except (ValueError, TypeError) as error:
        raise BadSettings(
            ["REDIS_URL: an address such as redis://host:6379/0 or rediss://… is expected."]
        ) from error
    bus = RedisBus(redis, org)
    try:
        async with Tasks() as tasks:
            tasks.start("bus hearing", bus.hear())
            tasks.start("bus sending", bus.send())
            await bus.connected(_FIRST)
            yield bus
            await bus.flush(_FLUSH)
    finally:
        await redis.aclose()
