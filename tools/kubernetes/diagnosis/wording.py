"""Evidence in words: which object, which field, event or line, and when. Times as they are, UTC."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from tools.kubernetes.counting import counted
from tools.kubernetes.diagnosis.case import Case, Group
from tools.kubernetes.diagnosis.clues import Ref
from tools.kubernetes.diagnosis.snapshot import Line
from tools.kubernetes.diagnosis.symptoms import What
from tools.kubernetes.events import Report
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import moment, name_of

_MOST = 240


def at(when: datetime | None, now: datetime) -> str:
    """A moment: "14:02:31Z", with its day where that is another one."""
    if when is None:
        return "an unknown time"
    same = when.date() == now.date()
    return when.strftime("%H:%M:%SZ" if same else "%Y-%m-%d %H:%MZ")


def stamp(text: object, now: datetime) -> str:
    """The same of a time stamp of the API."""
    return at(moment(text), now)


def short(text: object, most: int = _MOST) -> str:
    """Somebody else's words on one line."""
    words = " ".join(str(text or "").split())
    return words if len(words) <= most else words[: most - 1] + "…"


def both_ends(text: object, most: int = _MOST) -> str:
    """The same of words that wrap a reason in what failed for it: why stands at their end."""
    words = " ".join(str(text or "").split())
    if len(words) <= most:
        return words
    head = most // 3
    return f"{words[:head]} … {words[len(words) - most + head + 3 :]}"


def event(report: Report, now: datetime) -> str:
    """What was reported."""
    # A scheduler ends with what would not help; everybody else with the reason.
    cut = short if report.reason == "FailedScheduling" else both_ends
    times = f"×{report.count}, " if report.count > 1 else ""
    when = f"({times}last {stamp(report.last, now)})"
    return f"event {report.reason} {report.kind}/{report.name} {when}: {cut(report.message)}"


def log_line(pod: Object, container: str, line: Line, now: datetime) -> str:
    """What a container wrote."""
    when = f" {at(line.at, now)}" if line.at else ""
    return f'{line.source} of pod/{name_of(pod)} {container}{when}: "{short(line.text)}"'


def last_lines(case: Case, group: Group, most: int = 2) -> list[str]:
    """The last words of a group's container, and before them those that say why."""
    pod, container = group.first.pod, group.container
    words = case.words(group)
    chosen = list(words[-most:])
    if words and (why := telling(words)) not in chosen:
        chosen = [why, *chosen[1:]]
    return [log_line(pod, container, line, case.now) for line in chosen]


_USAGE: Final = re.compile(r"usage(?: of \S+)?:", re.IGNORECASE)
_FAILS: Final = re.compile(r"\berror\b|fatal|invalid|unknown", re.IGNORECASE)
# Frames of a stack, and what runtimes end with.
_AFTER: Final = re.compile(
    r"at \S+.*(?:\(|:\d+)|goroutine \d+|\S+\.go:\d+|[\w./*()]+\((?:0x[^)]*|\.\.\.)?\)$"
    r"|Node\.js v\d|exit status \d+$|\W*$"
)
# What a runtime calls an error by; what it shows of the source or the file comes after it.
_RAISED: Final = re.compile(r"\b[A-Z]\w*(?:Error|Exception)\b(?:: | \[)|^panic: ")
_NEAR: Final = 25
_RAISED_NEAR: Final = 8


def telling(lines: Sequence[Line]) -> Line:
    """Of a program's last words those that say why: how it is to be called, or the frames of its
    stack, are often printed after them."""
    recent = lines[-_NEAR:]
    usage = next((n for n, one in enumerate(recent) if n and _USAGE.match(one.text)), 0)
    if usage:
        after = [one for one in recent[usage:] if _FAILS.search(one.text)]
        return after[-1] if after else recent[usage - 1]
    raised = [one for one in recent[-_RAISED_NEAR:] if _RAISED.search(one.text)]
    if raised:
        return raised[-1]
    said = (one for one in reversed(recent) if not _AFTER.match(one.text))
    return next(said, lines[-1])


def pods_of(case: Case, group: Group) -> str:
    """How many of its workload's pods: "all 3 pods", "1 of 4 pods"."""
    if group.what is What.ASKED:
        return "its pods run, and are"
    if group.owner.kind == "pod":
        return "the pod"
    return share_of(case, group.owner, len({one.ref for one in group.symptoms}))


def share_of(case: Case, workload: Ref, count: int) -> str:
    """So many of a workload's pods in words."""
    total = len(living(case, workload))
    if count >= total:
        return "its only pod" if count == 1 else f"all {count} pods"
    return f"{count} of {total} pods"


def living(case: Case, workload: Ref) -> list[Object]:
    """Its pods, without those that ended or leave."""
    return [pod for pod in case.snapshot.pods_of(workload) if _lives(pod)]


def _lives(pod: Object) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and not (pod.get("metadata") or {}).get("deletionTimestamp")


def listed(words: Iterable[str], most: int = 4) -> str:
    """A, b and c."""
    found = list(words)
    if len(found) > most:
        return f"{', '.join(found[:most])} and {len(found) - most} more"
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def matching(reports: Sequence[Report], pattern: str) -> list[Report]:
    """Those whose message matches, newest first."""
    wanted = re.compile(pattern, re.IGNORECASE)
    return [one for one in reversed(reports) if wanted.search(one.message)]


def state(group: Group, now: datetime) -> str:
    """How the first container of a group last ended, as evidence."""
    one, ended = group.first, group.first.ended
    words = f"exit code {ended.get('exitCode')}"
    if signal := ended.get("signal"):
        words += f", signal {signal}"
    if reason := ended.get("reason"):
        words += f", {reason}"
    count = int(one.status.get("restartCount") or 0)
    when = stamp(ended.get("finishedAt"), now)
    return (
        f"pod/{name_of(one.pod)} {one.container}: lastState.terminated {words}, {when},"
        f" {counted(count, 'restart')}"
    )


def of(ref: Ref) -> str:
    """An object in a sentence, with its namespace."""
    return f"{ref} in {ref.namespace}" if ref.namespace else str(ref)
