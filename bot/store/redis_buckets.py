"""What Slack allows, counted once for all processes: token buckets in Redis.

Redis is only faster to know: while it is away each process counts for itself, and Slack's own
refusals teach what the others took.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from bot.core.buckets import Taken
from bot.core.tasks import Tasks

log = structlog.get_logger()

_TIMEOUT = 0.25  # seconds: somebody waits for what is to be sent
_REST = 2.0  # seconds for which a Redis that did not answer is not asked
_AWAY = (RedisError, OSError, TimeoutError)
# By Redis' own clock, so that nobody's matters. What nobody took from for ten minutes is full.
_HEAD = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local kept = redis.call('HMGET', KEYS[1], 'level', 'at', 'until')
local burst, rate = tonumber(ARGV[1]), tonumber(ARGV[2]) / 60
local gained = (now - (tonumber(kept[2]) or now)) * rate
local level = math.min(burst, (tonumber(kept[1]) or burst) + gained)
local until_ = tonumber(kept[3]) or 0
"""
_TAIL = """
local pause = math.max(0, until_ - now)
redis.call('HSET', KEYS[1], 'level', tostring(level), 'at', tostring(now))
redis.call('HSET', KEYS[1], 'until', tostring(until_))
redis.call('PEXPIRE', KEYS[1], math.floor((600 + pause) * 1000))
return {taken, tostring(level), tostring(pause)}
"""
_TAKE = f"""{_HEAD}
local taken = 0
if level >= 1 and until_ <= now then
    level, taken = level - 1, 1
end
{_TAIL}"""
_LIMIT = f"""{_HEAD}
local taken = 0
level = math.min(level, 1)
until_ = math.max(until_, now + tonumber(ARGV[3]))
{_TAIL}"""


class RedisBuckets:
    """The buckets of one workspace, by name."""

    def __init__(self, redis: "Redis", org: str, tasks: Tasks) -> None:
        self._org = org
        self._tasks = tasks
        self._take = redis.register_script(_TAKE)
        self._limit = redis.register_script(_LIMIT)
        self._asleep_until = 0.0

    async def take(self, name: str, burst: float, per_minute: float) -> Taken | None:
        """Take one token, if there is one; None while Redis is away."""
        if time.monotonic() < self._asleep_until:
            return None
        try:
            given = [burst, per_minute]
            taken, level, pause = await self._take(keys=[self._key(name)], args=given)
        except _AWAY as error:
            self._away(error)
            return None
        return Taken(bool(taken), float(level), float(pause))

    def limit(self, name: str, burst: float, per_minute: float, seconds: float) -> None:
        """Let all know that Slack wants to hear nothing for `seconds`. Never waits or raises."""
        self._tasks.start("tell of a limit", self._tell(name, [burst, per_minute, seconds]))

    async def _tell(self, name: str, given: list[float]) -> None:
        try:
            await self._limit(keys=[self._key(name)], args=given)
        except _AWAY as error:
            self._away(error)

    def _key(self, name: str) -> str:
        return f"countersign:budget:{self._org}:{name}"

    def _away(self, error: Exception) -> None:
        # the error's text may hold the address, and that a password
        log.warning("shared_budget_away", error=type(error).__name__)
        self._asleep_until = time.monotonic() + _REST


@asynccontextmanager
async def open_buckets(url: str, org: str) -> AsyncIterator[RedisBuckets]:
    """A workspace's buckets in the Redis at `url`, which may be away."""
    redis = Redis.from_url(
        url,
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        retry=Retry(NoBackoff(), 0),  # the caller goes on without
        client_name="countersign-budget",
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    try:
        async with Tasks() as tasks:
            yield RedisBuckets(redis, org, tasks)
    finally:
        await redis.aclose()
