"""The change that empties a node: cordoned first, then its pods are evicted one by one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, cast

from pydantic import Field, JsonValue

from tools._kit import (
    Access,
    Change,
    ChangedPath,
    Drift,
    Name,
    NotFound,
    NoWayBack,
    Preview,
    Progress,
    Receipt,
    Refused,
    Risk,
    ToolError,
    Unavailable,
    Verdict,
)
from tools.kubernetes import missing
from tools.kubernetes.changes.moving import Moving, MovingPod, moving_off
from tools.kubernetes.changes.owners import of_all
from tools.kubernetes.changes.switches import Uncordon, takes_pods
from tools.kubernetes.cluster import MERGE_PATCH, Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.justnow import JustNow
from tools.kubernetes.kinds import RESOURCES, NodeKind, Object, access
from tools.kubernetes.objects import labels_of, meta, name_of, namespace_of
from tools.kubernetes.verification import until_verdict
from tools.kubernetes.wire import Conflict, HeldBack
from tools.kubernetes.workloads import (
    Facts,
    around,
    budget,
    counts_of,
    fingerprint,
    previewed,
    reading,
    replicas_of,
    stale,
    write_locked,
)

_TOOL = "k8s_drain"
_AGAIN = 2.0  # seconds until a pod that a budget holds is asked for again
_LONGEST = 300.0


@dataclass(frozen=True)
class _Seen:
    """The node, what would move, and what bears on it."""

    node: Object
    moving: Moving
    facts: Facts
    warnings: tuple[str, ...]
    now: JustNow


@dataclass
class _Evicted:
    """How far it came."""

    gone: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)  # pod → why


class Drain(Change):
    """Empty a node: cordon it and evict its pods one by one, as disruption budgets allow.

    Pods of daemon sets stay. Pods that belong to nobody forbid it. What still is there after a
    while is told.
    """

    risk: ClassVar[Risk] = Risk.DANGER
    kind: NodeKind = "node"
    name: Name
    delete_emptydir_data: Annotated[
        bool, Field(description="Also pods with emptyDir volumes, whose data is lost.")
    ] = False

    def target(self) -> str:
        """The node."""
        return f"node/{self.name}"

    def needs(self) -> tuple[Access, ...]:
        """To cordon it, and to evict."""
        return (access("patch", "node", name=self.name), access("create", "pod", "eviction"))

    async def preview(self, cluster: Cluster) -> Preview:
        """What would move, and what holds it."""
        return await previewed(lambda: self._preview(cluster), self.target())

    async def apply(self, cluster: Cluster, seen: Preview) -> Receipt:
        """Cordon, then evict each pod once; those that a budget holds are asked for again."""
        cordoned = await write_locked(lambda: self._cordon(cluster, seen), self.target())
        owners = set(cast("list[str]", seen.before["owners"]))
        try:
            pods = (await self._moving(cluster)).pods
        except ToolError as error:  # the node is cordoned: never "nothing was sent"
            raise Unavailable(f"{cordoned.text}, then: {error}") from error
        mine = [pod for pod in pods if pod.owner in owners]
        found = await _evict(cluster, [pod.object for pod in mine])
        left: list[JsonValue] = [f"{name}: {why}" for name, why in found.left.items()]
        said = f"{cordoned.text}; evicted: {counted(len(found.gone), 'pod')}"
        return Receipt(
            text=f"{said}, {len(left)} are left" if left else said,
            facts={"evicted": list[JsonValue](found.gone), "left": left},
        )

    def verify(
        self, cluster: Cluster, seen: Preview, receipt: Receipt | None
    ) -> AsyncIterator[Progress | Verdict]:
        """Follow the pods until they are gone from it, and their owners until all is ready."""
        return until_verdict(lambda seconds: self._look(cluster, seen, receipt, seconds), every=0.5)

    def undo(self, seen: Preview) -> Change | NoWayBack:
        """Uncordon it; the pods stay where they are."""
        if not seen.way_back:
            return NoWayBack(f"node/{self.name} was cordoned before; its pods stay where they are.")
        return Uncordon(name=self.name)

    async def drift(self, cluster: Cluster, seen: Preview, receipt: Receipt) -> Drift:  # noqa: ARG002
        """Whether it still is cordoned: of the pods, the way back says nothing."""
        node = await missing.found(cluster, RESOURCES["node"], "", self.name)
        if str(meta(node).get("uid")) != seen.before.get("uid"):
            became = f"node/{self.name} is another one by that name"
        elif not node["spec"].get("unschedulable"):
            became = f"node/{self.name} was uncordoned since"
        else:
            return Drift("as left")
        return Drift("changed", became, (became,))

    async def _preview(self, cluster: Cluster) -> Preview:
        found = await self._examine(cluster)
        moving = found.moving.pods
        owners = {pod.owner for pod in moving}
        cordoned = bool(found.node["spec"].get("unschedulable"))
        if not cordoned:
            await self._patch(cluster, found.node, dry_run=True)
        elif not moving:
            raise Refused(f"node/{self.name} is cordoned and empty already.")
        switch = ChangedPath(path="spec.unschedulable", before=None, after=True)
        count = len(moving)
        return Preview(
            summary=f"Drain `node/{self.name}`: {counted(count, 'pod')} move{_s(moving)}",
            effect=counted(count, "eviction") + _staying(found.moving),
            changes=(
                *(() if cordoned else (switch,)),
                *(
                    ChangedPath(path=pod.name, before=f"on {self.name}", after=None)
                    for pod in moving
                ),
            ),
            diff="",
            labels=labels_of(found.node),
            reaches=tuple(sorted({pod.namespace for pod in moving})),
            along=await of_all(cluster, owners),
            warnings=found.warnings,
            cautions=found.now.cautions,
            notes=found.now.notes,
            fingerprint=fingerprint(_TOOL, found.facts),
            before={
                "uid": str(meta(found.node)["uid"]),
                "owners": list[JsonValue](sorted(owners)),
                "facts": found.facts,
            },
            way_back="" if cordoned else "uncordon it; the pods stay where they are then",
        )

    async def _cordon(self, cluster: Cluster, seen: Preview) -> Receipt:
        found = await reading(self._examine(cluster))
        if fingerprint(_TOOL, found.facts) != seen.fingerprint:
            raise stale(seen.before.get("facts"), found.facts, self.target())
        if not found.node["spec"].get("unschedulable"):
            await self._patch(cluster, found.node, dry_run=False)
        return Receipt(text=f"node/{self.name} is cordoned")

    async def _patch(self, cluster: Cluster, node: Object, *, dry_run: bool) -> None:
        body: JsonValue = {
            "metadata": {"resourceVersion": str(meta(node)["resourceVersion"])},
            "spec": {"unschedulable": True},
        }
        await cluster.patch(("node", "", self.name), body, MERGE_PATCH, dry_run=dry_run)

    async def _moving(self, cluster: Cluster) -> Moving:
        listing = await cluster.list("pod", None, fields=f"spec.nodeName={self.name}")
        if listing.cut:
            raise Refused(f"node/{self.name} has more pods than can be moved at once.")
        return moving_off(listing.items)

    async def _examine(self, cluster: Cluster) -> _Seen:
        node, moving, nodes, budgets = await asyncio.gather(
            missing.found(cluster, RESOURCES["node"], "", self.name),
            self._moving(cluster),
            around(cluster, "node", ""),
            around(cluster, "poddisruptionbudget", None),
        )
        if moving.bare:
            raise Refused(
                f"{_few(moving.bare)} on node/{self.name} belong{_s(moving.bare)} to nobody and"
                " would be gone for good: move or delete that first."
            )
        if moving.with_data and not self.delete_emptydir_data:
            raise Refused(
                f"{_few(moving.with_data)} on node/{self.name} keep{_s(moving.with_data)} data in"
                " emptyDir volumes, which is lost: say `delete_emptydir_data` if it may be."
            )
        mine = [one for one in budgets or () if any(pod.is_held_by(one) for pod in moving.pods)]
        if twice := [
            pod.name for pod in moving.pods if sum(pod.is_held_by(one) for one in mine) > 1
        ]:
            raise Refused(
                f"Several disruption budgets cover {_few(twice)} on node/{self.name}: the server"
                " evicts no such pod."
            )
        elsewhere = [one for one in nodes or () if name_of(one) != self.name and takes_pods(one)]
        owners = sorted({pod.owner for pod in moving.pods})
        alone = await _alone(cluster, owners)
        warnings = (
            *(
                ["It cannot be told which disruption budgets hold its pods."]
                if budgets is None
                else []
            ),
            *([] if elsewhere or nodes is None else ["No other node takes pods: they would wait."]),
            *(
                f"{', '.join(moving.with_data)}: the data in emptyDir volumes is lost."
                for _ in moving.with_data[:1]
            ),
            *alone,
            *(
                ["It moves pods of my own namespace: I may stop on the way, and say so late."]
                if _moves_me(cluster, owners)
                else []
            ),
        )
        facts: Facts = {
            "uid": str(meta(node)["uid"]),
            "cordoned": bool(node["spec"].get("unschedulable")),
            "owners": list[JsonValue](owners),
            "budgets": None
            if budgets is None
            else [[namespace_of(one), budget(one)] for one in mine],
            "warnings": list[JsonValue](warnings),
        }
        return _Seen(node, moving, facts, warnings, _held(mine))

    async def _look(
        self, cluster: Cluster, seen: Preview, receipt: Receipt | None, since: float
    ) -> Progress | Verdict:
        owners = set(cast("list[str]", seen.before["owners"]))
        try:
            node = await cluster.get("node", "", self.name)
            moving = await self._moving(cluster)
            if str(meta(node).get("uid")) != seen.before.get("uid"):
                return Verdict("cannot tell", f"node/{self.name} is another one by that name.")
            if not node["spec"].get("unschedulable"):
                return self._not_cordoned(receipt, since)
            left = [pod for pod in moving.pods if pod.owner in owners]
            blocked = cast("list[str]", receipt.facts.get("left", [])) if receipt else []
            waiting = [pod.name for pod in left if not pod.leaving]
            if left:
                return self._with_left(left, waiting, blocked, since, receipt)
            return await self._settled(cluster, owners, since)
        except NotFound:
            return Verdict("cannot tell", f"node/{self.name} is gone: somebody deleted it.")
        except ToolError as error:
            if since >= _LONGEST:
                return Verdict("cannot tell", f"The world could not be read: {error}")
            return Progress(f"Cannot look right now, trying again: {error}")

    def _not_cordoned(self, receipt: Receipt | None, since: float) -> Progress | Verdict:
        if receipt is not None:
            return Verdict("cannot tell", f"Somebody uncordoned node/{self.name} meanwhile.")
        if since < 1.0:
            return Progress("Looking whether it happened")
        return Verdict("did not happen", f"node/{self.name} is not cordoned.")

    def _with_left(
        self,
        left: list[MovingPod],
        waiting: list[str],
        blocked: list[str],
        since: float,
        receipt: Receipt | None,
    ) -> Progress | Verdict:
        stuck = [one for one in blocked if one.partition(":")[0] in waiting]
        only_stuck = len(stuck) == len(left)
        if (
            only_stuck
            or since >= _LONGEST
            or (receipt is None and len(waiting) == len(left) and since >= 5)
        ):
            told = "; ".join(stuck or waiting or [pod.name for pod in left])
            return Verdict(
                "failed",
                f"node/{self.name} is cordoned; left on it: {counted(len(left), 'pod')}: {told}."
                " Drain it again when they may go.",
            )
        return Progress(f"still on node/{self.name}: {counted(len(left), 'pod')}")

    async def _settled(
        self, cluster: Cluster, owners: set[str], since: float
    ) -> Progress | Verdict:
        """All are gone from it: are those that made them complete again elsewhere?"""
        short = [one async for one in _incomplete(cluster, owners)]
        if not short:
            return Verdict("holds", f"node/{self.name} is cordoned and empty; all moved is ready.")
        if since >= _LONGEST:
            return Verdict(
                "failed", f"node/{self.name} is empty, but not ready: {'; '.join(short)}."
            )
        return Progress(
            f"All pods are gone from node/{self.name}; not ready yet: {'; '.join(short)}"
        )


async def _evict(cluster: Cluster, pods: list[Object]) -> _Evicted:
    """Ask for each pod once; again only for those of which nothing was sent, or which a disruption
    budget holds.
    """
    found, time = _Evicted(), asyncio.get_running_loop().time
    waiting, end = list(pods), time() + min(40.0, 2 * cluster.settle_seconds)
    while waiting:
        held = []
        for pod in waiting:
            name = _full(pod)
            try:
                await _evict_one(cluster, pod)
            except (NotFound, Conflict):
                found.gone.append(name)  # it went by itself, or is another one by now
            except Unavailable as error:
                if not error.nothing_sent:
                    raise
                held.append(pod)
                budgeted = isinstance(error, HeldBack)
                found.left[name] = "a disruption budget holds it" if budgeted else str(error)
            except Refused as error:
                found.left[name] = str(error)
            else:
                found.gone.append(name)
                found.left.pop(name, None)
        waiting = held
        if waiting and time() >= end:
            break
        if waiting:
            await asyncio.sleep(_AGAIN)
    return found


async def _evict_one(cluster: Cluster, pod: Object) -> None:
    name, place = name_of(pod), namespace_of(pod)
    body: JsonValue = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": place},
        "deleteOptions": {"preconditions": {"uid": str(meta(pod)["uid"])}},
    }
    await cluster.create("pod", place, body, below=(name, "eviction"))


async def _incomplete(cluster: Cluster, owners: set[str]) -> AsyncIterator[str]:
    for owner in sorted(owners):
        place, kind, name = owner.split("/")
        if kind not in ("replicaset", "statefulset"):
            continue
        try:
            counts = counts_of(await cluster.get(kind, place, name))
        except NotFound:
            continue  # an old replica set that was removed meanwhile
        if counts.ready < counts.wanted:
            yield f"{owner} has {counts.ready} of {counts.wanted}"


def _moves_me(cluster: Cluster, owners: Sequence[str]) -> bool:
    return any(cluster.is_home(owner.partition("/")[0]) for owner in owners)


async def _alone(cluster: Cluster, owners: Sequence[str]) -> list[str]:
    """Those of whose pods there is one only."""
    found = []
    for owner in owners:
        place, kind, name = owner.split("/")
        if kind not in ("replicaset", "statefulset"):
            continue
        if replicas_of(await cluster.get(kind, place, name)) == 1:
            found.append(f"{owner} has one pod: nothing answers while it moves.")
    return found


def _full(pod: Object) -> str:
    return f"{namespace_of(pod)}/pod/{name_of(pod)}"


def _held(budgets: list[Object]) -> JustNow:
    """How many pods their budgets let go."""
    found = JustNow()
    for one in budgets:
        allowed = (one.get("status") or {}).get("disruptionsAllowed")
        words = "not known how many" if allowed is None else str(allowed or "none")
        where = f"{namespace_of(one)}/{name_of(one)}"
        said = f"PodDisruptionBudget {where} lets {words} of its pods go just now"
        found += JustNow(cautions=(said,)) if allowed == 0 else JustNow(notes=(said,))
    return found


def _staying(moving: Moving) -> str:
    if not moving.staying:
        return ""
    staying = counted(len(moving.staying), "pod of a daemon set", "pods of daemon sets")
    return f"; {staying} stay{_s(moving.staying)}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _s(names: Sequence[object]) -> str:
    return "s" if len(names) == 1 else ""
