"""What a container's own words settle: a right, a file, a certificate, a pool, a setting."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from tools.kubernetes.diagnosis.analyzers.outdated import changed_at, outdated
from tools.kubernetes.diagnosis.case import Case, Group, config_maps, secrets
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, MEDIUM, Clue, Confidence, Proposal, Said
from tools.kubernetes.diagnosis.lastwords import Hint, Points
from tools.kubernetes.diagnosis.onset import onset
from tools.kubernetes.diagnosis.symptoms import What
from tools.kubernetes.diagnosis.wording import (
    at,
    last_lines,
    listed,
    log_line,
    pods_of,
    short,
    telling,
)
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import annotation, meta, namespace_of

_RUNS: Final = (What.CRASHING, What.UNREADY, What.FLAPPING, What.ASKED)
_OFTEN: Final = 3  # lines of a program that seems well, before they are more than an accident
_BEFORE: Final = timedelta(minutes=30)  # a change that long before a trouble may have begun it
_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_SHORT: Final = 200  # of a value that is put back: a whole file is for a person to look at
_NUMBER: Final = re.compile(r"\b(\d+) (?:of|/) ?(\d+)\b")


def words(case: Case) -> Iterator[Said]:
    """One clue for each kind of hint among a failing container's last lines."""
    for group in case.groups_of(*_RUNS):
        lines = case.words(group)[-25:]
        hints = [one for one in case.hints(group) if one.line in lines]
        times = Counter(one.points for one in hints)
        least = _OFTEN if group.what is What.ASKED else 1
        newest = {one.points: one for one in hints if times[one.points] >= least}
        for points, said in _SAYS.items():
            if points in newest:
                yield _clue(case, group, newest[points], *said)
        pool = next((one for one in reversed(hints) if one.points is Points.POOL), None)
        if group.what is What.ASKED and pool is None:
            continue
        late = list(outdated(case, group, pool, _size(pool)))
        yield from late
        if any(isinstance(one, Clue) for one in late):
            continue
        if (changed := _changed(case, group, pool)) is not None:
            yield changed


# The cause, the sentence, and how sure it is when it is among the last words.
_SAYS: Final[dict[Points, tuple[Cause, str, Confidence]]] = {
    Points.FORBIDDEN: (Cause.FORBIDDEN, "Its service account may not {detail}", HIGH),
    Points.DENIED: (Cause.PERMISSION_DENIED, "It may not open {detail}", MEDIUM),
    Points.PLATFORM: (
        Cause.IMAGE_PLATFORM,
        "Its program is built for another platform than its node's",
        HIGH,
    ),
    Points.EXPIRED: (Cause.CERTIFICATE_EXPIRED, "The certificate of {detail} has expired", HIGH),
}


def _clue(
    case: Case, group: Group, hint: Hint, cause: Cause, said: str, confidence: Confidence
) -> Clue:
    begun = onset(case, group)
    text = said.format(detail=hint.detail or "what it uses") + f": {pods_of(case, group)}."
    account = (group.first.pod.get("spec") or {}).get("serviceAccountName")
    evidence = [log_line(group.first.pod, group.container, hint.line, case.now)]
    if cause is Cause.FORBIDDEN:
        evidence.append(f"{group.owner}: serviceAccountName {account or 'default'}")
    return Clue(
        cause,
        group.owner,
        " ".join(part for part in (text, begun.words) if part),
        (*evidence, *begun.evidence),
        confidence,
        since=begun.since,
        explains=group.refs,
        change=begun.undo if begun.blamed else None,
    )


def _changed(case: Case, group: Group, pool: Hint | None) -> Clue | None:
    """A config map or secret that was changed just before the trouble; which setting, if known."""
    begun = onset(case, group)
    if begun.blamed or begun.since is None:
        return None
    spec = group.first.pod.get("spec") or {}
    read = [("configmap", name) for name in sorted(config_maps(spec))]
    read += [("secret", name) for name in sorted(secrets(spec))]
    for kind, name in read:
        live = case.snapshot.get(kind, group.owner.namespace, name)
        if live is None:
            continue
        when, setting = changed_at(live), _setting(live, pool)
        early = when is not None and timedelta(minutes=-2) <= begun.since - when <= _BEFORE
        if early or setting:
            return _config_clue(case, group, (f"{kind}/{name}", live, when), setting, pool)
    return None


def _size(pool: Hint | None) -> str:
    """How large the pool is, as the log tells: "2 of 2 in use"."""
    said = _NUMBER.search(pool.line.text) if pool is not None else None
    return said[2] if said else ""


def _setting(live: Object, pool: Hint | None) -> str:
    """The pool's size among the settings, by its name and the number that the log tells."""
    if pool is None:
        return ""
    said = _NUMBER.search(pool.line.text)
    for key, value in sorted((live.get("data") or {}).items()):
        named = "pool" in key.lower() or "max_conn" in key.lower()
        if named and (said is None or str(value).strip() in (said[1], said[2])):
            return f"{key}={value}"
    return ""


def _config_clue(
    case: Case,
    group: Group,
    changed: tuple[str, Object, datetime | None],
    setting: str,
    pool: Hint | None,
) -> Clue:
    name, live, when = changed
    since = onset(case, group).since
    note = annotation(live, "kubernetes.io/change-cause")
    written = f"changed at {at(when, case.now)}" if when else "as it was made"
    written += f" ({short(note, 80)})" if note else ""
    text = f"{name}, which it reads, was {written}"
    back = _before(live, setting)
    if setting and pool is not None:
        text = f"Its connection pool is used up: {name} sets {setting}, {written}"
    who = sorted({str(one.get("manager")) for one in meta(live).get("managedFields") or ()})
    said = last_lines(case, group)
    lines = [log_line(group.first.pod, group.container, pool.line, case.now)] if pool else said
    ended = "" if pool or group.what is not What.CRASHING else _last_words(case, group)
    if back:
        lines.append(f"{name}: before, it said {listed(f'{k}={v}' for k, v in back.items())}")
    return Clue(
        Cause.CONFIG_CHANGED if when else Cause.CONFIG_VALUE,
        group.owner,
        f"{text}: {pods_of(case, group)} not well since {at(since, case.now)}.{ended}",
        (f"{name}: {written}, written by {', '.join(who) or 'unknown'}", *lines),
        HIGH if setting else MEDIUM,
        since=since,
        explains=group.refs,
        alternative="" if setting else "the change has nothing to do with it",
        change=_put_back(live, name, back) if back else None,
    )


def _last_words(case: Case, group: Group) -> str:
    words = case.words(group)
    return f' Its last words: "{short(telling(words).text, 160)}".' if words else ""


def _before(live: Object, setting: str) -> dict[str, str]:
    """What a setting was before, where the config map itself keeps it: as it was last applied, or
    in a note about the change that names what it is now as well. Other people's words: a number
    is taken from a note, and nothing else."""
    data = live.get("data") or {}
    key, _, value = setting.partition("=")
    note = annotation(live, "kubernetes.io/change-cause")
    if found := re.search(
        rf"\b{re.escape(key)}\b\W*(\d+) ?(?:to|→|->) ?{re.escape(value)}\b", note
    ):
        return {key: found[1]} if key else {}
    applied = _applied(live)
    changed = {name for name in applied if applied[name] != data.get(name)}
    differ = changed | (set(data) - set(applied) if applied else set())
    if len(differ) != 1 or not changed or (key and changed != {key}):
        return {}
    (only,) = changed
    return {only: applied[only]} if len(applied[only]) <= _SHORT else {}


def _applied(live: Object) -> dict[str, str]:
    """What `kubectl apply` wrote last, as far as that can be read."""
    try:
        found = json.loads(annotation(live, _APPLIED) or "{}")
    except ValueError:
        return {}
    data = found.get("data") if isinstance(found, dict) else None
    return {str(k): str(v) for k, v in data.items()} if isinstance(data, dict) else {}


def _put_back(live: Object, name: str, back: dict[str, str]) -> Proposal | None:
    kind, _, named = name.partition("/")
    if kind != "configmap":
        return None  # what a secret held is nobody's to read
    arguments = {"namespace": namespace_of(live), "kind": kind, "name": named, "type": "merge"}
    return Proposal("patch", {**arguments, "patch": json.dumps({"data": back})})
