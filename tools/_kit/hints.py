"""Whether a tool may look beyond what it was asked about to say what else may have been meant."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_ALLOWED: Final[ContextVar[bool]] = ContextVar("hints_allowed", default=True)


def allowed() -> bool:
    """Whether it may, in this task."""
    return _ALLOWED.get()


@contextmanager
def kept_within(bounds: bool) -> Iterator[None]:
    """With `bounds`, what is done inside neither looks nor names elsewhere."""
    token = _ALLOWED.set(not bounds and _ALLOWED.get())
    try:
        yield
    finally:
        _ALLOWED.reset(token)
