"""What pods and nodes use, against what they asked for and may have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tools._kit import NotFound, Refused, Table, Unavailable
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster, Listing
from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import RESOURCES, Object, Resource
from tools.kubernetes.objects import conditions, meta, name_of, namespace_of
from tools.kubernetes.pods import running_containers
from tools.kubernetes.quantities import amount, told

_API = "/apis/metrics.k8s.io/v1beta1"
POD_USAGE = Resource("pod", _API, "pods")
NODE_USAGE = Resource("node", _API, "nodes", namespaced=False)
_MEASURED = ("cpu", "memory")
_HEAD = tuple(f"{name}{part}" for name in ("CPU", "MEMORY") for part in ("", " REQUEST", " LIMIT"))
_ENDED = "status.phase!=Succeeded,status.phase!=Failed"

Amounts = Mapping[str, Decimal]


@dataclass(frozen=True)
class _Row:
    """What one container, pod or node uses."""

    place: tuple[str, ...]  # namespace, pod, container: as far as they are shown
    used: Amounts
    requests: Amounts
    limits: Amounts

    def cells(self) -> tuple[str, ...]:
        cells: list[str] = [*self.place]
        for name in _MEASURED:
            used = self.used.get(name, Decimal(0))
            cells.append(told(used, name))
            cells += (_share(used, part.get(name), name) for part in (self.requests, self.limits))
        return tuple(cells)


async def top_pods(
    cluster: Cluster,
    namespace: str | None,
    name: str,
    selector: str,
    *,
    containers: bool,
    sort: str,
    limit: int,
) -> Table:
    """Each pod's use, the largest first. Raises `NotFound` where nothing measures."""
    fields = f"metadata.name={name}" if name else ""
    usage = await _usage(cluster, POD_USAGE, namespace, labels=selector)
    pods = await cluster.list("pod", namespace, labels=selector, fields=fields)
    if name and not pods.items and namespace:
        await missing.found(cluster, RESOURCES["pod"], namespace, name)
    used = {(namespace_of(one), name_of(one)): one for one in usage.items}
    rows: list[_Row] = []
    unmeasured = 0
    for pod in pods.items:
        found = used.get((namespace_of(pod), name_of(pod)))
        if found is None:
            unmeasured += (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
            continue
        place = ((namespace_of(pod),) if namespace is None else ()) + (name_of(pod),)
        each = _containers(pod, found, place)
        rows += each if containers else [_sum(place, each)]
    rows.sort(key=lambda row: row.place)
    if sort != "name":
        rows.sort(key=lambda row: row.used.get(sort, Decimal(0)), reverse=True)
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    total = ", ".join(f"{told(_total(rows, one), one)} {one}" for one in _MEASURED)
    note = f"{counted(len(rows), 'container' if containers else 'pod')} {where}"
    note += f" {'uses' if len(rows) == 1 else 'use'} {total} together"
    note += f" (averages of {_window(usage)})" if usage.items else ""
    note += f"; the first {limit} by {sort} are shown" if len(rows) > limit else ""
    note += f"; not measured yet: {counted(unmeasured, 'running pod')}" if unmeasured else ""
    note += "; not all pods could be read" if pods.cut or usage.cut else ""
    first = ("NAMESPACE",) if namespace is None else ()
    head = (*first, "POD", *(("CONTAINER",) if containers else ()), *_HEAD)
    return Table(head, tuple(row.cells() for row in rows[:limit]), note)


async def top_nodes(cluster: Cluster, name: str, selector: str, sort: str) -> Table:
    """Each node's use of what it has, and how much of it its pods have asked for."""
    usage = await _usage(cluster, NODE_USAGE, None, labels=selector)
    used = {name_of(one): _amounts(one.get("usage")) for one in usage.items}
    fields = f"metadata.name={name}" if name else ""
    nodes = await cluster.list("node", None, labels=selector, fields=fields)
    if name and not nodes.items:
        await missing.found(cluster, RESOURCES["node"], "", name)
    asked, why = await _asked(cluster, name)
    order = sorted(nodes.items, key=name_of)
    if sort != "name":
        order.sort(key=lambda one: _fullness(one, used, sort), reverse=True)
    rows = tuple(_node(node, used.get(name_of(node)), asked) for node in order)
    head = ("NODE", "STATUS", "CPU", "CPU REQUESTED", "MEMORY", "MEMORY REQUESTED", "PODS")
    note = f"{counted(len(rows), 'node')}, shares are of what pods may use"
    note += f" (averages of {_window(usage)})" if usage.items else ""
    return Table(head, rows, note + why)


async def _usage(
    cluster: Cluster, resource: Resource, namespace: str | None, *, labels: str
) -> Listing:
    """What is measured. Raises `NotFound` and `Unavailable` that say who should measure."""
    try:
        return await cluster.list(resource, namespace, labels=labels)
    except NotFound as error:
        raise NotFound(
            f"Cluster {cluster.name} does not measure what pods use: it serves no metrics.k8s.io,"
            " which metrics-server does."
        ) from error
    except Unavailable as error:
        said = str(error).rstrip(".")
        raise Unavailable(f"{said}: metrics-server did not answer.", nothing_sent=True) from error


async def _asked(cluster: Cluster, node: str) -> tuple[dict[str, list[Object]] | None, str]:
    """The pods of each node, and why they are not known."""
    fields = _ENDED + (f",spec.nodeName={node}" if node else "")
    try:
        pods = await cluster.list("pod", None, fields=fields)
    except (Refused, Unavailable) as error:
        return None, f"; what their pods asked for could not be read: {error}"
    found: dict[str, list[Object]] = {}
    for pod in pods.items:
        found.setdefault(str((pod.get("spec") or {}).get("nodeName") or ""), []).append(pod)
    return found, "; requests are of a part of the pods only" if pods.cut else ""


def _node(
    node: Object, used: Amounts | None, asked: Mapping[str, Sequence[Object]] | None
) -> tuple[str, ...]:
    have = _amounts((node.get("status") or {}).get("allocatable"))
    pods = None if asked is None else asked.get(name_of(node), ())
    status = "Ready" if conditions(node).get("Ready", {}).get("status") == "True" else "NotReady"
    status += ",SchedulingDisabled" if (node.get("spec") or {}).get("unschedulable") else ""
    cells = [name_of(node), status]
    for name in _MEASURED:
        asks = None if pods is None else sum((_requests(pod, name) for pod in pods), Decimal(0))
        numbers = ((used or {}).get(name), asks)
        cells += [_part(number, have.get(name), name) for number in numbers]
    most = ((node.get("status") or {}).get("allocatable") or {}).get("pods", "?")
    cells.append("<unknown>" if pods is None else f"{len(pods)}/{most}")
    return tuple(cells)


def _fullness(node: Object, used: Mapping[str, Amounts], name: str) -> Decimal:
    have = amount(((node.get("status") or {}).get("allocatable") or {}).get(name, "0"))
    return used.get(name_of(node), {}).get(name, Decimal(0)) / have if have else Decimal(0)


def _containers(pod: Object, measured: Object, place: tuple[str, ...]) -> list[_Row]:
    specs = {str(one.get("name")): one for one in running_containers(pod)}
    rows = []
    for one in measured.get("containers") or ():
        name = str(one.get("name"))
        resources = specs.get(name, {}).get("resources") or {}
        rows.append(
            _Row(
                (*place, name),
                _amounts(one.get("usage")),
                _amounts(resources.get("requests")),
                _amounts(resources.get("limits")),
            )
        )
    return rows


def _requests(pod: Object, name: str) -> Decimal:
    each = (((one.get("resources") or {}).get("requests") or {}) for one in running_containers(pod))
    return sum((amount(one[name]) for one in each if name in one), Decimal(0))


def _sum(place: tuple[str, ...], rows: Sequence[_Row]) -> _Row:
    """A pod has a limit where each of its containers has one."""

    def added(part: str, *, every: bool) -> Amounts:
        found: dict[str, Decimal] = {}
        for name in _MEASURED:
            each = [getattr(row, part)[name] for row in rows if name in getattr(row, part)]
            if each and (len(each) == len(rows) or not every):
                found[name] = sum(each, Decimal(0))
        return found

    return _Row(
        place,
        added("used", every=False),
        added("requests", every=False),
        added("limits", every=True),
    )


def _total(rows: Sequence[_Row], name: str) -> Decimal:
    return sum((row.used.get(name, Decimal(0)) for row in rows), Decimal(0))


def _amounts(found: Mapping[str, object] | None) -> Amounts:
    return {name: amount(found[name]) for name in _MEASURED if found and name in found}


def _share(number: Decimal, of: Decimal | None, name: str) -> str:
    """A request or limit, and how much of it is used."""
    if of is None:
        return "<none>"
    return f"{told(of, name)} ({number * 100 / of:.0f}%)" if of else told(of, name)


def _part(number: Decimal | None, of: Decimal | None, name: str) -> str:
    """A number and which share of the other it is."""
    if number is None:
        return "<unknown>"
    return told(number, name) + (f" ({number * 100 / of:.0f}%)" if of else "")


def _window(usage: Listing) -> str:
    first = usage.items[0]
    when = str(first.get("timestamp") or meta(first).get("creationTimestamp") or "")
    return f"{first.get('window', 'some time')} until {when[11:19]} UTC"
