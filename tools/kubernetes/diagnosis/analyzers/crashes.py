"""Containers that start and end: exit code, last words, memory, since which revision."""

import re
from collections.abc import Iterator
from typing import Final

from tools.kubernetes.diagnosis.analyzers.configuration import part_missing
from tools.kubernetes.diagnosis.analyzers.probes import killed_by
from tools.kubernetes.diagnosis.case import Case, Group
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, MEDIUM, Clue, Confidence, Ref, Said
from tools.kubernetes.diagnosis.lastwords import NETWORK, Hint, Points
from tools.kubernetes.diagnosis.links import leads_to, leads_to_by_settings
from tools.kubernetes.diagnosis.onset import onset
from tools.kubernetes.diagnosis.symptoms import NO_START, SIGKILL, What
from tools.kubernetes.diagnosis.wording import (
    both_ends,
    event,
    last_lines,
    pods_of,
    short,
    state,
    telling,
)
from tools.kubernetes.objects import name_of

_SIGNALS: Final = {
    130: "SIGINT",
    134: "SIGABRT",
    135: "SIGBUS",
    136: "SIGFPE",
    SIGKILL: "SIGKILL",
    139: "SIGSEGV",
    143: "SIGTERM",
}
_NOT_FOUND: Final = re.compile(
    r"executable file not found|no such file or directory|not found in \$PATH|command not found",
    re.IGNORECASE,
)
_MOUNT: Final = re.compile(r"error mounting|failed to mount|to rootfs at", re.IGNORECASE)
# What a container's security context names and a node would have to have.
_PROFILE: Final = re.compile(r"(seccomp|apparmor)\b.{0,20}\bprofile", re.IGNORECASE)
_PLATFORM: Final = re.compile(r"exec format error", re.IGNORECASE)
_OTHERS: Final = re.compile(
    r"connect|database|unavailable|upstream|backend|broker|timed? ?out|unreachable|giving up",
    re.IGNORECASE,
)
_TASKS: Final = ("job", "cronjob")


def crashes(case: Case) -> Iterator[Said]:
    """One clue for each container that ends though it should not."""
    for group in case.groups_of(What.CRASHING):
        ended = group.first.ended
        if ended.get("reason") == "OOMKilled":
            yield _out_of_memory(case, group)
        elif killed_by(case, group) is None:
            yield _hook(case, group) or _no_start(case, group) or _killed(case, group)
    for group in case.groups_of(What.UNREADY):
        if group.init:
            yield _waits(case, group)
    for group in case.groups_of(What.WAITING):
        stopped = group.first.reason in (*NO_START, "CreateContainerError", "PostStartHookError")
        if stopped and (found := _no_start(case, group)) is not None:
            yield found


def _out_of_memory(case: Case, group: Group) -> Clue:
    one = group.first
    limit = ((one.spec.get("resources") or {}).get("limits") or {}).get("memory")
    begun = onset(case, group, r"resources|image$")
    used = _usage(case, group)
    if limit:
        words = f"Container {group.container} needs more than its memory limit of {limit}"
    else:
        words = f"Container {group.container} has no memory limit, and its node ran out of memory"
    one_pod = group.owner.kind == "pod" or len(group.pods) == 1
    are = "is" if one_pod else "are"
    text = f"{words}: {pods_of(case, group)} {are} killed for it (OOMKilled)."
    evidence = [state(group, case.now), *used]
    if limit:
        evidence.append(f"{group.owner}: resources.limits.memory {limit} of {group.container}")
    return Clue(
        Cause.OOM,
        group.owner,
        " ".join(part for part in (text, begun.words) if part),
        (*evidence, *begun.evidence),
        since=begun.since,
        explains=group.refs,
        ruled_out=()
        if not limit
        else ("the node's memory: the container's own limit was reached",),
        change=begun.undo if begun.blamed else None,
    )


def _usage(case: Case, group: Group) -> list[str]:
    """What its pods use now, where the cluster measures it."""
    names = {name_of(pod) for pod in group.pods}
    for metrics in case.snapshot.of("podmetrics", group.owner.namespace):
        if name_of(metrics) not in names:
            continue
        for one in metrics.get("containers") or ():
            if one.get("name") == group.container:
                memory = (one.get("usage") or {}).get("memory")
                return [f"metrics of pod/{name_of(metrics)}: memory {memory} now"]
    return []


def _no_start(case: Case, group: Group) -> Clue | None:
    """A command that cannot be run, or a container that cannot be set up for it."""
    one, ended = group.first, group.first.ended
    message = f"{one.message} {ended.get('message') or ''}"
    reported = case.snapshot.reports(one.ref, "Failed")
    said = " ".join([message, *(report.message for report in reported)])
    code = ended.get("exitCode")
    if _PLATFORM.search(said):
        cause, words = Cause.IMAGE_PLATFORM, "is built for another platform than its node's"
    elif _starts_not(group) and _MOUNT.search(said):
        cause, words = _mount(case, group, said)
    elif one.reason == "CreateContainerError" and (found := _PROFILE.search(one.message)):
        cause, words = (
            Cause.INVALID_TEMPLATE,
            f"cannot have the {found[1].lower()} profile it names",
        )
    elif code in (126, 127) or (_starts_not(group) and re.search(r"exec|command", said)):
        cause, words = Cause.COMMAND, "cannot start its command"
    elif _starts_not(group):
        cause, words = Cause.COMMAND, "cannot be set up to start"
    else:
        return None
    begun = onset(case, group, r"image$|command|args|workingDir|volume|securityContext")
    why = _NOT_FOUND.search(said)
    shown = both_ends(message) or f"exit code {code}"
    text = f"Container {group.container} {words}: {shown.strip()}. {begun.words}".strip()
    evidence = [state(group, case.now) if ended else f"pod/{name_of(one.pod)}: {one.reason}"]
    evidence += [*last_lines(case, group), *begun.evidence]
    return Clue(
        cause,
        group.owner,
        text,
        tuple(evidence),
        HIGH if why or cause is Cause.IMAGE_PLATFORM or code == 127 else MEDIUM,
        since=begun.since,
        explains=group.refs,
        change=begun.undo if begun.blamed else None,
    )


def _mount(case: Case, group: Group, said: str) -> tuple[Cause, str]:
    """What cannot be mounted where the image has something else: often a file that is not there."""
    found = part_missing(case, group, said)
    if found is None:
        return Cause.VOLUME_MOUNT, "cannot have a volume mounted where it wants it"
    key, config = found
    words = f"cannot be given key {key} of configmap/{config}, which does not exist"
    return Cause.CONFIG_KEY_MISSING, words


def _starts_not(group: Group) -> bool:
    return group.first.reason in NO_START or group.first.ended.get("reason") in NO_START


def _hook(case: Case, group: Group) -> Clue | None:
    """The command after its start fails, for which the kubelet kills it."""
    reports = case.snapshot.reports(group.first.ref, "FailedPostStartHook")
    if not reports:
        return None
    begun = onset(case, group, r"lifecycle|image$|env|command|args")
    said = short(reports[-1].message, 160)
    text = f"Container {group.container} is killed as its postStart hook fails"
    return Clue(
        _cause(group),
        group.owner,
        f"{text}: {pods_of(case, group)}. {said}. {begun.words}".strip(),
        (event(reports[-1], case.now), state(group, case.now), *begun.evidence),
        HIGH,
        since=begun.since,
        explains=group.refs,
        change=begun.undo if begun.blamed else None,
    )


def _killed(case: Case, group: Group) -> Clue:
    """Where its node ran out of memory and killed it, that is the cause, and no word of its own."""
    node = str((group.first.pod.get("spec") or {}).get("nodeName") or "")
    reports = case.snapshot.reports(Ref("node", "", node), "SystemOOM")
    if group.first.ended.get("exitCode") != SIGKILL or not reports:
        return _crash(case, group)
    begun = onset(case, group, r"resources|image$")
    text = f"Node {node} ran out of memory as a whole and kills what runs there, container"
    text += f" {group.container} among it: {pods_of(case, group)}."
    limit = ((group.first.spec.get("resources") or {}).get("limits") or {}).get("memory")
    text += "" if limit else " The container has no memory limit of its own."
    return Clue(
        Cause.OOM,
        group.owner,
        " ".join(part for part in (text, begun.words) if part),
        (event(reports[-1], case.now), state(group, case.now), *begun.evidence),
        MEDIUM,
        since=begun.since,
        explains=group.refs,
        alternative="something else killed it (SIGKILL)",
    )


def _crash(case: Case, group: Group) -> Clue:
    begun = onset(case, group)
    blame = _last_network(case, group)
    lines = last_lines(case, group)
    hangs_on = leads_to(case, group, [blame] if blame else [])
    silent = not blame and not begun.blamed and not _explains_itself(case, group)
    if (silent and _speaks_of_others(case, group)) or (blame and not blame.detail):
        hangs_on |= leads_to_by_settings(case, group)
    words = f"{_who(group)} {_how(group)}: {pods_of(case, group)}."
    if lines:
        words += f' Its last words: "{short(telling(case.words(group)).text, 160)}".'
    return Clue(
        _cause(group),
        group.owner,
        " ".join(part for part in (words, begun.words) if part),
        (state(group, case.now), *lines, *begun.evidence),
        _sure(case, group, blame, blamed=begun.blamed),
        since=begun.since,
        explains=group.refs,
        hangs_on=hangs_on,
        ruled_out=("memory: it was not killed for it", "its image: it was pulled and started"),
        alternative=_alternative(group, blame),
        change=begun.undo if begun.blamed else None,
    )


def _alternative(group: Group, blame: Hint | None) -> str:
    if blame is not None:
        return f"{blame.detail or 'what it calls'} is at fault"
    if group.first.ended.get("exitCode") == SIGKILL:
        return "it was killed from outside, as by a node that ran out of memory"
    return ""


def _waits(case: Case, group: Group) -> Clue:
    """An init container that runs and does not end."""
    begun = onset(case, group)
    lines = last_lines(case, group)
    hints = [hint for hint in case.hints(group) if hint.points in NETWORK]
    words = f"Init container {group.container} does not end: {pods_of(case, group)}."
    if lines:
        words += f' It says "{short(case.words(group)[-1].text, 160)}".'
    return Clue(
        Cause.INIT_FAILED,
        group.owner,
        " ".join(part for part in (words, begun.words) if part),
        (f"pod/{name_of(group.first.pod)} {group.container}: running", *lines, *begun.evidence),
        HIGH if lines else MEDIUM,
        since=begun.since,
        explains=group.refs,
        hangs_on=leads_to(case, group, hints[-2:]),
        change=begun.undo if begun.blamed else None,
    )


def _cause(group: Group) -> Cause:
    if group.init:
        return Cause.INIT_FAILED
    return Cause.JOB_FAILED if group.owner.kind in _TASKS else Cause.CRASH


def _who(group: Group) -> str:
    return f"{'Init container' if group.init else 'Container'} {group.container}"


def _how(group: Group) -> str:
    ended = group.first.ended
    code = ended.get("exitCode")
    if code is None:
        return "ends again and again"
    if code == 0:
        return "ends by itself with exit code 0 and is started again"
    signal = _SIGNALS.get(int(code)) if isinstance(code, int) else None
    return f"exits with code {code}" + (f" ({signal})" if signal else "")


def _last_network(case: Case, group: Group) -> Hint | None:
    """What it could not reach, if that is among the last things that it said."""
    lines = case.words(group)[-12:]
    for hint in reversed(case.hints(group)):
        if hint.points in NETWORK and hint.line in lines:
            return hint
    return None


def _explains_itself(case: Case, group: Group) -> bool:
    return case.hint(group, Points.SETTING, Points.LOGIN, Points.MEMORY) is not None


def _speaks_of_others(case: Case, group: Group) -> bool:
    """Whether its last words are about something that it uses; without words it may be so."""
    said = " ".join(line.text for line in case.words(group)[-12:]).lower()
    names = {service.name for service in case.calls(group.owner)}
    return not said or bool(_OTHERS.search(said)) or any(name in said for name in names)


def _sure(case: Case, group: Group, blame: Hint | None, *, blamed: bool) -> Confidence:
    if group.first.ended.get("exitCode") == SIGKILL:
        return MEDIUM  # it did not end itself: its words say nothing of why
    if blamed and blame is None:
        return HIGH
    if blame is not None:
        return MEDIUM
    return HIGH if case.words(group) else MEDIUM
