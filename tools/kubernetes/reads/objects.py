"""Objects, as tables or whole, and what is reported about them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from tools._kit import NAME, Finding, JsonObject, Malformed, Name, read
from tools.kubernetes import events as reports
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.describe import describe
from tools.kubernetes.kinds import RESOURCES, WORKLOADS, AnyKind, MaybeKind, canonical_kind
from tools.kubernetes.listing import Wanted, find
from tools.kubernetes.reads.arguments import (
    ClusterReads,
    MaybeName,
    MaybeNamespace,
    Selector,
    place_of,
)

_NAMES = rf"^({NAME[1:-1]}(,{NAME[1:-1]}){{0,19}})?$"
MaybeNames = Annotated[
    str,
    StringConstraints(pattern=_NAMES, strip_whitespace=True),
    Field(description="One, or several with commas between them; without it, all."),
]
FieldSelector = Annotated[
    str,
    StringConstraints(pattern=r"^([A-Za-z][-A-Za-z0-9_.=!,/:@]{0,400})?$", strip_whitespace=True),
    Field(description='Fields as in kubectl: "status.phase!=Running,spec.nodeName=node-1".'),
]
Output = Annotated[
    str,
    StringConstraints(
        pattern=r"^(auto|table|wide|yaml|json|name|jsonpath=.{1,500})$", strip_whitespace=True
    ),
    Field(
        description="table, wide, yaml, json, name, or kubectl's"
        ' "jsonpath={.items[*].metadata.name}"; auto: yaml for one object, a table for more.'
    ),
]
SortPath = Annotated[
    str,
    StringConstraints(max_length=200),
    Field(description='A path: ".metadata.creationTimestamp", ".status.startTime".'),
]


_KINDS = 8  # that one read may ask for
_ORDER = "object: what is about one together, warnings first; time: newest last."


class ObjectReads(ClusterReads):
    """One object or many, and their events."""

    @classmethod
    def is_inventory(cls, read: str, arguments: Mapping[str, JsonValue]) -> bool:
        """A table is; an object has annotations, an event's message is anybody's, and the columns
        of a custom resource show whatever its author chose."""
        if read != "get":
            return False
        output, name = arguments.get("output", "auto"), str(arguments.get("name") or "")
        if output == "name":
            return True
        kind = str(canonical_kind(arguments.get("kind")))
        tabled = output in ("table", "wide") or (output == "auto" and (not name or "," in name))
        return tabled and kind in RESOURCES and kind != "event"

    @classmethod
    def parts(cls, read: str, arguments: Mapping[str, JsonValue]) -> Mapping[str, JsonObject]:
        """Several kinds with commas between them: a table of each, as kubectl shows them.

        Raises `Malformed` for more than one question should ask.
        """
        kind = arguments.get("kind")
        if read != "get" or not isinstance(kind, str) or "," not in kind:
            return super().parts(read, arguments)
        words = filter(None, map(str.strip, kind.split(",")))
        kinds = dict.fromkeys(str(canonical_kind(one)) for one in words)
        if not 1 <= len(kinds) <= _KINDS:
            raise Malformed(f"`kind` takes one to {_KINDS} kinds with commas between them.")
        output = arguments.get("output") or "auto"
        shown: JsonValue = "table" if output == "auto" and len(kinds) > 1 else output
        return {one: {**arguments, "kind": one, "output": shown} for one in kinds}

    @read
    async def get(  # noqa: PLR0913, PLR0917 - a tool's arguments are flat
        self,
        cluster: Cluster,
        kind: AnyKind,
        name: MaybeNames = "",
        namespace: MaybeNamespace = "",
        all_namespaces: bool = False,
        selector: Selector = "",
        fields: FieldSelector = "",
        output: Output = "auto",
        sort: SortPath = "",
        limit: Annotated[int, Field(ge=1, le=1000)] = 200,
    ) -> Finding:
        """Show one object whole, or a table of one kind: pods, deployments, custom resources."""
        wanted = Wanted(
            resource=await cluster.resource(kind),
            place=await place_of(cluster, namespace),
            names=tuple(dict.fromkeys(part.strip() for part in name.split(",") if part.strip())),
            everywhere=all_namespaces,
            selector=selector,
            fields=fields,
            sort=sort,
            limit=limit,
            output=output,
        )
        return await find(cluster, wanted)

    @read
    async def describe(
        self,
        cluster: Cluster,
        kind: AnyKind,
        name: Name,
        namespace: MaybeNamespace = "",
    ) -> Finding:
        """Show one object with its events; a workload also with pods, autoscaler and budgets."""
        resource = await cluster.resource(kind)
        place = await place_of(cluster, namespace)
        return await describe(cluster, resource, place, name)

    @read
    async def events(  # noqa: PLR0913, PLR0917 - a tool's arguments are flat
        self,
        cluster: Cluster,
        namespace: MaybeNamespace = "",
        kind: MaybeKind = "",
        name: Annotated[MaybeName, Field(description="Only about objects of this name.")] = "",
        warnings: Annotated[bool, Field(description="Only warnings.")] = False,
        all_namespaces: bool = False,
        order: Annotated[Literal["object", "time"], Field(description=_ORDER)] = "object",
        limit: Annotated[int, Field(ge=1, le=1000)] = 100,
    ) -> Finding:
        """Show what the cluster reported, of each object together; the same once, with its count.

        Of a workload also what is reported of its replica sets and pods.
        """
        resource = await cluster.resource(kind) if kind else None
        place = None if all_namespaces else await place_of(cluster, namespace)
        if resource is not None and not resource.namespaced:
            place = reports.OF_THE_CLUSTER
        about = None
        if resource and name and place and resource.kind in WORKLOADS:
            live = await missing.found(cluster, resource, place, name)
            about = await reports.of_workload(cluster, resource, live)
        fields = {
            "involvedObject.name": "" if about else name,
            "type": "Warning" if warnings else "",
        }
        query = ",".join(f"{key}={value}" for key, value in fields.items() if value)
        listing = await cluster.list("event", place, fields=query)
        found = [
            one
            for one in reports.reports_of(listing.items)
            if (about(one) if about else resource is None or one.kind == resource.kind)
        ]
        newest = found[-limit:]
        where = f"in namespace {place}" if place else "in all namespaces"
        what = "/".join(part for part in (resource.kind if resource else "", name) if part)
        where += f" about {what}" + (" and its pods" if about else "") if what else ""
        note = reports.note_of(found, len(newest), listing, where)
        note += "; objects with warnings first" if order == "object" else "; newest last"
        if not listing.items and place and (resource is None or resource.namespaced):
            note += f"; {await missing.why_empty(cluster, RESOURCES['event'], place)}"
        shown = reports.by_object(newest) if order == "object" else newest
        return reports.as_table(shown, datetime.now(UTC), namespaces=all_namespaces, note=note)
