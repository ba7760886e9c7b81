"""What to read next, by what is known so far. Pure: no kind is read that no symptom points to."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from tools.kubernetes.diagnosis.case import Case, Group, claims_of, config_maps, secrets
from tools.kubernetes.diagnosis.lastwords import HOSTS, Points
from tools.kubernetes.diagnosis.snapshot import CertificateOf, ListOf, LogOf, Read, Scope, Snapshot
from tools.kubernetes.diagnosis.symptoms import SIGKILL, What, ended_of, making_reports
from tools.kubernetes.events import Report
from tools.kubernetes.objects import name_of, namespace_of

SYSTEM: Final = "kube-system"
_MOST_LOGS: Final = 20
_MOST_SILENT: Final = 3
_MOST_CERTIFICATES: Final = 5
_MOST_NAMESPACES: Final = 2  # beside the one asked about, into which dependencies lead
_WARNINGS: Final = "type=Warning"
_ELSEWHERE: Final = ("pod", "deployment", "statefulset", "service")
_FIRST: Final = (
    "pod",
    "deployment",
    "statefulset",
    "daemonset",
    "job",
    "cronjob",
    "service",
    "ingress",
    "horizontalpodautoscaler",
    "certificate",  # cert-manager's, where there are any
)
_RUNS: Final = (What.CRASHING, What.UNREADY, What.FLAPPING, What.ASKED)
_UNMADE: Final = ("FailedCreate", "ReplicaSetCreateError")


def first(scope: Scope) -> list[Read]:
    """The first round: one list of each kind that shows symptoms."""
    if scope.kind == "node":
        pods = ListOf("pod", fields=f"spec.nodeName={scope.name}")
        return [ListOf("node"), pods, ListOf("event", fields=_WARNINGS)]
    found: list[Read] = [ListOf(kind, scope.namespace) for kind in _FIRST]
    found.append(ListOf("event", scope.namespace, _WARNINGS))
    return found if scope.namespace else [*found, ListOf("node")]


def more(snapshot: Snapshot) -> list[Read]:
    """What the symptoms ask for. Most urgent first: at the end of the budget the rest is left."""
    case = Case(snapshot)
    found = [*_logs(case), *_kinds(case), *_leads(case), *_ingresses(snapshot)]
    return list(dict.fromkeys(found))


def _place(snapshot: Snapshot, namespace: str) -> str:
    """How a list is asked for there: everywhere, where everything is looked at."""
    inside = snapshot.scope.namespace in ("", namespace)
    return snapshot.scope.namespace if inside else namespace


def left_out(snapshot: Snapshot) -> list[str]:
    """What is more than one diagnosis looks at, in words."""
    logs, certificates = len(_all_logs(Case(snapshot))), len(_certificates(snapshot))
    found = []
    if logs > _MOST_LOGS:
        found.append(f"{logs - _MOST_LOGS} more logs: only {_MOST_LOGS} are read")
    if certificates > _MOST_CERTIFICATES:
        more = f"{certificates - _MOST_CERTIFICATES} more certificates of ingresses"
        found.append(f"{more}: only {_MOST_CERTIFICATES} are looked at")
    return found


def _logs(case: Case) -> Iterator[Read]:
    yield from _all_logs(case)[:_MOST_LOGS]


def _all_logs(case: Case) -> list[LogOf]:
    asked: list[LogOf] = []
    for group in case.groups_of(*_RUNS):
        one = group.first
        place, pod = namespace_of(one.pod), name_of(one.pod)
        if group.what is What.CRASHING:
            before = LogOf(place, pod, one.container, previous=True)
            asked.append(before)
            if case.snapshot.found.get(before) == ():
                asked.append(LogOf(place, pod, one.container))
        else:
            asked.append(LogOf(place, pod, one.container))
    return [*asked, *_failed_jobs(case.snapshot)]


def _failed_jobs(snapshot: Snapshot) -> Iterator[LogOf]:
    """Of each job that failed, the container of a pod that did."""
    seen = set()
    for pod in snapshot.pods:
        owner = snapshot.owner(pod)
        failed = (pod.get("status") or {}).get("phase") == "Failed"
        if not failed or owner.kind not in ("job", "cronjob") or owner in seen:
            continue
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            if ended_of(status).get("exitCode"):
                seen.add(owner)
                yield LogOf(namespace_of(pod), name_of(pod), str(status["name"]))
                break


def _kinds(case: Case) -> Iterator[Read]:
    for group in case.groups:
        place = _place(case.snapshot, group.owner.namespace)
        yield from (ListOf(kind, place) for kind in _for_group(case, group))
        held = any(one.reason == "FailedAttachVolume" for one in _making(case, group))
        if held or group.what in (What.UNSCHEDULED, What.LOST, What.EVICTED, What.TERMINATING):
            yield ListOf("node")
    if any((pod.get("status") or {}).get("reason") == "Evicted" for pod in case.snapshot.pods):
        yield ListOf("node")
    yield from _killed(case)
    yield from _for_silent(case)
    yield from _for_unmade(case.snapshot)
    yield from _for_claims(case.snapshot)
    yield from _for_full(case)


def _making(case: Case, group: Group) -> list[Report]:
    """Why its node cannot make the first of them."""
    creates = group.what is What.CREATING
    return making_reports(case.snapshot, group.first.pod) if creates else []


def _for_group(case: Case, group: Group) -> Iterator[str]:
    pod = group.first.pod
    spec = pod.get("spec") or {}
    if group.owner.kind == "deployment":
        yield "replicaset"
    if group.owner.kind in ("statefulset", "daemonset"):
        yield "controllerrevision"
    stopped = group.what in (What.UNSCHEDULED, What.CREATING)
    full = case.hint(group, Points.DISK_FULL) is not None
    if (stopped or full) and claims_of(pod):
        yield "persistentvolumeclaim"
    if group.what in (What.CREATING, What.WAITING, *_RUNS) and config_maps(spec):
        yield "configmap"
    pulls = group.what is What.WAITING and spec.get("imagePullSecrets")
    waits = group.what in (What.CREATING, What.WAITING)
    if ((waits or case.hint(group, Points.LOGIN) is not None) and secrets(spec)) or pulls:
        yield "secret"
    if group.first.ended.get("reason") == "OOMKilled":
        yield "podmetrics"
    if case.hint(group, Points.TIMEOUT, Points.NO_HOST) is not None:
        yield "networkpolicy"


def _killed(case: Case) -> Iterator[Read]:
    """What nodes tell of memory, where a container was killed and not for its own limit."""
    for group in case.groups_of(What.CRASHING):
        ended = group.first.ended
        if ended.get("exitCode") == SIGKILL and ended.get("reason") != "OOMKilled":
            yield ListOf("event", "default", f"{_WARNINGS},involvedObject.kind=Node")
            return


def _for_silent(case: Case) -> Iterator[Read]:
    """What a node does for pods that are being made, where no warning says what they wait for."""
    silent = [group for group in case.groups_of(What.CREATING) if not group.first.reason]
    for group in silent[:_MOST_SILENT]:
        named = f"involvedObject.name={name_of(group.first.pod)}"
        yield ListOf("event", group.owner.namespace, named)


def _for_unmade(snapshot: Snapshot) -> Iterator[Read]:
    """Pods that may not be made: by what."""
    for ref, reports in snapshot.all_reports():
        said = " ".join(one.message for one in reports if one.reason in _UNMADE)
        if not said:
            continue
        place = _place(snapshot, ref.namespace)
        if ref.kind == "replicaset":
            yield ListOf("replicaset", place)
        if "quota" in said:
            yield ListOf("resourcequota", place)
        if "webhook" in said:
            yield ListOf("validatingwebhookconfiguration")
            yield ListOf("mutatingwebhookconfiguration")


def _for_claims(snapshot: Snapshot) -> Iterator[Read]:
    for ref, _ in snapshot.all_reports():
        if ref.kind == "persistentvolumeclaim":
            yield ListOf("persistentvolumeclaim", _place(snapshot, ref.namespace))
    for claim in snapshot.of("persistentvolumeclaim"):
        if (claim.get("status") or {}).get("phase") == "Pending":
            yield ListOf("storageclass")


def _for_full(case: Case) -> Iterator[Read]:
    """Whether a volume that is full may grow is said by its class."""
    groups = [*case.groups_of(*_RUNS)]
    full = any(case.hint(one, Points.DISK_FULL) and claims_of(one.first.pod) for one in groups)
    if full:
        yield ListOf("storageclass")


def _leads(case: Case) -> Iterator[Read]:
    """Where failing workloads' words and settings lead: the name service, other namespaces."""
    here = case.snapshot.scope.namespace
    elsewhere: list[str] = []
    for group in case.groups_of(*_RUNS):
        if here and group.owner.namespace != here:
            continue  # no further than one step
        if case.hint(group, Points.NO_HOST) is not None:
            yield from (ListOf(kind, SYSTEM) for kind in ("pod", "deployment") if here != SYSTEM)
        hosts = [one.detail for one in case.hints(group) if one.detail and one.points in HOSTS]
        services = [case.service_of(host, group.owner.namespace) for host in hosts]
        led = [case.led_to(one) for one in services if one is not None]
        elsewhere += [one.namespace for one in led if one is not None]
        elsewhere += _named(case, group)
    others = [place for place in dict.fromkeys(elsewhere) if here and place != here]
    for place in others[:_MOST_NAMESPACES]:
        yield from (ListOf(kind, place) for kind in _ELSEWHERE)
        yield ListOf("event", place, _WARNINGS)


_SERVICE = re.compile(r"\b[a-z0-9-]+\.([a-z0-9-]+)(?:\.svc(?:\.cluster\.local)?)?(?=[:/]|$)")


def _named(case: Case, group: Group) -> Iterable[str]:
    """The namespaces of the services that its settings name: `http://ledger.payments:8080`."""
    for _, value, _ in case.settings(group.owner):
        for found in _SERVICE.finditer(value.rpartition("//")[2].rpartition("@")[2]):
            if ".svc" in found[0] or "://" in value:
                yield found[1]


def _ingresses(snapshot: Snapshot) -> Iterator[Read]:
    """What serves ingresses, and the certificates that they show to the world."""
    for _, ingress in snapshot.refs("ingress"):
        served = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress")
        if not served and (ingress.get("spec") or {}).get("ingressClassName"):
            yield ListOf("ingressclass")
    yield from _certificates(snapshot)[:_MOST_CERTIFICATES]


def _certificates(snapshot: Snapshot) -> list[CertificateOf]:
    """Those that ingresses show, each once; what an issuer looks after says itself how it is."""
    issued = {
        CertificateOf(ref.namespace, str((one.get("spec") or {}).get("secretName")))
        for ref, one in snapshot.refs("certificate")
    }
    asked = [
        CertificateOf(ref.namespace, str(tls["secretName"]))
        for ref, ingress in snapshot.refs("ingress")
        for tls in (ingress.get("spec") or {}).get("tls") or ()
        if tls.get("secretName")
    ]
    every = list(dict.fromkeys(asked))
    return [one for one in every if one not in issued] + [one for one in every if one in issued]
