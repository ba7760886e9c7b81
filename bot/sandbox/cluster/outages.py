"""When which app failed its callers, noted as it happens, so that their logs can tell of it."""

import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from bot.sandbox.cluster.clock import Clock, parse
from bot.sandbox.cluster.kinds import PODS
from bot.sandbox.cluster.kubelet import Kubelet
from bot.sandbox.cluster.store import Change, Object, Store

Place: TypeAlias = tuple[str, str]  # namespace and the label `app`
Line: TypeAlias = tuple[datetime, str]
Calls: TypeAlias = Callable[[Place], Sequence[tuple[Place, float]]]

_KEPT: Final = 300  # changes of each app; older ones are forgotten
_OF_ITS_OWN: Final = ("starting", "listening", "reading")  # what a process says before it works


class Outages:
    """Which part of its requests each app failed by itself, from when on.

    `calls` returns what a request to an app needs. What was before the first note went well.
    """

    def __init__(self, store: Store, clock: Clock, kubelet: Kubelet, calls: Calls) -> None:
        self._store = store
        self._clock = clock
        self._kubelet = kubelet
        self._calls = calls
        self._pods: dict[Place, dict[str, tuple[bool, float]]] = {}  # by uid: ready, part failed
        self._since: dict[Place, list[datetime]] = {}
        self._failed: dict[Place, list[float]] = {}

    def note(self, change: Change) -> None:
        """Take note of a pod that became ready, ceased to be, or lets requests wait."""
        if change.resource is not PODS:
            return
        meta = change.object["metadata"]
        place = _place(change.object)
        if place not in self._pods:
            self._pods[place] = self._known(place)
        pods = self._pods[place]
        ready = _readiness(change.object)
        moment = parse(ready["lastTransitionTime"]) if ready else self._clock.now()
        if change.type == "DELETED":
            pods.pop(meta["uid"], None)
            moment = self._clock.now()
        else:
            pods[meta["uid"]] = self._look(change.object)
        serving = [part for well, part in pods.values() if well]
        failed = sum(serving) / len(serving) if serving else 1.0
        before = self._failed.setdefault(place, [])
        if (before[-1] if before else 0.0) != failed:
            since = self._since.setdefault(place, [])
            since.append(max(moment, since[-1]) if since else moment)
            before.append(failed)
            del since[:-_KEPT], before[:-_KEPT]

    def _known(self, place: Place) -> dict[str, tuple[bool, float]]:
        """Return the pods of an app of which nothing was heard yet."""
        return {
            pod["metadata"]["uid"]: self._look(pod)
            for pod in self._store.objects(PODS, place[0])
            if _place(pod) == place
        }

    def _look(self, pod: Object) -> tuple[bool, float]:
        ready = _readiness(pod)
        return ready is not None and ready["status"] == "True", self._part(pod)

    def _part(self, pod: Object) -> float:
        """Return which part of its requests a pod fails while it is ready."""
        runs = [slot.run for slot in self._kubelet.slots(pod) if slot.run and not slot.run.ended]
        lines = [line for run in runs if run.course.flaps for line in run.course.work_lines]
        return sum(line.startswith("ERROR") for line in lines) / len(lines) if lines else 0.0

    def retold(self, place: Place, lines: Iterable[Line]) -> list[Line]:
        """Return what a pod of an app wrote, with the calls that failed it in place of successes.

        The same lines each time, and also when all is well again.
        """
        calls = self._calls(place)
        if not calls:
            return list(lines)
        return [(moment, self._told(place, calls, moment, line)) for moment, line in lines]

    def _told(
        self, place: Place, calls: Sequence[tuple[Place, float]], moment: datetime, line: str
    ) -> str:
        if not line.startswith("INFO") or line.split(" ", 2)[1] in _OF_ITS_OWN:
            return line
        for called, part in calls:
            failed = part * self._fails(called, moment, (place,))
            mixed = zlib.crc32(f"{place}{called}{moment.isoformat()}".encode())
            if failed and mixed % 1000 < failed * 1000:
                namespace, app = called
                return f"ERROR http://{app}.{namespace}: {self._finding(called, moment)}"
        return line

    def _finding(self, called: Place, moment: datetime) -> str:
        own = self._own(called, moment)
        if own == 1.0:
            return "connection refused"
        return "no answer within 5000 ms" if own else "503 Service Unavailable"

    def _own(self, place: Place, moment: datetime) -> float:
        number = bisect_right(self._since.get(place, []), moment)
        return self._failed[place][number - 1] if number else 0.0

    def _fails(self, place: Place, moment: datetime, on_the_way: tuple[Place, ...]) -> float:
        well = 1.0 - self._own(place, moment)
        for called, part in self._calls(place):
            if well > 0 and called not in on_the_way:
                well *= 1.0 - part * self._fails(called, moment, (*on_the_way, place))
        return 1.0 - well


def _place(pod: Object) -> Place:
    meta = pod["metadata"]
    return meta["namespace"], (meta.get("labels") or {}).get("app", "")


def _readiness(pod: Object) -> Object | None:
    conditions: list[Object] = pod.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == "Ready"), None)
