"""A bucket of tokens that several processes take from; who keeps it is for the store to say."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Taken:
    """Whether a token was taken; what is left, and for how many seconds nothing may be taken."""

    granted: bool
    level: float
    pause: float


class SharedBuckets(Protocol):
    """Buckets by name; each call says how large one is and how fast it fills."""

    async def take(self, name: str, burst: float, per_minute: float) -> Taken | None:
        """Take one token, if there is one; None while nobody keeps them."""

    def limit(self, name: str, burst: float, per_minute: float, seconds: float) -> None:
        """Let nobody take any for `seconds`. Never waits or raises."""
