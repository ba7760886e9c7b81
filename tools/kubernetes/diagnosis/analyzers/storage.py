"""Volumes: claims that are not bound, or missing, or held elsewhere, or full."""

import json
import math
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from tools.kubernetes.diagnosis.analyzers.configuration import KEY, MISSING, VOLUME_KEY
from tools.kubernetes.diagnosis.analyzers.scheduling import message_of
from tools.kubernetes.diagnosis.case import Case, Group, claims_of
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, LOW, MEDIUM, Clue, Notice, Proposal, Ref, Said
from tools.kubernetes.diagnosis.lastwords import Points
from tools.kubernetes.diagnosis.onset import onset
from tools.kubernetes.diagnosis.snapshot import ref_of
from tools.kubernetes.diagnosis.symptoms import What, making_reports, pulls_since
from tools.kubernetes.diagnosis.wording import at, both_ends, event, log_line, pods_of, short
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import annotation, conditions, meta, moment, name_of, namespace_of
from tools.kubernetes.quantities import amount

_GONE: Final = re.compile(r'persistentvolumeclaim "([\w.-]+)" (?:not found|is being deleted)')
_ATTACHED: Final = re.compile(
    r"Multi-Attach|already (?:exclusively )?attached|already used by|in use by", re.IGNORECASE
)
_NETWORK: Final = re.compile(r"sandbox|network|CNI|IP address|ipam|no addresses", re.IGNORECASE)
_UNGROWN: Final = ("VolumeResizeFailed", "ExternalExpanding")
_GI: Final = 1024**3
_SERVED: Final = re.compile(r"object \S+ not registered")


def storage(case: Case) -> Iterator[Said]:
    """Claims, then what nodes cannot mount, then volumes that are full."""
    yield from _claims(case)
    for group in case.groups_of(What.UNSCHEDULED):
        yield from _missing(case, group)
    for group in case.groups_of(What.CREATING):
        if (found := _unmade(case, group)) is not None:
            yield found
    for group in case.groups_of(What.CRASHING, What.UNREADY, What.FLAPPING):
        if (full := _full(case, group)) is not None:
            yield full


def _claims(case: Case) -> Iterator[Said]:
    waiting = [*case.groups_of(What.UNSCHEDULED, What.CREATING)]
    for ref, claim in case.snapshot.refs("persistentvolumeclaim"):
        phase = (claim.get("status") or {}).get("phase")
        users = [g for g in waiting if any(ref.name in claims_of(pod) for pod in g.pods)]
        users = [g for g in users if g.owner.namespace == ref.namespace]
        if phase == "Lost":
            yield _lost(ref, users)
        elif phase == "Pending":
            yield _pending(case, ref, claim, users)


def _lost(ref: Ref, users: list[Group]) -> Clue:
    explains = frozenset(one for group in users for one in group.refs)
    text = "Its volume is gone: what it held cannot be mounted any more."
    evidence = (f"{ref}: status.phase Lost",)
    return Clue(Cause.PVC_LOST, ref, text, evidence, explains=explains)


def _pending(case: Case, ref: Ref, claim: Object, users: list[Group]) -> Said:
    reports = case.snapshot.reports(ref)
    failing = [one for one in reports if one.type == "Warning"]
    why, sure = _why(case, claim, failing[-1].message if failing else "")
    blocked = [g for g in users if re.search(r"ersistent", message_of(case, g))]
    if not why and not blocked:
        used = f"{users[0].owner}'s pod is placed" if users else "its first pod"
        return Notice(ref, f"waits for its first consumer: it is bound when {used}")
    spec = claim.get("spec") or {}
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "")
    words = why or "no volume is bound to it, and no event says why"
    text = f"It is not bound: {words}."
    if users:
        text += f" {pods_of(case, users[0])[0].upper()}{pods_of(case, users[0])[1:]} of"
        text += f" {users[0].owner} must wait for it."
    modes = ", ".join(spec.get("accessModes") or ())
    evidence = [
        f"{ref}: status.phase Pending, class {_class(claim) or 'none'}, {asked}, {modes}",
        *(event(one, case.now) for one in failing[-1:]),
        *(f"{g.owner}: {short(message_of(case, g))}" for g in blocked[:1]),
    ]
    return Clue(
        Cause.PVC_PENDING,
        ref,
        text,
        tuple(evidence),
        HIGH if sure else MEDIUM,
        since=moment(meta(claim).get("creationTimestamp")),
        explains=frozenset(one for group in users for one in group.refs),
        alternative="" if sure else "its provisioner is slow or does not run",
    )


def _class(claim: Object) -> str:
    named = (claim.get("spec") or {}).get("storageClassName")
    return str(named or annotation(claim, "volume.beta.kubernetes.io/storage-class"))


def _why(case: Case, claim: Object, said: str) -> tuple[str, bool]:
    """Why a claim is not bound, and whether that is certain."""
    named = _class(claim)
    classes = case.snapshot.of("storageclass")
    absent = named and case.snapshot.lacks("storageclass", "", named)
    if absent or re.search(r"storageclass\S* \"\S+\" not found", said):
        known = ", ".join(name_of(one) for one in classes)
        return f"there is no storage class {named}" + (
            f" (there are {known})" if known else ""
        ), True
    if "no storage class is set" in said or "no persistent volumes available" in said:
        return "no volume is available, and it names no storage class to make one", True
    if said:
        return short(said), True
    live = case.snapshot.get("storageclass", "", named) if named else None
    if live and live.get("provisioner") == "kubernetes.io/no-provisioner":
        return f"class {named} makes no volumes, and none of those there fits", False
    return "", False


def _missing(case: Case, group: Group) -> Iterator[Said]:
    """Claims that do not exist at all."""
    message = message_of(case, group)
    named = _GONE.search(message)
    place = group.owner.namespace
    absent = [
        name
        for name in claims_of(group.first.pod)
        if case.snapshot.lacks("persistentvolumeclaim", place, name)
    ]
    names = [named[1]] if named else absent
    if not names:
        if re.search(r"ersistent ?[vV]olume", message) and not _known(case, group):
            yield _unknown_claim(case, group, message)
        return
    begun = onset(case, group, r"volume")
    text = f"Claim {names[0]} does not exist in {place}: {pods_of(case, group)} cannot be placed."
    yield Clue(
        Cause.PVC_MISSING,
        group.owner,
        " ".join(part for part in (text, begun.words) if part),
        (f"pod/{name_of(group.first.pod)}: {short(message)}", *begun.evidence),
        since=begun.since,
        explains=group.refs,
        change=begun.undo if begun.blamed else None,
    )


def _known(case: Case, group: Group) -> bool:
    """Whether a claim of it was read that says itself why it is not bound."""
    place = group.owner.namespace
    found = [
        case.snapshot.get("persistentvolumeclaim", place, name)
        for name in claims_of(group.first.pod)
    ]
    return any(one and (one.get("status") or {}).get("phase") != "Bound" for one in found)


def _unknown_claim(case: Case, group: Group, message: str) -> Clue:
    claims = claims_of(group.first.pod)
    about = (
        Ref("persistentvolumeclaim", group.owner.namespace, claims[0]) if claims else group.owner
    )
    text = f"{pods_of(case, group)[0].upper()}{pods_of(case, group)[1:]} of {group.owner} must"
    text += f" wait for a volume: {short(message)}"
    return Clue(
        Cause.PVC_PENDING,
        about,
        text,
        (f"pod/{name_of(group.first.pod)}: {short(message)}",),
        MEDIUM,
        explains=group.refs,
    )


def _unmade(case: Case, group: Group) -> Clue | None:
    """What its node cannot give a pod."""
    reports = [one for s in group.symptoms for one in making_reports(case.snapshot, s.pod)]
    said = [one for one in reports if not _SERVED.search(one.message)]
    if any(p.search(one.message) for one in said for p in (MISSING, KEY, VOLUME_KEY)):
        return None  # configuration
    begun = onset(case, group, r"volume")
    if not said:
        text = (
            f"A node has been making {pods_of(case, group)} since {at(begun.since, case.now)}; no"
        )
        text += " event says what it waits for."
        if (pulls := pulls_since(case.snapshot, group.first.pod)) is not None:
            return _pulled_long(case, group, pulls)
        evidence: tuple[str, ...] = (f"pod/{name_of(group.first.pod)}: ContainerCreating",)
        return Clue(
            Cause.UNKNOWN, group.owner, text, evidence, LOW, since=begun.since, explains=group.refs
        )
    telling = [one for one in said if "timed out waiting" not in one.message] or said
    chosen = next((one for one in reversed(telling) if _ATTACHED.search(one.message)), telling[-1])
    cause, words = _kind_of(chosen.reason, chosen.message)
    away = _away(case, begun.since) if cause is Cause.VOLUME_ATTACH else frozenset()
    return Clue(
        cause,
        group.owner,
        " ".join(
            [
                f"{words}: {pods_of(case, group)} cannot start.",
                both_ends(chosen.message),
                begun.words,
            ]
        ).strip(),
        (event(chosen, case.now), *begun.evidence),
        HIGH if cause is not Cause.VOLUME_MOUNT else MEDIUM,
        since=begun.since,
        explains=group.refs,
        hangs_on=away,
        change=begun.undo if begun.blamed else None,
    )


def _away(case: Case, since: datetime | None) -> frozenset[Ref]:
    """The nodes that were away before a volume was missed: nobody detaches what they hold."""
    found = set()
    for ref, node in case.snapshot.refs("node"):
        ready = conditions(node).get("Ready", {})
        when = moment(ready.get("lastTransitionTime"))
        if ready.get("status") != "True" and when and since and when <= since:
            found.add(ref)
    return frozenset(found)


def _pulled_long(case: Case, group: Group, since: datetime) -> Clue:
    image = str((group.first.pod["spec"].get("containers") or [{}])[0].get("image"))
    waiting = pods_of(case, group)
    text = f"Image {image} is being pulled since {at(since, case.now)}: {waiting} must wait"
    name = name_of(group.first.pod)
    evidence = (f"event Pulling pod/{name} ({at(since, case.now)}), and none after it",)
    return Clue(
        Cause.IMAGE_PULL, group.owner, f"{text}.", evidence, MEDIUM, since=since,
        explains=group.refs, alternative="the node does something else of which it says nothing",
    )  # fmt: skip


def _kind_of(reason: str, message: str) -> tuple[Cause, str]:
    if _ATTACHED.search(message):
        return Cause.VOLUME_ATTACH, "A volume is still attached to another node"
    if reason == "FailedAttachVolume":
        return Cause.VOLUME_ATTACH, "A volume cannot be attached to the node"
    if reason in ("FailedCreatePodSandBox", "NetworkNotReady") and _NETWORK.search(message):
        return Cause.SANDBOX, "Its node cannot give it a network"
    return Cause.VOLUME_MOUNT, "A volume cannot be mounted"


def _full(case: Case, group: Group) -> Clue | None:
    hint = case.hint(group, Points.DISK_FULL)
    if hint is None or hint.line not in case.words(group)[-15:]:
        return None
    pod, one = group.first.pod, group.first
    where, claim = _mounted(one.spec, pod, hint.detail)
    about = Ref("persistentvolumeclaim", namespace_of(pod), claim) if claim else group.owner
    size = ""
    live = case.snapshot.at(about) if claim else None
    if live is not None:
        size = str(((live.get("status") or {}).get("capacity") or {}).get("storage") or "")
    what = f"Claim {claim}" + (f" ({size})" if size else "") if claim else f"The {where}"
    begun = onset(case, group)
    text = f"{what} of {group.owner} is full: no space left on device."
    text += f" {pods_of(case, group)[0].upper()}{pods_of(case, group)[1:]} cannot write."
    text += _grows(case, live) if live is not None else ""
    evidence = [log_line(pod, one.container, hint.line, case.now)]
    if claim:
        evidence.append(f"pod/{name_of(pod)} mounts claim {claim} at {where}")
    return Clue(
        Cause.VOLUME_FULL,
        about,
        " ".join(part for part in (text, f"Since {at(begun.since, case.now)}.") if part),
        tuple(evidence),
        HIGH,
        since=begun.since,
        explains=group.refs | {ref_of("pod", pod)},
        change=_larger(case, about, live) if live is not None else None,
    )


def _grows(case: Case, claim: Object) -> str:
    """Whether it can be made larger, by its class."""
    named = _class(claim)
    kind = case.snapshot.get("storageclass", "", named)
    if kind is None:
        return ""
    if kind.get("allowVolumeExpansion"):
        return f" Class {named} lets it grow: ask for more in its spec.resources.requests.storage."
    return f" Class {named} does not let it grow: what it holds must be cleared or moved."


def _larger(case: Case, ref: Ref, claim: Object) -> Proposal | None:
    """Half as much again, where its class allows it and no other growth is under way."""
    kind = case.snapshot.get("storageclass", "", _class(claim)) or {}
    asked = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    has = ((claim.get("status") or {}).get("capacity") or {}).get("storage")
    same = has and amount(asked.get("storage") or 0) == amount(has)
    if not kind.get("allowVolumeExpansion") or not same or case.snapshot.reports(ref, *_UNGROWN):
        return None
    size = math.ceil(amount(has) * 3 / 2 / _GI)
    patch = {"spec": {"resources": {"requests": {"storage": f"{size}Gi"}}}}
    arguments = {"namespace": ref.namespace, "kind": ref.kind, "name": ref.name}
    return Proposal("patch", {**arguments, "type": "merge", "patch": json.dumps(patch)})


def _mounted(container: Object, pod: Object, path: str) -> tuple[str, str]:
    """Where the path that is full is mounted, and the claim behind it; the only claim if unsaid."""
    volumes = {one.get("name"): one for one in (pod.get("spec") or {}).get("volumes") or ()}
    mounts = sorted(
        container.get("volumeMounts") or (), key=lambda one: -len(str(one.get("mountPath")))
    )
    for mount in mounts:
        where = str(mount.get("mountPath"))
        if path and (path == where or path.startswith(where.rstrip("/") + "/")):
            return where, _claim(volumes.get(mount.get("name")) or {}, pod)
    claimed = [
        (str(m.get("mountPath")), _claim(volumes.get(m.get("name")) or {}, pod)) for m in mounts
    ]
    known = [one for one in claimed if one[1]]
    return known[0] if len(known) == 1 and not path else ("container's file system", "")


def _claim(volume: Object, pod: Object) -> str:
    if volume.get("ephemeral"):
        return f"{name_of(pod)}-{volume['name']}"
    return str((volume.get("persistentVolumeClaim") or {}).get("claimName") or "")
