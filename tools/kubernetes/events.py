"""What the cluster's components reported, the same report once with how often it came."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from tools._kit import Refused, Table
from tools.kubernetes.cluster import Cluster, Listing
from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import Object, Resource
from tools.kubernetes.objects import (
    age,
    controller,
    meta,
    name_of,
    namespace_of,
    selector_text,
)


@dataclass(frozen=True)
class Report:
    """One report, as often as it came."""

    namespace: str
    kind: str  # of the object, lower-case
    name: str
    type: str
    reason: str
    message: str
    count: int
    first: str
    last: str
    field: str = ""  # the part of the object: "spec.containers{app}"

    def line(self, now: datetime) -> str:
        """For people: "2m ago Warning BackOff pod/x: Back-off restarting (17 times in 14m)"."""
        times = f" ({self.count} times in {age(self.first, now)})" if self.count > 1 else ""
        head = f"{age(self.last, now)} ago {self.type} {self.reason}"
        return f"{head} {self.kind}/{self.name}: {self.message}{times}"


def seen_last(event: Object) -> str:
    """When it last happened."""
    series = (event.get("series") or {}).get("lastObservedTime")
    last = series or event.get("lastTimestamp") or event.get("eventTime")
    return str(last or meta(event).get("creationTimestamp") or "")


def count_of(event: Object) -> int:
    """How often it happened, in the older and the newer form of events."""
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def reports_of(events: Iterable[Object]) -> list[Report]:
    """Each different report once, newest last."""
    found: dict[tuple[str, ...], Report] = {}
    for event in events:
        one = _report(event)
        key = (one.namespace, one.kind, one.name, one.type, one.reason, one.message)
        if before := found.get(key):
            one = Report(
                *key,
                count=before.count + one.count,
                first=min(before.first, one.first),
                last=max(before.last, one.last),
                field=one.field or before.field,
            )
        found[key] = one
    return sorted(found.values(), key=lambda one: (one.last, one.first))


def _report(event: Object) -> Report:
    involved, last = event.get("involvedObject") or {}, seen_last(event)
    first = event.get("firstTimestamp") or event.get("eventTime") or last
    return Report(
        namespace=namespace_of(event),
        kind=str(involved.get("kind", "")).lower(),
        name=str(involved.get("name", "")),
        type=str(event.get("type", "")),
        reason=str(event.get("reason", "")),
        message=" ".join(str(event.get("message", "")).split()),
        count=count_of(event),
        first=str(first),
        last=last,
        field=str(involved.get("fieldPath") or ""),
    )


OF_THE_CLUSTER = "default"  # where what is reported of nodes and the like is kept


async def about(
    cluster: Cluster, resource: Resource, namespace: str, name: str
) -> tuple[list[Report], bool]:
    """The reports about one object, and whether there may be more."""
    # Those about what has no namespace are kept in the default one, by most components.
    place = namespace if resource.namespaced else None
    listing = await cluster.list("event", place, fields=f"involvedObject.name={name}")
    found = [one for one in reports_of(listing.items) if one.kind == resource.kind]
    return found, listing.cut


async def among(
    cluster: Cluster, namespace: str, concerns: Callable[[Report], bool]
) -> tuple[list[Report], bool]:
    """The reports of a namespace that concern somebody, and whether there may be more."""
    listing = await cluster.list("event", namespace)
    return [one for one in reports_of(listing.items) if concerns(one)], listing.cut


def by_object(reports: Iterable[Report]) -> list[Report]:
    """What is reported of one object together, those with the newest warnings first."""
    groups: dict[tuple[str, ...], list[Report]] = {}
    for one in reports:
        groups.setdefault((one.namespace, one.kind, one.name), []).append(one)
    newest = sorted(groups.values(), key=lambda group: max(one.last for one in group), reverse=True)
    newest.sort(key=_last_warning, reverse=True)
    return [one for group in newest for one in group]


def _last_warning(group: Iterable[Report]) -> str:
    return max((one.last for one in group if one.type == "Warning"), default="")


async def of_workload(
    cluster: Cluster, resource: Resource, live: Object
) -> Callable[[Report], bool]:
    """Whether a report is about a workload, its replica sets or its pods."""
    selector = selector_text((live.get("spec") or {}).get("selector"))
    pods = await cluster.list("pod", namespace_of(live), labels=selector) if selector else None
    concerned = await involved(cluster, resource, live, pods.items if pods else ())
    return lambda one: (one.kind, one.name) in concerned


async def involved(
    cluster: Cluster, resource: Resource, live: Object, pods: Sequence[Object]
) -> set[tuple[str, str]]:
    """Kind and name of a workload, its pods, and what makes these: also of a deployment's replica
    set that cannot make any, which is where it is reported why.
    """
    found = {(resource.kind, name_of(live)), *(("pod", name_of(pod)) for pod in pods)}
    makers = {controller(pod) for pod in pods}
    if resource.kind == "deployment":
        selector = selector_text((live.get("spec") or {}).get("selector"))
        with suppress(Refused):  # who may not see them sees those that are named in the pods
            sets = (await cluster.list("replicaset", namespace_of(live), labels=selector)).items
            own = f"deployment/{name_of(live)}"
            makers |= {f"replicaset/{name_of(one)}" for one in sets if controller(one) == own}
    for maker in makers:
        kind, _, name = maker.partition("/")
        found.add((kind, name))
    return found


def as_table(reports: Sequence[Report], now: datetime, *, namespaces: bool, note: str) -> Table:
    """With how often and since when."""
    columns = ("LAST SEEN", "FIRST SEEN", "COUNT", "TYPE", "REASON", "OBJECT", "MESSAGE")
    rows = [
        (
            age(one.last, now),
            age(one.first, now),
            str(one.count),
            one.type,
            one.reason,
            f"{one.kind}/{one.name}",
            one.message,
        )
        for one in reports
    ]
    if not namespaces:
        return Table(columns, tuple(rows), note)
    spaced = ((one.namespace, *row) for one, row in zip(reports, rows, strict=True))
    return Table(("NAMESPACE", *columns), tuple(spaced), note)


def note_of(reports: Sequence[Report], shown: int, listing: Listing, where: str) -> str:
    """What was looked at, and what of it is not shown."""
    warned = sum(one.type == "Warning" for one in reports)
    note = f"{counted(len(reports), 'different event')} {where}, {warned} of them warnings"
    if shown < len(reports):
        note += f"; the newest {shown} are shown"
    if listing.cut:
        note += (
            f"; only {len(listing.items)} of all events could be read, newer ones may be missing"
        )
    return note
