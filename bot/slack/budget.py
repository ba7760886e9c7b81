"""How often we may call Slack: a bucket per method, and lanes: what must be heard goes first.

With Redis the buckets are one for all processes; each keeps its own as what it knows of them.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from bot.core.buckets import SharedBuckets, Taken
from bot.slack.api import Limited, Method


class Lane(IntEnum):
    """Who goes first; the first three are the outbox's lanes."""

    CARD = 0
    ANSWER = 1
    REST = 2
    PROGRESS = 3


@dataclass(frozen=True)
class Pace:
    """At most `burst + per_minute` calls in any minute."""

    burst: float
    per_minute: float

    def times(self, factor: float) -> "Pace":
        return Pace(self.burst * factor, self.per_minute * factor)


# Slack's tiers, kept a little under: a burst and a minute of refill together are the tier's figure.
# A modal has three seconds, and sockets pauses of their own: neither waits for a token.
_TIER_2, _TIER_3, _TIER_4 = Pace(4, 16), Pace(10, 40), Pace(20, 80)
_PACES: Mapping[Method, Pace] = {
    Method.POST: Pace(300, 300),
    Method.UPDATE: _TIER_3,  # of all our messages in a workspace together
    Method.DELETE: _TIER_3,
    Method.EPHEMERAL: _TIER_4,
    Method.REPLIES: _TIER_3,
    Method.HISTORY: _TIER_3,
    Method.CHANNEL: _TIER_3,
    Method.PERSON: _TIER_4,
    Method.GROUP: _TIER_2,
    Method.MEMBERS: _TIER_4,
    Method.UPLOAD_URL: _TIER_4,
    Method.UPLOAD_DONE: _TIER_4,
}
# One post a second and channel; Slack allows short bursts without saying which. Three at once are
# certainly one, less what the time may shrink to that lies between two on their way.
_CHANNEL = Pace(2.5, 60)
_RESERVE = 0.3  # of a burst: what progress leaves to the other lanes
_CHANNELS = 2_000  # as many are remembered
_PATIENCE = 5.0  # seconds; who would have to wait longer is told to come back


class Bucket:
    """Tokens that come back with time; who waits for one is served by lane, then in order."""

    def __init__(
        self,
        pace: Pace,
        clock: Callable[[], float],
        name: str = "",
        shared: SharedBuckets | None = None,
    ) -> None:
        self._pace = pace
        self._name = name
        self._shared = shared
        self._clock = clock
        self._level = pace.burst
        self._at = clock()
        self._paused_until = 0.0
        self._waiting: list[tuple[int, int, asyncio.Event]] = []
        self._count = 0

    def wait(self, promised: int = 0) -> float:
        """Seconds until there is a token, beside so many that are as good as taken; 0 when there is
        one.
        """
        self._refill()
        missing = max(0.0, 1 + promised - self._level) * 60 / self._pace.per_minute
        return max(missing, self._paused_until - self._at)

    def full(self) -> bool:
        """Whether nothing is missing, so that it says no more than a new one."""
        return not self._waiting and self.wait() <= 0 and self._level >= self._pace.burst

    def paused(self) -> float:
        """Seconds for which Slack still wants to hear nothing."""
        return max(0.0, self._paused_until - self._clock())

    def ready(self, *, reserve: bool = False) -> bool:
        """Whether a token can be taken at once; with `reserve`, leaving some to the others."""
        left = self._pace.burst * _RESERVE if reserve else 0.0
        return not self._waiting and self.wait() <= 0 and self._level >= 1 + left

    def limit(self, seconds: float) -> None:
        """Slack said that it was too much: nothing for `seconds`, and no burst after it."""
        self._refill()
        is_used = self._level < self._pace.burst
        self._level = min(self._level, 1.0)
        self._paused_until = max(self._paused_until, self._at + seconds)
        if self._shared is not None and (is_used or seconds):
            self._shared.limit(self._name, self._pace.burst, self._pace.per_minute, seconds)

    def spend(self) -> None:
        """Take a token or, where there is none, go without: Slack may allow more than we count on.

        Raises `Limited` while Slack asks for a pause.
        """
        if pause := self.paused():
            raise Limited(pause, self._name)
        self._refill()
        self._level = max(0.0, self._level - 1)

    async def take(self, lane: int) -> None:
        """Take a token, waiting for it behind everybody of a higher lane.

        Raises `Limited` when Slack asked for a pause that is longer than anybody should wait here.
        """
        while True:
            if (pause := self.paused()) > _PATIENCE:
                raise Limited(pause, self._name)
            await self._take_here(lane)
            if self._shared is None:
                return
            taken = await self._shared.take(self._name, self._pace.burst, self._pace.per_minute)
            if taken is None or self._learn(taken):
                return

    def _learn(self, taken: Taken) -> bool:
        """What all have left is what we have left; whether a token was taken for us."""
        self._refill()
        self._level = min(self._pace.burst, taken.level)
        self._paused_until = max(self._paused_until, self._at + taken.pause)
        return taken.granted

    async def _take_here(self, lane: int) -> None:
        if self.ready():
            self._level -= 1
            return
        self._count += 1
        ticket = (lane, self._count, asyncio.Event())
        self._waiting.append(ticket)
        try:
            while (wait := self.wait()) > 0 or min(self._waiting)[:2] != ticket[:2]:
                await self._sleep(ticket, wait)
            self._level -= 1
        finally:
            self._waiting.remove(ticket)
            if self._waiting:
                min(self._waiting)[2].set()

    async def _sleep(self, ticket: tuple[int, int, asyncio.Event], seconds: float) -> None:
        # only the first waits for the token; the others wait for becoming the first
        first = min(self._waiting)[:2] == ticket[:2]
        ticket[2].clear()
        try:
            async with asyncio.timeout(max(seconds, 0.001) if first else None):
                await ticket[2].wait()
        except TimeoutError:
            return

    def _refill(self) -> None:
        now = self._clock()
        gained = (now - self._at) * self._pace.per_minute / 60
        self._level = min(self._pace.burst, self._level + gained)
        self._at = now


class Budget:
    """The buckets of one workspace: whoever posts, edits or looks into a thread takes first.

    `factor` multiplies every pace: for a workspace that is known to allow more.
    """

    def __init__(
        self,
        *,
        factor: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        shared: SharedBuckets | None = None,
    ) -> None:
        self._clock = clock
        self._factor = factor
        self._shared = shared
        self._methods: dict[str, Bucket] = {
            method: Bucket(pace.times(factor), clock, method.value, shared)
            for method, pace in _PACES.items()
        }
        self._channels: dict[str, Bucket] = {}

    async def take(self, method: str, lane: int, channel: str = "") -> None:
        """Count one call that must be made, waiting for it; a lower lane's number goes first.

        Raises `Limited` when Slack asked for a pause that is longer than anybody should wait here.
        """
        bucket = self._methods[method]
        if method == Method.POST and channel and bucket.paused() <= _PATIENCE:
            await self._channel(channel).take(lane)
        await bucket.take(lane)

    def spend(self, method: str) -> None:
        """Count, in this process, one call that somebody waits for, who must not wait for a guess
        of ours. Raises `Limited` while Slack asks this process for a pause.
        """
        self._methods[method].spend()

    def spare(self, method: str, channel: str = "") -> bool:
        """Whether a call that may be dropped can be made now, leaving a reserve for the others."""
        return all(bucket.ready(reserve=True) for bucket in self._buckets(method, channel))

    def ready(self, method: str, channel: str = "") -> bool:
        """Whether a call that must be made would go out at once."""
        return all(bucket.ready() for bucket in self._buckets(method, channel))

    def wait(self, method: str, promised: int = 0) -> float:
        """Seconds until `method` can be called, beside so many calls that are about to be made."""
        return self._methods[method].wait(promised)

    def busy(self, promised: Mapping[str, int]) -> dict[str, float]:
        """Channels that take no post now, and seconds until they do; `promised` says how many are
        about to be posted in each.
        """
        waits: dict[str, float] = {}
        for channel in {*self._channels, *promised}:
            bucket = self._channel(channel)
            if (wait := bucket.wait(promised.get(channel, 0))) > 0:
                waits[channel] = wait
            elif bucket.full():
                del self._channels[channel]
        return waits

    def heed(self, limited: Limited) -> None:
        """Slack refused a call for a while: all of that method wait, in every channel."""
        if limited.method in self._methods:
            self._methods[limited.method].limit(limited.seconds)
        if limited.method == Method.POST:
            for bucket in self._channels.values():
                bucket.limit(0.0)

    def pause(self, method: str) -> float:
        """For how many seconds Slack still wants to hear nothing of `method`."""
        return self._methods[method].paused()

    def _buckets(self, method: str, channel: str) -> list[Bucket]:
        buckets = [self._methods[method]]
        if method == Method.POST and channel:
            buckets.append(self._channel(channel))
        return buckets

    def _channel(self, channel: str) -> Bucket:
        bucket = self._channels.pop(channel, None)
        if bucket is None:
            name = f"{Method.POST}:{channel}"
            bucket = Bucket(_CHANNEL.times(self._factor), self._clock, name, self._shared)
        self._channels[channel] = bucket
        while len(self._channels) > _CHANNELS:
            self._channels.pop(next(iter(self._channels)))
        return bucket
