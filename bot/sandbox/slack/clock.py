"""The stand-in's time: it can be moved forward, and what waits for it then happens at once."""

import asyncio
import time
from dataclasses import dataclass


@dataclass(eq=False)
class _Timer:
    """One sleeper: `seconds` of workspace time, each of which lasts `scale` real ones."""

    seconds: float
    scale: float
    done: asyncio.Future[None]
    began: float
    offset: float
    handle: asyncio.TimerHandle | None = None

    def left(self, now: float, offset: float) -> float:
        """Seconds of workspace time until it wakes."""
        real = (now - self.began) / self.scale if self.scale else self.seconds
        return self.seconds - real - (offset - self.offset)

    def wake(self) -> None:
        """End the sleep."""
        if self.handle is not None:
            self.handle.cancel()
        if not self.done.done():
            self.done.set_result(None)


class Clock:
    """Real, or fixed at a start; either way it can be moved forward."""

    def __init__(self, start: float | None) -> None:
        self.is_fixed = start is not None
        self.offset = 0.0
        self._start = start
        self._timers: list[_Timer] = []

    def now(self) -> float:
        """Unix time in seconds."""
        return (time.time() if self._start is None else self._start) + self.offset

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once: trigger ids, rate buckets and every sleeper notice.

        Sleepers that are due wake in the order in which they would have without it.
        """
        self.offset += seconds
        if not self._timers:
            return
        now = asyncio.get_running_loop().time()
        waiting = sorted(self._timers, key=lambda timer: timer.left(now, self.offset))
        for timer in waiting:
            left = timer.left(now, self.offset)
            if left <= 0:
                timer.wake()
            else:
                self._set(timer, left)

    async def sleep(self, seconds: float, scale: float = 1.0) -> None:
        """Return after `seconds`, by `advance` or by real time (`scale` real seconds for each)."""
        loop = asyncio.get_running_loop()
        timer = _Timer(seconds, scale, loop.create_future(), loop.time(), self.offset)
        self._set(timer, seconds)
        self._timers.append(timer)
        try:
            await timer.done
        finally:
            self._timers.remove(timer)
            if timer.handle is not None:
                timer.handle.cancel()

    def _set(self, timer: _Timer, left: float) -> None:
        if timer.handle is not None:
            timer.handle.cancel()
        loop = asyncio.get_running_loop()
        timer.handle = loop.call_later(left * timer.scale, timer.wake)
