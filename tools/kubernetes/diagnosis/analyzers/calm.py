"""What is worth knowing and no trouble now: restarts that are over, pods that were replaced."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tools.kubernetes.counting import counted
from tools.kubernetes.diagnosis.analyzers.scheduling import may_wait
from tools.kubernetes.diagnosis.case import Case
from tools.kubernetes.diagnosis.causes import Cause, depth
from tools.kubernetes.diagnosis.clues import MEDIUM, Clue, Notice, Ref, Said
from tools.kubernetes.diagnosis.flapping import LATELY, probe_reports
from tools.kubernetes.diagnosis.onset import began
from tools.kubernetes.diagnosis.snapshot import names, ref_of
from tools.kubernetes.diagnosis.symptoms import (
    What,
    is_calm,
    pulls_since,
    starts_until,
)
from tools.kubernetes.diagnosis.wording import at, pods_of, short, stamp
from tools.kubernetes.events import Report
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import conditions, moment, name_of
from tools.kubernetes.pods import container_statuses, is_ready


def calm(case: Case) -> Iterator[Said]:
    """Notices of pods that are well."""
    unwell = {one.ref for one in case.symptoms}
    gone: dict[Ref, list[Object]] = defaultdict(list)
    late: dict[Ref, list[Object]] = defaultdict(list)
    for ref, pod in case.snapshot.refs("pod"):
        owner = case.snapshot.owner(pod)
        if (pod.get("status") or {}).get("phase") == "Failed":
            if is_calm(case.snapshot, pod) and owner.kind not in ("job", "cronjob"):
                gone[owner].append(pod)
        elif ref not in unwell:
            yield from _restarts(case, owner, pod)
            yield from _starts(case, owner, pod)
            if _just_ready(case, pod):
                late[owner].append(pod)
    yield from (_lately(case, owner, pods) for owner, pods in sorted(late.items()))
    for owner, pods in sorted(gone.items()):
        reasons = sorted({str((pod.get("status") or {}).get("reason")) for pod in pods})
        yield Notice(
            owner, f"{counted(len(pods), 'old pod')} ended ({', '.join(reasons)}), replaced since"
        )


def unexplained(case: Case, clues: Sequence[Clue]) -> Iterator[Clue]:
    """Troubles of which no analyzer knows the cause: they are told all the same."""
    explained = {ref for clue in clues if depth(clue.cause) for ref in clue.explains}
    for group in case.groups_of(What.WAITING, What.CRASHING, What.UNSCHEDULED):
        if group.first.ref in explained:
            continue
        if group.what is What.UNSCHEDULED and may_wait(case, group):
            continue
        one = group.first
        said = short(f"{one.reason} {one.message}".strip()) or one.what.value
        where = f" in container {one.container}" if one.container else ""
        yield Clue(
            Cause.UNKNOWN,
            group.owner,
            f"{said}{where}: {pods_of(case, group)}.",
            (f"pod/{name_of(one.pod)}: {said}",),
            MEDIUM,
            since=began(case.snapshot, group.pods),
            explains=group.refs,
        )


def _starts(case: Case, owner: Ref, pod: Object) -> Iterator[Notice]:
    """What has been given more time than pods take as a rule, and until when."""
    name = name_of(pod)
    pulls = pulls_since(case.snapshot, pod)
    if pulls is not None and not is_ready(pod):
        yield Notice(owner, f"pod/{name} waits for its image: pulled since {at(pulls, case.now)}")
    for status in container_statuses(pod):
        until = starts_until(pod, status, case.now)
        if until is not None and not status.get("ready"):
            said = probe_reports(case.snapshot, pod, str(status["name"]))
            why = f" ({short(said[-1].message, 120)})" if said else ""
            words = (
                f"pod/{name} starts: its startup probe gives it until {at(until, case.now)}{why}"
            )
            yield Notice(owner, words)


def _just_ready(case: Case, pod: Object) -> bool:
    """Whether a pod's probes failed until a moment ago, be it as it started or again."""
    turned = moment(conditions(pod).get("Ready", {}).get("lastTransitionTime"))
    if not is_ready(pod) or turned is None or case.now - turned > LATELY:
        return False
    lasts = [moment(one.last) for one in _probed(case, pod)]
    return any(last is not None and case.now - last <= LATELY for last in lasts)


def _probed(case: Case, pod: Object) -> list[Report]:
    return case.snapshot.reports(ref_of("pod", pod), "Unhealthy")


def _lately(case: Case, owner: Ref, pods: Sequence[Object]) -> Notice:
    """Ready now, which a look at that moment alone would call well."""
    reports = [one for pod in pods for one in _probed(case, pod)]
    last = max(reports, key=lambda one: one.last)
    times = counted(sum(one.count for one in reports), "time")
    which = f"{'pod' if len(pods) == 1 else 'pods'} {names(pods)}"
    words = f"{which} became ready only just now: probes failed {times}, last at"
    words += f" {stamp(last.last, case.now)} ({short(last.message, 120)})"
    return Notice(owner, f"{words}; if that goes on, ask again")


def _restarts(case: Case, owner: Ref, pod: Object) -> Iterator[Notice]:
    for status in container_statuses(pod):
        count = int(status.get("restartCount") or 0)
        last = (status.get("lastState") or {}).get("terminated") or {}
        if count and last:
            how = last.get("reason") or f"exit code {last.get('exitCode')}"
            words = f"pod/{name_of(pod)} was restarted {counted(count, 'time')}, last at"
            words += f" {stamp(last.get('finishedAt'), case.now)} ({how}), and runs since"
            yield Notice(owner, words)
