"""The controllers of stateful sets and daemon sets: each pod has its place, each template a
controller revision.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.sandbox.cluster import fields, scheduler
from bot.sandbox.cluster.clock import Clock
from bot.sandbox.cluster.defaults import complete
from bot.sandbox.cluster.deployments import template_hash
from bot.sandbox.cluster.engine import Name
from bot.sandbox.cluster.journal import Journal
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    NODES,
    PODS,
    STATEFUL_SETS,
    Resource,
)
from bot.sandbox.cluster.ownership import concerned, made_by
from bot.sandbox.cluster.quantities import share
from bot.sandbox.cluster.replicasets import NAME_LETTERS, is_active, is_ready, mark_deleted
from bot.sandbox.cluster.store import Change, Object, Store, owner_reference

HASH = "controller-revision-hash"
_GRACE = 30
# What a daemon set's pods bear, as its controller adds it: they run on cordoned and ill nodes.
_TOLERATED = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect}
    for key, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
]


@dataclass
class _Revisioned:
    """What both controllers do alike."""

    store: Store
    clock: Clock
    journal: Journal
    resource: Resource

    def concerns(self, change: Change) -> Iterable[Name]:
        """Look at a workload when it or one of its pods changes."""
        return concerned(change, self.resource, PODS)

    def live(self, namespace: str, name: str) -> Object | None:
        """Return the workload unless it is gone or going."""
        found = self.store.get(self.resource, namespace, name)
        return None if found is None or "deletionTimestamp" in found["metadata"] else found

    def owned(self, resource: Resource, workload: Object) -> list[Object]:
        """Return what the workload made of one kind."""
        return made_by(self.store, workload, resource)

    def revision(self, workload: Object) -> Object:
        """Return the controller revision of the template of now, made or renumbered if need be."""
        kept = self.owned(CONTROLLER_REVISIONS, workload)
        newest = max((one["revision"] for one in kept), default=0)
        data = {"spec": {"template": {**clone(workload["spec"]["template"]), "$patch": "replace"}}}
        for one in kept:
            if one["data"] == data:
                if one["revision"] < newest:
                    one = clone(one)  # noqa: PLW2901 - what is stored is never altered in place
                    one["revision"] = newest + 1
                    return self.store.update(CONTROLLER_REVISIONS, one)
                return one
        meta, short = workload["metadata"], template_hash(workload["spec"]["template"])
        labels = dict(workload["spec"]["template"]["metadata"].get("labels", {}))
        cause = meta.get("annotations", {}).get("kubernetes.io/change-cause")
        made = self.store.create(
            CONTROLLER_REVISIONS,
            {
                "metadata": {
                    "name": f"{meta['name']}-{short}",
                    "namespace": meta["namespace"],
                    "labels": {**labels, **self.marks(short)},
                    **({"annotations": {"kubernetes.io/change-cause": cause}} if cause else {}),
                    "ownerReferences": [owner_reference(self.resource, workload)],
                },
                "data": data,
                "revision": newest + 1,
            },
        )
        limit = workload["spec"].get("revisionHistoryLimit", 10)
        for old in sorted(kept, key=lambda one: one["revision"])[: max(0, len(kept) - limit)]:
            self.store.delete(CONTROLLER_REVISIONS, meta["namespace"], old["metadata"]["name"])
        return made

    def marks(self, short: str) -> Object:
        """Return the labels of a revision."""
        return {HASH: short}

    def make(self, workload: Object, name: str, short: str, more: Object) -> None:
        """Create one pod of the template of now; `more` goes into its specification."""
        meta, template = workload["metadata"], clone(workload["spec"]["template"])
        own = template.get("metadata", {})
        pod: Object = {
            "metadata": {
                **own,
                "name": name,
                "namespace": meta["namespace"],
                "labels": {**own.get("labels", {}), HASH: short},
                "ownerReferences": [owner_reference(self.resource, workload)],
            },
            "spec": {**template["spec"], **more},
        }
        pod = complete(PODS, pod, self.store.random)
        fields.note_update(pod, None, fields.controller("v1", self.clock))
        self.store.create(PODS, pod)
        self._event(workload, "SuccessfulCreate", f"Created pod: {name}")

    def remove(self, workload: Object, pod: Object) -> None:
        """Let a pod go."""
        doomed = clone(pod)
        mark_deleted(doomed, self.clock, _GRACE)
        self.store.update(PODS, doomed)
        name = pod["metadata"]["name"]
        self._event(workload, "SuccessfulDelete", f"Deleted pod: {name}")

    def write_status(self, workload: Object, status: Object) -> None:
        """Store the status with the generation that it is about."""
        counted = clone(workload)
        counted["status"] = {
            **workload.get("status", {}),
            **status,
            "observedGeneration": workload["metadata"].get("generation", 1),
        }
        self.store.update(self.resource, counted)

    def _event(self, workload: Object, reason: str, message: str) -> None:
        by = f"{self.resource.kind.lower()}-controller"
        self.journal.write(self.resource, workload, reason, message, component=by)


class StatefulSets(_Revisioned):
    """Pods by number: made from the first on, replaced from the last on, one at a time."""

    def __init__(self, store: Store, clock: Clock, journal: Journal) -> None:
        super().__init__(store, clock, journal, STATEFUL_SETS)

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Take one step; its effect brings the next call."""
        found = self.live(namespace, name)
        if found is None:
            return None
        update = self.revision(found)["metadata"]["name"]
        pods = {_number(pod): pod for pod in self.owned(PODS, found)}
        self._step(found, pods, update)
        pods = {_number(pod): pod for pod in self.owned(PODS, found)}
        active = [pod for pod in pods.values() if is_active(pod)]
        updated = [pod for pod in active if pod["metadata"]["labels"].get(HASH) == update]
        ready = sum(is_ready(pod) is not None for pod in active)
        status: Object = {
            "replicas": len(active),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "updatedReplicas": len(updated),
            "currentReplicas": len(active) - len(updated),
            "currentRevision": found.get("status", {}).get("currentRevision", update),
            "updateRevision": update,
        }
        if len(updated) == ready == found["spec"]["replicas"]:
            status |= {"currentRevision": update, "currentReplicas": len(updated)}
        self.write_status(found, status)
        return None

    def marks(self, short: str) -> Object:
        """Return the labels of a revision; pods carry its name."""
        return {"controller.kubernetes.io/hash": short}

    def _step(self, found: Object, pods: dict[int, Object], update: str) -> None:
        wanted, name = found["spec"]["replicas"], found["metadata"]["name"]
        for number in range(wanted):
            pod = pods.get(number)
            if pod is None:
                self.make(found, f"{name}-{number}", update, {"hostname": f"{name}-{number}"})
                return
            if not is_active(pod) or is_ready(pod) is None:
                return  # each waits for the one before it
        for number in sorted(pods, reverse=True):
            if number >= wanted:
                if is_active(pods[number]):
                    self.remove(found, pods[number])
                return
        strategy = found["spec"].get("updateStrategy", {})
        if strategy.get("type") == "OnDelete":
            return
        first = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        for number in range(wanted - 1, first - 1, -1):
            if pods[number]["metadata"]["labels"].get(HASH) != update:
                self.remove(found, pods[number])
                return


class DaemonSets(_Revisioned):
    """A pod on every node; in an update as many are away at once as `maxUnavailable` says."""

    def __init__(self, store: Store, clock: Clock, journal: Journal) -> None:
        super().__init__(store, clock, journal, DAEMON_SETS)

    def reconcile(self, namespace: str, name: str) -> datetime | None:
        """Take one step; its effect brings the next call."""
        found = self.live(namespace, name)
        if found is None:
            return None
        short = self.revision(found)["metadata"]["labels"][HASH]
        wanted = {**found["spec"]["template"]["spec"]}
        wanted["tolerations"] = [*(wanted.get("tolerations") or []), *_TOLERATED]
        nodes = [
            node["metadata"]["name"]
            for node in self.store.objects(NODES)
            if not scheduler.unsuited(wanted, node)
        ]
        self._step(found, nodes, short)
        active = [pod for pod in self.owned(PODS, found) if is_active(pod)]
        ready = sum(is_ready(pod) is not None for pod in active)
        self.write_status(
            found,
            {
                "desiredNumberScheduled": len(nodes),
                "currentNumberScheduled": len(active),
                "numberMisscheduled": 0,
                "numberReady": ready,
                "numberAvailable": ready,
                "numberUnavailable": len(nodes) - ready,
                "updatedNumberScheduled": sum(
                    pod["metadata"]["labels"].get(HASH) == short for pod in active
                ),
            },
        )
        return None

    def _step(self, found: Object, nodes: list[str], short: str) -> None:
        pods = self.owned(PODS, found)
        there = {bound_to(pod) for pod in pods}
        for node in nodes:
            if node not in there:
                letters = (self.store.random.choice(NAME_LETTERS) for _ in range(5))
                name = f"{found['metadata']['name']}-{''.join(letters)}"
                own = found["spec"]["template"]["spec"].get("tolerations") or []
                bound = {"affinity": _only_on(node), "tolerations": [*own, *_TOLERATED]}
                self.make(found, name, short, bound)
        strategy = found["spec"].get("updateStrategy", {})
        if strategy.get("type") == "OnDelete":
            return
        most = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
        away = len(nodes) - sum(is_active(pod) and is_ready(pod) is not None for pod in pods)
        room = share(most, len(nodes), up=True) - away
        for pod in pods:
            if bound_to(pod) not in nodes and is_active(pod):  # its node no longer suits
                self.remove(found, pod)
                continue
            if pod["metadata"]["labels"].get(HASH) == short or not is_active(pod):
                continue
            if is_ready(pod) is None:  # it is away already
                self.remove(found, pod)
            elif room > 0:
                self.remove(found, pod)
                room -= 1


def bound_to(pod: Object) -> str:
    """Return the one node that a daemon set's pod may run on, or ""."""
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    for term in required.get("nodeSelectorTerms", []):
        for wanted in term.get("matchFields", []):
            return str(wanted["values"][0])
    return ""


def _only_on(node: str) -> Object:
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def _number(pod: Object) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])
