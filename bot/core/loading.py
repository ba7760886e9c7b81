"""Imports of many modules at once, in half the time."""

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_HANDED_OVER = 0.0005  # seconds
_USUAL = sys.getswitchinterval()


_lock = threading.Lock()
_loading = 0  # how many load now, each in a thread of its own
_collecting = True  # as it was before the first of them


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector away from what is imported inside, now and later.

    Modules stay to the end. Each full collection while they load walks through all that was loaded
    before, a third of a start's time; and each later one would walk through all of it on the loop,
    for a tenth of a second. Where that happens in a thread, the loop would wait 5 ms for the
    interpreter after each of its system calls: it is handed over sooner. Of several at a time the
    last one ends all that.
    """
    _begin()
    try:
        yield
    finally:
        _end()


def _begin() -> None:
    global _loading, _collecting  # noqa: PLW0603 - what they are about is the process's
    with _lock:
        _loading += 1
        if _loading == 1:
            _collecting = gc.isenabled()
            gc.disable()
            sys.setswitchinterval(_HANDED_OVER)


def _end() -> None:
    global _loading  # noqa: PLW0603 - as above
    with _lock:
        _loading -= 1
        if _loading == 0:
            sys.setswitchinterval(_USUAL)
            if _collecting:
                gc.freeze()
                gc.enable()
