"""Lists in kubectl's columns."""

from collections.abc import Callable, Sequence
from datetime import datetime

from tools._kit import Table
from tools.kubernetes.events import count_of, seen_last
from tools.kubernetes.kinds import Object, Resource, is_built_in
from tools.kubernetes.objects import (
    age,
    annotation,
    conditions,
    controller,
    images_of,
    meta,
    name_of,
    namespace_of,
    selector_text,
    template_of,
)
from tools.kubernetes.pods import listed_statuses, pod_status, readiness, restarts_listed
from tools.kubernetes.workloads import replicas_of

Row = tuple[str, ...]
Column = Callable[[Object, datetime], Row]


def table(
    resource: Resource, items: Sequence[Object], now: datetime, *, namespaces: bool, note: str
) -> Table:
    """Objects of one kind as rows; events newest last, everything else as the server sorts it."""
    built_in = is_built_in(resource)
    titles, row = _COLUMNS[resource.kind] if built_in else (("STATUS",), _other)
    first = ("NAMESPACE",) if namespaces else ()
    wide = _AFTER_AGE.get(resource.kind, 0) if built_in else 0
    before = len(titles) - wide
    if built_in and resource.kind == "event":
        items = sorted(items, key=seen_last)
        rows = [(*([namespace_of(one)] if first else []), *row(one, now)) for one in items]
        return Table((*first, *titles), tuple(rows), note)
    return Table(
        (*first, "NAME", *titles[:before], "AGE", *titles[before:]),
        tuple(
            (
                *([namespace_of(one)] if first else []),
                name_of(one),
                *(cells := row(one, now))[:before],
                age(meta(one).get("creationTimestamp"), now),
                *cells[before:],
            )
            for one in items
        ),
        note,
    )


def _pod(pod: Object, now: datetime) -> Row:
    ready, wanted = readiness(pod)
    ended = [
        ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
        for status in listed_statuses(pod)
    ]
    last = max((stamp for stamp in ended if stamp), default=None)
    count = str(restarts_listed(pod))
    count += f" ({age(last, now)} ago)" if last and restarts_listed(pod) else ""
    node = str((pod.get("spec") or {}).get("nodeName") or "<none>")
    return f"{ready}/{wanted}", pod_status(pod), count, node


def _deployment(one: Object, _now: datetime) -> Row:
    status = one.get("status") or {}
    return (
        f"{status.get('readyReplicas') or 0}/{replicas_of(one)}",
        str(status.get("updatedReplicas") or 0),
        str(status.get("availableReplicas") or 0),
        ",".join(images_of(template_of(one))),
    )


def _replicaset(one: Object, _now: datetime) -> Row:
    status = one.get("status") or {}
    return (
        str(replicas_of(one)),
        str(status.get("replicas") or 0),
        str(status.get("readyReplicas") or 0),
        ",".join(images_of(template_of(one))),
    )


def _statefulset(one: Object, _now: datetime) -> Row:
    ready = (one.get("status") or {}).get("readyReplicas") or 0
    return f"{ready}/{replicas_of(one)}", ",".join(images_of(template_of(one)))


def _daemonset(one: Object, _now: datetime) -> Row:
    status = one.get("status") or {}
    keys = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "numberAvailable")
    return (
        *(str(status.get(key) or 0) for key in keys),
        ",".join(images_of(template_of(one))),
    )


def _revision(one: Object, _now: datetime) -> Row:
    return controller(one) or "<none>", str(one.get("revision") or 0)


def _service(one: Object, _now: datetime) -> Row:
    spec = one.get("spec") or {}
    ports = ",".join(map(_port, spec.get("ports") or ()))
    selector = ",".join(f"{k}={v}" for k, v in (spec.get("selector") or {}).items())
    kind, address = str(spec.get("type", "ClusterIP")), str(spec.get("clusterIP") or "<none>")
    return kind, address, _outside(one), ports or "<none>", selector or "<none>"


def _port(port: Object) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}"


def _outside(service: Object) -> str:
    """kubectl's EXTERNAL-IP."""
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName") or "<none>")
    found = [*_balanced(service), *map(str, spec.get("externalIPs") or ())]
    return ",".join(found) or ("<pending>" if spec.get("type") == "LoadBalancer" else "<none>")


def _balanced(one: Object) -> list[str]:
    """The addresses that a load balancer gives to a service or an ingress."""
    given = ((one.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return [str(part.get("ip") or part.get("hostname") or "") for part in given]


def _endpoints(one: Object, _now: datetime) -> Row:
    found = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in one.get("subsets") or ()
        for address in subset.get("addresses") or ()
        for port in subset.get("ports") or ({"port": ""},)
    ]
    more = f" + {len(found) - 5} more" if len(found) > 5 else ""
    return ((",".join(found[:5]) + more) or "<none>",)


def _event(one: Object, now: datetime) -> Row:
    involved = one.get("involvedObject") or {}
    count = count_of(one)
    times = f" ({count} times)" if count > 1 else ""
    return (
        age(seen_last(one), now),
        str(one.get("type", "")),
        str(one.get("reason", "")),
        f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}",
        str(one.get("message", "")).strip() + times,
    )


def _node(one: Object, _now: datetime) -> Row:
    ready = conditions(one).get("Ready", {}).get("status")
    words = "Ready" if ready == "True" else "NotReady"
    if (one.get("spec") or {}).get("unschedulable"):
        words += ",SchedulingDisabled"
    labels = meta(one).get("labels") or {}
    prefix = "node-role.kubernetes.io/"
    roles = ",".join(sorted(k.removeprefix(prefix) for k in labels if k.startswith(prefix)))
    info = (one.get("status") or {}).get("nodeInfo") or {}
    return words, roles or "<none>", str(info.get("kubeletVersion", ""))


def _data(one: Object, _now: datetime) -> Row:
    return (str(len(one.get("data") or {}) + len(one.get("binaryData") or {})),)


def _secret(one: Object, _now: datetime) -> Row:
    return str(one.get("type", "Opaque")), str(len(one.get("data") or {}))


def _job(one: Object, _now: datetime) -> Row:
    status, spec = one.get("status") or {}, one.get("spec") or {}
    done = [kind for kind in ("Complete", "Failed") if _is_true(one, kind)]
    held = "Suspended" if spec.get("suspend") else "Waiting"
    state = done[0] if done else "Running" if status.get("active") else held
    return state, f"{status.get('succeeded') or 0}/{spec.get('completions') or 1}"


def _cronjob(one: Object, now: datetime) -> Row:
    spec, status = one.get("spec") or {}, one.get("status") or {}
    last = status.get("lastScheduleTime")
    return (
        str(spec.get("schedule", "")),
        str(bool(spec.get("suspend"))),
        str(len(status.get("active") or ())),
        age(last, now) if last else "<none>",
    )


def _hpa(one: Object, _now: datetime) -> Row:
    spec, status = one.get("spec") or {}, one.get("status") or {}
    target = spec.get("scaleTargetRef") or {}
    return (
        f"{target.get('kind')}/{target.get('name')}",
        _targets(one),
        str(spec.get("minReplicas", 1)),
        str(spec.get("maxReplicas")),
        str(status.get("currentReplicas") or 0),
    )


def _targets(hpa: Object) -> str:
    """kubectl's TARGETS: each metric as it is and as it should be; unknown where it is blind."""
    current: dict[str, Object] = {}
    for metric in (hpa.get("status") or {}).get("currentMetrics") or ():
        name, part = _metric(metric)
        current[name] = part.get("current") or {}
    found = []
    for metric in (hpa.get("spec") or {}).get("metrics") or ():
        name, part = _metric(metric)
        now, goal = _amount(current.get(name) or {}), _amount(part.get("target") or {})
        found.append(f"{name}: {now}/{goal}")
    return ", ".join(found) or "<none>"


def _metric(metric: Object) -> tuple[str, Object]:
    """A metric's name and what stands under its type."""
    kind = str(metric.get("type") or "")
    part: Object = metric.get(f"{kind[:1].lower()}{kind[1:]}") or {}
    return str(part.get("name") or (part.get("metric") or {}).get("name") or kind), part


def _amount(value: Object) -> str:
    percent = value.get("averageUtilization")
    plain = value.get("averageValue") or value.get("value")
    return f"{percent}%" if percent is not None else str(plain or "<unknown>")


def _pdb(one: Object, _now: datetime) -> Row:
    spec, status = one.get("spec") or {}, one.get("status") or {}
    return (
        str(spec.get("minAvailable", "N/A")),
        str(spec.get("maxUnavailable", "N/A")),
        str(status.get("disruptionsAllowed") or 0),
    )


def _volume(one: Object, _now: datetime) -> Row:
    status, spec = one.get("status") or {}, one.get("spec") or {}
    size = (status.get("capacity") or spec.get("capacity") or {}).get("storage", "")
    modes = ",".join(spec.get("accessModes") or ())
    return str(status.get("phase", "")), str(size), modes, str(spec.get("storageClassName") or "")


def _namespace(one: Object, _now: datetime) -> Row:
    return (str((one.get("status") or {}).get("phase", "")),)


def _ingress(one: Object, _now: datetime) -> Row:
    spec = one.get("spec") or {}
    hosts = ",".join(str(rule.get("host", "*")) for rule in spec.get("rules") or ()) or "*"
    called = spec.get("ingressClassName") or annotation(one, "kubernetes.io/ingress.class")
    return str(called or "<none>"), hosts, ",".join(_balanced(one)) or "<none>"


def _quota(one: Object, _now: datetime) -> Row:
    status = one.get("status") or {}
    used = status.get("used") or {}
    hard = status.get("hard") or (one.get("spec") or {}).get("hard") or {}
    return (", ".join(f"{key}: {used.get(key, '?')}/{value}" for key, value in hard.items()),)


def _limits(one: Object, _now: datetime) -> Row:
    kinds = [str(part.get("type", "")) for part in (one.get("spec") or {}).get("limits") or ()]
    return (",".join(kinds) or "<none>",)


def _policy(one: Object, _now: datetime) -> Row:
    spec = one.get("spec") or {}
    kinds = spec.get("policyTypes") or ("Ingress",)
    return selector_text(spec.get("podSelector")) or "<all>", ",".join(map(str, kinds))


def _slice(one: Object, _now: datetime) -> Row:
    addresses = [
        str(address)
        for endpoint in one.get("endpoints") or ()
        for address in endpoint.get("addresses") or ()
    ]
    ports = ",".join(str(port.get("port")) for port in one.get("ports") or ())
    more = f" + {len(addresses) - 5} more" if len(addresses) > 5 else ""
    return ports or "<unset>", (",".join(addresses[:5]) + more) or "<none>"


def _storage_class(one: Object, _now: datetime) -> Row:
    default = annotation(one, "storageclass.kubernetes.io/is-default-class") == "true"
    mode = str(one.get("volumeBindingMode", "Immediate"))
    grows = str(bool(one.get("allowVolumeExpansion"))).lower()
    kept = str(one.get("reclaimPolicy", "Delete"))
    return str(one.get("provisioner", "")), kept, mode, grows, "default" if default else ""


def _account(one: Object, _now: datetime) -> Row:
    return (str(len(one.get("secrets") or ())),)


_SUMMING_UP = ("Ready", "Available", "Established", "Healthy", "Synced")


def _other(one: Object, _now: datetime) -> Row:
    """What most kinds say of themselves: a phase, or a condition that sums up."""
    status = one.get("status")
    if not isinstance(status, dict):  # a kind of somebody else's, of whatever shape
        return ("<none>",)
    phase, given = status.get("phase"), status.get("conditions")
    if isinstance(phase, str) and phase:
        return (phase,)
    told = [part for part in given if isinstance(part, dict)] if isinstance(given, list) else []
    found = {str(part.get("type")): part.get("status") for part in told}
    summary = next((name for name in _SUMMING_UP if found.get(name)), None)
    if summary is None:
        return ("<none>",)
    return (summary if found[summary] == "True" else f"not {summary}",)


def _is_true(one: Object, condition: str) -> bool:
    return bool(conditions(one).get(condition, {}).get("status") == "True")


# How many of its last columns kubectl has behind the age: those of its wide tables.
_AFTER_AGE = {
    "pod": 1,
    "deployment": 1,
    "replicaset": 1,
    "statefulset": 1,
    "daemonset": 1,
    "service": 1,
}
_COLUMNS: dict[str, tuple[Row, Column]] = {
    "pod": (("READY", "STATUS", "RESTARTS", "NODE"), _pod),
    "deployment": (("READY", "UP-TO-DATE", "AVAILABLE", "IMAGES"), _deployment),
    "replicaset": (("DESIRED", "CURRENT", "READY", "IMAGES"), _replicaset),
    "statefulset": (("READY", "IMAGES"), _statefulset),
    "daemonset": (("DESIRED", "CURRENT", "READY", "AVAILABLE", "IMAGES"), _daemonset),
    "controllerrevision": (("CONTROLLER", "REVISION"), _revision),
    "service": (("TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORTS", "SELECTOR"), _service),
    "endpoints": (("ENDPOINTS",), _endpoints),
    "event": (("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"), _event),
    "node": (("STATUS", "ROLES", "VERSION"), _node),
    "configmap": (("DATA",), _data),
    "secret": (("TYPE", "DATA"), _secret),
    "job": (("STATUS", "COMPLETIONS"), _job),
    "cronjob": (("SCHEDULE", "SUSPEND", "ACTIVE", "LAST SCHEDULE"), _cronjob),
    "horizontalpodautoscaler": (("REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS"), _hpa),
    "poddisruptionbudget": (("MIN AVAILABLE", "MAX UNAVAILABLE", "ALLOWED DISRUPTIONS"), _pdb),
    "persistentvolumeclaim": (("STATUS", "CAPACITY", "ACCESS MODES", "STORAGECLASS"), _volume),
    "persistentvolume": (("STATUS", "CAPACITY", "ACCESS MODES", "STORAGECLASS"), _volume),
    "namespace": (("STATUS",), _namespace),
    "ingress": (("CLASS", "HOSTS", "ADDRESS"), _ingress),
    "resourcequota": (("USED/HARD",), _quota),
    "limitrange": (("LIMITS",), _limits),
    "networkpolicy": (("POD-SELECTOR", "TYPES"), _policy),
    "endpointslice": (("PORTS", "ENDPOINTS"), _slice),
    "serviceaccount": (("SECRETS",), _account),
    "storageclass": (
        ("PROVISIONER", "RECLAIM", "BINDING", "EXPANSION", "DEFAULT"),
        _storage_class,
    ),
}
