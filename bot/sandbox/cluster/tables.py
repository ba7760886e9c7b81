"""Lists as the tables that kubectl prints."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from bot.sandbox.cluster.clock import parse
from bot.sandbox.cluster.kinds import (
    DEPLOYMENTS,
    EVENTS,
    PODS,
    REPLICA_SETS,
    SECRETS,
    Resource,
)
from bot.sandbox.cluster.store import Object

Cells = list[Any]


def wants_table(accept: str) -> bool:
    """Say whether a client asked for a table before anything else."""
    return "as=Table" in accept.partition(",")[0]


def as_table(resource: Resource, body: Object, now: datetime, *, metadata: bool = True) -> Object:
    """Turn an object or a list into a table; anything else stays as it is."""
    if body.get("kind") not in (resource.kind, f"{resource.kind}List"):
        return body
    things = body.get("items", [body])
    columns, cells = _SHAPES.get(resource, (["Age"], lambda thing, now: [_age(thing, now)]))
    rows = [
        {
            "cells": [thing["metadata"]["name"], *cells(thing, now)],
            "object": _partial(thing) if metadata else None,
        }
        for thing in things
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": body["metadata"] if "items" in body else {},
        "columnDefinitions": [_column(name) for name in ("Name", *columns)],
        "rows": rows,
    }


def _partial(thing: Object) -> Object:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": thing["metadata"],
    }


def _column(name: str) -> Object:
    form = "name" if name == "Name" else ""
    kind = "integer" if name in ("Up-to-date", "Available", "Desired", "Current") else "string"
    return {"name": name, "type": kind, "format": form, "description": name, "priority": 0}


def _age(thing: Object, now: datetime) -> str:
    return span((now - parse(thing["metadata"]["creationTimestamp"])).total_seconds())


def span(seconds: float) -> str:
    """Write a length of time as kubectl does, short."""
    whole = max(0, int(seconds))
    for limit, unit, letter in ((120, 1, "s"), (7200, 60, "m"), (172800, 3600, "h")):
        if whole < limit:
            return f"{whole // unit}{letter}"
    return f"{whole // 86400}d"


def pod_row(pod: Object, now: datetime) -> Cells:
    """Return readiness, status, restarts and age of a pod, as kubectl shows them."""
    statuses = pod["status"].get("containerStatuses", [])
    ready = sum(status["ready"] for status in statuses)
    restarts = sum(status["restartCount"] for status in statuses)
    word = pod["status"].get("phase", "")
    for status in statuses:
        state = status["state"].get("waiting") or status["state"].get("terminated") or {}
        word = state.get("reason", word)
    if "deletionTimestamp" in pod["metadata"]:
        word = "Terminating"
    whole = len(pod["spec"]["containers"])
    return [f"{ready}/{whole}", word, str(restarts), _age(pod, now)]


def _deployment(thing: Object, now: datetime) -> Cells:
    found = thing.get("status", {})
    ready = f"{found.get('readyReplicas', 0)}/{thing['spec']['replicas']}"
    updated, available = found.get("updatedReplicas", 0), found.get("availableReplicas", 0)
    return [ready, updated, available, _age(thing, now)]


def _replica_set(thing: Object, now: datetime) -> Cells:
    found = thing.get("status", {})
    current, ready = found.get("replicas", 0), found.get("readyReplicas", 0)
    return [thing["spec"]["replicas"], current, str(ready), _age(thing, now)]


def _event(event: Object, now: datetime) -> Cells:
    seen = event.get("lastTimestamp") or event.get("eventTime")
    about = event["involvedObject"]
    last = span((now - parse(seen)).total_seconds()) if seen else "<unknown>"
    where = f"{about['kind'].lower()}/{about['name']}"
    return [last, event["type"], event["reason"], where, event["message"]]


def _secret(thing: Object, now: datetime) -> Cells:
    return [thing.get("type", "Opaque"), len(thing.get("data") or {}), _age(thing, now)]


_SHAPES: dict[Resource, tuple[list[str], Callable[[Object, datetime], Cells]]] = {
    PODS: (["Ready", "Status", "Restarts", "Age"], pod_row),
    DEPLOYMENTS: (["Ready", "Up-to-date", "Available", "Age"], _deployment),
    REPLICA_SETS: (["Desired", "Current", "Ready", "Age"], _replica_set),
    SECRETS: (["Type", "Data", "Age"], _secret),
    EVENTS: (["Last Seen", "Type", "Reason", "Object", "Message"], _event),
}
