"""Background tasks: each has a name and one owner that starts and ends it."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

import structlog

log = structlog.get_logger()


class Tasks:
    """The owner of short background tasks. A failure is logged, never lost, and stops nothing.

    What must not die (sockets, workers, senders) runs in the app's `asyncio.TaskGroup` instead.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._heard: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, None], *, heard: bool = False) -> None:
        """Run `work` soon; it is cancelled when the owner closes.

        `heard`: a person waits for it, so that `settle` gives it time.
        """
        task = asyncio.create_task(work, name=name)
        if heard:
            self._heard.add(task)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._heard.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", task=task.get_name(), exc_info=error)

    async def settle(self, seconds: float) -> None:
        """Give tasks that a person waits for `seconds` to end by themselves."""
        if self._heard:
            await asyncio.wait(self._heard, timeout=seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
