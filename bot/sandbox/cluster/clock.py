"""The cluster's time: real, real with faster waits, or virtual."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

VIRTUAL_START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Clock:
    """What time it is, and when something that takes a while is due.

    `speed` shortens the model's waits (10: a start of 5 s takes half a second) but never the
    time stamps, which stay true to the wall clock. A virtual clock moves only by `set`.
    """

    def __init__(self, *, speed: float = 1.0, virtual: bool = False) -> None:
        if speed <= 0:
            raise ValueError("speed must be above 0.")
        self.virtual = virtual
        self.speed = 1.0 if virtual else speed
        self._now = VIRTUAL_START

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return self._now if self.virtual else datetime.now(UTC)

    def set(self, moment: datetime) -> None:
        """Move a virtual clock forward to `moment`."""
        if not self.virtual:
            raise ValueError("Only a virtual clock can be set.")
        self._now = max(self._now, moment)

    @contextmanager
    def past(self, seconds: float) -> Iterator[datetime]:
        """Go back by `seconds` and stand still; whoever is inside brings it to the end given."""
        end = self.now()
        before = (self.virtual, self.speed)
        self.virtual, self.speed, self._now = True, 1.0, end - timedelta(seconds=seconds)
        try:
            yield end
        finally:
            self.virtual, self.speed = before
            self._now = end

    def due(self, since: datetime, seconds: float) -> datetime:
        """Return the moment at which `seconds` of the model have passed since `since`."""
        return since + timedelta(seconds=seconds / self.speed)

    def nearer(self, due: datetime) -> datetime:
        """Return when something planned at normal speed is due at this clock's speed."""
        now = self.now()
        return self.due(now, max(0.0, (due - now).total_seconds()))

    def elapsed(self, since: datetime) -> float:
        """Return the model's seconds since `since`."""
        return (self.now() - since).total_seconds() * self.speed

    async def wait(self, due: datetime | None, wake: asyncio.Event) -> None:
        """Sleep until `due` or until `wake` is set; with a virtual clock only the latter."""
        if self.virtual or due is None:
            await wake.wait()
            return
        left = (due - self.now()).total_seconds()
        try:
            # Not wait_for: before Python 3.12 it may swallow a cancellation.
            async with asyncio.timeout(max(0.0, left)):
                await wake.wait()
        except TimeoutError:
            return


def stamp(moment: datetime) -> str:
    """Write `moment` as Kubernetes does in most fields: whole seconds, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_stamp(moment: datetime) -> str:
    """Write `moment` with microseconds, as log lines and new-style events have it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> datetime:
    """Read a Kubernetes time stamp. Raises ValueError for anything else."""
    return datetime.fromisoformat(text)
