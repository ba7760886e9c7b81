"""The bus: live events and stop signals, told at once within the process. They may be lost:
nothing rests on them, rows are the truth. `bot/store/redis_bus.py` carries them further.
"""

from collections.abc import Callable

import structlog

from bot.core.values import Event

log = structlog.get_logger()
Listener = Callable[[Event], None]


class Bus:
    """Tells every listener at once; a listener only takes note and never blocks."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._listeners_to_own: list[Listener] = []

    @property
    def away(self) -> str:
        """Why other processes hear nothing of us now; empty while they do, or there are none."""
        return ""

    def listen(self, listener: Listener, *, own: bool = False) -> None:
        """Hear every event from now on; with `own`, only those that were published here.

        Who draws in Slack or counts listens to its own: other processes do the same with theirs.
        """
        (self._listeners_to_own if own else self._listeners).append(listener)

    def publish(self, event: Event) -> None:
        """Tell all listeners. Never blocks."""
        for listener in (*self._listeners_to_own, *self._listeners):
            listener(event)

    def _tell_of_others(self, event: Event) -> None:
        """What was published in another process."""
        for listener in self._listeners:
            listener(event)
