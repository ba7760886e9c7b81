"""Readiness that comes and goes: what a pod's probes found, and whether it was ready in between.

A pod says when it became ready, or ceased to be, for the last time only. That it was ready before
its probes failed is told by what else is known: its deployment had all its pods, or there were
probes between the failed ones that did not fail.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from tools.kubernetes.diagnosis.snapshot import Snapshot, ref_of
from tools.kubernetes.events import Report
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import conditions, meta, moment

QUIET: Final = timedelta(minutes=5)  # without a failed probe: it is over
LATELY: Final = QUIET / 2  # a start that just ended may have failed probes that recent
_FLAPS: Final = 3  # failed probes that are more than an accident
_OLD: Final = timedelta(minutes=15)  # what fails first so long after a pod's start is no start's
_EACH: Final = 25  # failures of one pod that a node reports one by one; of more only some
_SLACK: Final = timedelta(seconds=5)


def probe_reports(snapshot: Snapshot, pod: Object, container: str) -> list[Report]:
    """What the probes of a container found. Their reports name no container but by their field."""
    found = snapshot.reports(ref_of("pod", pod), "Unhealthy", "ProbeWarning")
    only = len((pod.get("spec") or {}).get("containers") or ()) == 1
    named = [one for one in found if only or container in one.field]
    return named or found


def flaps(snapshot: Snapshot, pod: Object, status: Object) -> bool:
    """Whether probes of a container that runs fail on and off, more often than by accident."""
    reports = probe_reports(snapshot, pod, str(status["name"]))
    turned = moment(conditions(pod).get("Ready", {}).get("lastTransitionTime"))
    if turned is None or not reports:
        return False
    in_run = _in_run(reports, status)
    if not status.get("ready"):
        return _was_ready(snapshot, pod, status, in_run, turned)
    return (
        any(_fails_on(one, snapshot.now, pod, turned) for one in reports)
        or _failed_when_whole(snapshot, pod, status, in_run)
        or _passed_between(snapshot, pod, status, in_run)
    )


def _fails_on(one: Report, now: datetime, pod: Object, ready: datetime) -> bool:
    """Whether failures go on though the pod became ready, or began long after its start."""
    started = moment((pod.get("status") or {}).get("startTime"))
    last, first = moment(one.last), moment(one.first)
    if last is None or first is None or one.count < _FLAPS:
        return False
    # What began before it was ready belongs to its start, unless it goes on now.
    quiet = now - last > (QUIET if first > ready else LATELY)
    if last > ready and not quiet:
        return True
    # It was ready before, was not for a while, and is again: for how long?
    late = started is not None and first - started > _OLD
    return late and not quiet and now - ready < QUIET


class _Failures:
    """The failed readiness probes of one run of a container."""

    def __init__(self, reports: Sequence[Report], first: datetime, last: datetime) -> None:
        self.count = sum(one.count for one in reports)
        self.first, self.last = first, last


def _in_run(reports: Sequence[Report], status: Object) -> _Failures | None:
    """Those since a container started; None where some are older, or of another probe only."""
    started = moment(((status.get("state") or {}).get("running") or {}).get("startedAt"))
    ours = [one for one in reports if one.message.startswith("Readiness probe")]
    firsts = [found for one in ours if (found := moment(one.first))]
    lasts = [found for one in ours if (found := moment(one.last))]
    if started is None or not firsts or not lasts or min(firsts) < started:
        return None
    return _Failures(ours, min(firsts), max(lasts))


def _step(pod: Object, status: Object) -> tuple[timedelta, int]:
    """The time from one readiness probe to the next, and how many in a row must fail."""
    found: list[Object] = (pod.get("spec") or {}).get("containers") or []
    own = next((one for one in found if one["name"] == status["name"]), {})
    probe = own.get("readinessProbe") or {}
    step = max(int(probe.get("periodSeconds") or 10), int(probe.get("timeoutSeconds") or 1))
    return timedelta(seconds=step), int(probe.get("failureThreshold") or 3)


def _was_ready(
    snapshot: Snapshot, pod: Object, status: Object, failed: _Failures | None, turned: datetime
) -> bool:
    """Whether a pod that has just ceased to be ready had failed before it was."""
    if failed is None or failed.count < _FLAPS or snapshot.now - turned > LATELY:
        return False
    step, times = _step(pod, status)
    return turned - failed.first > step * times + _SLACK


def _failed_when_whole(
    snapshot: Snapshot, pod: Object, status: Object, failed: _Failures | None
) -> bool:
    """Whether probes failed after the deployment had all its pods, this one among them."""
    live = snapshot.at(snapshot.owner(pod)) or {}
    rolled = conditions(live).get("Progressing", {})
    whole = moment(rolled.get("lastUpdateTime"))
    made = moment(meta(pod).get("creationTimestamp"))
    if failed is None or whole is None or rolled.get("reason") != "NewReplicaSetAvailable":
        return False
    if made is None or made > whole or snapshot.now - failed.last > LATELY:
        return False
    step, _ = _step(pod, status)
    before = 0 if failed.first > whole else (whole - failed.first) // step + 1
    return failed.last > whole and failed.count - before >= _FLAPS


def _passed_between(
    snapshot: Snapshot, pod: Object, status: Object, failed: _Failures | None
) -> bool:
    """Whether a fifth of the probes between the first failed one and the last did not fail."""
    if failed is None or not _FLAPS <= failed.count <= _EACH:
        return False
    step, _ = _step(pod, status)
    passed = (failed.last - failed.first) // step - (failed.count - 1)
    recent = snapshot.now - failed.last <= LATELY
    return recent and passed >= max(2, failed.count / 4)
