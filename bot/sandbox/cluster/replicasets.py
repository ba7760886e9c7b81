"""The replica set controller: keeps as many pods as asked for, and counts them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.sandbox.cluster import fields
from bot.sandbox.cluster.clock import Clock, parse, stamp
from bot.sandbox.cluster.defaults import complete
from bot.sandbox.cluster.engine import Name
from bot.sandbox.cluster.journal import Journal
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import PODS, REPLICA_SETS
from bot.sandbox.cluster.ownership import concerned, made_by
from bot.sandbox.cluster.quotas import exceeded
from bot.sandbox.cluster.store import Change, Object, Store, owner_reference

FAILURE = "ReplicaFailure"
_AGAIN = 10.0  # seconds until a pod that could not be made is tried again
NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # those of Kubernetes: no vowels, no words


def is_ready(pod: Object) -> datetime | None:
    """Return since when a pod is ready, or None."""
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "Ready" and condition["status"] == "True":
            return parse(condition["lastTransitionTime"])
    return None


def is_active(pod: Object) -> bool:
    """Say whether a pod counts: neither finished nor on its way out."""
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not ended and "deletionTimestamp" not in pod["metadata"]


@dataclass
class ReplicaSets:
    """The controller of replica sets."""

    store: Store
    clock: Clock
    journal: Journal

    def concerns(self, change: Change) -> Iterable[Name]:
        """Look at a replica set when it or one of its pods changes."""
        return concerned(change, REPLICA_SETS, PODS)

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Make or remove pods, then write the status."""
        found = self.store.get(REPLICA_SETS, namespace, name)
        if found is None or "deletionTimestamp" in found["metadata"]:
            return None
        pods = self.pods(found)
        active = [pod for pod in pods if is_active(pod)]
        missing = found["spec"].get("replicas", 1) - len(active)
        refused = next(filter(None, (self._create(found) for _ in range(missing))), "")
        for pod in sorted(active, key=self._worth)[: max(0, -missing)]:
            self._remove(found, pod)
        due = self._count(found, refused)
        later = self.clock.due(self.clock.now(), _AGAIN) if refused else None
        return min((one for one in (due, later) if one), default=None)

    def pods(self, replica_set: Object) -> list[Object]:
        """Return the pods a replica set made."""
        return made_by(self.store, replica_set, PODS)

    def _create(self, replica_set: Object) -> str:
        """Why a pod could not be made; empty: it was."""
        meta = replica_set["metadata"]
        prefix = f"{meta['name']}-"
        suffix = "".join(self.store.random.choice(NAME_LETTERS) for _ in range(5))
        template = clone(replica_set["spec"]["template"])
        pod = {
            "metadata": {
                **template.get("metadata", {}),
                "name": prefix + suffix,
                "generateName": prefix,
                "namespace": meta["namespace"],
                "ownerReferences": [owner_reference(REPLICA_SETS, replica_set)],
            },
            "spec": template["spec"],
        }
        pod = complete(PODS, pod, self.store.random)
        if over := exceeded(self.store, meta["namespace"], pod):
            why = f'pods "{prefix}" is forbidden: {over}'
            self._event(replica_set, "FailedCreate", f"Error creating: {why}", warning=True)
            return why
        fields.note_update(pod, None, fields.controller("v1", self.clock))
        made = self.store.create(PODS, pod)
        self._event(replica_set, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
        return ""

    def _worth(self, pod: Object) -> tuple[bool, bool, int, float]:
        """Order pods by how little is lost with them: unplaced, unready, crashing, young first."""
        restarts = sum(s["restartCount"] for s in pod["status"].get("containerStatuses", []))
        born = parse(pod["metadata"]["creationTimestamp"]).timestamp()
        placed = "nodeName" in pod["spec"]
        return placed, is_ready(pod) is not None, -restarts, -born

    def _remove(self, replica_set: Object, pod: Object) -> None:
        doomed = clone(pod)
        mark_deleted(doomed, self.clock, 30)
        self.store.update(PODS, doomed)
        self._event(replica_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    def _count(self, replica_set: Object, refused: str) -> datetime | None:
        pods = self.pods(replica_set)
        active = [pod for pod in pods if is_active(pod)]
        ready = [since for pod in active if (since := is_ready(pod))]
        patience = float(replica_set["spec"].get("minReadySeconds", 0))
        due = [self.clock.due(since, patience) for since in ready]
        later = [moment for moment in due if moment > self.clock.now()]
        counted = clone(replica_set)
        counted["status"] = {
            "replicas": len(active),
            "fullyLabeledReplicas": len(active),
            "readyReplicas": len(ready),
            "availableReplicas": len(due) - len(later),
            "terminatingReplicas": sum("deletionTimestamp" in p["metadata"] for p in pods),
            "observedGeneration": replica_set["metadata"].get("generation", 1),
            **self._failure(replica_set, refused),
        }
        self.store.update(REPLICA_SETS, counted)
        return min(later, default=None)

    def _failure(self, replica_set: Object, refused: str) -> Object:
        """The condition that its deployment repeats, as long as a pod cannot be made."""
        if not refused:
            return {}
        known = replica_set.get("status", {}).get("conditions") or [{}]
        since = known[0].get("lastTransitionTime", stamp(self.clock.now()))
        condition = {"type": FAILURE, "status": "True", "reason": "FailedCreate"}
        return {"conditions": [{**condition, "message": refused, "lastTransitionTime": since}]}

    def _event(
        self, replica_set: Object, reason: str, message: str, *, warning: bool = False
    ) -> None:
        by = "replicaset-controller"
        self.journal.write(
            REPLICA_SETS, replica_set, reason, message, component=by, warning=warning
        )


def mark_deleted(thing: Object, clock: Clock, grace: int) -> None:
    """Mark an object as being deleted, with the seconds it has left."""
    meta = thing["metadata"]
    meta["deletionTimestamp"] = stamp(clock.due(clock.now(), grace))
    meta["deletionGracePeriodSeconds"] = grace
    if "generation" in meta:
        meta["generation"] += 1
