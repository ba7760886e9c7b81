"""Config maps, secrets and their keys that a pod needs and that are not there."""

import difflib
import re
from collections.abc import Iterator
from typing import Final

from tools.kubernetes.diagnosis.case import Case, Group
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, MEDIUM, Clue, Said
from tools.kubernetes.diagnosis.onset import onset
from tools.kubernetes.diagnosis.symptoms import What, making_reports
from tools.kubernetes.diagnosis.wording import event, listed, pods_of, short
from tools.kubernetes.events import Report
from tools.kubernetes.objects import name_of

MISSING: Final = re.compile(r'(configmap|secret)s? "([\w.-]+)" not found', re.IGNORECASE)
KEY: Final = re.compile(
    r"couldn't find key (\S+) in (ConfigMap|Secret) (?:[\w.-]+/)?([\w.-]+)", re.IGNORECASE
)
VOLUME_KEY: Final = re.compile(r"references non-existent (config|secret) key: (\S+)", re.IGNORECASE)
_VOLUME: Final = re.compile(r'volume "([\w.-]+)"')
_ROOT: Final = re.compile(r"runAsNonRoot|run as root", re.IGNORECASE)
_CAUSES: Final = {
    ("configmap", False): Cause.CONFIG_MISSING,
    ("configmap", True): Cause.CONFIG_KEY_MISSING,
    ("secret", False): Cause.SECRET_MISSING,
    ("secret", True): Cause.SECRET_KEY_MISSING,
}
_CONCERNS: Final = r"env|volume"


def configuration(case: Case) -> Iterator[Said]:
    """One clue for each container or pod that waits for its configuration."""
    for group in case.groups_of(What.WAITING, What.CREATING):
        for message, report in _messages(case, group):
            if (found := _clue(case, group, message, report)) is not None:
                yield found
                break


def _messages(case: Case, group: Group) -> Iterator[tuple[str, Report | None]]:
    """What is said of why, the container's status first, the newest report next."""
    if group.first.message:
        yield group.first.message, None
    for symptom in group.symptoms:
        known = [*making_reports(case.snapshot, symptom.pod)]
        if group.what is What.WAITING:
            known += case.snapshot.reports(symptom.ref, "Failed")
        yield from ((report.message, report) for report in reversed(known))


def _clue(case: Case, group: Group, message: str, report: Report | None) -> Clue | None:
    if _ROOT.search(message):
        return _as_root(case, group, message)
    if "subPath" in message:
        return _no_part(case, group, message)
    kind, name, key = _lacking(group, message)
    if not kind:
        return None
    begun = onset(case, group, _CONCERNS)
    place = group.owner.namespace
    thing = f"{kind}/{name}"
    what = f"key {key} of {thing}" if key else thing
    one = group.first
    text = f"There is no {what} in {place}: {pods_of(case, group)}"
    text += f" must wait for it.{_near(case, kind, name, key, place)}"
    evidence = [f"pod/{name_of(one.pod)}: {one.reason or 'ContainerCreating'}: {short(message)}"]
    evidence += [event(report, case.now)] if report else []
    gone = case.snapshot.lacks(kind, place, name) and not key
    evidence += [f"{kind}s in {place}: none is named {name}"] if gone else []
    return Clue(
        _CAUSES[kind, bool(key)],
        group.owner,
        " ".join(part for part in (text, begun.words) if part),
        (*evidence, *begun.evidence),
        HIGH,
        since=begun.since,
        explains=group.refs,
        change=begun.undo if begun.blamed else None,
    )


def _lacking(group: Group, message: str) -> tuple[str, str, str]:
    """The kind, name and key of what is missing; empty where it is something else."""
    if found := KEY.search(message):
        return found[2].lower(), found[3], found[1].rstrip(",.")
    if found := VOLUME_KEY.search(message):
        kind = "configmap" if found[1].lower() == "config" else "secret"
        return kind, _source(group, message, kind), found[2].rstrip(",.")
    if found := MISSING.search(message):
        return found[1].lower(), found[2], ""
    return "", "", ""


def _source(group: Group, message: str, kind: str) -> str:
    """The object behind the volume that a message names."""
    named = _VOLUME.search(message)
    for volume in (group.first.pod.get("spec") or {}).get("volumes") or ():
        if named and volume.get("name") == named[1]:
            parts = [volume, *((volume.get("projected") or {}).get("sources") or ())]
            for part in parts:
                source = part.get("configMap" if kind == "configmap" else "secret") or {}
                if found := source.get("secretName") or source.get("name"):
                    return str(found)
    return "unknown"


def part_missing(case: Case, group: Group, message: str) -> tuple[str, str] | None:
    """The key of a config map that a container mounts as a file and that is not in it."""
    volumes = {one.get("name"): one for one in group.first.pod["spec"].get("volumes") or ()}
    for mount in group.first.spec.get("volumeMounts") or ():
        key, where = str(mount.get("subPath") or ""), str(mount.get("mountPath"))
        source = (volumes.get(mount.get("name")) or {}).get("configMap") or {}
        name = str(source.get("name") or "")
        live = case.snapshot.get("configmap", group.owner.namespace, name)
        if not key or live is None or f'"{where}"' not in message:
            continue
        listed_ones = {one.get("path"): one.get("key") for one in source.get("items") or ()}
        known = {**(live.get("data") or {}), **(live.get("binaryData") or {})}
        if (key not in listed_ones) if listed_ones else (key not in known):
            return key, name
    return None


def _near(case: Case, kind: str, name: str, key: str, place: str) -> str:
    """What may have been meant."""
    if key:
        live = case.snapshot.get(kind, place, name) if kind == "configmap" else None
        known = sorted((live or {}).get("data") or {})
        return f" Its keys are {listed(known, 6)}." if known else ""
    names = [name_of(one) for one in case.snapshot.of(kind, place)]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    return f" There is a {kind}/{near[0]}." if near else ""


def _no_part(case: Case, group: Group, message: str) -> Clue:
    begun = onset(case, group, r"volume")
    text = f"A part of a volume (subPath) cannot be used: {pods_of(case, group)} must wait for it."
    return Clue(
        Cause.VOLUME_MOUNT,
        group.owner,
        " ".join(part for part in (text, f"{short(message)}.", begun.words) if part),
        (
            f"pod/{name_of(group.first.pod)}: {group.first.reason}: {short(message)}",
            *begun.evidence,
        ),
        HIGH,
        since=begun.since,
        explains=group.refs,
        change=begun.undo if begun.blamed else None,
    )


def _as_root(case: Case, group: Group, message: str) -> Clue:
    begun = onset(case, group, r"securityContext|image$")
    waiting = pods_of(case, group)
    text = f"Its image runs as root, which its security context forbids: {waiting} must wait."
    return Clue(
        Cause.POD_SECURITY,
        group.owner,
        " ".join(part for part in (text, begun.words) if part),
        (
            f"pod/{name_of(group.first.pod)}: {group.first.reason}: {short(message)}",
            *begun.evidence,
        ),
        HIGH if group.first.reason == "CreateContainerConfigError" else MEDIUM,
        since=begun.since,
        explains=group.refs,
        change=begun.undo if begun.blamed else None,
    )
