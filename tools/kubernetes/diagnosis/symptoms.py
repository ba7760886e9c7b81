"""What is not well with a pod now, from its status and what was reported of it. No causes yet.

Current trouble only: a container that was restarted and has run since for longer than it did
before, a probe that failed before the pod became ready, a pod that ended as it should, are none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tools.kubernetes.diagnosis.clues import Ref
from tools.kubernetes.diagnosis.flapping import flaps, probe_reports
from tools.kubernetes.diagnosis.snapshot import Snapshot, controlled_by, ref_of
from tools.kubernetes.events import Report
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import conditions, meta, moment, name_of

SIGKILL: Final = 137  # the exit code of what was killed
NO_START: Final = ("StartError", "ContainerCannotRun", "RunContainerError")  # not even begun
STARTING: Final = timedelta(seconds=45)  # that long a pod may take without anybody wondering
_RECENT: Final = timedelta(minutes=15)
_LEAVING: Final = timedelta(seconds=90)
_LONG_INIT: Final = timedelta(minutes=4)
_FAILS: Final = 3  # failed probes that are more than an accident
_OFTEN: Final = 3  # restarts that are more than an accident
_PULLING: Final = timedelta(minutes=10)  # that long a large image may take


class What(StrEnum):
    """What is not well."""

    UNSCHEDULED = "unscheduled"
    CREATING = "creating"  # its node cannot make it: volumes, network
    WAITING = "waiting"  # a container cannot be started: image, configuration, command
    CRASHING = "crashing"
    UNREADY = "unready"
    FLAPPING = "flapping"  # ready now and then: its probe fails on and off
    LOST = "lost"  # its containers are said to be well, the pod is not: its node is away
    EVICTED = "evicted"
    FAILED = "failed"
    TERMINATING = "terminating"
    ASKED = "asked about"  # nothing is to be seen, and somebody names just this workload


@dataclass(frozen=True)
class Symptom:
    """One container, or one pod as a whole, that is not well."""

    what: What
    pod: Object
    container: str = ""  # empty: the pod as a whole
    init: bool = False
    reason: str = ""
    message: str = ""

    @property
    def ref(self) -> Ref:
        """The pod."""
        return ref_of("pod", self.pod)

    @property
    def status(self) -> Object:
        """The container's status."""
        return next((one for one, _ in statuses(self.pod) if one["name"] == self.container), {})

    @property
    def spec(self) -> Object:
        """The container's specification."""
        spec = self.pod.get("spec") or {}
        both = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
        return next((one for one in both if one.get("name") == self.container), {})

    @property
    def ended(self) -> Object:
        """How its last run ended."""
        return ended_of(self.status)


def statuses(pod: Object) -> Iterator[tuple[Object, bool]]:
    """Those of its containers; True: of an init container that must end."""
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    sidecars = {
        one.get("name")
        for one in spec.get("initContainers") or ()
        if one.get("restartPolicy") == "Always"
    }
    for one in status.get("initContainerStatuses") or ():
        yield one, one.get("name") not in sidecars
    for one in status.get("containerStatuses") or ():
        yield one, False


def ended_of(status: Object) -> Object:
    """How a container's last run ended."""
    state, last = status.get("state") or {}, status.get("lastState") or {}
    found: Object = state.get("terminated") or last.get("terminated") or {}
    return found


def symptoms_of(snapshot: Snapshot, pod: Object) -> list[Symptom]:
    """What is not well with a pod now."""
    status = pod.get("status") or {}
    phase, now = status.get("phase"), snapshot.now
    if since := moment(meta(pod).get("deletionTimestamp")):
        # The time that it is given to end is part of that stamp.
        return [Symptom(_leaving(pod), pod)] if now - since > _LEAVING else []
    if phase == "Succeeded":
        return []
    if phase == "Failed":
        evicted = status.get("reason") == "Evicted"
        what = What.EVICTED if evicted else What.FAILED
        words = str(status.get("message") or "")
        return [Symptom(what, pod, reason=str(status.get("reason") or ""), message=words)]
    if not (pod.get("spec") or {}).get("nodeName"):
        return _unscheduled(pod, now)
    found = [*_containers(snapshot, pod)]
    return found or [*_as_a_whole(snapshot, pod)]


def _leaving(pod: Object) -> What:
    """A pod that should be gone; its node is away if all its containers are said to be well."""
    well = all(status.get("ready") for status, _ in statuses(pod))
    unready = conditions(pod).get("Ready", {}).get("status") != "True"
    held = meta(pod).get("finalizers")
    return What.LOST if well and unready and not held else What.TERMINATING


def _unscheduled(pod: Object, now: datetime) -> list[Symptom]:
    scheduled = conditions(pod).get("PodScheduled", {})
    reason, words = str(scheduled.get("reason") or ""), str(scheduled.get("message") or "")
    if reason == "Unschedulable" or _older(pod, now):
        return [Symptom(What.UNSCHEDULED, pod, reason=reason, message=words)]
    return []


def _older(pod: Object, now: datetime) -> bool:
    made = moment(meta(pod).get("creationTimestamp"))
    return made is None or now - made > STARTING


def _containers(snapshot: Snapshot, pod: Object) -> Iterator[Symptom]:
    for status, init in statuses(pod):
        what = _of_container(snapshot, pod, status, init=init)
        if what is not None:
            waiting = (status.get("state") or {}).get("waiting") or {}
            reason, words = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
            yield Symptom(what, pod, str(status["name"]), init, reason, words)


def _of_container(  # a decision of several steps
    snapshot: Snapshot, pod: Object, status: Object, *, init: bool
) -> What | None:
    state = status.get("state") or {}
    waiting = str((state.get("waiting") or {}).get("reason") or "")
    if waiting == "CrashLoopBackOff":
        return What.CRASHING
    if waiting in ("ContainerCreating", "PodInitializing", ""):
        if "running" in state:
            return _of_init(snapshot, status) if init else _of_running(snapshot, pod, status)
        ended = state.get("terminated") or {}
        return What.CRASHING if ended and _wrongly(pod, ended, init=init) else None
    return What.WAITING


def _of_init(snapshot: Snapshot, status: Object) -> What | None:
    """An init container that does not come to an end."""
    started = moment((status["state"]["running"] or {}).get("startedAt"))
    long = started is not None and snapshot.now - started > _LONG_INIT
    return What.UNREADY if long else None


def _wrongly(pod: Object, ended: Object, *, init: bool) -> bool:
    """Whether a container that ended should not have."""
    policy = (pod.get("spec") or {}).get("restartPolicy", "Always")
    return bool(ended.get("exitCode")) or (policy == "Always" and not init)


def _of_running(snapshot: Snapshot, pod: Object, status: Object) -> What | None:
    now, started = snapshot.now, moment((status["state"]["running"] or {}).get("startedAt"))
    if is_restarting(status, now):
        return What.CRASHING
    if flaps(snapshot, pod, status):
        return What.FLAPPING
    if not status.get("ready"):
        if starts_until(pod, status, now) is not None:
            return None
        waits = started is not None and now - started <= STARTING
        failed = any(one.count >= _FAILS for one in probe_reports(snapshot, pod, status["name"]))
        return None if waits and not failed else What.UNREADY
    return None


def starts_until(pod: Object, status: Object, now: datetime) -> datetime | None:
    """Until when the startup probe of a container gives it time for its first start."""
    spec = (pod.get("spec") or {}).get("containers") or ()
    probe = next((c.get("startupProbe") for c in spec if c.get("name") == status["name"]), None)
    started = moment(((status.get("state") or {}).get("running") or {}).get("startedAt"))
    if not probe or started is None or status.get("started") or status.get("restartCount"):
        return None
    tries = int(probe.get("failureThreshold") or 3) * int(probe.get("periodSeconds") or 10)
    until = started + timedelta(seconds=int(probe.get("initialDelaySeconds") or 0) + tries)
    return until if now < until else None


def pulls_since(snapshot: Snapshot, pod: Object) -> datetime | None:
    """Since when a node has been fetching an image for a pod, where nothing else was said since."""
    found = [one for one in snapshot.reports(ref_of("pod", pod)) if one.reason in _FETCHED]
    return moment(found[-1].last) if found and found[-1].reason == "Pulling" else None


def is_on_its_way(snapshot: Snapshot, pod: Object) -> bool:
    """Whether a pod that is not ready has been given more time than pods need as a rule."""
    pulls = pulls_since(snapshot, pod)
    if pulls is not None and snapshot.now - pulls < _PULLING:
        return True
    return any(starts_until(pod, one, snapshot.now) for one, _ in statuses(pod))


_FETCHED: Final = ("Pulling", "Pulled", "Failed", "BackOff", "Created", "Started")


def is_restarting(status: Object, now: datetime) -> bool:
    """Whether a container that runs is likely to end again: it has not outlived its last runs."""
    last = (status.get("lastState") or {}).get("terminated") or {}
    count, state = int(status.get("restartCount") or 0), status.get("state") or {}
    finished, begun = moment(last.get("finishedAt")), moment(last.get("startedAt"))
    started = moment((state.get("running") or {}).get("startedAt"))
    if not count or finished is None or started is None or now - finished > _RECENT:
        return False
    if status.get("ready") and count < 2 and last.get("reason") != "OOMKilled":
        return False
    lasted = finished - begun if begun else timedelta()
    runs = now - started
    if count >= _OFTEN and lasted > timedelta(minutes=2):
        return runs < lasted * 2
    return runs < max(lasted * 3, timedelta(seconds=90))


_MAKING: Final = (
    "FailedMount",
    "FailedAttachVolume",
    "FailedMapVolume",
    "FailedCreatePodSandBox",
    "FailedCreatePodContainer",
    "NetworkNotReady",
    "VolumeMountFailure",
)


def making_reports(snapshot: Snapshot, pod: Object) -> list[Report]:
    """Why a node cannot make a pod."""
    return snapshot.reports(ref_of("pod", pod), *_MAKING)


def _as_a_whole(snapshot: Snapshot, pod: Object) -> Iterator[Symptom]:
    found, now = [status for status, _ in statuses(pod)], snapshot.now
    status = pod.get("status") or {}
    running = [one for one in found if "running" in (one.get("state") or {})]
    creates = not running and status.get("phase") != "Running"
    if creates:
        reported = making_reports(snapshot, pod)
        if (reported and _older(pod, now)) or any(one.count > 2 for one in reported):
            yield Symptom(What.CREATING, pod, reason=reported[-1].reason)
        elif _older(pod, now) and not (any(map(_has_ended, found)) or is_on_its_way(snapshot, pod)):
            yield Symptom(What.CREATING, pod)
        return
    ready = conditions(pod).get("Ready", {})
    # The node's controller marks the pods of a node that is silent, and of its containers nothing.
    marked = conditions(pod).get("ContainersReady", {}).get("status") != "False"
    well = bool(running) and all(one.get("ready") for one in running)
    if ready.get("status") != "True" and well and marked:
        said = str(ready.get("reason") or "")
        yield Symptom(What.LOST, pod, reason=said, message=str(ready.get("message") or ""))


def _has_ended(status: Object) -> bool:
    return bool((status.get("state") or {}).get("terminated"))


def is_calm(snapshot: Snapshot, pod: Object) -> bool:
    """Whether a pod that ended needs nobody: another took its place, or it was a task's."""
    if controlled_by(pod) is None:
        return False
    owner = snapshot.owner(pod)
    return owner.kind in ("job", "cronjob") or is_whole(snapshot, owner)


def is_whole(snapshot: Snapshot, workload: Ref) -> bool:
    """Whether a workload has all the pods it should have, ready."""
    live = snapshot.at(workload)
    if live is None:
        return False
    status, spec = live.get("status") or {}, live.get("spec") or {}
    if workload.kind == "daemonset":
        wanted, ready = status.get("desiredNumberScheduled"), status.get("numberReady")
    else:
        replicas = spec.get("replicas")
        wanted, ready = 1 if replicas is None else replicas, status.get("readyReplicas")
    return int(ready or 0) >= int(wanted or 0)


def troubles(snapshot: Snapshot) -> list[Symptom]:
    """What is not well in the whole snapshot, in a steady order."""
    return [
        one
        for pod in snapshot.pods
        for one in symptoms_of(snapshot, pod)
        if one.what not in (What.EVICTED, What.FAILED) or not is_calm(snapshot, pod)
    ]


def of_name(symptoms: list[Symptom]) -> str:
    """The pods of some symptoms, in words."""
    found = sorted({name_of(one.pod) for one in symptoms})
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
