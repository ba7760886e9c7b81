"""Since when, and since which revision: a trouble's beginning, and what was changed just before."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tools.kubernetes.counting import counted
from tools.kubernetes.diagnosis.case import Case, Group, template_hash
from tools.kubernetes.diagnosis.clues import Proposal, Ref
from tools.kubernetes.diagnosis.snapshot import Snapshot, controlled_by, ref_of
from tools.kubernetes.diagnosis.symptoms import What, ended_of, is_restarting
from tools.kubernetes.diagnosis.wording import at, listed
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import (
    REVISION,
    annotation,
    changed_paths,
    conditions,
    labels_of,
    meta,
    moment,
    name_of,
    template_of,
    told,
)
from tools.kubernetes.pods import container_statuses, is_ready

# Warnings that say nothing of a pod's health, and that some pods have all their lives.
_ALWAYS: Final = frozenset({"DNSConfigForming", "MissingClusterDNS", "PolicyViolation"})
_FIRST: Final = timedelta(seconds=5)  # of a pod, in which nothing has been tried yet
_SOON: Final = timedelta(minutes=10)  # after a revision: its doing


@dataclass(frozen=True)
class Revision:
    """One template that a workload had."""

    number: int
    template: Object
    made: datetime | None
    hash: str


@dataclass(frozen=True)
class Onset:
    """When a trouble began, and whether a revision began it."""

    since: datetime | None
    words: str = ""  # a whole sentence, or nothing
    evidence: tuple[str, ...] = ()
    undo: Proposal | None = None  # where the revision is to blame, and there is one to go back to
    blamed: bool = False


def revisions(snapshot: Snapshot, owner: Ref) -> list[Revision]:
    """Those that are kept and were read, newest first."""
    kind = "replicaset" if owner.kind == "deployment" else "controllerrevision"
    found = []
    for one in snapshot.of(kind, owner.namespace):
        if controlled_by(one) != owner:
            continue
        if kind == "replicaset":
            number, template = annotation(one, REVISION), template_of(one)
            label = labels_of(one).get("pod-template-hash", "")
        else:
            number, template = str(one.get("revision") or ""), template_of(one.get("data") or {})
            template.pop("$patch", None)
            label = labels_of(one).get("controller-revision-hash") or name_of(one)
        if number.isdecimal():
            made = moment(meta(one).get("creationTimestamp"))
            found.append(Revision(int(number), template, made, label))
    return sorted(found, key=lambda one: one.number, reverse=True)


def onset(case: Case, group: Group, concerns: str = r"^spec\.") -> Onset:
    """`concerns`: which part of a template, if it was changed, can bring this trouble about."""
    since = began(case.snapshot, group.pods, hard=group.what is not What.FLAPPING)
    found = revisions(case.snapshot, group.owner)
    template = template_hash(group.first.pod)
    # A rolled-back template is an old replica set under a new number.
    if not found or (template and found[0].hash and template != found[0].hash):
        return _unblamed(since, case.now)
    newest, before = found[0], found[1] if len(found) > 1 else None
    made = _begun(case.snapshot, group.owner, newest)
    if before is None or made is None or since is None:
        return _unblamed(since, case.now)
    paths = list(changed_paths(before.template, newest.template))
    concerned = [path for path in paths if re.search(concerns, path.path)]
    others_well = _others_well(case, group, newest)
    after = min([since, *_never_ready(group.pods)]) - made
    soon = timedelta() <= after + timedelta(seconds=5) and after <= _SOON
    if not concerned or not (soon or others_well):
        return _unblamed(since, case.now)
    return _blamed(case, group, since, (newest, before, made), [told(one) for one in concerned])


def _blamed(
    case: Case,
    group: Group,
    since: datetime,
    revised: tuple[Revision, Revision, datetime],
    changed: Sequence[str],
) -> Onset:
    newest, before, made = revised
    after = max(0, int((since - made).total_seconds()))
    what = listed(changed, 3)
    words = f"Since {at(since, case.now)}, {_span(after)} after revision {newest.number} ({what})."
    evidence = [f"revision {newest.number} of {group.owner}, {at(made, case.now)}: {what}"]
    if well := _others_well(case, group, newest):
        evidence.append(f"{counted(well, 'ready pod')} of an earlier revision")
        words += " The pods of the earlier revision are well."
    undo = None
    if group.owner.kind == "deployment":
        undo = Proposal(
            "rollout_undo",
            {
                "namespace": group.owner.namespace,
                "kind": "deployment",
                "name": group.owner.name,
                "to_revision": before.number,
            },
        )
    return Onset(since, words, tuple(evidence), undo, blamed=True)


def _unblamed(since: datetime | None, now: datetime) -> Onset:
    return Onset(since, f"Since {at(since, now)}." if since else "")


def _span(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def _begun(snapshot: Snapshot, owner: Ref, newest: Revision) -> datetime | None:
    """When a revision was rolled out: an old replica set that was taken up again has new pods."""
    made = [
        moment(meta(pod).get("creationTimestamp"))
        for pod in snapshot.pods_of(owner)
        if template_hash(pod) == newest.hash
    ]
    known = [one for one in made if one is not None]
    if newest.made is None:
        return min(known, default=None)
    live = snapshot.at(owner) or {}
    old = moment(meta(live).get("creationTimestamp"))
    rolled_back = known and min(known) - newest.made > timedelta(hours=1) and old is not None
    # Pods are also made anew by evictions: only a rollout that is under way says when it began.
    going_on = conditions(live).get("Progressing", {}).get("reason") != "NewReplicaSetAvailable"
    return min(known) if rolled_back and going_on else newest.made


def _others_well(case: Case, group: Group, newest: Revision) -> int:
    """How many pods of earlier revisions are ready, where none of the newest is."""
    pods = case.snapshot.pods_of(group.owner)
    if any(is_ready(pod) for pod in pods if template_hash(pod) == newest.hash):
        return 0
    return sum(is_ready(pod) for pod in pods if template_hash(pod) != newest.hash)


def _never_ready(pods: Sequence[Object]) -> list[datetime]:
    """When those pods were made that have never been ready: well at no time since."""
    found = []
    for pod in pods:
        turned = moment(conditions(pod).get("Ready", {}).get("lastTransitionTime"))
        if turned and not is_ready(pod) and not _turned(pod, turned):
            found.append(turned)
    return found


def _turned(pod: Object, when: datetime) -> bool:
    """Whether a pod ceased to be ready then; one that starts is not ready from its first moment."""
    status = pod.get("status") or {}
    begun = moment(status.get("startTime")) or moment(meta(pod).get("creationTimestamp"))
    return begun is None or when - begun > _FIRST


def began(snapshot: Snapshot, pods: Sequence[Object], *, hard: bool = True) -> datetime | None:
    """The first sign of a trouble of these pods: not ready any more, an end, or a warning."""
    signs: list[datetime] = []
    for pod in pods:
        ready = conditions(pod).get("Ready", {})
        if hard and ready.get("status") != "True":
            found = moment(ready.get("lastTransitionTime"))
            signs += [found] if found and _turned(pod, found) else []
        signs += [
            first
            for one in snapshot.reports(ref_of("pod", pod))
            if one.type == "Warning" and one.reason not in _ALWAYS and (first := moment(one.first))
        ]
        signs += [end for one in container_statuses(pod) for end in _ends(one, snapshot.now)]
        if not signs and (made := moment(meta(pod).get("creationTimestamp"))):
            signs.append(made)
    return min(signs, default=None)


def _ends(status: Object, now: datetime) -> Iterator[datetime]:
    """When a container ended that does not get on: what is reported of that comes after it."""
    ended = ended_of(status)
    over, started = moment(ended.get("finishedAt")), moment(ended.get("startedAt"))
    if over is None or (status.get("ready") and not is_restarting(status, now)):
        return
    yield over
    # A run that was a restart began because one had ended, of which nothing else is kept.
    running = "running" in (status.get("state") or {})
    restart = int(status.get("restartCount") or 0) > running
    if started and restart and over - started < _SOON:
        yield started
