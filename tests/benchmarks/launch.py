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
from contextlib import suppress
from pathlib import Path
from types import FrameType

from bot.core.loading import uncollected

with uncollected():  # as the command line loads it
    from bot.app import Parts, run
    from bot.core.logs import set_up
    from bot.guard.masking import mask_text
    from bot.settings import read
    from bot.slack.budget import Budget

_EVERY = 0.002  # CPU seconds between two samples; the kernel's tick may make it more
_PACE = 1000.0
_DEEP = 150
_PER_THREAD = 6  # CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED of Linux


class Sampler:
    """Whose stack used the CPU: at each tick of the process's CPU clock, what every thread has
    used since the last one is put down to where it is now. Collections of garbage are measured
    one by one instead, and what the sampler itself uses is left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._nanoseconds: Counter[tuple[str, ...]] = Counter()
        self._last: dict[threading.Thread, int] = {}
        self._collecting = 0
        self._names: dict[object, str] = {}

    def install(self) -> None:
        """Wait for the signals."""
        signal.signal(signal.SIGUSR1, self._start)
        signal.signal(signal.SIGUSR2, self._stop)
        signal.signal(signal.SIGPROF, self._tick)

    def _start(self, _number: int, _frame: FrameType | None) -> None:
        self._nanoseconds.clear()
        self._last = _used()
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
        me, frames, used = threading.main_thread(), sys._current_frames(), _used()
        for thread, now in used.items():
            top = frame if thread is me else frames.get(thread.ident or 0)
            # one tick may come while another is counted
            spent = now - self._last.get(thread, 0)
            if spent > 0 and top is not None:
                self._last[thread] = now
                self._nanoseconds[self._stack(top)] += spent
        self._last[me] = time.thread_time_ns()  # signals are handled in the main thread

    def _collected(self, phase: str, _info: dict[str, int]) -> None:
        now = time.thread_time_ns()
        if phase == "start":
            self._collecting = now
            return
        spent = now - self._collecting
        self._nanoseconds["<garbage collection>",] += spent
        thread = threading.current_thread()
        self._last[thread] = self._last.get(thread, 0) + spent

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


def _used() -> dict[threading.Thread, int]:
    """What each thread of Python's has used.

    By the kernel's own number of it, as `clock_getcpuclockid(3)` makes a clock of one: who asks for
    a thread that has just ended, by the library's, is told of himself, or gets a SIGSEGV.
    """
    found = {}
    for thread in list(threading._active.values()):  # type: ignore[attr-defined] # `enumerate` locks
        if thread.native_id is None:
            continue
        with suppress(OSError):
            found[thread] = time.clock_gettime_ns((~thread.native_id << 3) | _PER_THREAD)
    return found


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
