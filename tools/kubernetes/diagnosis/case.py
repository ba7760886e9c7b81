"""A snapshot with what follows from it: symptoms by workload, and what the logs point to."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from tools.kubernetes.diagnosis.clues import Ref
from tools.kubernetes.diagnosis.lastwords import Hint, Points, hints_of, hosts_in
from tools.kubernetes.diagnosis.snapshot import WORKLOADS, Line, Snapshot, ref_of
from tools.kubernetes.diagnosis.symptoms import NO_START, Symptom, What, is_calm, symptoms_of
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import labels_of, moment, name_of, selects
from tools.kubernetes.pods import is_ready

_CLUSTER_DOMAINS = (".svc.cluster.local", ".svc")
_HASHES = ("pod-template-hash", "controller-revision-hash")


@dataclass(frozen=True)
class Group:
    """The same trouble of the same container of one workload's pods, of one template."""

    owner: Ref
    what: What
    container: str
    init: bool
    symptoms: tuple[Symptom, ...]

    @property
    def first(self) -> Symptom:
        """One for all."""
        return self.symptoms[0]

    @property
    def pods(self) -> list[Object]:
        """The pods."""
        return [one.pod for one in self.symptoms]

    @property
    def refs(self) -> frozenset[Ref]:
        """The pods by name, with their workload."""
        return frozenset({self.owner, *(one.ref for one in self.symptoms)})


def _order(group: Group) -> tuple[Ref, What, str, bool, str]:
    return group.owner, group.what, group.container, group.init, template_hash(group.first.pod)


def template_hash(pod: Object) -> str:
    """Of which template of its workload a pod was made."""
    labels = labels_of(pod)
    return next((labels[key] for key in _HASHES if key in labels), "")


class Case:
    """What analyzers are given."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.now = snapshot.now

    @cached_property
    def symptoms(self) -> list[Symptom]:
        """Every trouble there is now, in a steady order."""
        found = []
        for pod in self.snapshot.pods:
            for one in symptoms_of(self.snapshot, pod):
                ended = one.what in (What.EVICTED, What.FAILED)
                if not ended or not is_calm(self.snapshot, pod):
                    found.append(one)
        about = self.snapshot.scope.about
        if not any(self.snapshot.owner(one.pod) == about for one in found):
            found += self._asked_about()
        return found

    def _asked_about(self) -> Iterator[Symptom]:
        """Who asks about one workload has seen something: its log is looked at."""
        about = self.snapshot.scope.about
        if about is None or about.kind not in WORKLOADS:
            return
        yield from self._running(about)

    def _running(self, workload: Ref) -> Iterator[Symptom]:
        for pod in sorted(self.snapshot.pods_of(workload), key=is_ready, reverse=True):
            containers = (pod.get("spec") or {}).get("containers") or ()
            if (pod.get("status") or {}).get("phase") == "Running" and containers:
                yield Symptom(What.ASKED, pod, str(containers[0].get("name")))
                return

    @cached_property
    def groups(self) -> list[Group]:
        """The same by workload, container and template."""
        found = self._grouped(self.symptoms)
        return sorted([*found, *self._grouped(self._named(found))], key=_order)

    def _named(self, groups: Sequence[Group]) -> Iterator[Symptom]:
        """What is said to answer with errors and seems well: its log is looked at as well."""
        ill = {self.snapshot.owner(one.pod) for one in self.symptoms}
        for group in groups:
            hint = self.hint(group, Points.UNWELL)
            meant = self.service_meant(hint, group.owner) if hint is not None else None
            service = self.led_to(meant) if meant is not None else None
            for workload in sorted(self.behind(service)) if service is not None else ():
                if workload not in ill:
                    ill.add(workload)
                    yield from self._running(workload)

    def _grouped(self, symptoms: Iterable[Symptom]) -> list[Group]:
        found: dict[tuple[Ref, What, str, bool, str], list[Symptom]] = defaultdict(list)
        for one in symptoms:
            owner = self.snapshot.owner(one.pod)
            template = template_hash(one.pod)
            found[owner, one.what, one.container, one.init, template].append(one)
        return [
            Group(owner, what, container, init, tuple(symptoms))
            for (owner, what, container, init, _), symptoms in sorted(found.items())
        ]

    def groups_of(self, *what: What) -> Iterator[Group]:
        """Those of some kinds of trouble."""
        return (group for group in self.groups if group.what in what)

    @cached_property
    def unwell(self) -> frozenset[Ref]:
        """The workloads and pods that have a trouble now."""
        return frozenset(ref for group in self.groups for ref in group.refs)

    def words(self, group: Group) -> tuple[Line, ...]:
        """The last words of a group: of its first pod whose log was read."""
        for one in group.symptoms:
            running = group.what is not What.CRASHING
            log = self.snapshot.log(one.pod, one.container, previous=False) if running else ()
            if found := log or self.snapshot.last_words(one.pod, one.container):
                return found
        return next(filter(None, map(_left, group.symptoms)), ())

    def hints(self, group: Group) -> list[Hint]:
        """What they point to."""
        key = (group.owner, group.what, group.container, group.first.ref)
        if key not in self._hints:
            self._hints[key] = hints_of(self.words(group))
        return self._hints[key]

    @cached_property
    def _hints(self) -> dict[tuple[Ref, What, str, Ref], list[Hint]]:
        return {}

    def hint(self, group: Group, *points: Points) -> Hint | None:
        """The newest of some kinds."""
        return next((one for one in reversed(self.hints(group)) if one.points in points), None)

    def service_of(self, host: str, namespace: str) -> Ref | None:
        """The service that a host name means there, whether it exists or not; None: none of ours.

        `db`, `db.shop`, `db.shop.svc.cluster.local`, or the address of a service.
        """
        name = host
        for domain in _CLUSTER_DOMAINS:
            name = name.removesuffix(domain)
        parts = name.split(".")
        if all(part.isdecimal() for part in parts):
            return self._service_at(host)
        if len(parts) == 1:
            return Ref("service", namespace, name)
        if len(parts) == 2 and (name != host or self._is_namespace(parts[1])):
            return Ref("service", parts[1], parts[0])
        if len(parts) == 3 and name != host:  # one pod of a headless service
            return Ref("service", parts[2], parts[1])
        if len(parts) in (2, 3) and self.snapshot.get("service", namespace, parts[1]):
            return Ref("service", namespace, parts[1])
        return None

    def led_to(self, service: Ref) -> Ref | None:
        """Where a service leads that is only another name; any other is meant itself."""
        spec = (self.snapshot.at(service) or {}).get("spec") or {}
        if spec.get("type") != "ExternalName":
            return service
        host = str(spec.get("externalName") or "").rstrip(".").lower()
        return self.service_of(host, service.namespace) if "." in host else None

    def service_meant(self, hint: Hint, owner: Ref) -> Ref | None:
        """The service that a line is about: by its name, its address, or by its port where the
        address is nobody's any more and the workload's settings name a service with that port."""
        found = self.service_of(hint.detail, owner.namespace) if hint.detail else None
        if found is not None or not hint.detail.replace(".", "").isdecimal():
            return found
        named = re.search(rf"{re.escape(hint.detail)}:(\d{{2,5}})", hint.line.text)
        port = int(named[1]) if named else 0
        fitting = [one for one in self.calls(owner) if port in self._ports(one)]
        return fitting[0] if len(fitting) == 1 else None

    def _ports(self, service: Ref) -> set[int]:
        spec = (self.snapshot.at(service) or {}).get("spec") or {}
        return {int(one.get("port") or 0) for one in spec.get("ports") or ()}

    def _service_at(self, address: str) -> Ref | None:
        for ref, service in self.snapshot.refs("service"):
            if (service.get("spec") or {}).get("clusterIP") == address:
                return ref
        for pod in self.snapshot.pods:
            if (pod.get("status") or {}).get("podIP") == address:
                services = self._serving(pod)
                return services[0] if services else None
        return None

    def _serving(self, pod: Object) -> list[Ref]:
        place = ref_of("pod", pod).namespace
        return [
            ref
            for ref, service in self.snapshot.refs("service")
            if ref.namespace == place
            and (chosen := (service.get("spec") or {}).get("selector"))
            and selects({"matchLabels": chosen}, labels_of(pod))
        ]

    def _is_namespace(self, name: str) -> bool:
        known = {ref.namespace for ref, _ in self.snapshot.refs("service", "pod", "deployment")}
        return name in known or "-" in name or name.isalpha()

    def behind(self, service: Ref) -> frozenset[Ref]:
        """The workloads whose pods a service sends to, also those that have no pods now."""
        live = self.snapshot.at(service)
        selector = ((live or {}).get("spec") or {}).get("selector")
        if not selector:
            return frozenset()
        wanted = {"matchLabels": selector}
        pods = self.snapshot.selected(service.namespace, wanted)
        found = {self.snapshot.owner(pod) for pod in pods}
        for ref, workload in self.snapshot.refs("deployment", "statefulset", "daemonset"):
            here = ref.namespace == service.namespace
            if here and selects(wanted, template_labels(workload)):
                found.add(ref)
        return frozenset(found)

    def settings(self, workload: Ref) -> list[tuple[str, str, str]]:
        """Where a workload's plain settings come from: name, value, and the config map or ""."""
        found = []
        spec, place = self.snapshot.spec_of(workload), workload.namespace
        for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
            for source in container.get("envFrom") or ():
                name = str((source.get("configMapRef") or {}).get("name") or "")
                live = self.snapshot.get("configmap", place, name) if name else None
                for key, value in sorted(((live or {}).get("data") or {}).items()):
                    found.append((f"{source.get('prefix', '')}{key}", str(value), name))
            for one in container.get("env") or ():
                ref = (one.get("valueFrom") or {}).get("configMapKeyRef") or {}
                live = self.snapshot.get("configmap", place, str(ref.get("name") or ""))
                value = one.get("value")
                if ref and live is not None:
                    value = (live.get("data") or {}).get(ref.get("key"))
                if value is not None:
                    found.append((str(one.get("name")), str(value), str(ref.get("name") or "")))
        return found

    def calls(self, workload: Ref) -> dict[Ref, str]:
        """The services that its settings name, each with the setting's name."""
        if workload not in self._calls:
            found: dict[Ref, str] = {}
            for name, value, _ in self.settings(workload):
                for host in hosts_in(value):
                    service = self.service_of(host, workload.namespace)
                    if service is not None and self.snapshot.at(service) is not None:
                        found.setdefault(service, name)
            self._calls[workload] = found
        return self._calls[workload]

    @cached_property
    def _calls(self) -> dict[Ref, dict[Ref, str]]:
        return {}


def _left(symptom: Symptom) -> tuple[Line, ...]:
    """What a program left as its termination message; one that never began has none of its own."""
    ended = symptom.ended
    if ended.get("reason") in NO_START:
        return ()
    at = moment(ended.get("finishedAt"))
    said = str(ended.get("message") or "").splitlines()
    return tuple(Line(at, line.strip(), "termination message") for line in said if line.strip())


def template_labels(workload: Object) -> dict[str, str]:
    """The labels of the pods that a workload makes."""
    template = (workload.get("spec") or {}).get("template") or {}
    return {
        str(k): str(v) for k, v in ((template.get("metadata") or {}).get("labels") or {}).items()
    }


def config_maps(spec: Object) -> set[str]:
    """The config maps that a pod specification needs or uses."""
    return _sources(spec, "configMap", "name", "configMapRef", "configMapKeyRef")


def variable_sources(spec: Object, container: str) -> set[str]:
    """The config maps that one of its containers reads as variables: at its start only."""
    found = set()
    for one in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        if one.get("name") == container:
            sources = [source.get("configMapRef") for source in one.get("envFrom") or ()]
            sources += [
                (variable.get("valueFrom") or {}).get("configMapKeyRef")
                for variable in one.get("env") or ()
            ]
            found |= {(source or {}).get("name") for source in sources}
    return {str(name) for name in found if name}


def secrets(spec: Object) -> set[str]:
    """The secrets that it does."""
    return _sources(spec, "secret", "secretName", "secretRef", "secretKeyRef")


def _sources(spec: Object, volume: str, key: str, whole: str, one_key: str) -> set[str]:
    found = set()
    for one in spec.get("volumes") or ():
        parts = [one, *((one.get("projected") or {}).get("sources") or ())]
        for part in parts:
            source = part.get(volume) or {}
            found.add(source.get(key) or source.get("name"))
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        for source in container.get("envFrom") or ():
            found.add((source.get(whole) or {}).get("name"))
        for variable in container.get("env") or ():
            found.add(((variable.get("valueFrom") or {}).get(one_key) or {}).get("name"))
    return {str(name) for name in found if name}


def claims(pod_or_spec: Object) -> list[str]:
    """The claims that a pod mounts."""
    spec = pod_or_spec.get("spec", pod_or_spec)
    found = [
        (one.get("persistentVolumeClaim") or {}).get("claimName")
        for one in spec.get("volumes") or ()
    ]
    return [str(name) for name in found if name]


def claims_of(pod: Object) -> list[str]:
    """The claims of a pod, with those made for its ephemeral volumes."""
    spec = pod.get("spec") or {}
    made = [f"{name_of(pod)}-{v['name']}" for v in spec.get("volumes") or () if v.get("ephemeral")]
    return [*claims(pod), *made]
