"""What makes controllers run: a queue of objects to look at, each when it is due."""

import asyncio
import heapq
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeAlias

from bot.sandbox.cluster.clock import Clock
from bot.sandbox.cluster.store import Change, Store

Name: TypeAlias = tuple[str, str]  # namespace and name
Reconcile: TypeAlias = Callable[[str, str], datetime | None]
Concerns: TypeAlias = Callable[[Change], Iterable[Name]]


class Engine:
    """Call each controller for the objects that changed, or whose time has come.

    A controller is a function of an object's name that brings the world one step nearer to what
    the object asks for and returns when it wants to be called again. Nothing is polled.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._clock = clock
        self._controllers: dict[str, tuple[Reconcile, Concerns]] = {}
        self._rank: dict[str, int] = {}
        self._due: dict[tuple[str, str, str], datetime] = {}
        self._heap: list[tuple[datetime, int, int, tuple[str, str, str]]] = []
        self._sequence = 0
        self._wake = asyncio.Event()
        store.listen(self._notice)

    def add(self, name: str, reconcile: Reconcile, concerns: Concerns) -> None:
        """Register a controller and which objects a change makes it look at.

        Of what is due at one moment, controllers registered earlier go first.
        """
        self._rank[name] = len(self._controllers)
        self._controllers[name] = (reconcile, concerns)

    def _notice(self, change: Change) -> None:
        now = self._clock.now()
        for controller, (_, concerns) in self._controllers.items():
            for namespace, name in concerns(change):
                self._schedule((controller, namespace, name), now)

    def _schedule(self, key: tuple[str, str, str], due: datetime) -> None:
        known = self._due.get(key)
        if known is not None and known <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._rank[key[0]], self._sequence, key))
        self._wake.set()

    def run_due(self) -> datetime | None:
        """Do all that is due now; return when the next thing is."""
        while self._heap:
            due, _, _, key = self._heap[0]
            if self._due.get(key) != due:
                heapq.heappop(self._heap)  # was scheduled anew for an earlier time
                continue
            if due > self._clock.now():
                return due
            heapq.heappop(self._heap)
            del self._due[key]
            controller, namespace, name = key
            again = self._controllers[controller][0](namespace, name)
            if again is not None:
                self._schedule(key, again)
        return None

    def advance(self, seconds: float) -> None:
        """Let a virtual clock run for `seconds`, stopping wherever something is due."""
        target = self._clock.now() + timedelta(seconds=seconds)
        due = self.run_due()
        while due is not None and due <= target:
            self._clock.set(due)
            due = self.run_due()
        self._clock.set(target)
        self.run_due()

    def hasten(self) -> None:
        """Bring what is planned nearer by the clock's speed, after a past at normal speed."""
        planned = {key: self._clock.nearer(due) for key, due in self._due.items()}
        self._due.clear()
        self._heap.clear()
        for key, due in planned.items():
            self._schedule(key, due)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._wake.clear()
            due = self.run_due()
            await self._clock.wait(due, self._wake)
