"""Pods that no node takes: each reason of the scheduler, and which of several decides."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tools.kubernetes.counting import counted
from tools.kubernetes.diagnosis.case import Case, Group
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, LOW, MEDIUM, Clue, Notice, Ref, Said
from tools.kubernetes.diagnosis.onset import onset
from tools.kubernetes.diagnosis.symptoms import STARTING, What
from tools.kubernetes.diagnosis.wording import event, listed, pods_of, short
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import conditions, meta, moment, name_of
from tools.kubernetes.quantities import told
from tools.kubernetes.room import FITS_NONE, largest, requests

_CONTROL: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_NODE_TAINTS: Final = (
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/network-unavailable",
    "node.cloudprovider.kubernetes.io/uninitialized",
)
_USUAL: Final = "default-scheduler"
_CORDON: Final = "node.kubernetes.io/unschedulable"
_PART: Final = re.compile(r"(\d+) (?:node\(s\) )?(.+)")
# What each part of the scheduler's message means, the first that matches.
_MEANS: Final = (
    (Cause.UNSCHEDULABLE_RESOURCES, r"^Insufficient "),
    (Cause.UNSCHEDULABLE_PODS, r"Too many pods"),
    (Cause.UNSCHEDULABLE_CORDON, r"were unschedulable"),
    (Cause.UNSCHEDULABLE_TAINT, r"taint"),
    (Cause.VOLUME_ZONE, r"volume node affinity conflict|no available volume zone"),
    (Cause.UNSCHEDULABLE_AFFINITY, r"pod (?:anti-)?affinity|anti-affinity|existing pods"),
    (Cause.UNSCHEDULABLE_SPREAD, r"topology spread"),
    (Cause.UNSCHEDULABLE_SELECTOR, r"node affinity|node selector|affinity/selector|NodeAffinity"),
    (Cause.UNSCHEDULABLE_PORT, r"free ports"),
    (Cause.PVC_PENDING, r"persistent volumes? to bind|PersistentVolumeClaim|persistentvolumeclaim"),
    (Cause.UNSCHEDULABLE, r"max volume count"),
)
# Of several reasons, which one to mend: what keeps a pod from the nodes that would else take it.
# A node that a selector or an intended taint rules out was never meant to take it.
_DECIDES: Final = (
    Cause.PVC_PENDING,
    Cause.VOLUME_ZONE,
    Cause.UNSCHEDULABLE_RESOURCES,
    Cause.UNSCHEDULABLE_PODS,
    Cause.UNSCHEDULABLE_PORT,
    Cause.UNSCHEDULABLE_SPREAD,
    Cause.UNSCHEDULABLE_AFFINITY,
    Cause.UNSCHEDULABLE_CORDON,
    Cause.UNSCHEDULABLE_TAINT,
    Cause.UNSCHEDULABLE_SELECTOR,
    Cause.UNSCHEDULABLE,
)

_HELD: Final = {Cause.UNSCHEDULABLE_CORDON, Cause.VOLUME_ZONE}


@dataclass(frozen=True)
class Reason:
    """One part of why: of how many nodes, and in the scheduler's words."""

    cause: Cause
    count: int
    words: str
    nodes_fault: bool = False  # the nodes are not well


def reasons_of(message: str) -> list[Reason]:
    """The parts of "0/5 nodes are available: 2 Insufficient cpu, 3 node(s) had …"."""
    _, _, rest = message.partition("nodes are available: ")
    rest = rest.partition(" preemption:")[0].rstrip(". ")
    found = []
    for part in re.split(r"[,.] (?=\d+ )", rest):
        matched = _PART.match(part.strip())
        if matched is None:
            continue
        words = matched[2]
        cause = next((c for c, p in _MEANS if re.search(p, words)), Cause.UNSCHEDULABLE)
        if cause is Cause.UNSCHEDULABLE_TAINT and _CORDON in words:
            cause = Cause.UNSCHEDULABLE_CORDON
        fault = any(taint in words for taint in _NODE_TAINTS)
        found.append(Reason(cause, int(matched[1]), words, fault))
    return found


def scheduling(case: Case) -> Iterator[Said]:
    """One clue for each workload with pods that no node takes."""
    for group in case.groups_of(What.UNSCHEDULED):
        if group.first.reason == "SchedulingGated":
            yield _gated(case, group)
        elif (found := _clue(case, group)) is not None:
            yield found


def _gated(case: Case, group: Group) -> Said:
    """Whoever set the gates takes them away; jobs are made to queue, a service is not."""
    spec = group.first.pod.get("spec") or {}
    gates = listed(str(one.get("name")) for one in spec.get("schedulingGates") or ())
    text = f"{pods_of(case, group)} must wait for scheduling gates ({gates})"
    if group.owner.kind in ("job", "cronjob"):
        return Notice(group.owner, text)
    begun = onset(case, group, r"schedulingGates")
    return Clue(
        Cause.UNSCHEDULABLE,
        group.owner,
        " ".join(part for part in (f"{text[0].upper()}{text[1:]}.", begun.words) if part),
        (f"pod/{name_of(group.first.pod)}: spec.schedulingGates {gates}", *begun.evidence),
        MEDIUM,
        since=begun.since,
        explains=group.refs,
        alternative="a queue holds them back on purpose",
    )


def may_wait(case: Case, group: Group) -> bool:
    """Whether that they wait is no trouble yet: behind gates, or for seconds only."""
    return group.first.reason == "SchedulingGated" or _may_yet_come(case, group)


def _may_yet_come(case: Case, group: Group) -> bool:
    """Whether a node may be on its way."""
    made = [moment(meta(pod).get("creationTimestamp")) for pod in group.pods]
    return all(one is not None and case.now - one < STARTING for one in made)


def message_of(case: Case, group: Group) -> str:
    """The scheduler's newest words about a group."""
    for symptom in group.symptoms:
        if "nodes are available" in symptom.message:
            return symptom.message
    for symptom in group.symptoms:
        for report in reversed(case.snapshot.reports(symptom.ref, "FailedScheduling")):
            return report.message
    return group.first.message


def _clue(case: Case, group: Group) -> Said | None:
    message = message_of(case, group)
    reports = case.snapshot.reports(group.first.ref, "FailedScheduling")
    evidence = [f"pod/{name_of(group.first.pod)}: PodScheduled is False: {short(message)}"]
    evidence += [event(reports[-1], case.now)] if reports else []
    if re.search(r"persistentvolumeclaim|PersistentVolumeClaim", message):
        return None  # the claim is the trouble: see storage
    begun = onset(
        case, group, r"resources|nodeSelector|affinity|tolerations|topology|hostPort|ports"
    )
    reasons = [one for one in reasons_of(message) if not _is_control(one)]
    scheduler = str((group.first.pod.get("spec") or {}).get("schedulerName") or _USUAL)
    if not message and scheduler != _USUAL:
        return _silent(case, group, scheduler)
    if not reasons:
        text = f"No node takes {pods_of(case, group)}: {short(message) or 'no reason is given'}."
        return Clue(
            Cause.UNSCHEDULABLE,
            group.owner,
            text,
            tuple(evidence),
            LOW,
            since=begun.since,
            explains=group.refs,
        )
    chosen = _decides(reasons)
    text = f"No node takes {pods_of(case, group)}: {_words(case, group, chosen)}."
    if chosen.cause is Cause.UNSCHEDULABLE_RESOURCES and _may_yet_come(case, group):
        return Notice(group.owner, f"since seconds, {text[0].lower()}{text[1:-1]}")
    others = [_words(case, group, one) for one in reasons if one.cause is not chosen.cause]
    cause = chosen.cause
    if chosen.nodes_fault:
        cause = Cause.NODE_PRESSURE if "pressure" in chosen.words else Cause.NODE_NOT_READY
    evidence += _capacity(case, group) if chosen.cause is Cause.UNSCHEDULABLE_RESOURCES else []
    return Clue(
        cause,
        group.owner,
        " ".join(part for part in (text, begun.words) if part),
        (*evidence, *begun.evidence),
        HIGH if not others or _is_clear(chosen, reasons) else MEDIUM,
        since=begun.since,
        explains=group.refs,
        hangs_on=_nodes(case) if chosen.nodes_fault else frozenset(),
        alternative=f"what keeps it from the other nodes: {listed(others)}" if others else "",
        change=begun.undo if begun.blamed else None,
    )


def _silent(case: Case, group: Group, scheduler: str) -> Clue:
    """A scheduler of its own that has said nothing of the pods that wait for it."""
    begun = onset(case, group, r"schedulerName")
    waiting = pods_of(case, group)
    text = (
        f"{waiting[0].upper()}{waiting[1:]} must wait for scheduler {scheduler}, which says"
        " nothing of them: it does not run, or has no such name."
    )
    seen = f"pod/{name_of(group.first.pod)}: spec.schedulerName {scheduler}"
    return Clue(
        Cause.UNSCHEDULABLE,
        group.owner,
        f"{text} {begun.words}".strip(),
        (f"{seen}, no condition PodScheduled and no event of a scheduler", *begun.evidence),
        HIGH if begun.blamed else MEDIUM,
        since=begun.since,
        explains=group.refs,
        change=begun.undo if begun.blamed else None,
    )


def _is_control(reason: Reason) -> bool:
    return any(taint in reason.words for taint in _CONTROL)


def _decides(reasons: list[Reason]) -> Reason:
    ill = [one for one in reasons if one.nodes_fault]
    if ill and not any(one.cause is Cause.UNSCHEDULABLE_RESOURCES for one in reasons):
        return ill[0]
    # A volume stays where it is: of the nodes that are left, somebody keeps pods away.
    cordoned = [one for one in reasons if one.cause is Cause.UNSCHEDULABLE_CORDON]
    if cordoned and {one.cause for one in reasons} <= _HELD:
        return cordoned[0]
    return min(reasons, key=lambda one: (_DECIDES.index(one.cause), -one.count))


def _is_clear(chosen: Reason, reasons: list[Reason]) -> bool:
    """Whether the other reasons are only of nodes that were never meant for it."""
    meant = {Cause.UNSCHEDULABLE_TAINT, Cause.UNSCHEDULABLE_SELECTOR}
    others = {one.cause for one in reasons} - {chosen.cause}
    return others <= meant and not any(one.nodes_fault for one in reasons)


def _words(case: Case, group: Group, reason: Reason) -> str:
    spec = group.first.pod.get("spec") or {}
    count, one = counted(reason.count, "node"), reason.count == 1
    match reason.cause:
        case Cause.UNSCHEDULABLE_RESOURCES:
            asked = ", ".join(f"{key} {told(n, key)}" for key, n in requests(spec).items() if n)
            return f"{reason.words} on {count}; a pod asks for {asked or 'nothing'}"
        case Cause.UNSCHEDULABLE_TAINT:
            have = "has" if one else "have"
            return f"{count} {have} a taint that it does not tolerate ({reason.words})"
        case Cause.UNSCHEDULABLE_SELECTOR:
            return f"no node has the labels that it asks for ({_wants(spec)})"
        case Cause.UNSCHEDULABLE_CORDON:
            return f"{count} {'is' if one else 'are'} cordoned{_cordoned(case)}"
        case _:
            return f"{count}: {reason.words}"


def _wants(spec: Object) -> str:
    wanted = [f"{key}={value}" for key, value in sorted((spec.get("nodeSelector") or {}).items())]
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for one in term.get("matchExpressions") or ():
            values = ",".join(map(str, one.get("values") or ()))
            wanted.append(f"{one.get('key')} {one.get('operator')} {values}".strip())
    return ", ".join(wanted) or "node affinity"


def _cordoned(case: Case) -> str:
    named = [
        name_of(n) for n in case.snapshot.of("node") if (n.get("spec") or {}).get("unschedulable")
    ]
    return f" ({listed(named)})" if named else ""


def _nodes(case: Case) -> frozenset[Ref]:
    """The nodes that are not well."""
    return frozenset(
        ref
        for ref, node in case.snapshot.refs("node")
        if conditions(node).get("Ready", {}).get("status") != "True"
        or any(
            one.get("status") == "True" and kind.endswith("Pressure")
            for kind, one in conditions(node).items()
        )
    )


def _capacity(case: Case, group: Group) -> list[str]:
    """Whether any node is large enough at all."""
    asked, lines = requests(group.first.pod.get("spec") or {}), []
    for key, most in largest([*case.snapshot.of("node")], asked).items():
        fits = FITS_NONE if asked[key] > most else "would fit one"
        lines.append(
            f"nodes: the largest allocatable {key} is {told(most, key)};"
            f" {told(asked[key], key)} {fits}"
        )
    return lines
