"""The one owner of the stand-in's background tasks."""

import asyncio
from collections.abc import Coroutine


class Tasks:
    """Starts named tasks, ends them all at close, and raises what any of them died of."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []

    def start(self, work: Coroutine[None, None, None], name: str) -> None:
        """Run `work` until it ends or the owner closes."""
        # A TaskGroup must be left by the task that entered it; a test fixture is left by another.
        task = asyncio.create_task(work, name=name)  # noqa: TID251
        self._running.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Cancel what still runs; raises an `ExceptionGroup` if a task had failed."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._failures:
            raise BaseExceptionGroup("background work of the stand-in failed", self._failures)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failures.append(failure)
