"""The demo's cluster as many tests need it, without living through its 41 days for each of them.

A history takes a quarter of a second, more than all else at the start of a world. It is lived
through once in a while and given, as it is, to every cluster that starts in the next seconds.
"""

import copy
from collections import deque
from datetime import timedelta
from typing import Self

from bot.sandbox.cluster import Cluster, schema, seed
from bot.sandbox.cluster.store import Object

_KEPT = timedelta(seconds=90)  # no age that anybody reads differs by more
_lived: Cluster | None = None


def _history() -> Cluster:
    """A cluster that lived through everything and was never started."""
    global _lived  # noqa: PLW0603 - one per worker
    if _lived is None or _lived.clock.now() - _lived._journal._swept > _KEPT:
        _lived = Cluster()
        schema.load()
        seed.live_through(_lived.apply, _lived._engine, _lived._journal, _lived.clock, "few")
    return _lived


class SeededCluster(Cluster):
    """As `Cluster(seed="few")`, whose controllers go on from where the history ended."""

    _entered = False

    def apply(self, manifest: Object) -> Object:
        """As ever; what every cluster has at its start is there already."""
        return super().apply(manifest) if self._entered else manifest

    async def __aenter__(self) -> Self:
        """Take the history over and start."""
        self._take_over(_history())
        self._kubelet.hasten()
        self._engine.hasten()
        await super().__aenter__()
        self._entered = True
        return self

    def _take_over(self, lived: Cluster) -> None:
        """Stored objects are never altered in place, so they are shared; all else is copied."""
        mine, past = self.store, lived.store
        mine.version, mine.oldest = past.version, past.oldest
        mine._objects = {resource: dict(table) for resource, table in past._objects.items()}
        mine._changes = deque(past._changes)
        mine.random.setstate(past.random.getstate())
        self._journal._known = dict(lived._journal._known)
        since = self.clock.now() - lived._journal._swept
        self._kubelet._images = copy.deepcopy(lived._kubelet._images)
        self._kubelet._sandboxes = copy.deepcopy(lived._kubelet._sandboxes)
        for sandbox in self._kubelet._sandboxes.values():
            sandbox.due = sandbox.due and sandbox.due + since
            sandbox.killing = sandbox.killing and sandbox.killing + since
            for slot in sandbox.slots:
                slot.due = slot.due and slot.due + since
                slot.probe_due = slot.probe_due and slot.probe_due + since
        for key, due in lived._engine._due.items():
            self._engine._schedule(key, due + since)
