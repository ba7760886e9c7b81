"""What people and services ask of the workloads: computed for a moment, never simulated.

Requests come from outside by the time of day and follow what each image calls. They are spread
over the ready pods of a workload; too many for them wait, then fail, and with a workload fail
those that need it, in proportion. `Behaviour.calls` holds `namespace/app`, or `namespace/app 30%`
when only that part of the requests needs it.
"""

import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bot.sandbox.cluster import fate
from bot.sandbox.cluster.clock import Clock
from bot.sandbox.cluster.fate import Behaviour
from bot.sandbox.cluster.kinds import DAEMON_SETS, DEPLOYMENTS, PODS, SERVICES, STATEFUL_SETS
from bot.sandbox.cluster.kubelet import Kubelet
from bot.sandbox.cluster.outages import Line, Outages, Place
from bot.sandbox.cluster.podstatus import Slot
from bot.sandbox.cluster.quantities import quantity
from bot.sandbox.cluster.store import Object, Store

_TAIL: Final = 3.0  # how much longer than usual one request in twenty takes
_WAITED_MS: Final = 5000.0  # for a connection of an exhausted pool, or behind too many others
_NOBODY_MS: Final = 2.0  # a refused connection is a quick answer
_BURST: Final = 4.0  # a pod without a CPU limit gets so many times what it requests
_SWING: Final = 0.1  # of the day around its mean
_NOISE: Final = 0.03
_BUSIEST: Final = 14  # o'clock, UTC


@dataclass(frozen=True)
class Flow:
    """What a workload answers at a moment: requests a second, part that fails, slow latency."""

    rps: float
    error_rate: float
    p95_ms: float


@dataclass
class _Asked:
    """A workload, what its image does, and what of its pods is ready."""

    behaviour: Behaviour
    calls: list[tuple[Place, float]]
    ready: list[tuple[Object, Slot]] = field(default_factory=list)
    starved: bool = False  # a pod of it lets requests wait for a connection
    rps: float = 0.0
    flow: Flow | None = None


class Traffic:
    """The requests between outside, services and pods; counted anew when something changed."""

    def __init__(self, store: Store, clock: Clock, kubelet: Kubelet) -> None:
        self._store = store
        self._clock = clock
        self._kubelet = kubelet
        self._counted: tuple[int, int] = (-1, 0)
        self._asked: dict[Place, _Asked] = {}
        self._outages = Outages(store, clock, kubelet, self._calls)
        store.listen(self._outages.note)

    def of(self, namespace: str, app: str) -> Flow | None:
        """Return what an app answers now, or None when nobody asks it anything."""
        found = self._count().get((namespace, app))
        return found.flow if found and found.rps > 0 else None

    def per_pod(self, namespace: str, app: str) -> float:
        """Return the requests a second that each ready pod of an app gets."""
        found = self._count().get((namespace, app))
        return found.rps / len(found.ready) if found and found.ready else 0.0

    def retell(self, pod: Object, lines: Iterable[Line]) -> list[Line]:
        """Return what a pod wrote, told with those of its calls that failed at the time."""
        app = (pod["metadata"].get("labels") or {}).get("app", "")
        return self._outages.retold((pod["metadata"]["namespace"], app), lines)

    def _calls(self, place: Place) -> list[tuple[Place, float]]:
        found = self._count().get(place)
        return found.calls if found else []

    def _count(self) -> dict[Place, _Asked]:
        now = self._clock.now()
        moment = (self._store.version, int(now.timestamp()))
        if moment != self._counted:
            self._counted = moment
            self._asked = self._workloads()
            for place in list(self._asked):
                outside = self._asked[place].behaviour.rps
                if outside > 0:
                    self._send(place, outside * rhythm(place, now), ())
            for place in self._asked:
                self._answer(place, ())
        return self._asked

    # Who is there.

    def _workloads(self) -> dict[Place, _Asked]:
        found: dict[Place, _Asked] = {}
        for resource in (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS):
            for thing in self._store.objects(resource):
                template = thing["spec"]["template"]
                image = template["spec"]["containers"][0]["image"]
                behaviour = fate.behaviour_of(image, self._kubelet.behaviours)
                app = (template["metadata"].get("labels") or {}).get("app", "")
                calls = list(self._needed(behaviour))
                found[thing["metadata"]["namespace"], app] = _Asked(behaviour, calls)
        for pod in self._store.objects(PODS):
            meta = pod["metadata"]
            asked = found.get((meta["namespace"], (meta.get("labels") or {}).get("app", "")))
            if asked is None or "deletionTimestamp" in meta:
                continue
            slots = self._kubelet.slots(pod)
            asked.starved |= any(s.run and not s.run.ended and s.run.course.flaps for s in slots)
            if slots and all(slot.ready for slot in slots):
                asked.ready.append((slots[0].container, slots[0]))
        return found

    def _needed(self, behaviour: Behaviour) -> Iterator[tuple[Place, float]]:
        """What a request calls; a service that this cluster never had is not called."""
        for call in behaviour.calls:
            where, _, part = call.partition(" ")
            namespace, _, app = where.partition("/")
            if self._store.get(SERVICES, namespace, app) is not None:
                yield (namespace, app), float(part.rstrip("%")) / 100 if part else 1.0

    # What they are asked and answer.

    def _send(self, place: Place, rps: float, on_the_way: tuple[Place, ...]) -> None:
        asked = self._asked.get(place)
        if asked is None or place in on_the_way:
            return
        asked.rps += rps
        if asked.ready:  # else nobody is there to call anybody
            for called, part in asked.calls:
                self._send(called, rps * part, (*on_the_way, place))

    def _answer(self, place: Place, on_the_way: tuple[Place, ...]) -> Flow:
        asked = self._asked.get(place)
        if asked is None:
            return Flow(0.0, 1.0, _NOBODY_MS)
        if asked.flow is not None:
            return asked.flow
        flow = self._figures(asked, place, on_the_way)
        if not on_the_way:  # within a circle of calls it is that without those on the way
            asked.flow = flow
        return flow

    def _figures(self, asked: _Asked, place: Place, on_the_way: tuple[Place, ...]) -> Flow:
        if not asked.ready:
            return Flow(asked.rps, 1.0, _WAITED_MS if asked.starved else _NOBODY_MS)
        load = asked.rps / len(asked.ready)
        own = [_of_pod(asked.behaviour, *pod, load) for pod in asked.ready]
        well = 1.0 - sum(errors for errors, _ in own) / len(own)
        slow = max(milliseconds for _, milliseconds in own)
        for called, part in asked.calls:
            if called not in on_the_way:
                below = self._answer(called, (*on_the_way, place))
                well *= 1.0 - part * below.error_rate
                slow += part * below.p95_ms
        return Flow(asked.rps, min(1.0, max(0.0, 1.0 - well)), slow)


def _of_pod(
    behaviour: Behaviour, container: Object, slot: Slot, load: float
) -> tuple[float, float]:
    """Return which part of its requests one pod fails, and how long a slow one takes, in ms."""
    used = load * behaviour.cpu_per_request / max(_room(container), 1.0)
    slow = min(_WAITED_MS, behaviour.latency_ms * _TAIL / max(1.0 - used, 0.01))
    errors = 1.0 - 1.0 / used if used > 1.0 else 0.0
    if slot.run is not None:
        lines = slot.run.course.work_lines
        failing = sum(line.startswith("ERROR") for line in lines)
        errors = max(errors, failing / len(lines) if lines else 0.0)
        if slot.run.course.flaps:
            slow = _WAITED_MS
    return errors, slow


def _room(container: Object) -> float:
    """Return how many millicores a container may use for its requests."""
    resources = container.get("resources", {})
    limit = resources.get("limits", {}).get("cpu")
    if limit is not None:
        return quantity(limit) * 1000
    return quantity(resources.get("requests", {}).get("cpu", "250m")) * 1000 * _BURST


def rhythm(place: Place, now: datetime) -> float:
    """Return by how much there is more or less to do than on average: by the day, and by chance."""
    hour = now.hour + now.minute / 60
    day = 1.0 - _SWING + _SWING * math.cos((hour - _BUSIEST) / 24 * math.tau)
    minute, within = divmod(now.timestamp(), 60)
    before, after = (_chance(place, int(minute) + step) for step in (0, 1))
    return day * (1.0 + before + (after - before) * within / 60)


def _chance(place: Place, minute: int) -> float:
    mixed = zlib.crc32(f"{place}:{minute}".encode())
    return (mixed % 2001 / 1000 - 1.0) * _NOISE
