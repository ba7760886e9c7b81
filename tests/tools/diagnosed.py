"""States of a cluster as small as can be, for the pure part of a diagnosis: no HTTP, no waiting."""

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tools.kubernetes.diagnosis.report import Diagnosis
from tools.kubernetes.diagnosis.snapshot import (
    Denied,
    Found,
    Items,
    Line,
    ListOf,
    LogOf,
    Read,
    Scope,
    Snapshot,
)
from tools.kubernetes.diagnosis.tool import diagnosis

Json = dict[str, Any]
NOW = datetime(2026, 5, 4, 14, 30, tzinfo=UTC)
CHANGES = (
    "rollout_restart",
    "rollout_undo",
    "rollout_resume",
    "scale",
    "set_image",
    "uncordon",
    "patch",
)
KINDS = (
    "pod",
    "deployment",
    "statefulset",
    "daemonset",
    "replicaset",
    "controllerrevision",
    "job",
    "cronjob",
    "service",
    "ingress",
    "horizontalpodautoscaler",
    "event",
    "configmap",
    "secret",
    "persistentvolumeclaim",
    "storageclass",
    "node",
    "networkpolicy",
    "resourcequota",
    "certificate",
    "podmetrics",
    "ingressclass",
)
_LOOSE = ("node", "storageclass", "ingressclass")


def ago(**span: float) -> str:
    """A time stamp before now."""
    return (NOW - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def diagnosed(
    *objects: Json,
    logs: Mapping[str, str] | None = None,
    scope: Scope | None = None,
    denied: tuple[str, ...] = (),
) -> Diagnosis:
    """What is said of these objects. `logs`: by "pod/container"; "-" before it: the run before."""
    found: dict[Read, Found] = {}
    for kind in KINDS:
        items = tuple(one for one in objects if one["kind"].lower() == kind)
        asked = ListOf(kind, "" if kind in _LOOSE else "shop")
        found[asked] = Denied("not allowed to read") if kind in denied else Items(items)
    for elsewhere in {one["metadata"].get("namespace", "shop") for one in objects} - {"shop", ""}:
        for kind in KINDS:
            items = tuple(
                one
                for one in objects
                if one["kind"].lower() == kind and one["metadata"].get("namespace") == elsewhere
            )
            found[ListOf(kind, elsewhere)] = Items(items)
    for where, text in (logs or {}).items():
        pod, _, container = where.removeprefix("-").partition("/")
        lines = tuple(Line(NOW - timedelta(seconds=30), line) for line in text.splitlines())
        found[LogOf("shop", pod, container, where.startswith("-"))] = lines
    return diagnosis(Snapshot(scope or Scope("shop"), NOW, found), CHANGES)


def told(found: Diagnosis) -> list[tuple[str, str, str]]:
    """Object, cause and confidence of each finding."""
    return [
        (str(one.clue.about), one.clue.cause.value, one.clue.confidence.value)
        for one in found.findings
    ]


def thing(kind: str, name: str, namespace: str = "shop", **parts: Any) -> Json:
    """An object; `parts` beside its metadata, `owner` as "Kind/name", `labels`, `made`."""
    about: Json = {"name": name, "uid": f"uid-{kind}-{name}"}
    if namespace:
        about["namespace"] = namespace
    about["creationTimestamp"] = parts.pop("made", ago(days=9))
    for key in ("labels", "annotations"):
        if key in parts:
            about[key] = parts.pop(key)
    if owner := parts.pop("owner", ""):
        above, _, called = owner.partition("/")
        about["ownerReferences"] = [{"kind": above, "name": called, "controller": True}]
    return {"kind": kind, "metadata": about, **parts}


def deployment(name: str, replicas: int = 1, ready: int | None = None, **spec: Any) -> Json:
    """A deployment whose pods have the label app."""
    wanted = replicas if ready is None else ready
    container = {"name": name, "image": f"shop/{name}:1.0", **spec.pop("container", {})}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], **spec.pop("pod", {})},
    }
    return thing(
        "Deployment",
        name,
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
            **spec,
        },
        status={
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": wanted,
            "availableReplicas": wanted,
            "observedGeneration": 1,
        },
    )


def replica_set(app: str, template: str, revision: int, made: str, **container: Any) -> Json:
    """A revision of a deployment."""
    return thing(
        "ReplicaSet",
        f"{app}-{template}",
        owner=f"Deployment/{app}",
        made=made,
        labels={"app": app, "pod-template-hash": template},
        annotations={"deployment.kubernetes.io/revision": str(revision)},
        spec={
            "template": {
                "metadata": {"labels": {"app": app, "pod-template-hash": template}},
                "spec": {"containers": [{"name": app, "image": f"shop/{app}:1.0", **container}]},
            }
        },
    )


RUNNING: Json = {"running": {"startedAt": ago(days=8)}}


def pod(app: str, number: int = 1, template: str = "aaa", **parts: Any) -> Json:
    """A pod of a deployment; well, unless its `state`, `ready` or `conditions` say otherwise."""
    state, ready = parts.pop("state", RUNNING), parts.pop("ready", "state" not in parts)
    container = {"name": app, "image": f"shop/{app}:1.0", **parts.pop("container", {})}
    status = {
        "name": app,
        "state": state,
        "ready": ready,
        "restartCount": parts.pop("restarts", 0),
        "lastState": parts.pop("last", {}),
        "image": container["image"],
        "imageID": parts.pop("image_id", "x@sha256:1"),
    }
    since = parts.pop("since", ago(minutes=20))
    node = parts.pop("node", "node-1")
    conditions = [
        {"type": "PodScheduled", "status": "True" if node else "False"},
        {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastTransitionTime": since,
        },
    ]
    return thing(
        "Pod",
        f"{app}-{template}-{number}",
        owner=parts.pop("owner", f"ReplicaSet/{app}-{template}"),
        labels={"app": app, "pod-template-hash": template, **parts.pop("labels", {})},
        made=parts.pop("made", ago(days=8)),
        spec={
            "containers": [container],
            **({"nodeName": node} if node else {}),
            **parts.pop("spec", {}),
        },
        status={
            "phase": "Running",
            "startTime": ago(days=8),
            "conditions": conditions,
            "containerStatuses": [status] if node else [],
            **parts.pop("status", {}),
        },
    )


def waiting(app: str, reason: str, message: str = "", **parts: Any) -> Json:
    """A pod whose container waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    return pod(app, state=state, ready=False, status={"phase": "Pending"}, **parts)


def crashing(app: str, code: int = 1, reason: str = "Error", **parts: Any) -> Json:
    """A pod whose container ends again and again."""
    ended = {
        "exitCode": code,
        "reason": reason,
        "startedAt": ago(minutes=3, seconds=5),
        "finishedAt": ago(minutes=3),
    }
    return pod(
        app,
        state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
        ready=False,
        restarts=parts.pop("restarts", 6),
        last={"terminated": {**ended, **parts.pop("ended", {})}},
        **parts,
    )


def warning(about: str, reason: str, message: str, **parts: Any) -> Json:
    """A warning about an object, as "Pod/name"."""
    kind, _, name = about.partition("/")
    first, last = parts.pop("first", ago(minutes=20)), parts.pop("last", ago(minutes=1))
    return thing(
        "Event",
        f"{name}.{zlib.crc32(f'{about}{reason}{message}'.encode()):x}",
        involvedObject={"kind": kind, "name": name, "namespace": "shop", **parts.pop("field", {})},
        type="Warning",
        reason=reason,
        message=message,
        count=parts.pop("count", 5),
        firstTimestamp=first,
        lastTimestamp=last,
    )
