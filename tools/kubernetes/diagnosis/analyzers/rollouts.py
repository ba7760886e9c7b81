"""Workloads as a whole: rollouts that are paused or stuck, pods that are lacking without a word."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from tools.kubernetes.counting import counted
from tools.kubernetes.diagnosis.case import Case, template_hash
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, LOW, MEDIUM, Clue, Notice, Proposal, Ref, Said
from tools.kubernetes.diagnosis.onset import began
from tools.kubernetes.diagnosis.snapshot import ref_of
from tools.kubernetes.diagnosis.symptoms import What, is_on_its_way, symptoms_of
from tools.kubernetes.diagnosis.wording import at, short
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import conditions, meta, moment, name_of
from tools.kubernetes.pods import is_leaving, is_ready
from tools.kubernetes.workloads import counts_of, partition_of, strategy_of

_PATIENCE: Final = timedelta(minutes=2)  # a rollout may lack pods for that long


def rollouts(case: Case) -> Iterator[Said]:
    """Of each workload whether it has the pods that it should have."""
    for ref, live in case.snapshot.refs("deployment", "statefulset", "daemonset"):
        yield from _one(case, ref, live)
    for group in case.groups_of(What.TERMINATING):
        yield _leaving(case, group.owner, group.pods)


def _one(case: Case, ref: Ref, live: Object) -> Iterator[Said]:
    spec, counts = live.get("spec") or {}, counts_of(live)
    if spec.get("paused"):
        yield _paused(ref, live)
    if not counts.wanted:
        if ref.kind != "daemonset":
            yield Notice(ref, "is scaled to 0 on purpose")
        return
    if strategy_of(live)["type"] == "OnDelete" and counts.updated < counts.wanted:
        yield Notice(ref, "takes a new template up only as its pods are deleted (OnDelete)")
    elif ref.kind == "statefulset" and partition_of(live) and counts.updated < counts.wanted:
        yield Notice(ref, f"keeps pods below number {partition_of(live)} on the old template")
    progressing = conditions(live).get("Progressing", {})
    missed = progressing.get("reason") == "ProgressDeadlineExceeded"
    lacks = counts.available < counts.wanted and counts.ready < counts.wanted
    if not missed and not (lacks and _patience_is_over(case, ref, live)):
        if lacks:
            yield from _not_yet(case, ref, live)
        return
    yield _stuck(case, ref, live, missed=missed)


def _not_yet(case: Case, ref: Ref, live: Object) -> Iterator[Said]:
    """It lacks pods, and not for so long that it must be a trouble."""
    counts = counts_of(live)
    late = [pod for pod in case.snapshot.pods_of(ref) if not is_ready(pod)]
    told = [pod for pod in late if is_on_its_way(case.snapshot, pod)]  # until when is said of each
    if told or case.unwell & {ref_of("pod", pod) for pod in late}:
        return
    since = began(case.snapshot, late) or moment(
        conditions(live).get("Available", {}).get("lastTransitionTime")
    )
    words = f"is not ready yet: {counts.ready} of {counts.wanted} pods are ready"
    yield Notice(ref, words + (f", since {at(since, case.now)}" if since else ""))


def _patience_is_over(case: Case, ref: Ref, live: Object) -> bool:
    """Whether it has lacked pods for longer than pods take to start."""
    since = moment(conditions(live).get("Available", {}).get("lastTransitionTime"))
    last = moment(conditions(live).get("Progressing", {}).get("lastUpdateTime"))
    made = moment(meta(live).get("creationTimestamp"))
    signs = [one for one in (since, last, made) if one is not None]
    pods = case.snapshot.pods_of(ref)
    if any(is_on_its_way(case.snapshot, pod) for pod in pods if not is_ready(pod)):
        return False
    starts = [moment(meta(pod).get("creationTimestamp")) for pod in pods]
    signs += [one for one in starts if one is not None]
    return not signs or case.now - max(signs) > _PATIENCE


def _paused(ref: Ref, live: Object) -> Said:
    """Paused is a trouble only where something waits for it."""
    counts = counts_of(live)
    behind = int((live.get("status") or {}).get("observedGeneration") or 0) >= 1
    if counts.updated >= counts.wanted or not behind or not counts.wanted:
        return Notice(ref, "its rollout is paused; nothing waits for it")
    old = counts.wanted - counts.updated
    text = f"Its rollout is paused: {counts.updated} of {counts.wanted} pods have the new template,"
    text += f" {counted(old, 'pod')} wait."
    since = moment(conditions(live).get("Progressing", {}).get("lastUpdateTime"))
    change = Proposal(
        "rollout_resume", {"namespace": ref.namespace, "kind": ref.kind, "name": ref.name}
    )
    return Clue(
        Cause.ROLLOUT_PAUSED,
        ref,
        text,
        (f"{ref}: spec.paused is true, status.updatedReplicas {counts.updated}",),
        HIGH,
        since=since,
        explains=frozenset({ref}),
        change=change,
    )


def _stuck(case: Case, ref: Ref, live: Object, *, missed: bool) -> Clue:
    counts = counts_of(live)
    progressing = conditions(live).get("Progressing", {})
    since = moment(conditions(live).get("Available", {}).get("lastTransitionTime"))
    what = "Its rollout does not progress" if missed else "It lacks pods"
    text = f"{what}: {counts.ready} of {counts.wanted} pods are ready, {counts.updated} have the"
    text += f" newest template. {_why(case, ref, counts.wanted)}"
    numbers = f"wanted {counts.wanted}, updated {counts.updated}, ready {counts.ready}"
    evidence = [f"{ref}: status {numbers}, available {counts.available}"]
    if missed:
        evidence.append(f"{ref}: Progressing is False: {short(progressing.get('message'))}")
    return Clue(
        Cause.ROLLOUT_STUCK,
        ref,
        text.strip(),
        tuple(evidence),
        MEDIUM if missed else LOW,
        since=since,
        explains=frozenset({ref, *(ref_of("pod", pod) for pod in case.snapshot.pods_of(ref))}),
        hangs_on=_first_unwell(case, ref),
    )


def _why(case: Case, ref: Ref, wanted: int) -> str:
    pods = [pod for pod in case.snapshot.pods_of(ref) if not is_leaving(pod)]
    if len(pods) < wanted:
        return f"Only {counted(len(pods), 'pod')} exist, and no event says why."
    young = [pod for pod in pods if not is_ready(pod) and not symptoms_of(case.snapshot, pod)]
    if young:
        return f"{counted(len(young), 'pod')} still start."
    return "" if len({template_hash(pod) for pod in pods}) == 1 else "Pods of two templates run."


def _first_unwell(case: Case, ref: Ref) -> frozenset[Ref]:
    """The pods of it that have a trouble of their own."""
    pods = case.snapshot.pods_of(ref)
    return frozenset(ref_of("pod", pod) for pod in pods if symptoms_of(case.snapshot, pod))


def _leaving(case: Case, owner: Ref, pods: list[Object]) -> Clue:
    """Pods that should be gone."""
    pod = pods[0]
    nodes = {str((one.get("spec") or {}).get("nodeName")) for one in pods}
    held = meta(pod).get("finalizers") or ()
    since = moment(meta(pod).get("deletionTimestamp"))
    why = f"finalizers {', '.join(held)} hold it" if held else "its node does not end it"
    text = f"{counted(len(pods), 'pod')} should be gone since {at(since, case.now)}: {why}."
    return Clue(
        Cause.TERMINATING,
        owner,
        text,
        (f"pod/{name_of(pod)}: deletionTimestamp {meta(pod).get('deletionTimestamp')}",),
        HIGH if held else MEDIUM,
        since=since,
        explains=frozenset({owner, *(ref_of("pod", one) for one in pods)}),
        hangs_on=frozenset(Ref("node", "", name) for name in nodes),
    )
