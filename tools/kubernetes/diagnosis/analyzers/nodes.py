"""Nodes that are away or under pressure, and what they threw out."""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from tools.kubernetes.counting import counted
from tools.kubernetes.diagnosis.case import Case, Group
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, LOW, MEDIUM, Clue, Notice, Ref, Said
from tools.kubernetes.diagnosis.onset import began
from tools.kubernetes.diagnosis.snapshot import Snapshot, ref_of
from tools.kubernetes.diagnosis.symptoms import What, ended_of, is_calm
from tools.kubernetes.diagnosis.wording import at, event, pods_of, short
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import conditions, labels_of, moment, name_of

_JUST: Final = timedelta(minutes=45)
_AGAIN: Final = 2  # evictions of one workload that are more than an accident
_HISTORY: Final = timedelta(days=1)  # after which a pod of nobody that failed is left over
_PRESSURES: Final = {
    "MemoryPressure": "memory",
    "DiskPressure": "disk",
    "PIDPressure": "process ids",
}
# Why a kubelet does not take a pod that is placed on it.
_TURNED: Final = re.compile(
    r"UnexpectedAdmissionError|NodeAffinity|OutOf\w+|TopologyAffinityError|NodePorts|PodOSNotSupported"
)
_CONTROL: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


def nodes(case: Case) -> Iterator[Said]:
    """What is wrong with nodes, then pods that were thrown out or lost."""
    for ref, node in case.snapshot.refs("node"):
        yield from _node(case, ref, node)
    for group in case.groups_of(What.EVICTED):
        yield _evicted(case, group)
    yield from _just_evicted(case)
    yield from _evicted_again(case)
    yield from _turned_away(case)
    for group in case.groups_of(What.LOST):
        yield from _lost(case, group)
    for group in case.groups_of(What.FAILED):
        yield _failed(case, group)


def _node(case: Case, ref: Ref, node: Object) -> Iterator[Said]:
    state = conditions(node)
    ready = state.get("Ready", {})
    pods = [p for p in case.snapshot.pods if (p.get("spec") or {}).get("nodeName") == ref.name]
    # Its pods, and not their workloads: what those die of themselves is another cause.
    explains = frozenset(ref_of("pod", pod) for pod in pods)
    reports = case.snapshot.reports(ref)
    if ready and ready.get("status") != "True":
        since = moment(ready.get("lastTransitionTime"))
        silent = ready.get("status") == "Unknown"
        what = "does not report any more" if silent else "says that it is not ready"
        text = f"It {what} since {at(since, case.now)}: {short(ready.get('message'))}."
        text += f" {counted(len(pods), 'pod')} of what was looked at ran there."
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
                f"It is short of {what} since {at(since, case.now)}:"
                f" {short(one.get('message')) or one.get('reason')}."
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


def _just_evicted(case: Case) -> Iterator[Said]:
    """Pods that were thrown out just now and replaced, from nodes that may not be looked at."""
    by_node: dict[str, list[Object]] = defaultdict(list)
    for pod in case.snapshot.pods:
        status = pod.get("status") or {}
        if status.get("reason") == "Evicted" and is_calm(case.snapshot, pod) and not _own(pod):
            since = evicted_at(case.snapshot, pod)
            if since is not None and case.now - since < _JUST:
                by_node[str((pod.get("spec") or {}).get("nodeName") or "")].append(pod)
    for node, pods in sorted(by_node.items()):
        if case.snapshot.get("node", "", node) is not None:
            continue  # it says itself whether it is short of anything
        said = short((pods[0].get("status") or {}).get("message"))
        text = f"It evicted {counted(len(pods), 'pod')} just now: {said}"
        yield Clue(
            Cause.NODE_PRESSURE,
            Ref("node", "", node),
            text,
            (f"pod/{name_of(pods[0])}: status.reason Evicted: {said}",),
            MEDIUM,
            since=evicted_at(case.snapshot, pods[0]),
            explains=frozenset(ref_of("pod", pod) for pod in pods),
            concerns=frozenset(case.snapshot.owner(pod) for pod in pods),
        )


def _own(pod: Object) -> bool:
    """Whether a pod was thrown out for what it wrote itself, beyond a limit of its own."""
    return re.search(r"exceed(?:s|ed)\b", str((pod.get("status") or {}).get("message"))) is not None


def _evicted_again(case: Case) -> Iterator[Said]:
    """Pods that were replaced each time, and fill up what they may write again and again."""
    by_owner: dict[Ref, list[tuple[datetime, Object]]] = defaultdict(list)
    for pod in case.snapshot.pods:
        if (pod.get("status") or {}).get("reason") == "Evicted" and _own(pod):
            since, calm = evicted_at(case.snapshot, pod), is_calm(case.snapshot, pod)
            if since is not None and calm:
                by_owner[case.snapshot.owner(pod)].append((since, pod))
    for owner, found in sorted(by_owner.items(), key=lambda one: one[0]):
        times = sorted(since for since, _ in found)
        if len(times) < _AGAIN or case.now - times[-1] > _JUST:
            continue
        last = max(found, key=lambda one: one[0])[1]
        said = short((last.get("status") or {}).get("message"))
        text = (
            f"{counted(len(found), 'pod')} of it were evicted since {at(times[0], case.now)}, the"
        )
        text += f" last at {at(times[-1], case.now)}: {said}"
        yield Clue(
            Cause.EPHEMERAL_STORAGE,
            owner,
            text,
            (f"pod/{name_of(last)}: status.reason Evicted: {said}",),
            HIGH,
            since=times[0],
            explains=frozenset({owner, *(ref_of("pod", pod) for _, pod in found)}),
        )


def _turned_away(case: Case) -> Iterator[Said]:
    """Pods that the scheduler placed and a kubelet did not take, one after the other."""
    by_owner: dict[Ref, list[tuple[datetime, Object]]] = defaultdict(list)
    for pod in case.snapshot.pods:
        reason = str((pod.get("status") or {}).get("reason") or "")
        made = moment((pod.get("metadata") or {}).get("creationTimestamp"))
        if _TURNED.fullmatch(reason) and made is not None:
            by_owner[case.snapshot.owner(pod)].append((made, pod))
    for owner, found in sorted(by_owner.items(), key=lambda one: one[0]):
        found.sort(key=lambda one: one[0])
        (first, _), (last, pod) = found[0], found[-1]
        if len(found) < _AGAIN or case.now - last > _JUST:
            continue
        node = Ref("node", "", str((pod.get("spec") or {}).get("nodeName")))
        status = pod["status"]
        said = f"{status['reason']}: {short(status.get('message'))}"
        text = f"{node} does not take its pods, {counted(len(found), 'pod')} since"
        text += f" {at(first, case.now)}, the last at {at(last, case.now)}: {said}"
        yield Clue(
            Cause.UNSCHEDULABLE,
            owner,
            text,
            (f"pod/{name_of(pod)} on {node}: status.reason {said}",),
            HIGH,
            since=first,
            explains=frozenset({owner, *(ref_of("pod", one) for _, one in found)}),
            hangs_on=frozenset({node}),
        )


def evicted_at(snapshot: Snapshot, pod: Object) -> datetime | None:
    """When a pod was thrown out."""
    reports = snapshot.reports(ref_of("pod", pod), "Evicted")
    if reports:
        return moment(reports[-1].last)
    times = [
        moment(ended_of(one).get("finishedAt"))
        for one in (pod.get("status") or {}).get("containerStatuses") or ()
    ]
    times += [moment(one.get("lastTransitionTime")) for one in conditions(pod).values()]
    return max((one for one in times if one is not None), default=None)


def _evicted(case: Case, group: Group) -> Clue:
    """Pods that a node threw out, and that nothing replaced well."""
    pod, said = group.first.pod, group.first.message
    node = str((pod.get("spec") or {}).get("nodeName") or "")
    own = _own(pod)
    cause = Cause.EPHEMERAL_STORAGE if own else Cause.NODE_PRESSURE
    about = group.owner
    text = f"node/{node} evicted {pods_of(case, group)}: {short(said)}"
    return Clue(
        cause,
        about,
        text,
        (f"pod/{name_of(pod)}: status.reason Evicted: {short(said)}",),
        HIGH if own else MEDIUM,
        explains=group.refs,
        hangs_on=frozenset({Ref("node", "", node)}),
    )


def _lost(case: Case, group: Group) -> Iterator[Said]:
    """Pods whose containers are said to run, and that are not ready: the node is not heard of."""
    gates = (group.first.pod.get("spec") or {}).get("readinessGates") or ()
    line = f"pod/{name_of(group.first.pod)}: Ready is not True, each of its containers is"
    since = began(case.snapshot, group.pods)
    if gates:
        asked = ", ".join(str(one.get("conditionType")) for one in gates)
        text = f"{pods_of(case, group)} must wait for readiness gates: {asked}."
        yield Clue(Cause.UNKNOWN, group.owner, text, (line,), LOW, since=since, explains=group.refs)
        return
    for node in sorted({str((pod.get("spec") or {}).get("nodeName")) for pod in group.pods}):
        text = "Pods on it are not ready though all their containers were: it is not heard of."
        yield Clue(
            Cause.NODE_NOT_READY,
            Ref("node", "", node),
            text,
            (line,),
            MEDIUM,
            since=since,
            explains=group.refs,
        )


def _failed(case: Case, group: Group) -> Said:
    pod, ends = group.first.pod, {}
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if (ended := ended_of(status)).get("exitCode"):
            ends[str(status.get("name"))] = ended
    codes = [f"container {name} exits with code {one['exitCode']}" for name, one in ends.items()]
    said = f"{group.first.reason} {short(group.first.message)}".strip()
    why = "; ".join([*([said] if said else []), *codes]) or "no reason is given"
    times = [moment(one.get("finishedAt")) for one in ends.values()]
    since = max((one for one in times if one is not None), default=None)
    if group.owner.kind == "pod" and since is not None and case.now - since > _HISTORY:
        return Notice(group.owner, f"failed {at(since, case.now)}, and is left over: {why}")
    return Clue(
        Cause.UNKNOWN,
        group.owner,
        f"Pod {name_of(pod)} failed: {why}.",
        (f"pod/{name_of(pod)}: status.phase Failed, {why}",),
        LOW,
        since=since,
        explains=group.refs,
    )
