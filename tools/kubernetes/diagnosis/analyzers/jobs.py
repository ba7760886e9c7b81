"""Jobs that failed, and cron jobs that do not run when they should."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from tools.kubernetes.diagnosis.analyzers.admission import lacks_runs
from tools.kubernetes.diagnosis.case import Case
from tools.kubernetes.diagnosis.causes import Cause
from tools.kubernetes.diagnosis.clues import HIGH, MEDIUM, Clue, Notice, Ref, Said
from tools.kubernetes.diagnosis.lastwords import NETWORK, Hint, hints_of
from tools.kubernetes.diagnosis.schedules import due_before
from tools.kubernetes.diagnosis.snapshot import Line, controlled_by, ref_of
from tools.kubernetes.diagnosis.symptoms import ended_of
from tools.kubernetes.diagnosis.wording import at, event, listed, log_line, short, telling
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import conditions, meta, moment, name_of

_LATE: Final = timedelta(minutes=5)
_LONG: Final = timedelta(days=2)  # after which a job that failed is history


def jobs(case: Case) -> Iterator[Said]:
    """Jobs on their own, then cron jobs with those that they made."""
    made: dict[Ref, list[Object]] = {}
    for ref, job in case.snapshot.refs("job"):
        above = controlled_by(job)
        if above is not None and above.kind == "cronjob":
            made.setdefault(above, []).append(job)
        else:
            yield from _job(case, ref, job, ref)
    for ref, cron in case.snapshot.refs("cronjob"):
        yield from _cron(case, ref, cron, sorted(made.get(ref, []), key=_begun))


def _begun(job: Object) -> str:
    return str(meta(job).get("creationTimestamp") or "")


def _job(case: Case, ref: Ref, job: Object, about: Ref) -> Iterator[Said]:
    failed = conditions(job).get("Failed", {})
    if failed.get("status") != "True":
        if (job.get("spec") or {}).get("suspend"):
            yield Notice(ref, "is suspended")
        elif (job.get("status") or {}).get("failed") and not (job.get("status") or {}).get(
            "succeeded"
        ):
            yield from _failing(case, ref, job, about)
        return
    since = moment(failed.get("lastTransitionTime"))
    if about == ref and since is not None and case.now - since > _LONG:
        yield Notice(ref, f"failed {at(since, case.now)}")
        return
    yield _failed(case, ref, about, failed)


def _failing(case: Case, ref: Ref, job: Object, about: Ref) -> Iterator[Said]:
    """It failed and is tried again."""
    count = int((job.get("status") or {}).get("failed") or 0)
    limit = (job.get("spec") or {}).get("backoffLimit", 6)
    if count == 1 and (job.get("status") or {}).get("ready"):
        yield Notice(about, f"{ref} failed once, is tried again, and runs now")
        return
    found = _last(case, about, ref)
    if found is None:
        return
    pod, status, lines = found
    text = f"{count} of {int(limit) + 1} tries failed; it is tried again."
    yield _clue(case, about, Cause.JOB_FAILED, text, (pod, status, lines), since=None)


def _failed(case: Case, ref: Ref, about: Ref, failed: Object) -> Clue:
    reason, message = str(failed.get("reason") or ""), short(failed.get("message"))
    since = moment(failed.get("lastTransitionTime"))
    deadline = reason == "DeadlineExceeded"
    cause = Cause.JOB_DEADLINE if deadline else Cause.JOB_FAILED
    because = ": ".join(filter(None, (reason, message)))
    which = "Its newest run" if about != ref else "It"
    text = f"{which} failed at {at(since, case.now)} ({because})."
    found = _last(case, about, ref)
    clue = _clue(case, about, cause, text, found, since=since)
    evidence = (f"{ref}: condition Failed, {because}", *clue.evidence)
    return Clue(
        clue.cause,
        about,
        clue.text,
        evidence,
        clue.confidence,
        since=since,
        explains=clue.explains | {ref},
        hangs_on=clue.hangs_on,
        alternative=clue.alternative,
    )


_Ended = tuple[Object, Object, tuple[Line, ...]]


def _last(case: Case, about: Ref, ref: Ref) -> _Ended | None:
    """Its newest pod that failed, the container that did, and what that wrote."""
    pods = [
        pod for pod in case.snapshot.pods_of(about) if about == ref or controlled_by(pod) == ref
    ]
    for pod in sorted(pods, key=_begun, reverse=True):
        every = (pod.get("status") or {}).get("initContainerStatuses") or ()
        for status in [*every, *((pod.get("status") or {}).get("containerStatuses") or ())]:
            if ended_of(status).get("exitCode"):
                return pod, status, case.snapshot.last_words(pod, str(status["name"]))
    return None


def _clue(
    case: Case, about: Ref, cause: Cause, text: str, found: _Ended | None, *, since: datetime | None
) -> Clue:
    if found is None:
        return Clue(cause, about, text, (), MEDIUM, since=since, explains=frozenset({about}))
    pod, status, lines = found
    ended, name = ended_of(status), str(status["name"])
    killed = ended.get("reason") == "OOMKilled"
    text += f" Container {name} exits with code {ended.get('exitCode')}"
    text += " (OOMKilled: it needs more than its memory limit)." if killed else "."
    if lines:
        text += f' Its last words: "{short(telling(lines).text, 160)}".'
    hint = _reached(lines)
    services = case.service_of(hint.detail, about.namespace) if hint and hint.detail else None
    hangs_on = frozenset({services, *case.behind(services)}) if services else frozenset()
    how = f"exit code {ended.get('exitCode')}, {ended.get('reason') or 'no reason'}"
    return Clue(
        Cause.OOM if killed else cause,
        about,
        text,
        (
            f"pod/{name_of(pod)} {name}: terminated, {how}",
            *(log_line(pod, name, line, case.now) for line in lines[-2:]),
        ),
        MEDIUM if hint else HIGH,
        since=since,
        explains=frozenset({about, ref_of("pod", pod)}),
        hangs_on=hangs_on - {about},
        alternative=f"{hint.detail or 'what it calls'} is at fault" if hint else "",
    )


def _reached(lines: tuple[Line, ...]) -> Hint | None:
    return next((one for one in reversed(hints_of(lines[-12:])) if one.points in NETWORK), None)


def _cron(case: Case, ref: Ref, cron: Object, made: list[Object]) -> Iterator[Said]:
    spec, status = cron.get("spec") or {}, cron.get("status") or {}
    if spec.get("suspend"):
        yield _suspended(case, ref, status)
        return
    ended = [job for job in made if _is_over(job)]
    old = [job for job in ended[:-1] if _has_failed(job)]
    if ended and _has_failed(ended[-1]):
        newest = ref_of("job", ended[-1])
        yield from _job(case, newest, ended[-1], ref)
    elif old:
        yield Notice(ref, f"an earlier run failed ({name_of(old[-1])}); the newest did not")
    for job in made:
        if not _is_over(job):
            yield from _job(case, ref_of("job", job), job, ref)
    yield from _missed(case, ref, cron, [job for job in made if not _is_over(job)])


def _is_over(job: Object) -> bool:
    return any(
        conditions(job).get(kind, {}).get("status") == "True" for kind in ("Complete", "Failed")
    )


def _has_failed(job: Object) -> bool:
    return conditions(job).get("Failed", {}).get("status") == "True"


def _suspended(case: Case, ref: Ref, status: Object) -> Said:
    """A trouble only for who asks about just this one."""
    last = moment(status.get("lastScheduleTime"))
    text = "It is suspended: it does not run."
    if last is not None:
        text += f" It ran last at {at(last, case.now)}."
    if case.snapshot.scope.about != ref:
        return Notice(ref, "is suspended")
    return Clue(
        Cause.CRONJOB_SUSPENDED, ref, text, (f"{ref}: spec.suspend is true",), HIGH, since=last
    )


def _outlived(case: Case, job: Object) -> str:
    """Containers that run on after another of the pod did its work: a sidecar holds the job."""
    for pod in case.snapshot.pods_of(case.snapshot.workload_of(ref_of("job", job))):
        found = (pod.get("status") or {}).get("containerStatuses") or ()
        done = [s for s in found if ((s.get("state") or {}).get("terminated") or {}) == ended_of(s)]
        done = [s for s in done if ended_of(s).get("exitCode") == 0]
        runs = [str(s["name"]) for s in found if (s.get("state") or {}).get("running")]
        if controlled_by(pod) == ref_of("job", job) and done and runs:
            return f" Container {done[0]['name']} has done its work; {listed(runs)} runs on."
    return ""


def _missed(case: Case, ref: Ref, cron: Object, active: list[Object]) -> Iterator[Said]:
    """A time that passed without a run."""
    spec, status = cron.get("spec") or {}, cron.get("status") or {}
    schedule, zone = str(spec.get("schedule") or ""), str(spec.get("timeZone") or "")
    reports = case.snapshot.reports(
        ref, "UnparseableSchedule", "InvalidSchedule", "UnknownTimeZone", "UnparsableSchedule"
    )
    if reports:
        text = f"Its schedule {schedule!r} is not understood: it never runs."
        yield Clue(Cause.CRONJOB_MISSED, ref, text, (event(reports[-1], case.now),), HIGH)
        return
    due = due_before(schedule, case.now - _LATE, zone)
    last = moment(status.get("lastScheduleTime")) or moment(meta(cron).get("creationTimestamp"))
    if due is None or last is None:
        return
    before = due_before(schedule, due - timedelta(minutes=1), zone)
    between = due - before if before is not None else timedelta(days=1)
    if last >= due or case.now - last < between + _LATE:
        return
    when = f"It should have run at {at(due, case.now)} ({schedule}); it ran last at"
    evidence = [f"{ref}: schedule {schedule!r}, lastScheduleTime {status.get('lastScheduleTime')}"]
    if active and spec.get("concurrencyPolicy") == "Forbid":
        begun = moment(meta(active[0]).get("creationTimestamp"))
        text = f"{when} {at(last, case.now)}: the run {name_of(active[0])} goes on since"
        text += f" {at(begun, case.now)}, and concurrencyPolicy is Forbid."
        text += _outlived(case, active[0])
        evidence.append(f"job/{name_of(active[0])}: active, not complete")
        yield Clue(Cause.CRONJOB_BLOCKED, ref, text, tuple(evidence), HIGH, since=due)
        return
    refused = case.snapshot.reports(ref, "FailedCreate")
    if refused and lacks_runs(case, ref, refused[-1]):
        return  # by what, is told there
    known = case.snapshot.reports(ref, "FailedNeedsStart", "TooManyMissedTimes", "MissSchedule")
    evidence += [event(one, case.now) for one in known[-1:]]
    yield Clue(
        Cause.CRONJOB_MISSED,
        ref,
        f"{when} {at(last, case.now)}.",
        tuple(evidence),
        HIGH if known else MEDIUM,
        since=due,
        alternative="" if known else "the controller for cron jobs does not run",
    )
