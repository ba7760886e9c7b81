"""Nodes that are away or under pressure, and what they threw out."""

from collections.abc import Iterator
from typing import Final

from tools.kubernetes.diagnosis.case import Case, Group
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, LOW, MEDIUM, Clue, Notice, Ref, Said
from tools.kubernetes.diagnosis.snapshot import ref_of
from tools.kubernetes.diagnosis.symptoms import What
from tools.kubernetes.diagnosis.wording import at, event, plural, pods_of, short
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import conditions, labels_of, moment, name_of

_PRESSURES: Final = {
    "MemoryPressure": "memory",
    "DiskPressure": "disk",
    "PIDPressure": "process ids",
}
_CONTROL: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


def nodes(case: Case) -> Iterator[Said]:
    """What is wrong with nodes, then pods that were thrown out or lost."""
    for ref, node in case.snapshot.refs("node"):
        yield from _node(case, ref, node)
    for group in case.groups_of(What.EVICTED):
        yield _evicted(case, group)
    for group in case.groups_of(What.LOST):
        yield _lost(case, group)
    for group in case.groups_of(What.FAILED):
        yield _failed(group)


def _node(case: Case, ref: Ref, node: Object) -> Iterator[Said]:
    state = conditions(node)
    ready = state.get("Ready", {})
    pods = [p for p in case.snapshot.pods if (p.get("spec") or {}).get("nodeName") == ref.name]
    explains = frozenset(
        one for pod in pods for one in (ref_of("pod", pod), case.snapshot.owner(pod))
    )
    reports = case.snapshot.reports(ref)
    if ready and ready.get("status") != "True":
        since = moment(ready.get("lastTransitionTime"))
        silent = ready.get("status") == "Unknown"
        what = "does not report any more" if silent else "says that it is not ready"
        text = f"It {what} since {at(since, case.now)}: {short(ready.get('message'))}."
        text += f" {plural(len(pods), 'pod')} of what was looked at ran there."
        yield Clue(
            Cause.NODE_NOT_READY,
            ref,
            text,
            (
                f"{ref}: Ready is {ready.get('status')}, {ready.get('reason')}",
                *(event(one, case.now) for one in reports[-1:]),
            ),
            HIGH,
            since=since,
            explains=explains,
        )
        return
    for kind, what in _PRESSURES.items():
        one = state.get(kind, {})
        if one.get("status") == "True":
            since = moment(one.get("lastTransitionTime"))
            text = (
                f"It is short of {what} since {at(since, case.now)}: {short(one.get('message'))}."
            )
            evidence = [f"{ref}: {kind} is True, {one.get('reason')}"]
            evidence += [event(report, case.now) for report in reports[-1:]]
            yield Clue(
                Cause.NODE_PRESSURE,
                ref,
                text,
                tuple(evidence),
                HIGH,
                since=since,
                explains=explains,
            )
    if state.get("NetworkUnavailable", {}).get("status") == "True":
        since = moment(state["NetworkUnavailable"].get("lastTransitionTime"))
        text = f"Its network is not set up since {at(since, case.now)}."
        evidence = [f"{ref}: NetworkUnavailable is True"]
        yield Clue(
            Cause.NODE_NOT_READY, ref, text, tuple(evidence), HIGH, since=since, explains=explains
        )
    if (node.get("spec") or {}).get("unschedulable"):
        control = any(key in labels_of(node) for key in _CONTROL)
        yield Notice(ref, "is cordoned" + (", as control planes are" if control else ""))


def _evicted(case: Case, group: Group) -> Clue:
    """Pods that a node threw out, and that nothing replaced well."""
    pod, said = group.first.pod, group.first.message
    node = str((pod.get("spec") or {}).get("nodeName") or "")
    own = "exceeds" in said or "exceeded its" in said
    cause = Cause.EPHEMERAL_STORAGE if own else Cause.NODE_PRESSURE
    about = group.owner
    text = f"{pods_of(case, group)} were evicted from node/{node}: {short(said)}"
    return Clue(
        cause,
        about,
        text,
        (f"pod/{name_of(pod)}: status.reason Evicted: {short(said)}",),
        HIGH if own else MEDIUM,
        explains=group.refs,
        hangs_on=frozenset({Ref("node", "", node)}),
    )


def _lost(case: Case, group: Group) -> Clue:
    """Pods whose containers are said to run, and that are not ready: the node is not heard of."""
    named = sorted({str((pod.get("spec") or {}).get("nodeName")) for pod in group.pods})
    text = (
        f"{pods_of(case, group)} are not ready though their containers were: {group.first.reason}."
    )
    text += f" They are on {', '.join(named[:3])}."
    gates = group.first.reason == "ReadinessGatesNotReady"
    return Clue(
        Cause.UNKNOWN if gates else Cause.NODE_NOT_READY,
        group.owner,
        text,
        (f"pod/{name_of(group.first.pod)}: Ready is not True: {short(group.first.message)}",),
        LOW if gates else MEDIUM,
        explains=group.refs,
        hangs_on=frozenset(Ref("node", "", name) for name in named),
    )


def _failed(group: Group) -> Clue:
    pod = group.first.pod
    text = f"Pod {name_of(pod)} failed: {group.first.reason} {short(group.first.message)}"
    return Clue(
        Cause.UNKNOWN,
        group.owner,
        text.strip() + ".",
        (f"pod/{name_of(pod)}: status.phase Failed, {group.first.reason}",),
        LOW,
        explains=group.refs,
    )
