"""The tools that only look."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints

from tools._kit import (
    MAYBE_NAME,
    MAYBE_NAMESPACE,
    Duration,
    Finding,
    Lines,
    Manifests,
    Name,
    Namespace,
    Refused,
    Toolbox,
    read,
)
from tools.kubernetes import events as reports
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.describe import describe
from tools.kubernetes.history import history_lines, history_table, template_of_revision
from tools.kubernetes.kinds import (
    RESOURCES,
    AnyKind,
    LoggingKind,
    MaybeKind,
    Object,
    RolledKind,
    canonical_kind,
)
from tools.kubernetes.logs import Window, read_logs
from tools.kubernetes.objects import (
    REVISION,
    age,
    annotation,
    conditions,
    images_of,
    meta,
    selector_text,
    template_of,
    without_managed_fields,
)
from tools.kubernetes.pods import is_ready, pod_status, restarts, trouble_of
from tools.kubernetes.revisions import Revision, revisions_of
from tools.kubernetes.tables import table
from tools.kubernetes.workloads import counts_of, partition_of, strategy_of

# "Not given" is the empty text: one type, so that every model's schema dialect can say it.
MaybeNamespace = Annotated[
    str,
    StringConstraints(pattern=MAYBE_NAMESPACE, strip_whitespace=True),
    Field(description="Default: the one of the kubeconfig's context."),
]
MaybeName = Annotated[
    str,
    StringConstraints(pattern=MAYBE_NAME, strip_whitespace=True),
    Field(description="One object, shown whole; without it, a table of all."),
]
Selector = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9!][-A-Za-z0-9_./=!,() ]{0,400})?$", strip_whitespace=True
    ),
    Field(description='Labels as in kubectl: "app=web,tier!=cache", "env in (a,b)".'),
]
Grep = Annotated[
    str,
    StringConstraints(max_length=200),
    Field(description="Only lines that hold this text or match it as an RE2 pattern."),
]

_REVISION = "Show the pod template of this one; 0: list all."


class Kubernetes(Toolbox):
    """What can be looked at in a cluster."""

    @classmethod
    def is_inventory(cls, read: str, arguments: Mapping[str, JsonValue]) -> bool:
        """A table is; an object has annotations, and an event's message is anybody's."""
        kind = str(arguments.get("kind", "")).lower()
        return read == "get" and not arguments.get("name") and not kind.startswith(("ev", "event"))

    @classmethod
    def namespace_of(cls, read: str, arguments: Mapping[str, JsonValue]) -> str:
        """None for what lies in no namespace, and for kinds of which that is not known here."""
        kind = arguments.get("kind")
        resource = RESOURCES.get(str(canonical_kind(kind)))
        within = kind is None or (resource is not None and resource.namespaced)
        if arguments.get("all_namespaces") or not within:
            return ""
        return super().namespace_of(read, arguments)

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
        place = namespace or (await cluster.connected()).namespace
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
    async def logs(  # noqa: PLR0913, PLR0917 - a tool's arguments are flat
        self,
        cluster: Cluster,
        namespace: Namespace,
        name: Name,
        kind: LoggingKind = "pod",
        since: Duration = "15m",
        tail: Annotated[int, Field(ge=1, le=5000)] = 200,
        previous: Annotated[bool, Field(description="The run before the last restart.")] = False,
        grep: Grep = "",
    ) -> Finding:
        """Show what the containers of a pod or of a whole workload wrote, newest last."""
        window = Window(since, tail, previous, grep)
        return await read_logs(cluster, kind, namespace, name, window)

    @read
    async def rollout_status(
        self,
        cluster: Cluster,
        namespace: Namespace,
        name: Name,
        kind: RolledKind = "deployment",
    ) -> Finding:
        """Say whether a workload is rolled out, why not, and what each revision changed."""
        live = await missing.found(cluster, RESOURCES[kind], namespace, name)
        revisions = await revisions_of(cluster, live)
        selector = selector_text(live["spec"].get("selector"))
        pods = await cluster.list("pod", namespace, labels=selector)
        now = datetime.now(UTC)
        return Lines(
            (
                *_summary(live, revisions),
                *_conditions(live, now),
                *_unready(pods.items),
                *([f"only {len(pods.items)} of its pods could be read"] if pods.cut else []),
                *history_lines(revisions, now),
            ),
            f"{kind}/{name} in {namespace}",
        )

    @read
    async def rollout_history(
        self,
        cluster: Cluster,
        namespace: Namespace,
        name: Name,
        kind: RolledKind = "deployment",
        revision: Annotated[int, Field(ge=0, le=1_000_000_000, description=_REVISION)] = 0,
    ) -> Finding:
        """List the revisions of a workload with images, change cause and time, or show one."""
        live = await missing.found(cluster, RESOURCES[kind], namespace, name)
        revisions = await revisions_of(cluster, live)
        if revision:
            return template_of_revision(live, revisions, revision)
        return history_table(live, revisions, datetime.now(UTC))

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
        place = namespace or (await cluster.connected()).namespace
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
        place = None if all_namespaces else namespace or (await cluster.connected()).namespace
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


def _summary(live: Object, revisions: Sequence[Revision]) -> list[str]:
    status, counts = live.get("status") or {}, counts_of(live)
    generation = int(meta(live).get("generation") or 0)
    observed = int(status.get("observedGeneration") or 0)
    there = counts.wanted == counts.available == counts.total
    rolled = there and counts.updated >= counts.wanted - partition_of(live)
    state = "finished" if observed >= generation and rolled else "not finished"
    if live["spec"].get("paused"):
        state += ", paused"
    numbers = (
        f"{counts.wanted} desired, {counts.updated} updated, {counts.ready} ready,"
        f" {counts.available} available, {counts.total} in all;"
        f" generation {generation}, observed {observed}"
    )
    images = ", ".join(images_of(template_of(live)))
    current = next((str(one.number) for one in revisions if one.current), "")
    return [
        f"rollout {state}: {numbers}",
        f"revision {annotation(live, REVISION) or current or 'unknown'}: {images}",
        *_replaced_by_hand(live),
    ]


def _replaced_by_hand(live: Object) -> list[str]:
    """What keeps pods of the old template although nothing is wrong."""
    if strategy_of(live)["type"] == "OnDelete":
        return ["its pods take a new template up only when somebody deletes them (OnDelete)"]
    if first := partition_of(live):
        return [f"only pods from number {first} on take a new template up (partition {first})"]
    return []


def _conditions(live: Object, now: datetime) -> list[str]:
    return [
        f"condition {kind} is {one.get('status')} since {age(one.get('lastTransitionTime'), now)}:"
        f" {one.get('reason', '')}, {one.get('message', '')}"
        for kind, one in conditions(live).items()
    ]


def _unready(pods: Sequence[Object]) -> list[str]:
    found = []
    for pod in pods:
        if is_ready(pod):
            continue
        trouble = trouble_of(pod)
        why = f": {trouble.words}" if trouble is not None else ""
        again = f", {count} restarts" if (count := restarts(pod)) else ""
        found.append(f"pod {meta(pod).get('name')} is not ready, {pod_status(pod)}{again}{why}")
    return found
