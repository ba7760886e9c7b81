"""What a failing workload says that it cannot reach: and why, where the cluster shows it."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from tools.kubernetes.diagnosis.case import Case, Group
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, MEDIUM, Clue, Ref, Said
from tools.kubernetes.diagnosis.lastwords import NETWORK, Hint, Points, is_named
from tools.kubernetes.diagnosis.links import leads_to_by_settings
from tools.kubernetes.diagnosis.onset import began
from tools.kubernetes.diagnosis.policies import Peer, cutting, named
from tools.kubernetes.diagnosis.snapshot import Line
from tools.kubernetes.diagnosis.symptoms import What
from tools.kubernetes.diagnosis.wording import listed, log_line, short
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import name_of
from tools.kubernetes.pods import is_ready
from tools.kubernetes.workloads import counts_of

_RUNS: Final = (What.CRASHING, What.UNREADY, What.FLAPPING)
_OFTEN: Final = 3  # lines of a program that seems well, before they are more than an accident
_NOW: Final = timedelta(minutes=5)
_PORT: Final = re.compile(r":(\d{2,5})\b")
_DNS_PORTS: Final = (53, "dns", "dns-tcp")


def dependencies(case: Case) -> Iterator[Said]:
    """One clue for each host that a failing workload names."""
    seen: set[tuple[Ref, str, Points]] = set()
    for group in case.groups_of(*_RUNS, What.ASKED):
        for hint in _newest(case, group):
            key = (group.owner, hint.detail, hint.points)
            if key not in seen:
                seen.add(key)
                yield from _unreached(case, group, hint)


def _newest(case: Case, group: Group) -> list[Hint]:
    """The last word about each host, among its last lines."""
    lines = case.words(group)[-25:]
    if group.what is What.ASKED:  # it is well itself: only what it says again and again, and now
        lines = _complaints(case, group)
    found: dict[str, Hint] = {}
    for hint in case.hints(group):
        said = found.get(hint.detail)
        vaguer = said is not None and hint.points is Points.UNREACHED is not said.points
        if hint.points in NETWORK and hint.line in lines and not vaguer:
            found[hint.detail] = hint
    return list(found.values())[-3:]


def _complaints(case: Case, group: Group) -> tuple[Line, ...]:
    """The lines of a workload that seems well about hosts that fail it often just now."""
    recent = [
        one
        for one in case.hints(group)
        if one.points in NETWORK and one.line.at and case.now - one.line.at < _NOW
    ]
    times = Counter(one.detail for one in recent)
    return tuple(one.line for one in recent if times[one.detail] >= _OFTEN)


def _unreached(case: Case, group: Group, hint: Hint) -> Iterator[Said]:
    meant = case.service_meant(hint, group.owner)
    service = case.led_to(meant) if meant is not None else None
    known = service is not None and case.snapshot.at(service) is not None
    if not known and not is_named(hint.detail, hint.line.text):
        service = service if hint.points is Points.NO_HOST else None  # any word may stand there
    if hint.points is Points.NO_HOST:
        yield from _unresolved(case, group, hint, service)
        return
    if service is None:
        yield _outside(case, group, hint)
        return
    live = case.snapshot.at(service)
    if live is None:
        if case.snapshot.lacks("service", service.namespace, service.name):
            yield _no_service(case, group, hint, service)
        return
    yield from _to_service(case, group, hint, (service, live))


def _no_service(case: Case, group: Group, hint: Hint, service: Ref) -> Clue:
    known = [name_of(one) for one in case.snapshot.of("service", service.namespace)]
    near = difflib.get_close_matches(service.name, known, n=1, cutoff=0.6)
    text = f"It calls {hint.detail}, and there is no {service} in {service.namespace}."
    text += f" There is a service/{near[0]}." if near else ""
    meant = case.service_meant(hint, group.owner)
    text += f" {meant} leads there (externalName)." if meant not in (None, service) else ""
    return _clue(
        case,
        group,
        hint,
        Cause.SERVICE_MISSING,
        text,
        evidence=(f"services in {service.namespace}: {listed(known, 8) or 'none'}",),
        sure=hint.points is Points.NO_HOST,
    )


def _to_service(case: Case, group: Group, hint: Hint, found: tuple[Ref, Object]) -> Iterator[Said]:
    service, live = found
    behind = sorted(case.behind(service))
    idle = [
        one
        for one in behind
        if not counts_of(case.snapshot.at(one) or {"spec": {"replicas": 1}}).wanted
    ]
    if behind and idle == behind:
        yield _scaled_to_zero(case, group, hint, service, idle[0])
        return
    wrong = _wrong_port(hint, live)
    if wrong and hint.points is not Points.UNWELL:
        ports = ", ".join(
            str(one.get("port")) for one in (live.get("spec") or {}).get("ports") or ()
        )
        text = f"It calls {hint.detail} at port {wrong}, and {service} has {ports}."
        evidence = (f"{service}: spec.ports {ports}",)
        yield _clue(case, group, hint, Cause.SERVICE_PORT, text, evidence=evidence, sure=True)
        return
    if hint.points is not Points.UNWELL and (cut := _cut(case, group, hint, service)) is not None:
        yield cut
        return
    words = f"It calls {service} ({hint.detail}), which {_answers(hint)}."
    pods = [pod for one in behind for pod in case.snapshot.pods_of(one)]
    ready = sum(map(is_ready, pods))
    evidence = (f"{service}: {ready} of {len(pods)} pods behind it are ready",)
    hangs_on = frozenset({service, *behind})
    yield _clue(
        case,
        group,
        hint,
        Cause.DEPENDENCY,
        words,
        evidence=evidence,
        hangs_on=hangs_on - {group.owner},
    )


def _answers(hint: Hint) -> str:
    match hint.points:
        case Points.REFUSED:
            return "refuses connections"
        case Points.TIMEOUT:
            return "does not answer in time"
        case Points.UNREACHED:
            return "cannot be reached"
        case _:
            return "answers with errors"


def _wrong_port(hint: Hint, service: Object) -> int | None:
    """The port that a line names, if the service has no such port."""
    known = {int(one.get("port") or 0) for one in (service.get("spec") or {}).get("ports") or ()}
    host = re.escape(hint.detail)
    found = re.search(rf"{host}[\w.-]*:(\d{{2,5}})\b", hint.line.text, re.IGNORECASE)
    if found is None or not known:
        return None
    port = int(found[1])
    return port if port not in known else None


def _scaled_to_zero(case: Case, group: Group, hint: Hint, service: Ref, idle: Ref) -> Clue:
    since = began(case.snapshot, group.pods)
    return Clue(
        Cause.SCALED_TO_ZERO,
        idle,
        f"It is scaled to 0, and {group.owner} calls it as {hint.detail}.",
        (
            f"{idle}: spec.replicas 0; behind {service}",
            log_line(group.first.pod, group.container, hint.line, case.now),
        ),
        HIGH,
        since=since,
        explains=frozenset({service, group.owner}) | group.refs,
    )


def _cut(case: Case, group: Group, hint: Hint, service: Ref) -> Clue | None:
    """A policy between the two."""
    policies = case.snapshot.of("networkpolicy")
    live = case.snapshot.at(service) or {}
    target = case.snapshot.selected(
        service.namespace, {"matchLabels": (live.get("spec") or {}).get("selector") or {"": ""}}
    )
    if not policies or not target:
        return None
    pod, other = group.first.pod, target[0]
    ports = _target_ports(live, other)
    into = cutting(policies, other, "Ingress", Peer.of(pod), ports)
    out = cutting(policies, pod, "Egress", Peer.of(other), ports)
    found = into or out
    if not found:
        return None
    way = f"no way in to {service} from" if into else f"no way out to {service} of"
    return _policy(
        case,
        group,
        hint,
        found,
        f"It leaves {way} {group.owner}.",
        sure=hint.points is Points.TIMEOUT,
    )


def _policy(
    case: Case, group: Group, hint: Hint, found: list[Object], words: str, *, sure: bool
) -> Clue:
    about = Ref("networkpolicy", group.owner.namespace, name_of(found[0]))
    place = str((found[0].get("metadata") or {}).get("namespace") or about.namespace)
    return Clue(
        Cause.NETWORK_POLICY,
        Ref("networkpolicy", place, about.name),
        words,
        (
            f"network policies that select it: {named(found)}; no rule of theirs allows it",
            log_line(group.first.pod, group.container, hint.line, case.now),
        ),
        HIGH if sure else MEDIUM,
        since=began(case.snapshot, group.pods),
        explains=group.refs,
        concerns=frozenset({group.owner}),
        alternative="" if sure else "nothing listens there",
    )


def _target_ports(service: Object, pod: Object) -> list[object]:
    """The ports of its containers that a service leads to, as numbers and as names."""
    found: list[object] = []
    by_name = {
        one.get("name"): one.get("containerPort")
        for container in (pod.get("spec") or {}).get("containers") or ()
        for one in container.get("ports") or ()
    }
    for port in (service.get("spec") or {}).get("ports") or ():
        target = port.get("targetPort", port.get("port"))
        found += [target, by_name.get(target, target)]
        found += [name for name, number in by_name.items() if number == target and name]
    return [one for one in found if one is not None]


def _outside(case: Case, group: Group, hint: Hint) -> Clue:
    if not hint.detail:
        calls = leads_to_by_settings(case, group)
        text = f"It calls something that {_answers(hint)}."
        return _clue(case, group, hint, Cause.DEPENDENCY, text, hangs_on=calls)
    text = f"It calls {hint.detail}, which {_answers(hint)}; that is no service of this cluster."
    return _clue(case, group, hint, Cause.DEPENDENCY, text)


def _unresolved(case: Case, group: Group, hint: Hint, service: Ref | None) -> Iterator[Said]:
    """A name that is not resolved: it does not exist, or nobody answers for names."""
    known = service is not None and case.snapshot.at(service) is not None
    lacking = service is not None and case.snapshot.lacks(
        "service", service.namespace, service.name
    )
    if lacking and service is not None:
        yield _no_service(case, group, hint, service)
        return
    policies = case.snapshot.of("networkpolicy", group.owner.namespace)
    cut = cutting(policies, group.first.pod, "Egress", Peer("kube-system"), _DNS_PORTS)
    if cut:
        words = f"It lets {group.owner} send nothing to port 53: no name is resolved."
        yield _policy(case, group, hint, _in_the_way(cut), words, sure=True)
        return
    spec = group.first.pod.get("spec") or {}
    policy = spec.get("dnsPolicy", "ClusterFirst")
    if known and (
        policy in ("Default", "None") or (spec.get("hostNetwork") and policy == "ClusterFirst")
    ):
        text = f"Its pods do not ask the cluster's name service (dnsPolicy {policy}), so that"
        text += f" {hint.detail} is not resolved."
        evidence = (f"pod/{name_of(group.first.pod)}: spec.dnsPolicy {policy}",)
        yield _clue(case, group, hint, Cause.DNS, text, evidence=evidence, sure=True)
        return
    yield from _name_service(case, group, hint, known=known)


def _in_the_way(policies: list[Object]) -> list[Object]:
    return sorted(policies, key=name_of)


def _name_service(case: Case, group: Group, hint: Hint, *, known: bool) -> Iterator[Said]:
    servers = [pod for pod in case.snapshot.of("pod", "kube-system") if _serves_names(pod)]
    seen = case.snapshot.knows("pod", "kube-system")
    line = log_line(group.first.pod, group.container, hint.line, case.now)
    about = (
        case.snapshot.owner(servers[0]) if servers else Ref("deployment", "kube-system", "coredns")
    )
    ready = sum(map(is_ready, servers))
    since = began(case.snapshot, group.pods)
    if seen and not ready:
        text = f"The cluster's name service is down: {ready} of {len(servers)} pods are ready, and"
        text += f" {hint.detail or 'no name'} is not resolved."
        words = f"{about} in kube-system: {ready} of {len(servers)} pods ready"
        yield Clue(
            Cause.DNS, about, text, (words, line), HIGH, since=since, explains=group.refs | {about}
        )
    elif known:
        text = f"{hint.detail or 'A name'} is not resolved, though that service exists"
        yield _clue(
            case,
            group,
            hint,
            Cause.DNS,
            f"{text}.",
            evidence=(f"name service: {ready} of {len(servers)} pods ready",) if seen else (),
            hangs_on=frozenset({about}),
        )
    else:
        what = "does not exist" if seen else "is not resolved: it does not exist, or nobody answers"
        text = f"It calls {hint.detail or 'a host'}, a name that {what}."
        yield _clue(case, group, hint, Cause.DEPENDENCY, text)


def _serves_names(pod: Object) -> bool:
    labels = (pod.get("metadata") or {}).get("labels") or {}
    return labels.get("k8s-app") in ("kube-dns", "coredns") or "dns" in str(labels.get("app", ""))


def _clue(  # noqa: PLR0913 - what a clue is made of
    case: Case,
    group: Group,
    hint: Hint,
    cause: Cause,
    text: str,
    *,
    evidence: tuple[str, ...] = (),
    hangs_on: frozenset[Ref] = frozenset(),
    sure: bool = False,
) -> Clue:
    return Clue(
        cause,
        group.owner,
        short(text, 400),
        (log_line(group.first.pod, group.container, hint.line, case.now), *evidence),
        HIGH if sure else MEDIUM,
        since=began(case.snapshot, group.pods),
        explains=group.refs,
        hangs_on=hangs_on,
        alternative="" if sure else "the program itself",
    )
