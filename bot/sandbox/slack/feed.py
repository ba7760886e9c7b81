"""The feed of everything that happens: what waiting tests and the browser page listen to."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from bot.sandbox.slack.model import Json

_KEPT = 2000


@dataclass(frozen=True)
class Entry:
    """One thing that happened; `seq` grows by one each time."""

    seq: int
    kind: str
    data: Json


class Feed:
    """Publishes entries to waiters and followers; keeps the newest for who comes back."""

    def __init__(self) -> None:
        self.seq = 0
        self.closed = False
        self.listeners: list[Callable[[Entry], None]] = []
        """Called at once with each entry, before any follower sees it."""
        self._kept: deque[Entry] = deque(maxlen=_KEPT)
        self._changed = asyncio.Event()
        self._followers = 0
        self._followed = asyncio.Event()

    def publish(self, kind: str, data: Json) -> None:
        """Tell everyone; never blocks, because followers read from what is kept."""
        self.seq += 1
        entry = Entry(self.seq, kind, data)
        self._kept.append(entry)
        for listener in self.listeners:
            listener(entry)
        self._wake()

    def go_on(self, seq: int) -> None:
        """Continue behind `seq`, with nothing before it kept: who comes back reads all again."""
        self._kept.clear()
        self.seq = seq

    def close(self) -> None:
        """End all followers."""
        self.closed = True
        self._wake()

    async def changed(self) -> None:
        """Return at the next entry."""
        await self._changed.wait()

    async def followed(self) -> None:
        """Return while somebody follows: what nobody sees need not be made."""
        await self._followed.wait()

    def covers(self, since: int) -> bool:
        """Whether everything after `since` is still kept."""
        return since >= self.seq or (bool(self._kept) and self._kept[0].seq <= since + 1)

    async def follow(self, since: int, idle: float = 15.0) -> AsyncIterator[Entry]:
        """Yield every entry after `since`, for ever, until the feed closes.

        A follower slower than the feed loses what is no longer kept and gets a `reset` in its
        place, so that it can read the whole state again. After `idle` seconds without an entry
        it gets an `idle` one, with which a dead connection is noticed.
        """
        self._followers += 1
        self._followed.set()
        try:
            async for entry in self._entries(since, idle):
                yield entry
        finally:
            self._followers -= 1
            if not self._followers:
                self._followed.clear()

    async def _entries(self, since: int, idle: float) -> AsyncIterator[Entry]:
        while not self.closed:
            if not self.covers(since):
                since = self.seq
                yield Entry(since, "reset", {})
            for entry in [entry for entry in self._kept if entry.seq > since]:
                since = entry.seq
                yield entry
            if since < self.seq or self.closed:
                continue
            try:
                async with asyncio.timeout(idle):
                    await self.changed()
            except TimeoutError:
                yield Entry(since, "idle", {})

    def _wake(self) -> None:
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()
