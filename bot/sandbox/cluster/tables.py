"""Lists as the tables that kubectl prints."""

from collections.abc import Callable
from datetime import datetime
from itertools import zip_longest
from typing import Any

from bot.sandbox.cluster import selectors
from bot.sandbox.cluster.clock import parse
from bot.sandbox.cluster.kinds import (
    ACCOUNTS,
    AUTOSCALERS,
    BUDGETS,
    CERTIFICATES,
    CLAIMS,
    CONFIG_MAPS,
    CRON_JOBS,
    CUSTOM_KINDS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    EVENTS,
    INGRESSES,
    JOBS,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    STORAGE_CLASSES,
    Resource,
)
from bot.sandbox.cluster.store import Object

Cells = list[Any]


def wants_table(accept: str) -> bool:
    """Say whether a client asked for a table before anything else."""
    return "as=Table" in accept.partition(",")[0]


def as_table(
    resource: Resource, body: Object, now: datetime, *, include: str = "Metadata"
) -> Object:
    """Turn an object or a list into a table; anything else stays as it is."""
    if body.get("kind") not in (resource.kind, f"{resource.kind}List"):
        return body
    if "name" not in body["metadata"] and "items" not in body:
        things: list[Object] = []  # a bookmark
    else:
        things = body.get("items", [body])
    columns, cells = _SHAPES.get(resource, (["Age"], lambda thing, now: [_age(thing, now)]))
    rows = [
        {
            "cells": [thing["metadata"]["name"], *cells(thing, now)],
            "object": _included(resource, thing, include),
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


def _included(resource: Resource, thing: Object, include: str) -> Object | None:
    """What of the object stands beside its row: None, Metadata or Object."""
    if include == "None":
        return None
    if include == "Object":
        return {"kind": resource.kind, "apiVersion": resource.api_version, **thing}
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": thing["metadata"],
    }


def _column(name: str) -> Object:
    """A column; one whose name begins with `+` is shown by `-o wide` only."""
    form = "name" if name == "Name" else ""
    kind = "integer" if name in ("Up-to-date", "Available", "Desired", "Current") else "string"
    wide, shown = name.startswith("+"), name.removeprefix("+")
    described = {"description": shown, "priority": int(wide)}
    return {"name": shown, "type": kind, "format": form, **described}


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


def _wide_pod(pod: Object, now: datetime) -> Cells:
    found = pod["status"]
    node = pod["spec"].get("nodeName", "<none>")
    return [*pod_row(pod, now), found.get("podIP", "<none>"), node, "<none>", "<none>"]


def _made_of(thing: Object) -> Cells:
    """Containers, images and selector of a workload."""
    containers = thing["spec"]["template"]["spec"]["containers"]
    names = ",".join(container["name"] for container in containers)
    images = ",".join(container["image"] for container in containers)
    return [names, images, selectors.write(thing["spec"].get("selector") or {})]


def _wide_deployment(thing: Object, now: datetime) -> Cells:
    return [*_deployment(thing, now), *_made_of(thing)]


def _wide_replica_set(thing: Object, now: datetime) -> Cells:
    return [*_replica_set(thing, now), *_made_of(thing)]


def _stateful_set(thing: Object, now: datetime) -> Cells:
    ready = f"{thing.get('status', {}).get('readyReplicas', 0)}/{thing['spec'].get('replicas', 1)}"
    return [ready, _age(thing, now), *_made_of(thing)[:2]]


def _daemon_set(thing: Object, now: datetime) -> Cells:
    found = thing.get("status", {})
    counted = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady")
    rest = ("updatedNumberScheduled", "numberAvailable")
    chosen = thing["spec"]["template"]["spec"].get("nodeSelector") or {}
    where = ",".join(f"{key}={value}" for key, value in chosen.items()) or "<none>"
    numbers = [found.get(key, 0) for key in (*counted, *rest)]
    numbers[2] = str(numbers[2])
    return [*numbers, where, _age(thing, now), *_made_of(thing)]


def _service(thing: Object, now: datetime) -> Cells:
    spec = thing["spec"]
    ports = ",".join(f"{p['port']}/{p.get('protocol', 'TCP')}" for p in spec.get("ports") or [])
    chosen = ",".join(f"{key}={value}" for key, value in (spec.get("selector") or {}).items())
    address = spec.get("clusterIP", "<none>")
    kind = spec.get("type", "ClusterIP")
    return [kind, address, "<none>", ports or "<none>", _age(thing, now), chosen or "<none>"]


def _node(node: Object, now: datetime) -> Cells:
    conditions = node["status"].get("conditions", [])
    ready = next((c["status"] for c in conditions if c["type"] == "Ready"), "Unknown")
    word = {"True": "Ready", "False": "NotReady"}.get(ready, "NotReady")
    if node.get("spec", {}).get("unschedulable"):
        word += ",SchedulingDisabled"
    info = node["status"].get("nodeInfo", {})
    addresses = node["status"].get("addresses", [])
    inside = next((a["address"] for a in addresses if a["type"] == "InternalIP"), "<none>")
    wide = [info.get(key, "") for key in ("osImage", "kernelVersion", "containerRuntimeVersion")]
    version = info.get("kubeletVersion", "")
    return [word, "<none>", _age(node, now), version, inside, "<none>", *wide]


def _namespace(thing: Object, now: datetime) -> Cells:
    return [thing.get("status", {}).get("phase", "Active"), _age(thing, now)]


def _config_map(thing: Object, now: datetime) -> Cells:
    return [str(len(thing.get("data") or {})), _age(thing, now)]


def _claim(thing: Object, now: datetime) -> Cells:
    spec, found = thing["spec"], thing.get("status", {})
    modes = ",".join(
        "".join(letter for letter in mode if letter.isupper())
        for mode in spec.get("accessModes") or ()
    )
    size = (found.get("capacity") or {}).get("storage", "")
    kind = spec.get("storageClassName", "")
    phase = found.get("phase", "Pending")
    return [phase, spec.get("volumeName", ""), size, modes, kind, _age(thing, now)]


def _autoscaler(thing: Object, now: datetime) -> Cells:
    spec, found = thing["spec"], thing.get("status", {})
    target = f"{spec['scaleTargetRef']['kind']}/{spec['scaleTargetRef']['name']}"
    uses = []
    for metric, now_at in zip_longest(spec.get("metrics") or (), found.get("currentMetrics") or ()):
        wanted = ((metric or {}).get("resource") or {}).get("target", {}).get("averageUtilization")
        current = ((now_at or {}).get("resource") or {}).get("current", {})
        seen = current.get("averageUtilization")
        name = ((metric or {}).get("resource") or {}).get("name", "")
        uses.append(f"{name}: {'<unknown>' if seen is None else f'{seen}%'}/{wanted}%")
    low, high = str(spec.get("minReplicas", 1)), str(spec.get("maxReplicas", ""))
    return [
        target,
        ", ".join(uses) or "<none>",
        low,
        high,
        str(found.get("currentReplicas", 0)),
        _age(thing, now),
    ]


def _budget(thing: Object, now: datetime) -> Cells:
    spec, found = thing["spec"], thing.get("status", {})
    low, high = str(spec.get("minAvailable", "N/A")), str(spec.get("maxUnavailable", "N/A"))
    return [low, high, str(found.get("disruptionsAllowed", 0)), _age(thing, now)]


def _job(thing: Object, now: datetime) -> Cells:
    spec, found = thing["spec"], thing.get("status", {})
    done = f"{found.get('succeeded', 0)}/{spec.get('completions') or 1}"
    kinds = {c["type"] for c in found.get("conditions") or () if c["status"] == "True"}
    word = "Complete" if "Complete" in kinds else "Failed" if "Failed" in kinds else "Running"
    took = ""
    if "startTime" in found:
        end = parse(found["completionTime"]) if "completionTime" in found else now
        took = span((end - parse(found["startTime"])).total_seconds())
    return [word, done, took, _age(thing, now)]


def _cron_job(thing: Object, now: datetime) -> Cells:
    spec, found = thing["spec"], thing.get("status", {})
    last = found.get("lastScheduleTime")
    ago = span((now - parse(last)).total_seconds()) if last else "<none>"
    active = str(len(found.get("active") or ()))
    zone = spec.get("timeZone", "<none>")
    held = str(bool(spec.get("suspend"))).lower()
    return [spec["schedule"], zone, held.capitalize(), active, ago, _age(thing, now)]


def _endpoints(thing: Object, now: datetime) -> Cells:
    shown = [
        f"{address['ip']}:{port['port']}"
        for subset in thing.get("subsets") or ()
        for address in subset.get("addresses") or ()
        for port in subset.get("ports") or ()
    ]
    more = f" + {len(shown) - 3} more..." if len(shown) > 3 else ""
    return [",".join(shown[:3]) + more or "<none>", _age(thing, now)]


def _policy(thing: Object, now: datetime) -> Cells:
    chosen = selectors.write(thing["spec"].get("podSelector") or {})
    return [chosen or "<none>", _age(thing, now)]


def _slice(thing: Object, now: datetime) -> Cells:
    ports = ",".join(str(port.get("port", "")) for port in thing.get("ports") or ())
    every = [one for end in thing.get("endpoints") or () for one in end.get("addresses") or ()]
    more = f" + {len(every) - 3} more..." if len(every) > 3 else ""
    kind = thing.get("addressType", "")
    return [kind, ports or "<unset>", ",".join(every[:3]) + more or "<unset>", _age(thing, now)]


def _storage_class(thing: Object, now: datetime) -> Cells:
    marked = thing["metadata"].get("annotations") or {}
    default = marked.get("storageclass.kubernetes.io/is-default-class") == "true"
    return [
        thing.get("provisioner", "") + (" (default)" if default else ""),
        thing.get("reclaimPolicy", "Delete"),
        thing.get("volumeBindingMode", "Immediate"),
        str(bool(thing.get("allowVolumeExpansion"))).lower(),
        _age(thing, now),
    ]


def _account(thing: Object, now: datetime) -> Cells:
    return [str(len(thing.get("secrets") or ())), _age(thing, now)]


def _certificate(thing: Object, now: datetime) -> Cells:
    spec = thing["spec"]
    ready: Object = next(iter(thing.get("status", {}).get("conditions") or ()), {})
    said = (ready.get("message", ""), _age(thing, now))
    return [ready.get("status", ""), spec["secretName"], spec["issuerRef"]["name"], *said]


def _definition(thing: Object, now: datetime) -> Cells:  # noqa: ARG001 - as all of them
    return [thing["metadata"]["creationTimestamp"]]


def _ingress(thing: Object, now: datetime) -> Cells:
    spec = thing["spec"]
    hosts = ",".join(rule.get("host", "*") for rule in spec.get("rules") or ()) or "*"
    ports = "80, 443" if spec.get("tls") else "80"
    return [spec.get("ingressClassName", "<none>"), hosts, "", ports, _age(thing, now)]


_MADE_OF = ("+Containers", "+Images", "+Selector")
_SHAPES: dict[Resource, tuple[list[str], Callable[[Object, datetime], Cells]]] = {
    PODS: (
        [
            *("Ready", "Status", "Restarts", "Age"),
            *("+IP", "+Node", "+Nominated Node", "+Readiness Gates"),
        ],
        _wide_pod,
    ),
    DEPLOYMENTS: (["Ready", "Up-to-date", "Available", "Age", *_MADE_OF], _wide_deployment),
    REPLICA_SETS: (["Desired", "Current", "Ready", "Age", *_MADE_OF], _wide_replica_set),
    STATEFUL_SETS: (["Ready", "Age", *_MADE_OF[:2]], _stateful_set),
    DAEMON_SETS: (
        [
            *("Desired", "Current", "Ready", "Up-to-date", "Available", "Node Selector", "Age"),
            *_MADE_OF,
        ],
        _daemon_set,
    ),
    SECRETS: (["Type", "Data", "Age"], _secret),
    EVENTS: (["Last Seen", "Type", "Reason", "Object", "Message"], _event),
    SERVICES: (["Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "+Selector"], _service),
    NODES: (
        [
            *("Status", "Roles", "Age", "Version", "+Internal-IP", "+External-IP"),
            *("+OS-Image", "+Kernel-Version", "+Container-Runtime"),
        ],
        _node,
    ),
    NAMESPACES: (["Status", "Age"], _namespace),
    CONFIG_MAPS: (["Data", "Age"], _config_map),
    CLAIMS: (["Status", "Volume", "Capacity", "Access Modes", "StorageClass", "Age"], _claim),
    AUTOSCALERS: (
        ["Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"],
        _autoscaler,
    ),
    BUDGETS: (["Min Available", "Max Unavailable", "Allowed Disruptions", "Age"], _budget),
    JOBS: (["Status", "Completions", "Duration", "Age"], _job),
    CRON_JOBS: (["Schedule", "Timezone", "Suspend", "Active", "Last Schedule", "Age"], _cron_job),
    ENDPOINTS: (["Endpoints", "Age"], _endpoints),
    ENDPOINT_SLICES: (["AddressType", "Ports", "Endpoints", "Age"], _slice),
    NETWORK_POLICIES: (["Pod-Selector", "Age"], _policy),
    INGRESSES: (["Class", "Hosts", "Address", "Ports", "Age"], _ingress),
    ACCOUNTS: (["Secrets", "Age"], _account),
    CERTIFICATES: (["Ready", "Secret", "+Issuer", "+Status", "Age"], _certificate),
    CUSTOM_KINDS: (["Created At"], _definition),
    STORAGE_CLASSES: (
        [
            *("Provisioner", "ReclaimPolicy", "VolumeBindingMode"),
            *("AllowVolumeExpansion", "Age"),
        ],
        _storage_class,
    ),
}
