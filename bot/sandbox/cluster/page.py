"""The cluster in few words, for a page that shows it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from bot.sandbox.cluster.clock import Clock, parse, stamp
from bot.sandbox.cluster.deployments import REVISION
from bot.sandbox.cluster.kinds import (
    CLAIMS,
    CONTROLLER_REVISIONS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Resource,
)
from bot.sandbox.cluster.kubelet import Kubelet
from bot.sandbox.cluster.quantities import quantity
from bot.sandbox.cluster.store import Object, Store
from bot.sandbox.cluster.tables import pod_row, span
from bot.sandbox.cluster.traffic import Traffic

EVENTS_SHOWN: Final = 30
_KINDS: Final = (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, CRON_JOBS, JOBS)
_BAD_IF_TRUE: Final = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


def snapshot(store: Store, clock: Clock, kubelet: Kubelet, traffic: Traffic) -> Object:
    """Return nodes, workloads with their pods, claims, and the newest events, newest first.

    CPU is in millicores, memory and volumes in bytes; what is not known is None.
    """
    look = _Look(store, clock.now(), kubelet, traffic)
    events = sorted(store.objects(EVENTS), key=lambda e: int(e["metadata"]["resourceVersion"]))
    return {
        "version": store.version,
        "time": stamp(look.now),
        "nodes": [look.node(thing) for thing in store.objects(NODES)],
        "workloads": list(look.workloads()),
        "claims": [look.claim(thing) for thing in store.objects(CLAIMS)],
        "events": [_event(event) for event in reversed(events[-EVENTS_SHOWN:])],
    }


def settled(deployment: Object) -> bool:
    """Say whether a deployment runs its newest template with all its replicas."""
    counted, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    counters = ("replicas", "updatedReplicas", "availableReplicas")
    return _observed(deployment) and all(counted.get(counter, 0) == wanted for counter in counters)


def _observed(thing: Object) -> bool:
    seen: int = thing.get("status", {}).get("observedGeneration", 0)
    wanted: int = thing["metadata"].get("generation", 0)
    return seen >= wanted


@dataclass
class _Look:
    """One look at everything, at one moment."""

    store: Store
    now: datetime
    kubelet: Kubelet
    traffic: Traffic
    used: dict[str, tuple[int, int] | None] = field(init=False)  # by a pod's uid
    below: dict[str, list[Object]] = field(init=False)  # pods by the uid of their workload
    revisions: dict[str, list[int]] = field(init=False)  # numbers, by the same

    def __post_init__(self) -> None:
        above = {
            thing["metadata"]["uid"]: _owner(thing)
            for resource in (REPLICA_SETS, JOBS)
            for thing in self.store.objects(resource)
        }
        self.revisions = {}
        for one in self.store.objects(CONTROLLER_REVISIONS):
            self.revisions.setdefault(_owner(one), []).append(one["revision"])
        self.used, self.below = {}, {}
        for pod in self.store.objects(PODS):
            meta = pod["metadata"]
            self.used[meta["uid"]] = self.kubelet.usage(meta["namespace"], meta["name"])
            owner = _owner(pod)
            self.below.setdefault(above.get(owner) or owner, []).append(pod)

    def workloads(self) -> list[Object]:
        """Return every workload that no other one made."""
        return [
            self._workload(resource, thing)
            for resource in _KINDS
            for thing in self.store.objects(resource)
            if not _owner(thing)
        ]

    def _workload(self, resource: Resource, thing: Object) -> Object:
        meta, spec = thing["metadata"], thing["spec"]
        own = spec["jobTemplate"]["spec"] if resource is CRON_JOBS else spec
        pods = self.below.get(meta["uid"], [])
        counted = _COUNTED[resource](thing)
        template = own["template"]
        app = (template.get("metadata", {}).get("labels") or {}).get("app", "")
        flow = self.traffic.of(meta["namespace"], app) if resource in _KINDS[:3] else None
        return {
            "namespace": meta["namespace"],
            "kind": resource.singular,
            "name": meta["name"],
            "images": [container["image"] for container in template["spec"]["containers"]],
            "revision": self._revision(thing),
            **counted,
            "paused": bool(spec.get("paused") or spec.get("suspend")),
            "word": self._word(resource, thing, counted["settled"]),
            "traffic": flow
            and {
                "rps": round(flow.rps, 1),
                "error_rate": round(flow.error_rate, 4),
                "p95_ms": round(flow.p95_ms),
            },
            "pods": [self._pod(pod) for pod in pods],
        }

    def _revision(self, thing: Object) -> str:
        noted = thing["metadata"].get("annotations", {}).get(REVISION)
        numbers = self.revisions.get(thing["metadata"]["uid"], [0])
        return str(noted or max(numbers) or "")

    def _word(self, resource: Resource, thing: Object, well: bool) -> str:
        if resource is CRON_JOBS:
            last = thing.get("status", {}).get("lastScheduleTime")
            ago = f"ran {self._ago(last)} ago" if last else "has not run yet"
            return f"{thing['spec']['schedule']}, {ago}"
        conditions = thing.get("status", {}).get("conditions", [])
        if resource is JOBS:
            ended = [c["type"] for c in conditions if c["status"] == "True"]
            return "failed" if "Failed" in ended else "complete" if "Complete" in ended else "runs"
        if well:
            return ""
        if any(c.get("reason") == "ProgressDeadlineExceeded" for c in conditions):
            return "stuck: no progress for longer than its deadline"
        return "pods are missing" if _all_updated(thing) else "rolling out"

    def _ago(self, moment: str) -> str:
        return span((self.now - parse(moment)).total_seconds())

    def _pod(self, pod: Object) -> Object:
        ready, word, restarts, age = pod_row(pod, self.now)[:4]
        used = self.used[pod["metadata"]["uid"]]
        return {
            "name": pod["metadata"]["name"],
            "image": pod["spec"]["containers"][0]["image"],
            "ready": ready,
            "status": word,
            "restarts": _restarts(str(restarts)),
            "age": age,
            "node": pod["spec"].get("nodeName", ""),
            "cpu": used[0] if used else None,
            "memory": used[1] if used else None,
        }

    def node(self, node: Object) -> Object:
        """Return a node with what its pods use of it."""
        name, status = node["metadata"]["name"], node["status"]
        here = [p for p in self.store.objects(PODS) if p["spec"].get("nodeName") == name]
        used = [found for p in here if (found := self.used.get(p["metadata"]["uid"]))]
        conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
        size = status["allocatable"]
        cpu, memory = sum(one[0] for one in used), sum(one[1] for one in used)
        return {
            "name": name,
            "ready": conditions.get("Ready") == "True",
            "unschedulable": bool(node.get("spec", {}).get("unschedulable")),
            "conditions": [bad for bad in _BAD_IF_TRUE if conditions.get(bad) == "True"],
            "cpu": {"used": cpu, "of": round(quantity(size["cpu"]) * 1000)},
            "memory": {"used": memory, "of": round(quantity(size["memory"]))},
            "pods": len(here),
        }

    def claim(self, claim: Object) -> Object:
        """Return how full a volume claim is."""
        meta = claim["metadata"]
        used, capacity = self.kubelet.claim_usage(meta["namespace"], meta["name"]) or (0, 0)
        return {
            "namespace": meta["namespace"],
            "name": meta["name"],
            "used": used,
            "capacity": capacity,
            "phase": claim.get("status", {}).get("phase", ""),
        }


def _owner(thing: Object) -> str:
    """Return the uid of the controller that made an object, or ""."""
    owners = thing["metadata"].get("ownerReferences", [])
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def _restarts(text: str) -> int:
    """Read `3`, or `3 (5m ago)`."""
    return int(text.partition(" ")[0])


def _all_updated(thing: Object) -> bool:
    status, spec = thing.get("status", {}), thing["spec"]
    updated = status.get("updatedReplicas", status.get("updatedNumberScheduled", 0))
    wanted = spec.get("replicas", status.get("desiredNumberScheduled", 0))
    whole = status.get("replicas", wanted)
    return bool(_observed(thing) and updated == wanted == whole)


def _counts(desired: int, ready: int, updated: int, available: int, well: bool) -> Object:
    return {
        "desired": desired,
        "ready": ready,
        "updated": updated,
        "available": available,
        "settled": well,
    }


def _deployment(thing: Object) -> Object:
    found = thing.get("status", {})
    ready, updated = found.get("readyReplicas", 0), found.get("updatedReplicas", 0)
    available = found.get("availableReplicas", 0)
    return _counts(thing["spec"]["replicas"], ready, updated, available, settled(thing))


def _stateful_set(thing: Object) -> Object:
    found, wanted = thing.get("status", {}), thing["spec"]["replicas"]
    ready, updated = found.get("readyReplicas", 0), found.get("updatedReplicas", 0)
    available = found.get("availableReplicas", ready)
    well = _observed(thing) and ready == wanted == found.get("replicas", 0) == updated
    return _counts(wanted, ready, updated, available, well)


def _daemon_set(thing: Object) -> Object:
    found = thing.get("status", {})
    wanted, ready = found.get("desiredNumberScheduled", 0), found.get("numberReady", 0)
    updated = found.get("updatedNumberScheduled", 0)
    well = _observed(thing) and ready == wanted == updated
    return _counts(wanted, ready, updated, found.get("numberAvailable", 0), well)


def _cron_job(thing: Object) -> Object:
    active = len(thing.get("status", {}).get("active", []))
    return _counts(0, active, active, active, True)


def _job(thing: Object) -> Object:
    found = thing.get("status", {})
    done: int = found.get("succeeded", 0)
    bad = any(c["type"] == "Failed" for c in found.get("conditions", []))
    return _counts(thing["spec"].get("completions") or 1, done, done, done, not bad)


_COUNTED = {
    DEPLOYMENTS: _deployment,
    STATEFUL_SETS: _stateful_set,
    DAEMON_SETS: _daemon_set,
    CRON_JOBS: _cron_job,
    JOBS: _job,
}


def _event(event: Object) -> Object:
    about = event["involvedObject"]
    return {
        "namespace": event["metadata"]["namespace"],
        "object": f"{about['kind'].lower()}/{about['name']}",
        "type": event["type"],
        "reason": event["reason"],
        "message": event["message"],
        "count": event.get("count", 1),
        "time": event.get("lastTimestamp") or event.get("eventTime"),
    }
