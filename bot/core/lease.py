"""What may only go on while this process has not stood still: others take over what it holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LEASE = 10.0  # seconds of standing still after which others may have said how it ended
_TICKS = 20


@asynccontextmanager
async def awake(seconds: float, since: float) -> AsyncIterator[None]:
    """Raises `TimeoutError` after `seconds`, or as soon as this process stood still for `LEASE`
    (frozen, swapped out) at any time after `since`, by the loop's clock.

    Whatever arrived meanwhile, nothing inside goes on: the loop runs a timer that is due before a
    task that was woken in the same round.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    ticks: list[asyncio.TimerHandle] = []
    async with asyncio.timeout_at(min(end, since + LEASE)) as scope:

        def tick() -> None:
            deadline = scope.when()
            if deadline is not None and loop.time() < deadline:  # else it ends in this round
                scope.reschedule(min(end, loop.time() + LEASE))
                ticks[:] = [loop.call_later(LEASE / _TICKS, tick)]

        ticks.append(loop.call_later(LEASE / _TICKS, tick))
        try:
            yield
        finally:
            ticks[0].cancel()
