"""Live events within one process: what a run tells while it works. They may be dropped; nothing
rests on them.
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

    def listen(self, listener: Listener) -> None:
        """Hear every event from now on."""
        self._listeners.append(listener)

    def publish(self, event: Event) -> None:
        """Tell all listeners."""
        for listener in self._listeners:
            listener(event)
