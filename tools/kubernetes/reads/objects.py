"""Objects, as tables or whole, and what is reported about them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, JsonValue

from tools._kit import Finding, Manifests, Name, Refused, read
from tools.kubernetes import events as reports
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.describe import describe
from tools.kubernetes.kinds import RESOURCES, AnyKind, MaybeKind
from tools.kubernetes.objects import without_managed_fields
from tools.kubernetes.reads.arguments import (
    ClusterReads,
    MaybeName,
    MaybeNamespace,
    Selector,
    place_of,
)
from tools.kubernetes.tables import table


class ObjectReads(ClusterReads):
    """One object or many, and their events."""

    @classmethod
    def is_inventory(cls, read: str, arguments: Mapping[str, JsonValue]) -> bool:
        """A table is; an object has annotations, and an event's message is anybody's."""
        kind = str(arguments.get("kind", "")).lower()
        return read == "get" and not arguments.get("name") and not kind.startswith(("ev", "event"))

    @read
    async def get(
        self,
        cluster: Cluster,
        kind: AnyKind,
        name: MaybeName = "",
        namespace: MaybeNamespace = "",
        all_namespaces: bool = False,
        selector: Selector = "",
        limit: Annotated[int, Field(ge=1, le=1000)] = 200,
    ) -> Finding:
        """Show one object whole, or a table of one kind: pods, deployments, events and more."""
        resource = await cluster.resource(kind)
        place = await place_of(cluster, namespace)
        if name:
            if all_namespaces:
                raise Refused("`all_namespaces` does not go with `name`: say the namespace.")
            found = await missing.found(cluster, resource, place, name)
            return Manifests((without_managed_fields(found),), f"{resource.kind}/{name}")
        everywhere = all_namespaces or not resource.namespaced
        listing = await cluster.list(
            resource, None if everywhere else place, labels=selector, limit=limit
        )
        note = f"{len(listing.items)} {resource.plural}"
        if resource.namespaced:
            note += " in all namespaces" if all_namespaces else f" in namespace {place}"
        note += f" with {selector}" if selector else ""
        if listing.cut:
            cut = (
                f"cut at limit {limit}" if len(listing.items) >= limit else "not all could be read"
            )
            note += f"; {cut}, there are more"
        if not listing.items and not everywhere:
            note += f"; {await missing.why_empty(cluster, resource, place)}"
        everywhere = all_namespaces and resource.namespaced
        return table(resource, listing.items, datetime.now(UTC), namespaces=everywhere, note=note)

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
    async def events(
        self,
        cluster: Cluster,
        namespace: MaybeNamespace = "",
        kind: MaybeKind = "",
        name: Annotated[MaybeName, Field(description="Only about objects of this name.")] = "",
        warnings: Annotated[bool, Field(description="Only warnings.")] = False,
        all_namespaces: bool = False,
        limit: Annotated[int, Field(ge=1, le=1000)] = 100,
    ) -> Finding:
        """Show what the cluster reported, newest last; the same report once, with its count."""
        place = None if all_namespaces else await place_of(cluster, namespace)
        wanted = (await cluster.resource(kind)).kind if kind else ""
        fields = {"involvedObject.name": name, "type": "Warning" if warnings else ""}
        query = ",".join(f"{key}={value}" for key, value in fields.items() if value)
        listing = await cluster.list("event", place, fields=query)
        found = [one for one in reports.reports_of(listing.items) if wanted in ("", one.kind)]
        where = f"in namespace {place}" if place else "in all namespaces"
        where += (
            f" about {'/'.join(part for part in (wanted, name) if part)}" if wanted or name else ""
        )
        note = reports.note_of(found, min(limit, len(found)), listing, where)
        if not listing.items and place:
            note += f"; {await missing.why_empty(cluster, RESOURCES['event'], place)}"
        return reports.as_table(
            found[-limit:], datetime.now(UTC), namespaces=all_namespaces, note=note
        )
