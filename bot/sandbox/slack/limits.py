"""Rate limits: a token bucket per method by its tier, and one per channel for posts."""

from dataclasses import dataclass

PER_MINUTE = {1: 1, 2: 20, 3: 50, 4: 100, 5: 600}
"""Calls per minute by tier; 5 stands for Slack's special, higher limits."""


@dataclass(frozen=True)
class Budget:
    """What is left of a method's rate."""

    left: int
    per_minute: int
    tier: int


@dataclass
class _Bucket:
    capacity: float
    per_second: float
    level: float
    at: float
    tier: int = 0

    def at_time(self, now: float) -> float:
        """How many tokens there are now."""
        return min(self.capacity, self.level + (now - self.at) * self.per_second)

    def take(self, now: float) -> float:
        """Take one token; returns 0 or the seconds until there is one."""
        self.level = self.at_time(now)
        self.at = now
        if self.level >= 1:
            self.level -= 1
            return 0.0
        return (1 - self.level) / self.per_second


class Limits:
    """All buckets of the workspace."""

    def __init__(self, post_burst: int) -> None:
        self._burst = post_burst
        self._methods: dict[str, _Bucket] = {}
        self._channels: dict[str, _Bucket] = {}

    def method(self, name: str, tier: int, now: float) -> float:
        """Count a call; returns the seconds to wait, 0 when it may go through."""
        per_minute = PER_MINUTE[tier]
        fresh = _Bucket(per_minute, per_minute / 60, per_minute, now, tier)
        return self._methods.setdefault(name, fresh).take(now)

    def used(self, name: str, now: float) -> Budget | None:
        """What a method's calls so far leave of its rate; None if it was never called."""
        bucket = self._methods.get(name)
        if bucket is None:
            return None
        return Budget(int(bucket.at_time(now)), int(bucket.capacity), bucket.tier)

    def post(self, channel: str, now: float) -> float:
        """Count a post in a channel (one a second, short bursts); returns the seconds to wait."""
        fresh = _Bucket(self._burst, 1.0, self._burst, now)
        return self._channels.setdefault(channel, fresh).take(now)
