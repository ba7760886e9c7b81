"""The tools that only look."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated

from pydantic import Field, StringConstraints

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
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import RESOURCES, DeploymentKind, Kind, LoggingKind, Object
from tools.kubernetes.logs import Window, read_logs
from tools.kubernetes.objects import (
    REVISION,
    age,
    annotation,
    changed_paths,
    conditions,
    images_of,
    meta,
    selector_text,
    template_of,
    told,
    without_managed_fields,
)
from tools.kubernetes.pods import is_ready, pod_status, restarts, trouble_of
from tools.kubernetes.revisions import Revision, revisions_of
from tools.kubernetes.tables import table
from tools.kubernetes.workloads import replicas_of

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


class Kubernetes(Toolbox):
    """What can be looked at in a cluster."""

    @read
    async def get(
        self,
        cluster: Cluster,
        kind: Kind,
        name: MaybeName = "",
        namespace: MaybeNamespace = "",
        all_namespaces: bool = False,
        selector: Selector = "",
        limit: Annotated[int, Field(ge=1, le=1000)] = 200,
    ) -> Finding:
        """Show one object whole, or a table of one kind: pods, deployments, events and more."""
        connection = await cluster.connected()
        place = namespace or connection.namespace
        if name:
            if all_namespaces:
                raise Refused("`all_namespaces` does not go with `name`: say the namespace.")
            found = await cluster.get(kind, place, name)
            return Manifests((without_managed_fields(found),), f"{kind}/{name}")
        resource = RESOURCES[kind]
        everywhere = all_namespaces or not resource.namespaced
        listing = await cluster.list(
            kind, None if everywhere else place, labels=selector, limit=limit
        )
        note = f"{len(listing.items)} {resource.plural}"
        if resource.namespaced:
            note += " in all namespaces" if all_namespaces else f" in namespace {place}"
        note += f" with {selector}" if selector else ""
        note += f"; cut at limit {limit}, there are more" if listing.cut else ""
        everywhere = all_namespaces and resource.namespaced
        return table(kind, listing.items, datetime.now(UTC), namespaces=everywhere, note=note)

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
        kind: DeploymentKind = "deployment",
    ) -> Finding:
        """Say whether a deployment is rolled out, why not, and what each revision changed."""
        live = await cluster.get(kind, namespace, name)
        revisions = await revisions_of(cluster, live)
        selector = selector_text(live["spec"].get("selector"))
        pods = await cluster.list("pod", namespace, labels=selector)
        now = datetime.now(UTC)
        return Lines(
            (
                *_summary(live),
                *_conditions(live, now),
                *_unready(pods.items),
                *_history(revisions, now),
            ),
            f"deployment/{name} in {namespace}",
        )


def _summary(live: Object) -> list[str]:
    status, wanted = live.get("status") or {}, replicas_of(live)
    keys = ("updatedReplicas", "readyReplicas", "availableReplicas", "replicas")
    updated, ready, available, total = (int(status.get(key) or 0) for key in keys)
    generation = int(meta(live).get("generation") or 0)
    observed = int(status.get("observedGeneration") or 0)
    finished = observed >= generation and wanted == updated == available == total
    state = "finished" if finished else "not finished"
    if live["spec"].get("paused"):
        state += ", paused"
    counts = (
        f"{wanted} desired, {updated} updated, {ready} ready, {available} available,"
        f" {total} in all; generation {generation}, observed {observed}"
    )
    images = ", ".join(images_of(template_of(live)))
    return [
        f"rollout {state}: {counts}",
        f"revision {annotation(live, REVISION) or 'unknown'}: {images}",
    ]


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


def _history(revisions: Sequence[Revision], now: datetime) -> list[str]:
    """Newest first, each with what it changed against the one before."""
    shown = revisions[:5]
    earlier: list[Revision | None] = [later for _, later in pairwise(revisions)]
    lines = []
    for one, before in zip(shown, [*earlier, None], strict=False):
        live = " (live)" if one.current else ""
        line = f"revision {one.number}{live}, first made {age(one.made, now)} ago,"
        line += f" {one.pods} pods: {', '.join(images_of(one.template))}"
        if before is not None:
            paths = list(changed_paths(before.template, one.template, "spec.template"))
            words = "; ".join(told(path) for path in paths[:5])
            more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
            line += f"; changed {words}{more}" if words else "; changed nothing"
        lines.append(line)
    if len(revisions) > len(shown):
        lines.append(f"{len(revisions) - len(shown)} older revisions are kept")
    return lines
