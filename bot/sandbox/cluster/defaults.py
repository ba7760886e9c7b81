"""What the server fills in, and the rules by which it refuses an object."""

import base64
import re
import zlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from bot.sandbox.cluster import selectors
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import (
    AUTOSCALERS,
    BUDGETS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from bot.sandbox.cluster.quantities import quantity, share
from bot.sandbox.cluster.status import ApiError, invalid
from bot.sandbox.cluster.store import Object

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_TOLERATIONS = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute"}
    | {"tolerationSeconds": 300}
    for key in ("not-ready", "unreachable")
]
TEMPLATED = (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS)

Cause = tuple[str, str, str]


def complete(resource: Resource, thing: Object, random: Random) -> Object:
    """Return a copy of `thing` with the server's defaults."""
    made = clone(thing)
    fill = _FILL.get(resource)
    if fill is not None:
        fill(made)
    if resource is PODS:
        _token_volume(made, random)
    return made


def pod_spec(spec: Object) -> None:
    """Fill in a pod's specification, in a pod or in a template."""
    for container in (*spec.get("initContainers", []), *spec.get("containers", [])):
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        tag = container.get("image", "").rpartition("/")[2].partition(":")[2]
        latest = tag in ("", "latest")
        container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
        for port in container.get("ports", []):
            port.setdefault("protocol", "TCP")
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            if probe in container:
                _probe(container[probe])
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")


def _probe(probe: Object) -> None:
    if "httpGet" in probe:
        probe["httpGet"].setdefault("path", "/")
        probe["httpGet"].setdefault("scheme", "HTTP")
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)


def _pod(pod: Object) -> None:
    spec = pod["spec"]
    pod_spec(spec)
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])
    spec.setdefault("tolerations", clone(_TOLERATIONS))
    spec.setdefault("priority", 0)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    pod.setdefault("status", {"phase": "Pending"})


def _token_volume(pod: Object, random: Random) -> None:
    spec = pod["spec"]
    volumes = spec.setdefault("volumes", [])
    if any(volume["name"].startswith("kube-api-access-") for volume in volumes):
        return
    name = f"kube-api-access-{random.getrandbits(20):05x}"
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
    ]
    volumes.append({"name": name, "projected": {"sources": sources, "defaultMode": 420}})
    mount = {"name": name, "readOnly": True}
    mount["mountPath"] = "/var/run/secrets/kubernetes.io/serviceaccount"
    for container in spec["containers"]:
        container.setdefault("volumeMounts", []).append(dict(mount))


def _deployment(thing: Object) -> None:
    spec = thing["spec"]
    pod_spec(spec["template"]["spec"])
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    thing.setdefault("status", {})


def _stateful_set(thing: Object) -> None:
    _workload(thing)
    spec = thing["spec"]
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)


def _workload(thing: Object) -> None:
    spec = thing["spec"]
    pod_spec(spec["template"]["spec"])
    spec.setdefault("replicas", 1)
    thing.setdefault("status", {})


def _daemon_set(thing: Object) -> None:
    spec = thing["spec"]
    pod_spec(spec["template"]["spec"])
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    thing.setdefault("status", {})


def _job(thing: Object) -> None:
    spec = thing["spec"]
    pod_spec(spec["template"]["spec"])
    spec.setdefault("parallelism", 1)
    spec.setdefault("completions", 1)
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("suspend", False)
    thing.setdefault("status", {})


def _cron_job(thing: Object) -> None:
    spec = thing["spec"]
    pod_spec(spec["jobTemplate"]["spec"]["template"]["spec"])
    spec.setdefault("concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    thing.setdefault("status", {})


def _namespace(thing: Object) -> None:
    meta = thing["metadata"]
    meta.setdefault("labels", {})["kubernetes.io/metadata.name"] = meta["name"]
    thing.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    thing.setdefault("status", {}).setdefault("phase", "Active")


def _service(thing: Object) -> None:
    spec = thing["spec"]
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["type"] != "ExternalName":
        spec.setdefault("clusterIP", _address(thing["metadata"]))
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
    for port in spec.get("ports", []):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    thing.setdefault("status", {"loadBalancer": {}})


def _address(meta: Object) -> str:
    """A service's own, the same whenever it is made anew."""
    number = zlib.crc32(f"{meta.get('namespace')}/{meta.get('name')}".encode())
    return f"10.96.{number // 256 % 256}.{number % 253 + 2}"


def _bare_status(thing: Object) -> None:
    thing.setdefault("status", {})


def _secret(made: Object) -> None:
    """What is given as text is kept coded, as all the rest."""
    for key, value in (made.pop("stringData", None) or {}).items():
        made.setdefault("data", {})[key] = base64.b64encode(str(value).encode()).decode()


_FILL: dict[Resource, Callable[[Object], None]] = {
    NAMESPACES: _namespace,
    PODS: _pod,
    SECRETS: _secret,
    SERVICES: _service,
    DEPLOYMENTS: _deployment,
    REPLICA_SETS: _workload,
    STATEFUL_SETS: _stateful_set,
    DAEMON_SETS: _daemon_set,
    JOBS: _job,
    CRON_JOBS: _cron_job,
    AUTOSCALERS: _bare_status,
    BUDGETS: _bare_status,
}


def check(resource: Resource, thing: Object, previous: Object | None) -> None:
    """Refuse an object that breaks the API's rules. Raises ApiError 422 with every cause."""
    name = thing["metadata"].get("name", "")
    causes = list(_causes(resource, thing, previous))
    if causes:
        raise invalid(resource, name, causes)


def _causes(resource: Resource, thing: Object, previous: Object | None) -> Iterator[Cause]:
    name = thing["metadata"].get("name", "")
    if not name:
        yield (
            "FieldValueRequired",
            "Required value: name or generateName is required",
            ("metadata.name"),
        )
    elif previous is None and not _NAME.fullmatch(name):
        yield _bad("metadata.name", f'"{name}"', _NAME_RULE)
    spec = thing.get("spec")
    if spec is None:
        return
    replicas = spec.get("replicas")
    if replicas is not None and replicas < 0:
        yield _bad("spec.replicas", str(replicas), "must be greater than or equal to 0")
    if resource in TEMPLATED:
        yield from _selector(spec, previous)
        yield from _containers(spec["template"]["spec"], "spec.template.spec")
    if resource is PODS:
        yield from _containers(spec, "spec")
    if resource is DEPLOYMENTS:
        yield from _strategy(spec)
    if resource is BUDGETS:
        yield from _bounds(spec)
    if resource is SERVICES:
        yield from _ports(spec.get("ports") or [])


def _bad(field: str, value: str, why: str) -> Cause:
    return "FieldValueInvalid", f"Invalid value: {value}: {why}", field


def _selector(spec: Object, previous: Object | None) -> Iterator[Cause]:
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    selector = spec.get("selector")
    if not selector:
        yield "FieldValueRequired", "Required value", "spec.selector"
        return
    if not selectors.matches(selectors.of_object(selector), labels):
        shown = "{" + ",".join(f'"{k}":"{v}"' for k, v in sorted(labels.items())) + "}"
        why = "`selector` does not match template `labels`"
        yield _bad("spec.template.metadata.labels", shown, why)
    if previous is not None and previous["spec"].get("selector") != selector:
        shown = selectors.write(selector)
        yield _bad("spec.selector", shown, "field is immutable")


def _containers(spec: Object, path: str) -> Iterator[Cause]:
    containers = spec.get("containers") or []
    if not containers:
        yield "FieldValueRequired", "Required value", f"{path}.containers"
    seen: set[str] = set()
    for index, container in enumerate(containers):
        where = f"{path}.containers[{index}]"
        name = container.get("name")
        if not name:
            yield "FieldValueRequired", "Required value", f"{where}.name"
        elif name in seen:
            yield "FieldValueDuplicate", f'Duplicate value: "{name}"', f"{where}.name"
        seen.add(name or "")
        if not container.get("image"):
            yield "FieldValueRequired", "Required value", f"{where}.image"
        yield from _resources(container, f"{where}.resources")


def _resources(container: Object, where: str) -> Iterator[Cause]:
    for part in ("requests", "limits"):
        for what, value in (container.get("resources", {}).get(part) or {}).items():
            try:
                quantity(value)
            except ValueError:
                why = (
                    "quantities must match the regular expression "
                    "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                )
                yield _bad(f"{where}.{part}[{what}]", f'"{value}"', why)


def _strategy(spec: Object) -> Iterator[Cause]:
    strategy = spec["strategy"]
    if strategy["type"] not in ("RollingUpdate", "Recreate"):
        why = f'Unsupported value: "{strategy["type"]}": supported values: "Recreate", '
        why += '"RollingUpdate"'
        yield "FieldValueNotSupported", why, "spec.strategy.type"
        return
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "Recreate":
        if rolling:
            yield (
                "FieldValueForbidden",
                "Forbidden: may not be specified when strategy `type` is 'Recreate'",
                "spec.strategy.rollingUpdate",
            )
        return
    amounts: list[int] = []
    for field in ("maxUnavailable", "maxSurge"):
        value: Any = rolling.get(field)
        if _is_share(value):
            amounts.append(share(value, 100, up=True))
        else:
            yield _bad(
                f"spec.strategy.rollingUpdate.{field}", repr(value), "not a count or percent"
            )
    if amounts == [0, 0]:
        why = "may not be 0 when `maxSurge` is 0"
        yield _bad("spec.strategy.rollingUpdate.maxUnavailable", "0", why)


def _bounds(budget: Object) -> Iterator[Cause]:
    for field in ("minAvailable", "maxUnavailable"):
        if field in budget and not _is_share(budget[field]):
            yield _bad(f"spec.{field}", repr(budget[field]), "not a count or percent")


def _ports(ports: list[Object]) -> Iterator[Cause]:
    """Of several each has a name of its own, and a number that no other has."""
    names: set[str] = set()
    numbers: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        where, name = f"spec.ports[{index}]", port.get("name")
        if not name and len(ports) > 1:
            yield "FieldValueRequired", "Required value", f"{where}.name"
        elif name in names:
            yield "FieldValueDuplicate", f'Duplicate value: "{name}"', f"{where}.name"
        names.add(name or "")
        number = (port.get("port"), port.get("protocol"))
        if number in numbers:
            shown = f'{{"port":{number[0]},"protocol":"{number[1]}"}}'
            yield "FieldValueDuplicate", f"Duplicate value: {shown}", where
        numbers.add(number)


def _is_share(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return False
    try:
        return share(value, 100, up=True) >= 0
    except ValueError:
        return False


def shape(resource: Resource, thing: Object) -> None:
    """Refuse an object whose outline is wrong, before anything reads it. Raises ApiError."""
    meta = thing.get("metadata")
    if not isinstance(meta, dict):
        raise ApiError(400, "BadRequest", f"{resource.kind} needs metadata")
    template: Any = thing
    for step in _OUTLINE.get(resource, ()):
        template = template.get(step) if isinstance(template, dict) else None
        if not isinstance(template, dict):
            cause = ("FieldValueRequired", "Required value", ".".join(_OUTLINE[resource]))
            raise invalid(resource, str(meta.get("name", "")), [cause])


_OUTLINE: dict[Resource, tuple[str, ...]] = {
    **dict.fromkeys((*TEMPLATED, JOBS), ("spec", "template", "spec")),
    CRON_JOBS: ("spec", "jobTemplate", "spec", "template", "spec"),
    PODS: ("spec",),
    SERVICES: ("spec",),
    AUTOSCALERS: ("spec",),
    BUDGETS: ("spec",),
}
