"""Imports of many modules at once, in half the time."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_HANDED_OVER = 0.0005  # seconds


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector away from what is imported inside, now and later.

    Modules stay to the end. Each full collection while they load walks through all that was loaded
    before, a third of a start's time; and each later one would walk through all of it on the loop,
    for a tenth of a second. Where that happens in a thread, the loop would wait 5 ms for the
    interpreter after each of its system calls: it is handed over sooner.
    """
    outermost, usual = gc.isenabled(), sys.getswitchinterval()
    if outermost:
        gc.disable()
        sys.setswitchinterval(_HANDED_OVER)
    try:
        yield
    finally:
        if outermost:
            sys.setswitchinterval(usual)
            gc.freeze()
            gc.enable()
