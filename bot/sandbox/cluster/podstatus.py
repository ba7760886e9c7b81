"""How a pod's status looks, given where each of its containers stands."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.sandbox.cluster.clock import stamp
from bot.sandbox.cluster.fate import Course
from bot.sandbox.cluster.store import Object


@dataclass
class Run:
    """One run of a container."""

    course: Course
    started: datetime
    identity: str
    ended: datetime | None = None

    def terminated(self) -> Object:
        """Return the state of a run that ended."""
        return {
            "exitCode": self.course.exit_code,
            "reason": self.course.reason,
            "startedAt": stamp(self.started),
            "finishedAt": stamp(self.ended or self.started),
            "containerID": self.identity,
        }


@dataclass
class Slot:
    """Where one container of a pod stands."""

    container: Object
    step: str = "creating"
    due: datetime | None = None
    waiting: tuple[str, str] | None = ("ContainerCreating", "")
    run: Run | None = None
    previous: Run | None = None
    restarts: int = 0
    failures: int = 0  # pulls in a row that failed, or crashes in a row
    probe_due: datetime | None = None
    ready: bool = False
    failing: bool = False  # its readiness probe, after it had once been ready

    @property
    def name(self) -> str:
        """Return the container's name."""
        return str(self.container["name"])

    @property
    def finished(self) -> bool:
        """Say whether the container ended and stays so."""
        return self.step == "finished"

    def last(self) -> Run | None:
        """Return the last run that ended."""
        return self.run if self.run and self.run.ended and self.waiting else self.previous

    def status(self) -> Object:
        """Return the container's status."""
        state: Object
        if self.waiting:
            reason, message = self.waiting
            state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        elif self.run and self.run.ended:
            state = {"terminated": self.run.terminated()}
        else:
            state = {"running": {"startedAt": stamp(self.run.started)}} if self.run else {}
        last = self.last()
        image = self.container["image"]
        found: Object = {
            "name": self.name,
            "state": state,
            "lastState": {"terminated": last.terminated()} if last else {},
            "ready": self.ready,
            "restartCount": self.restarts,
            "image": image,
            "imageID": f"demo@sha256:{digest(image)}" if self.run else "",
            "started": bool(self.run and not self.run.ended and not self.waiting),
        }
        if self.run:
            found["containerID"] = self.run.identity
        return found


def digest(text: str) -> str:
    """Return a stable hexadecimal name for `text`."""
    return hashlib.sha256(text.encode()).hexdigest()


def phase(slots: Sequence[Slot]) -> str:
    """Return the pod's phase."""
    if all(slot.finished for slot in slots):
        codes = [slot.run.course.exit_code for slot in slots if slot.run]
        return "Failed" if any(codes) else "Succeeded"
    return "Running" if all(slot.run for slot in slots) else "Pending"


def conditions(slots: Sequence[Slot], before: Sequence[Object], now: datetime) -> list[Object]:
    """Return the pod's conditions; a condition keeps its time while its status stays."""
    unready = [slot.name for slot in slots if not slot.ready]
    not_ready = {
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{' '.join(unready)}]",
    }
    return [
        condition("PodScheduled", True, {}, before, now),
        condition("Initialized", True, {}, before, now),
        condition("ContainersReady", not unready, not_ready, before, now),
        condition("Ready", not unready, not_ready, before, now),
    ]


def condition(
    name: str, holds: bool, otherwise: Object, before: Sequence[Object], now: datetime
) -> Object:
    """Return one condition of a pod, with `otherwise` as its reason when it does not hold."""
    value = "True" if holds else "False"
    same = next((c for c in before if c["type"] == name and c["status"] == value), None)
    return {
        "type": name,
        "status": value,
        "lastProbeTime": None,
        "lastTransitionTime": same["lastTransitionTime"] if same else stamp(now),
        **({} if holds else otherwise),
    }


def quality(pod: Object) -> str:
    """Return the pod's quality-of-service class."""
    resources = [container.get("resources", {}) for container in pod["spec"]["containers"]]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    limited = all({"cpu", "memory"} <= set(r.get("limits", {})) for r in resources)
    equal = all(r.get("requests", r.get("limits")) == r.get("limits") for r in resources)
    return "Guaranteed" if limited and equal else "Burstable"
