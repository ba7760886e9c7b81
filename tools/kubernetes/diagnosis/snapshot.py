"""What was read of a cluster, and questions about it. Analyzers see nothing else."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeAlias

from tools.kubernetes.diagnosis.clues import Ref
from tools.kubernetes.events import Report, reports_of
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import labels_of, meta, name_of, namespace_of, selects

HASH = "pod-template-hash"
WORKLOADS = ("deployment", "statefulset", "daemonset", "replicaset")


@dataclass(frozen=True)
class Scope:
    """What is looked at: one object, a namespace, or with neither everything."""

    namespace: str = ""  # empty: all
    kind: str = ""
    name: str = ""

    @property
    def about(self) -> Ref | None:
        """The one object."""
        return Ref(self.kind, self.namespace, self.name) if self.name else None


@dataclass(frozen=True, order=True)
class ListOf:
    """All objects of a kind in a namespace; empty: in all, or of a kind that is in none."""

    kind: str
    namespace: str = ""
    fields: str = ""


@dataclass(frozen=True, order=True)
class LogOf:
    """The last lines of a container, of the run before the last restart if `previous`."""

    namespace: str
    pod: str
    container: str
    previous: bool = False


@dataclass(frozen=True, order=True)
class CertificateOf:
    """When the certificate in a TLS secret ends; nothing else of it is kept."""

    namespace: str
    name: str


Read: TypeAlias = ListOf | LogOf | CertificateOf


@dataclass(frozen=True)
class Denied:
    """Why something could not be read."""

    why: str


@dataclass(frozen=True)
class Line:
    """One line of what a container said."""

    at: datetime | None
    text: str
    source: str = "log"


@dataclass(frozen=True)
class Items:
    """Objects of a list; `cut`: there are more."""

    objects: tuple[Object, ...]
    cut: bool = False


Found: TypeAlias = Items | tuple[Line, ...] | datetime | Denied


class Snapshot:
    """One moment of the cluster, as far as it was read."""

    def __init__(self, scope: Scope, now: datetime, found: Mapping[Read, Found]) -> None:
        self.scope = scope
        self.now = now
        self.found = found

    def of(self, kind: str, namespace: str = "") -> list[Object]:
        """The objects of a kind that were read, by namespace and name."""
        if not namespace:
            return list(self._by_kind.get(kind, {}).values())
        return self._by_place.get((kind, namespace), [])

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """One of these."""
        return self._by_kind.get(kind, {}).get(Ref(kind, namespace, name))

    def at(self, ref: Ref) -> Object | None:
        """The same."""
        return self.get(ref.kind, ref.namespace, ref.name)

    def knows(self, kind: str, namespace: str = "") -> bool:
        """Whether all objects of a kind there were read: one that is not among them is missing."""
        for asked, found in self.found.items():
            if not isinstance(asked, ListOf) or asked.kind != kind or asked.fields:
                continue
            whole = isinstance(found, Items) and not found.cut
            if whole and asked.namespace in ("", namespace):
                return True
        return False

    def lacks(self, kind: str, namespace: str, name: str) -> bool:
        """Whether an object certainly does not exist."""
        return self.knows(kind, namespace) and self.get(kind, namespace, name) is None

    def log(self, pod: Object, container: str, *, previous: bool) -> tuple[Line, ...]:
        """What a container wrote, as far as it was read."""
        asked = LogOf(namespace_of(pod), name_of(pod), container, previous)
        found = self.found.get(asked, ())
        return found if isinstance(found, tuple) else ()

    def last_words(self, pod: Object, container: str) -> tuple[Line, ...]:
        """Of the run before the last restart, or of this one."""
        found = self.log(pod, container, previous=True)
        return found or self.log(pod, container, previous=False)

    @cached_property
    def _by_kind(self) -> dict[str, dict[Ref, Object]]:
        found: dict[str, dict[Ref, Object]] = defaultdict(dict)
        for asked, got in self.found.items():
            if not isinstance(asked, ListOf) or not isinstance(got, Items):
                continue
            for one in got.objects:
                found[asked.kind][Ref(asked.kind, namespace_of(one), name_of(one))] = one
        return {kind: dict(sorted(ones.items())) for kind, ones in found.items()}

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], list[Object]]:
        found: dict[tuple[str, str], list[Object]] = defaultdict(list)
        for kind, ones in self._by_kind.items():
            for ref, one in ones.items():
                found[kind, ref.namespace].append(one)
        return found

    @property
    def pods(self) -> list[Object]:
        """All pods that were read."""
        return self.of("pod")

    def refs(self, *kinds: str) -> Iterator[tuple[Ref, Object]]:
        """The objects of some kinds, each with its name."""
        for kind in kinds:
            yield from self._by_kind.get(kind, {}).items()

    @cached_property
    def _owners(self) -> dict[Ref, Ref]:
        return {ref_of("pod", pod): self._owner(pod) for pod in self.pods}

    def owner(self, pod: Object) -> Ref:
        """The workload that a person would mend: its deployment rather than its replica set."""
        return self._owners.get(ref_of("pod", pod)) or self._owner(pod)

    def _owner(self, pod: Object) -> Ref:
        place, above = namespace_of(pod), controlled_by(pod)
        if above is None:
            return ref_of("pod", pod)
        if above.kind == "replicaset":
            return self._above_replicas(above, labels_of(pod).get(HASH, ""))
        if above.kind == "job":
            job = self.get("job", place, above.name)
            return (controlled_by(job) if job else None) or above
        return above

    def _above_replicas(self, above: Ref, template: str) -> Ref:
        live = self.at(above)
        if live is not None:
            return controlled_by(live) or above
        name = above.name.removesuffix(f"-{template}") if template else above.name
        likely = Ref("deployment", above.namespace, name)
        if name == above.name or self.lacks("deployment", above.namespace, name):
            return above
        return likely

    def workload_of(self, ref: Ref) -> Ref:
        """The workload that a replica set, a job or a pod belongs to; any other is its own."""
        if ref.kind == "pod":
            pod = self.at(ref)
            return self.owner(pod) if pod else ref
        if ref.kind == "job":
            job = self.at(ref)
            return (controlled_by(job) if job else None) or ref
        if ref.kind == "replicaset":
            live = self.at(ref)
            if live is not None:
                return controlled_by(live) or ref
            for one in self._made_by:
                if one.kind == "deployment" and ref.name.startswith(f"{one.name}-"):
                    tail = ref.name.removeprefix(f"{one.name}-")
                    if "-" not in tail and one.namespace == ref.namespace:
                        return one
        return ref

    @cached_property
    def _made_by(self) -> list[Ref]:
        return [ref for ref, _ in self.refs(*WORKLOADS)]

    @cached_property
    def _pods_by_owner(self) -> dict[Ref, list[Object]]:
        found: dict[Ref, list[Object]] = defaultdict(list)
        for pod in self.pods:
            found[self.owner(pod)].append(pod)
        return found

    def pods_of(self, workload: Ref) -> list[Object]:
        """Its pods."""
        return self._pods_by_owner.get(workload, [])

    @cached_property
    def _reports(self) -> dict[Ref, list[Report]]:
        found: dict[Ref, list[Report]] = defaultdict(list)
        for one in reports_of(self.of("event")):
            found[Ref(one.kind, one.namespace, one.name)].append(one)
            if one.kind == "node":  # it is in no namespace, its events are in the default one
                found[Ref("node", "", one.name)].append(one)
        return found

    def reports(self, ref: Ref, *reasons: str) -> list[Report]:
        """What was reported of an object, newest last."""
        found = self._reports.get(ref, [])
        return [one for one in found if not reasons or one.reason in reasons]

    def all_reports(self) -> Iterator[tuple[Ref, list[Report]]]:
        """Everything that was reported."""
        yield from sorted(self._reports.items())

    def selected(self, namespace: str, selector: Mapping[str, object] | None) -> list[Object]:
        """The pods of a namespace that a selector with matchLabels takes in."""
        equal = (selector or {}).get("matchLabels")
        if not isinstance(equal, Mapping) or not equal:
            found = self.of("pod", namespace)
        else:
            found = self._labelled.get((namespace, *next(iter(equal.items()))), [])
        return [pod for pod in found if selects(selector, labels_of(pod))]

    @cached_property
    def _labelled(self) -> dict[tuple[str, str, str], list[Object]]:
        """Pods by namespace and each of their labels."""
        found: dict[tuple[str, str, str], list[Object]] = defaultdict(list)
        for pod in self.pods:
            for key, value in labels_of(pod).items():
                found[namespace_of(pod), key, value].append(pod)
        return found

    def spec_of(self, workload: Ref) -> Object:
        """The pod specification that a workload makes its pods from; else that of a pod of it."""
        live = self.at(workload) or {}
        spec = live.get("spec") or {}
        if workload.kind == "cronjob":
            spec = ((spec.get("jobTemplate") or {}).get("spec")) or {}
        found: Object = (spec.get("template") or {}).get("spec") or {}
        if not found:
            pods = self.pods_of(workload)
            found = (pods[0].get("spec") or {}) if pods else {}
        return found


def ref_of(kind: str, thing: Object) -> Ref:
    """An object's name."""
    return Ref(kind, namespace_of(thing), name_of(thing))


def controlled_by(thing: Object) -> Ref | None:
    """Its controller."""
    for one in meta(thing).get("ownerReferences") or ():
        if one.get("controller"):
            return Ref(str(one.get("kind", "")).lower(), namespace_of(thing), str(one.get("name")))
    return None


def names(pods: Sequence[Object], most: int = 3) -> str:
    """Pods in words."""
    found = ", ".join(name_of(pod) for pod in pods[:most])
    return found + (f" and {len(pods) - most} more" if len(pods) > most else "")
