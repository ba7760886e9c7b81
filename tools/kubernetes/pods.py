"""What is the matter with a pod, in words, from its status."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import age, conditions, meta, moment, name_of

# A container in one of these does not get better by waiting a little.
_STUCK = {
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}


@dataclass(frozen=True)
class Trouble:
    """Why a pod is not well."""

    pod: str
    container: str
    words: str  # "exits with code 1", "image x cannot be pulled"
    clear: bool  # waiting will not mend it
    crashed: bool = False  # it wrote a log before


def container_statuses(pod: Object) -> list[Object]:
    """Of the containers, init containers first."""
    status = pod.get("status") or {}
    return [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]


def restarts(pod: Object) -> int:
    """How often its containers were started again, init containers too: it only ever grows."""
    return sum(int(status.get("restartCount", 0)) for status in container_statuses(pod))


def listed_statuses(pod: Object) -> list[Object]:
    """Of the containers that kubectl's RESTARTS column is about: once the init containers are
    over, of the others and of sidecars.
    """
    if conditions(pod).get("Initialized", {}).get("status") != "True":
        return container_statuses(pod)
    status, beside = pod.get("status") or {}, sidecars(pod)
    early = [one for one in status.get("initContainerStatuses") or () if one.get("name") in beside]
    return [*early, *(status.get("containerStatuses") or ())]


def restarts_listed(pod: Object) -> int:
    """kubectl's RESTARTS column."""
    return sum(int(status.get("restartCount", 0)) for status in listed_statuses(pod))


def restarts_of(pods: Iterable[Object]) -> dict[str, int]:
    """Restarts by the pods' identity."""
    return {str(meta(pod).get("uid")): restarts(pod) for pod in pods}


def is_leaving(pod: Object) -> bool:
    """Whether it is being deleted."""
    return bool(meta(pod).get("deletionTimestamp"))


def is_ready(pod: Object) -> bool:
    """Whether it takes traffic."""
    return conditions(pod).get("Ready", {}).get("status") == "True" and not is_leaving(pod)


def pod_status(pod: Object) -> str:
    """kubectl's STATUS column."""
    status = pod.get("status") or {}
    found = str(status.get("reason") or status.get("phase") or "Unknown")
    if is_leaving(pod) and found not in ("Succeeded", "Failed", "Completed", "Error"):
        return "Terminating"
    if conditions(pod).get("PodScheduled", {}).get("reason") == "SchedulingGated":
        found = "SchedulingGated"
    begun = conditions(pod).get("Initialized", {}).get("status") == "True"
    return _of_init(pod, status, begun=begun) or _of_containers(pod, status, found)


def sidecars(pod: Object) -> frozenset[str]:
    """Its init containers that go on beside the others."""
    every = (pod.get("spec") or {}).get("initContainers") or ()
    return frozenset(str(one.get("name")) for one in every if one.get("restartPolicy") == "Always")


def running_containers(pod: Object) -> list[Object]:
    """The specifications of those that run all the time: what they ask for adds up."""
    spec, beside = pod.get("spec") or {}, sidecars(pod)
    early = [one for one in spec.get("initContainers") or () if one.get("name") in beside]
    return [*(spec.get("containers") or ()), *early]


def readiness(pod: Object) -> tuple[int, int]:
    """kubectl's READY column: how many containers are ready, and how many there should be."""
    status, beside = pod.get("status") or {}, sidecars(pod)
    wanted = len((pod.get("spec") or {}).get("containers") or ()) + len(beside)
    every = [one for one in status.get("initContainerStatuses") or () if one.get("name") in beside]
    every += status.get("containerStatuses") or ()
    return sum(bool(one.get("ready")) for one in every), wanted


def _of_init(pod: Object, status: Object, *, begun: bool) -> str:
    """What the first init container that is not over does; nothing where all are."""
    every, beside = status.get("initContainerStatuses") or (), sidecars(pod)
    for index, container in enumerate(() if begun else every):
        state = container.get("state") or {}
        ended = state.get("terminated")
        runs = container.get("name") in beside and container.get("started")
        if runs or (ended and ended.get("exitCode") == 0):
            continue
        reason = (ended or {}).get("reason") or (state.get("waiting") or {}).get("reason")
        if ended and not reason:
            reason = f"ExitCode:{ended.get('exitCode')}"
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{index}/{len(every)}"
    return ""


def _of_containers(pod: Object, status: Object, found: str) -> str:
    """The first that does not run names the pod's state, as in kubectl."""
    runs = False
    for container in reversed(status.get("containerStatuses") or ()):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason"):
            found = str(waiting["reason"])
        elif ended:
            found = str(ended.get("reason") or f"ExitCode:{ended.get('exitCode')}")
        else:
            runs = runs or bool(container.get("ready"))
    if found == "Completed" and runs:
        return "Running" if is_ready(pod) else "NotReady"
    return found


def trouble_of(pod: Object) -> Trouble | None:
    """The first thing that is wrong, None for a well pod or one that merely starts."""
    for found in troubles_of(pod):
        return found
    scheduled = conditions(pod).get("PodScheduled", {})
    if scheduled.get("status") == "False":
        words = f"cannot be scheduled: {_short(scheduled.get('message'))}"
        return Trouble(name_of(pod), "", words, clear=False)
    return None


def troubles_of(pod: Object) -> list[Trouble]:
    """What is wrong with each of its containers, init containers first."""
    found = (_container_trouble(name_of(pod), status) for status in container_statuses(pod))
    return [trouble for trouble in found if trouble is not None]


def unscheduled_since(pod: Object) -> datetime | None:
    """Since when no node takes it."""
    scheduled = conditions(pod).get("PodScheduled", {})
    if scheduled.get("status") != "False":
        return None
    return moment(scheduled.get("lastTransitionTime")) or moment(meta(pod).get("creationTimestamp"))


def _container_trouble(pod: str, status: Object) -> Trouble | None:
    container, state = str(status.get("name", "")), status.get("state") or {}
    waiting = state.get("waiting") or {}
    reason = str(waiting.get("reason", ""))
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    if reason in ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"):
        words = f"image {status.get('image')} cannot be pulled"
        return Trouble(pod, container, words, clear=reason in _STUCK)
    crashing = reason == "CrashLoopBackOff" or (state.get("terminated") or {}).get("exitCode")
    if ended and crashing:
        words = exit_words(ended)
        return Trouble(pod, container, words, clear=reason == "CrashLoopBackOff", crashed=True)
    if reason in _STUCK:
        words = f"{reason}: {_short(waiting.get('message'))}"
        return Trouble(pod, container, words, clear=True)
    if state.get("running") and not status.get("ready") and ended:
        return Trouble(pod, container, f"was restarted: {exit_words(ended)}", False, crashed=True)
    return None


def exit_words(ended: Object) -> str:
    """How a container ended."""
    code = ended.get("exitCode")
    if ended.get("reason") == "OOMKilled":
        return f"was killed for using more memory than its limit (OOMKilled, exit code {code})"
    return f"exits with code {code}"


def _short(message: object) -> str:
    words = " ".join(str(message or "no reason given").split())
    return words if len(words) <= 200 else words[:199] + "…"


def pod_line(pod: Object, now: datetime) -> str:
    """One pod as kubectl lists it: "pod web-x: Running, 1/1 ready, 2 restarts, on node-1, 5d"."""
    ready, wanted = readiness(pod)
    node = (pod.get("spec") or {}).get("nodeName")
    parts = [f"pod {name_of(pod)}: {pod_status(pod)}", f"{ready}/{wanted} ready"]
    if count := restarts_listed(pod):
        parts.append(counted(count, "restart"))
    parts.append(f"on {node}" if node else "on no node")
    return ", ".join([*parts, f"{age(meta(pod).get('creationTimestamp'), now)} old"])


def pod_lines(pod: Object, now: datetime, *, whole: bool) -> list[str]:
    """Each container's state and how it last ended; not `whole`: only what is not well."""
    lines = []
    for status in container_statuses(pod):
        state, last = status.get("state") or {}, status.get("lastState") or {}
        finished = (state.get("terminated") or {}).get("exitCode") == 0
        if not whole and (status.get("ready") or finished) and not status.get("restartCount"):
            continue
        words = [_state_words(state, now)]
        if ended := last.get("terminated"):
            words.append(f"before that {_ended_words(ended, now)}")
        if count := status.get("restartCount"):
            words.append(counted(count, "restart"))
        ready = "" if status.get("ready") or finished else " (not ready)"
        lines.append(f"  {status.get('name')}{ready}: {'; '.join(words)}")
    scheduled = conditions(pod).get("PodScheduled", {})
    if scheduled.get("status") == "False" and not whole:
        lines.append(f"  cannot be scheduled: {_short(scheduled.get('message'))}")
    return lines


def _state_words(state: Object, now: datetime) -> str:
    if running := state.get("running"):
        return f"running for {age(running.get('startedAt'), now)}"
    if ended := state.get("terminated"):
        return _ended_words(ended, now)
    waiting = state.get("waiting") or {}
    words = f"waiting, {waiting.get('reason', 'no reason given')}"
    return f"{words}: {_short(waiting['message'])}" if waiting.get("message") else words


def _ended_words(ended: Object, now: datetime) -> str:
    reason = str(ended.get("reason") or "ended")
    return (
        f"{reason}, exit code {ended.get('exitCode')}, {age(ended.get('finishedAt'), now)} ago"
        + (f": {_short(ended['message'])}" if ended.get("message") else "")
    )
