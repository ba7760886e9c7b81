"""A node with all that runs on it, as `kubectl describe node` is used for."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from tools.kubernetes.cluster import Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import age, conditions, labels_of, meta, name_of, namespace_of
from tools.kubernetes.pods import is_ready, pod_status, running_containers
from tools.kubernetes.quantities import amount, told
from tools.kubernetes.views.seen import Seen, seen, unread

_MOST = 60  # pods
_WELL = {"Ready": "True"}  # every other condition of a node is well when it is False
_ENDED = "status.phase!=Succeeded,status.phase!=Failed"
_RESOURCES = ("cpu", "memory", "ephemeral-storage")


async def node_lines(cluster: Cluster, node: Object, now: datetime) -> list[str]:
    """Its state, what it has, what its pods asked for, and they themselves."""
    fields = f"spec.nodeName={name_of(node)},{_ENDED}"
    pods = await seen(cluster, "pod", None, fields=fields)
    return [
        *_state(node, now),
        *_conditions(node, now),
        *_room(node, pods),
        *_pods(pods.items, now),
        *(f"not seen: {line}" for line in unread(pods)),
    ]


def _state(node: Object, now: datetime) -> Iterator[str]:
    spec, status = node.get("spec") or {}, node.get("status") or {}
    info = status.get("nodeInfo") or {}
    line = f"kubelet {info.get('kubeletVersion', '?')}, {info.get('osImage', '?')},"
    line += f" {info.get('containerRuntimeVersion', '?')},"
    yield f"{line} {age(meta(node).get('creationTimestamp'), now)} old"
    addresses = [f"{one.get('type')} {one.get('address')}" for one in status.get("addresses") or ()]
    if addresses:
        yield f"addresses: {', '.join(addresses)}"
    if spec.get("unschedulable"):
        yield "cordoned: no new pods come here"
    for taint in spec.get("taints") or ():
        value = f"={taint['value']}" if taint.get("value") else ""
        yield f"taint {taint.get('key')}{value}:{taint.get('effect')}"
    labels = labels_of(node)
    yield f"labels: {', '.join(f'{key}={value}' for key, value in sorted(labels.items()))}"


def _conditions(node: Object, now: datetime) -> Iterator[str]:
    """What is not well, with its reason; the others in one line."""
    well = []
    for kind, one in conditions(node).items():
        since = age(one.get("lastTransitionTime"), now)
        if one.get("status") == _WELL.get(kind, "False"):
            well.append(f"{kind} is {one.get('status')}")
            continue
        said = ", ".join(str(one[key]) for key in ("reason", "message") if one.get(key))
        yield f"condition {kind} is {one.get('status')} since {since}: {said}"
    if well:
        yield f"as it should be: {', '.join(well)}"


def _room(node: Object, pods: Seen) -> Iterator[str]:
    have = (node.get("status") or {}).get("allocatable") or {}
    for name in _RESOURCES:
        if name not in have:
            continue
        most = amount(have[name])
        line = f"{name}: {told(most, name)} for pods"
        if not pods.unread:
            for part in ("requests", "limits"):
                total = sum(_asked(pods.items, part, name), Decimal(0))
                share = f" ({total * 100 / most:.0f}%)" if most else ""
                line += f", {part} {told(total, name)}{share}"
        yield line
    yield f"pods: {len(pods.items)} of at most {have.get('pods', '?')}"


def _asked(pods: Iterable[Object], part: str, name: str) -> Iterator[Decimal]:
    for pod in pods:
        for container in running_containers(pod):
            given = ((container.get("resources") or {}).get(part) or {}).get(name)
            if given is not None:
                yield amount(given)


def _pods(pods: Sequence[Object], now: datetime) -> Iterator[str]:
    """Those that are not well first."""
    order = sorted(pods, key=lambda one: (is_ready(one), namespace_of(one), name_of(one)))
    for pod in order[:_MOST]:
        born = age(meta(pod).get("creationTimestamp"), now)
        ready = "" if is_ready(pod) else ", not ready"
        yield f"  {namespace_of(pod)}/{name_of(pod)}: {pod_status(pod)}{ready}, {born} old"
    if len(pods) > _MOST:
        yield f"  {counted(len(pods) - _MOST, 'more pod')}"
