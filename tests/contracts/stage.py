"""The small cluster on which every change keeps its promises, and edits by others."""

import asyncio
import copy
from collections.abc import Callable
from typing import Any

from pydantic import JsonValue

from bot.sandbox.cluster import Cluster
from bot.sandbox.cluster.kinds import of_kind
from tools import ChangeCall, JsonObject, Preview, Receipt, Verdict

Edit = Callable[[Cluster], None]


def edit(cluster: Cluster, kind: str, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Alter an object as an administrator would."""
    found = cluster.get(kind, "shop", name)
    assert found is not None
    change(found)
    cluster.apply(found)


def writes(kind: str, name: str, path: str, value: object) -> Edit:
    """An edit that sets one field: "spec.template.spec.containers.0.image"."""

    def change(thing: dict[str, Any]) -> None:
        *steps, last = path.split(".")
        place: Any = thing
        for step in steps:
            place = place[int(step)] if step.isdecimal() else place.setdefault(step, {})
        place[last] = value

    return lambda cluster: edit(cluster, kind, name, change)


def owned(name: str, kind: str = "Deployment") -> Edit:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "settings", "controller": True}

    def change(cluster: Cluster) -> None:
        meta = {"name": "settings", "namespace": "shop"}
        config = cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
        reference = {**owner, "uid": config["metadata"]["uid"]}
        writes(kind, name, "metadata.ownerReferences", [reference])(cluster)

    return change


def recreated(name: str, kind: str = "Deployment") -> Edit:
    """The same again under another uid; what it made is adopted, as orphans are."""

    def change(cluster: Cluster) -> None:
        resource = of_kind(kind)
        found = cluster.get(kind, "shop", name)
        assert found is not None
        uid = "00000000-0000-4000-8000-000000000000"
        for below in ("ReplicaSet", "ControllerRevision", "Pod"):
            for one in cluster.objects(below, "shop"):
                for owner in one["metadata"].get("ownerReferences", []):
                    if (owner["kind"], owner["name"]) == (kind, name):
                        owner["uid"] = uid
                        cluster.store.update(of_kind(below), one)
        found["metadata"]["uid"] = uid
        cluster.store.update(resource, found)

    return change


def made(kind: str, group: str, name: str, spec: JsonObject) -> Edit:
    body = {
        "apiVersion": group,
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }
    return lambda cluster: void(cluster.apply(copy.deepcopy(body)))


def void(_: object) -> None:
    """So that an edit has no result."""


HPA: JsonObject = {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart"},
    "minReplicas": 1,
    "maxReplicas": 9,
}
WEB: dict[str, JsonValue] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
PDB: JsonObject = {"minAvailable": 1, "selector": {"matchLabels": {"app": "cart"}}}
DB: JsonObject = {"serviceName": "db"}
SERVICE: JsonObject = {"selector": {"app": "cart"}, "ports": [{"port": 81}]}


def deployment(name: str, image: str, replicas: int) -> JsonObject:
    """The spec of a deployment with one container."""
    labels: dict[str, JsonValue] = {"app": name}
    return {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": name, "image": image}]},
        },
    }


IMAGE = "spec.template.spec.containers.0.image"


def workload(name: str, kind: str = "Deployment") -> dict[str, Edit]:
    helm = {"app.kubernetes.io/managed-by": "Helm"}
    found = {
        "template": writes(kind, name, IMAGE, f"shop/{name}:1.4.3"),
        "owner": owned(name, kind),
        "manager": writes(kind, name, "metadata.labels", helm),
        "uid": recreated(name, kind),
    }
    if kind != "DaemonSet":
        found["replicas"] = writes(kind, name, "spec.replicas", 3)
    return found


def rolled(name: str, kind: str = "Deployment") -> dict[str, Edit]:
    """All that bears on a change of a pod template."""
    target: JsonObject = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    strategy = "strategy" if kind == "Deployment" else "updateStrategy"
    changed = {"type": "Recreate" if kind == "Deployment" else "OnDelete"}
    spec: JsonObject = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": name}}}
    return {
        **workload(name, kind),
        "a new budget": made("PodDisruptionBudget", "policy/v1", f"{name}-2", spec),
        "a new autoscaler": made(
            "HorizontalPodAutoscaler",
            "autoscaling/v2",
            f"{name}-2",
            {**HPA, "scaleTargetRef": dict(target)},
        ),
        "strategy": writes(kind, name, f"spec.{strategy}", changed),
    }


async def live(cluster: Cluster) -> None:
    """Let time pass, a second in ten milliseconds."""
    while True:
        await cluster.advance(1)
        await asyncio.sleep(0.01)


def sent(cluster: Cluster) -> int:
    """How many real writes left for the cluster, whatever became of them."""
    found = [request for request in cluster.requests if request.verb in ("patch", "update")]
    return sum("dryRun" not in str(request.query) for request in found)


async def verdict(
    cluster: Cluster, call: ChangeCall, seen: Preview, receipt: Receipt | None
) -> Verdict:
    async with asyncio.TaskGroup() as group:
        living = group.create_task(live(cluster))
        last = [step async for step in call.verify(seen, receipt)][-1]
        living.cancel()
    assert isinstance(last, Verdict)
    return last
