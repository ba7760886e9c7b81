"""`countersign run` as the harness starts it: `python -m tests.benchmarks.launch [SAMPLES]`.

Two things differ. Slack's rates are lifted: runs that follow each other without a pause would
otherwise wait for the 50 edits a minute, and their CPU would be that of the wait. And with a file
named, SIGUSR1 starts a sampler inside this process and SIGUSR2 writes what it saw.
"""

import asyncio
import gc
import json
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from bot.app import Parts, run
from bot.core.logs import set_up
from bot.guard.masking import mask_text
from bot.settings import read
from bot.slack.budget import Budget

_EVERY = 0.002  # CPU seconds between two samples; the kernel's tick may make it more
_PACE = 1000.0
_DEEP = 150


class Sampler:
    """Whose stack used the CPU: at each tick of the process's CPU clock, what every thread has
    used since the last one is put down to where it is now. Collections of garbage are measured
    one by one instead, and what the sampler itself uses is left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._nanoseconds: Counter[tuple[str, ...]] = Counter()
        self._last: dict[int, int] = {}
        self._collecting = 0
        self._names: dict[object, str] = {}

    def install(self) -> None:
        """Wait for the signals."""
        signal.signal(signal.SIGUSR1, self._start)
        signal.signal(signal.SIGUSR2, self._stop)
        signal.signal(signal.SIGPROF, self._tick)

    def _start(self, _number: int, _frame: FrameType | None) -> None:
        self._nanoseconds.clear()
        self._last = {ident: _used(ident) for ident in sys._current_frames()}
        gc.callbacks.append(self._collected)
        signal.setitimer(signal.ITIMER_PROF, _EVERY, _EVERY)

    def _stop(self, _number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        self._tick(_number, frame)
        gc.callbacks.remove(self._collected)
        stacks = [[list(stack), spent] for stack, spent in self._nanoseconds.items()]
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(stacks))
        partial.rename(self._path)

    def _tick(self, _number: int, frame: FrameType | None) -> None:
        me = threading.main_thread().ident or 0
        for ident, top in sys._current_frames().items():
            now = _used(ident)
            before = self._last.get(ident, 0)
            # an id is given to a new thread once its old one has ended
            spent = now - before if now >= before else now
            self._last[ident] = now
            if spent > 0:
                self._nanoseconds[self._stack(frame if ident == me else top)] += spent
        self._last[me] = _used(me)

    def _collected(self, phase: str, _info: dict[str, int]) -> None:
        now = time.thread_time_ns()
        if phase == "start":
            self._collecting = now
            return
        spent = now - self._collecting
        self._nanoseconds["<garbage collection>",] += spent
        ident = threading.get_ident()
        self._last[ident] = self._last.get(ident, 0) + spent

    def _stack(self, frame: FrameType | None) -> tuple[str, ...]:
        names: list[str] = []
        while frame is not None and len(names) < _DEEP:
            code = frame.f_code
            name = self._names.get(code)
            if name is None:
                name = self._names[code] = f"{code.co_filename}:{code.co_qualname}"
            names.append(name)
            frame = frame.f_back
        return tuple(names)


def _used(ident: int) -> int:
    return time.clock_gettime_ns(time.pthread_getcpuclockid(ident))


def lift(parts: Parts) -> None:
    """Let Slack take as much as we like to send."""
    budget = parts.sender._budget
    budget._factor = _PACE
    budget._methods = Budget(factor=_PACE)._methods


async def _run() -> None:
    settings = read()
    set_up(settings.log, lambda text: mask_text(text).text)
    await run(settings, asyncio.Event(), built=lift)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Sampler(Path(sys.argv[1])).install()
    asyncio.run(_run())
