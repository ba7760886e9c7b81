"""Rollouts: how far one is, and what each revision changed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from tools._kit import Finding, Lines, Name, Namespace, read
from tools.kubernetes import missing
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.history import history_lines, history_table, template_of_revision
from tools.kubernetes.kinds import RESOURCES, Object, RolledKind
from tools.kubernetes.objects import (
    age,
    conditions,
    images_of,
    meta,
    selector_text,
    template_of,
)
from tools.kubernetes.pods import is_ready, pod_status, restarts_listed, trouble_of
from tools.kubernetes.reads.arguments import ClusterReads
from tools.kubernetes.revisions import Revision, revisions_of
from tools.kubernetes.workloads import counts_of, partition_of, strategy_of

_REVISION = "Show the pod template of this one; 0: list all."


class RolloutReads(ClusterReads):
    """The rollouts of workloads."""

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
    current = next((f"revision {one.number}" for one in revisions if one.current), "")
    return [
        f"rollout {state}: {numbers}",
        f"{current or 'no revision yet has its template'}: {images}",
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
        again = f", {counted(count, 'restart')}" if (count := restarts_listed(pod)) else ""
        found.append(f"pod {meta(pod).get('name')} is not ready, {pod_status(pod)}{again}{why}")
    return found
