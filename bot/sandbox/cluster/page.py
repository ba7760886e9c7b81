"""The cluster in few words, for a page that shows it."""

from datetime import datetime

from bot.sandbox.cluster import selectors
from bot.sandbox.cluster.clock import Clock, stamp
from bot.sandbox.cluster.deployments import REVISION
from bot.sandbox.cluster.kinds import DEPLOYMENTS, EVENTS, PODS
from bot.sandbox.cluster.store import Object, Store
from bot.sandbox.cluster.tables import pod_row

EVENTS_SHOWN = 30


def snapshot(store: Store, clock: Clock) -> Object:
    """Return deployments with their pods, and the newest events, newest first."""
    now = clock.now()
    events = sorted(store.objects(EVENTS), key=lambda e: int(e["metadata"]["resourceVersion"]))
    return {
        "version": store.version,
        "time": stamp(now),
        "deployments": [_deployment(store, thing, now) for thing in store.objects(DEPLOYMENTS)],
        "events": [_event(event) for event in reversed(events[-EVENTS_SHOWN:])],
    }


def settled(deployment: Object) -> bool:
    """Say whether a deployment runs its newest template with all its replicas."""
    counted, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    observed: bool = counted.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    counters = ("replicas", "updatedReplicas", "availableReplicas")
    return observed and all(counted.get(counter, 0) == wanted for counter in counters)


def _deployment(store: Store, deployment: Object, now: datetime) -> Object:
    meta, status = deployment["metadata"], deployment.get("status", {})
    wanted = selectors.of_object(deployment["spec"]["selector"])
    pods = [
        _pod(pod, now)
        for pod in store.objects(PODS, meta["namespace"])
        if selectors.matches(wanted, pod["metadata"].get("labels"))
    ]
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return {
        "namespace": meta["namespace"],
        "name": meta["name"],
        "images": [container["image"] for container in containers],
        "revision": meta.get("annotations", {}).get(REVISION, ""),
        "desired": deployment["spec"]["replicas"],
        "ready": status.get("readyReplicas", 0),
        "updated": status.get("updatedReplicas", 0),
        "available": status.get("availableReplicas", 0),
        "settled": settled(deployment),
        "pods": pods,
    }


def _pod(pod: Object, now: datetime) -> Object:
    ready, word, restarts, age = pod_row(pod, now)
    return {
        "name": pod["metadata"]["name"],
        "image": pod["spec"]["containers"][0]["image"],
        "ready": ready,
        "status": word,
        "restarts": int(restarts),
        "age": age,
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
