"""The way of a request: ingress, service, endpoints, pods; and what network policies let in."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tools._kit import Lines
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import RESOURCES, Object
from tools.kubernetes.objects import labels_of, name_of, selector_text, selects
from tools.kubernetes.pods import is_leaving
from tools.kubernetes.views.overview import backend
from tools.kubernetes.views.seen import Seen, seen, unread
from tools.kubernetes.workloads import labels_of as pod_labels

_MOST = 10
_SERVED_BY = "kubernetes.io/service-name"
_NO_CONTROLLER = "ingresses of networking.k8s.io and network policies only: routes of gateways and"
_NO_CONTROLLER += " policies of the network's own kinds were not looked at"


async def network(cluster: Cluster, kind: str, namespace: str, name: str) -> Lines:
    """How traffic comes to a service, a workload or a pod, or where that of an ingress goes.

    Raises `NotFound`.
    """
    live = await missing.found(cluster, RESOURCES[kind], namespace, name)
    labels, selector = _labels(live, kind)
    by_label = bool(selector) or kind == "ingress"
    services, slices, pods, ingresses, policies = await asyncio.gather(
        seen(cluster, "service", namespace),
        seen(cluster, "endpointslice", namespace),
        seen(cluster, "pod", namespace, labels=selector) if by_label else _only(live, kind),
        seen(cluster, "ingress", namespace),
        seen(cluster, "networkpolicy", namespace),
    )
    running = [pod for pod in pods.items if not is_leaving(pod) and not _is_over(pod)]
    lines: list[str] = []
    if kind == "service":
        chosen = [live]
    elif kind == "ingress":
        named = _backends(live)
        chosen = [one for one in services.items if name_of(one) in named]
        running = [pod for pod in running if any(_sends_to(one, labels_of(pod)) for one in chosen)]
        there = [name_of(one) for one in chosen]
        lines += _leading(live, named, named if services.unread else there)
    else:
        chosen = [one for one in services.items if _sends_to(one, labels)]
    if not chosen and kind != "ingress":
        lines.append(f"no service sends traffic to {kind}/{name}: none selects its labels")
    for service in chosen:
        behind = _selected(running, service["spec"].get("selector") or {})
        lines += _service(service, behind)
        lines += _endpoints(service, slices.items)
        lines += _ingresses(service, ingresses.items)
    if chosen or kind != "ingress":
        lines += _policies(running, labels, policies.items)
    lines += [f"not seen: {line}" for line in unread(services, slices, pods, ingresses, policies)]
    return Lines(tuple(lines), f"{kind}/{name} in {namespace}; {_NO_CONTROLLER}")


def _labels(live: Object, kind: str) -> tuple[Mapping[str, str], str]:
    """The labels of the pods that are meant, and the selector that chooses them."""
    if kind == "ingress":
        return {}, ""  # those of its services
    if kind == "service":
        labels = dict(live["spec"].get("selector") or {})
        return labels, selector_text({"matchLabels": labels})
    if kind == "pod":
        return labels_of(live), ""
    return pod_labels(live), selector_text(live["spec"].get("selector"))


# --- the service --------------------------------------------------------------------------------


def _service(service: Object, behind: Sequence[Object]) -> Iterator[str]:
    spec = service["spec"]
    selector = ",".join(f"{key}={value}" for key, value in (spec.get("selector") or {}).items())
    line = f"service/{name_of(service)}: {spec.get('type', 'ClusterIP')}"
    line += f" {spec.get('externalName') or spec.get('clusterIP') or ''}".rstrip()
    if spec.get("type") == "ExternalName":
        yield f"{line}: another name for a host outside"
        return
    yield f"{line}, selects {selector}" if selector else f"{line}, without a selector"
    if not selector:
        yield "  its endpoints are somebody else's work"
    elif not behind:
        yield f"  no pod has {selector}: nobody answers"
    for port in spec.get("ports") or ():
        yield f"  {_port(port, behind, selects_pods=bool(selector))}"


def _port(port: Object, behind: Sequence[Object], *, selects_pods: bool) -> str:
    """Whether the containers of its pods have what the port leads to."""
    name, number = port.get("name"), port.get("port")
    target = port.get("targetPort", number)
    line = f"port {f'{name} ' if name else ''}{number}/{port.get('protocol', 'TCP')} → {target}"
    if not selects_pods or not behind:
        return line
    with_it = [pod for pod in behind if _has_port(pod, target)]
    if len(with_it) == len(behind):
        return f"{line}: declared by its {counted(len(behind), 'pod')}"
    if isinstance(target, str):
        lacking = len(behind) - len(with_it)
        return f"{line}: {lacking} of {len(behind)} pods have no port of that name" + (
            f", but {', '.join(_declared(behind))}" if _declared(behind) else ""
        )
    if declared := _declared(behind):
        return f"{line}: its pods declare {', '.join(declared)} only, which forbids nothing"
    return f"{line}: its pods declare no ports, which forbids nothing"


def _has_port(pod: Object, target: object) -> bool:
    return any(target in (port.get("name"), port.get("containerPort")) for port in _ports(pod))


def _declared(pods: Iterable[Object]) -> list[str]:
    found = (
        f"{port.get('containerPort')}" + (f" ({port['name']})" if port.get("name") else "")
        for pod in pods
        for port in _ports(pod)
    )
    return list(dict.fromkeys(found))[:_MOST]


def _ports(pod: Object) -> Iterator[Object]:
    for container in (pod.get("spec") or {}).get("containers") or ():
        yield from container.get("ports") or ()


def _endpoints(service: Object, slices: Sequence[Object]) -> Iterator[str]:
    """What is really behind it, as the endpoint slices say."""
    if service["spec"].get("type") == "ExternalName":
        return
    own = [one for one in slices if labels_of(one).get(_SERVED_BY) == name_of(service)]
    ready: list[str] = []
    waiting: list[str] = []
    for one in own:
        numbers = ",".join(str(port.get("port")) for port in one.get("ports") or ())
        for endpoint in one.get("endpoints") or ():
            target = endpoint.get("targetRef") or {}
            address = ",".join(map(str, endpoint.get("addresses") or ()))
            said = f"{address}:{numbers or '?'}"
            if target:
                said += f" {target.get('name')}"
            node = endpoint.get("nodeName")
            said += f" on {node}" if node else ""
            is_well = (endpoint.get("conditions") or {}).get("ready", True) is not False
            (ready if is_well else waiting).append(said)
    yield f"  endpoints: {len(ready)} ready, {len(waiting)} not"
    yield from _some("ready", ready)
    yield from _some("not ready", waiting)


def _some(word: str, found: Sequence[str]) -> Iterator[str]:
    yield from (f"    {word} {one}" for one in found[:_MOST])
    if len(found) > _MOST:
        yield f"    {len(found) - _MOST} more are {word}"


def _ways(ingress: Object) -> Iterator[tuple[str, str, Object]]:
    """Host, path and backend of all that an ingress leads anywhere."""
    spec = ingress.get("spec") or {}
    yield "*", "/", spec.get("defaultBackend") or {}
    for rule in spec.get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            found: Object = path.get("backend") or {}
            yield str(rule.get("host") or "*"), str(path.get("path") or "/"), found


def _service_of(given: Object) -> str:
    return str((given.get("service") or {}).get("name") or "")


def _backends(ingress: Object) -> list[str]:
    """The services that it leads to, whether they exist or not."""
    found = [_service_of(given) for _, _, given in _ways(ingress)]
    return [name for name in dict.fromkeys(found) if name]


def _leading(ingress: Object, named: Sequence[str], there: Sequence[str]) -> Iterator[str]:
    """Where it is reached, and which of its services do not exist."""
    balancer = (ingress.get("status") or {}).get("loadBalancer") or {}
    where = [str(one.get("ip") or one.get("hostname")) for one in balancer.get("ingress") or ()]
    words = f"at {', '.join(where)}" if where else "without an address"
    leads = f"leads to {', '.join(named)}" if named else "leads to no service"
    yield f"ingress/{name_of(ingress)}: {words}, {leads}"
    yield from (f"service/{name} does not exist" for name in named if name not in there)


def _ingresses(service: Object, ingresses: Sequence[Object]) -> Iterator[str]:
    name, count = name_of(service), 0
    for ingress in ingresses:
        spec = ingress.get("spec") or {}
        tls = [str(one.get("secretName")) for one in spec.get("tls") or () if one.get("secretName")]
        for host, where, given in _ways(ingress):
            if _service_of(given) != name:
                continue
            count += 1
            line = f"  ingress/{name_of(ingress)}: {host}{where} → {backend(given)}"
            line += f", class {spec['ingressClassName']}" if spec.get("ingressClassName") else ""
            line += f", certificate in secret/{', '.join(tls)}" if tls else ""
            yield line + _mismatch(service, given)
    if not count:
        yield "  no ingress leads to it"


def _mismatch(service: Object, given: Object) -> str:
    """An ingress that names a port which the service does not have."""
    port = (given.get("service") or {}).get("port") or {}
    wanted = port.get("name") or port.get("number")
    known = service["spec"].get("ports") or ()
    if any(wanted in (one.get("name"), one.get("port")) for one in known):
        return ""
    return f": the service has no port {wanted}"


# --- network policies ---------------------------------------------------------------------------


def _policies(
    pods: Sequence[Object], labels: Mapping[str, str], policies: Sequence[Object]
) -> Iterator[str]:
    """Those that select the pods, and what they let in and out."""
    every = [labels_of(pod) for pod in pods] or [dict(labels)]
    found = [
        policy
        for policy in policies
        if any(selects((policy.get("spec") or {}).get("podSelector") or {}, one) for one in every)
    ]
    if not found:
        yield "no network policy selects these pods: all traffic may come and go"
    for policy in found:
        spec = policy.get("spec") or {}
        kinds = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
        for kind, key, peers, word in (
            ("Ingress", "ingress", "from", "in"),
            ("Egress", "egress", "to", "out"),
        ):
            if kind not in kinds:
                continue
            rules = spec.get(key) or ()
            said = "; or ".join(_rule(rule, peers) for rule in rules) or "nothing"
            yield f"networkpolicy/{name_of(policy)} lets {word}: {said}"


def _rule(rule: Mapping[str, Any], peers: str) -> str:
    who = " or ".join(_peer(peer) for peer in rule.get(peers) or ()) or "anybody"
    ports = [
        f"{port.get('port', 'any')}"
        + (f"-{port['endPort']}" if port.get("endPort") else "")
        + f"/{port.get('protocol', 'TCP')}"
        for port in rule.get("ports") or ()
    ]
    return f"{peers} {who} on {', '.join(ports) if ports else 'any port'}"


def _peer(peer: Mapping[str, Any]) -> str:
    if block := peer.get("ipBlock"):
        but = f" but {', '.join(block['except'])}" if block.get("except") else ""
        return f"{block.get('cidr')}{but}"
    parts = []
    for key, word in (("podSelector", "pods"), ("namespaceSelector", "namespaces")):
        if key in peer:
            chosen = selector_text(peer[key])
            parts.append(f"{word} with {chosen}" if chosen else f"all {word}")
    return " of ".join(parts) or "nobody"


# --- pods ---------------------------------------------------------------------------------------


def _sends_to(service: Object, labels: Mapping[str, str]) -> bool:
    selector = service["spec"].get("selector")
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def _selected(pods: Sequence[Object], selector: Mapping[str, str]) -> list[Object]:
    if not selector:
        return []
    return [pod for pod in pods if selector.items() <= labels_of(pod).items()]


async def _only(live: Object, kind: str) -> Seen:
    """A pod by itself; a service without a selector has none that are known."""
    return Seen("pods", (live,) if kind == "pod" else ())


def _is_over(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
