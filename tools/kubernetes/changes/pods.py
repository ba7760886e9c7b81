"""The change that restarts one pod: it is deleted, and its owner makes another."""

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar, cast

from pydantic import JsonValue

from tools._kit import (
    Access,
    Change,
    ChangedPath,
    Name,
    Namespace,
    NotFound,
    NoWayBack,
    Preview,
    Progress,
    Receipt,
    Refused,
    Risk,
    ToolError,
    Verdict,
)
from tools.kubernetes import missing
from tools.kubernetes.changes.owners import with_owners
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import RESOURCES, Object, PodKind, access
from tools.kubernetes.objects import controller, labels_of, meta, name_of, template_of
from tools.kubernetes.pods import is_leaving, pod_status
from tools.kubernetes.templates import moving
from tools.kubernetes.verification import Goal, follow
from tools.kubernetes.workloads import (
    Facts,
    around,
    blocking,
    budget,
    budgets_of,
    fingerprint,
    previewed,
    reading,
    replicas_of,
    stale,
    write_locked,
)

_TOOL = "k8s_restart_pod"
_MAKES_ANOTHER = ("replicaset", "statefulset", "daemonset")
_GONE_WITHIN = 120.0  # seconds: more than most grace periods
_SECOND_LOOK = 1.0


class RestartPod(Change):
    """Restart one pod: delete it, so that its owner makes another; all pods: rollout restart."""

    risk: ClassVar[Risk] = Risk.WRITE
    namespace: Namespace
    kind: PodKind = "pod"
    name: Name

    def target(self) -> str:
        """The pod."""
        return f"{self.namespace}/pod/{self.name}"

    def needs(self) -> tuple[Access, ...]:
        """The one deletion."""
        return (access("delete", "pod", namespace=self.namespace, name=self.name),)

    async def preview(self, cluster: Cluster) -> Preview:
        """Which pod goes, and who makes another."""
        return await previewed(lambda: self._preview(cluster), self._what)

    async def apply(self, cluster: Cluster, seen: Preview) -> Receipt:
        """Delete exactly the pod that was seen."""
        return await write_locked(lambda: self._write(cluster, seen), self._what)

    async def verify(
        self, cluster: Cluster, seen: Preview, receipt: Receipt | None
    ) -> AsyncIterator[Progress | Verdict]:
        """Follow the old pod until it is gone, then its owner until all its pods are ready."""
        time = asyncio.get_running_loop().time
        begun, said = time(), ""
        while True:
            step = await self._left(cluster, seen, time() - begun, applied=receipt is not None)
            if step is None:
                break
            if isinstance(step, Verdict) or step.text != said:
                said = step.text if isinstance(step, Progress) else ""
                yield step
            if isinstance(step, Verdict):
                return
            await asyncio.sleep(0.3)
        owner = cast("list[str]", seen.before["follow"])
        goal = Goal(
            kind=owner[0],
            namespace=self.namespace,
            name=owner[1],
            uid=owner[2],
            asked=lambda _: True,
            before=lambda _: False,
            there=lambda _: "",
            counted=True,
        )
        async for step in follow(cluster, goal, applied=True):
            yield step

    def undo(self, seen: Preview) -> Change | NoWayBack:  # noqa: ARG002 - the contract's name
        """There is none."""
        return NoWayBack(f"The restart of {self._what} cannot be taken back: the old pod is gone.")

    @property
    def _what(self) -> str:
        return f"pod/{self.name}"

    async def _preview(self, cluster: Cluster) -> Preview:
        live, owner, facts, warnings = await self._examine(cluster)
        await self._delete(cluster, live, dry_run=True)
        follows, objects = await asyncio.gather(
            _followed(cluster, owner), with_owners(cluster, "pod", live)
        )
        return Preview(
            summary=f"Restart `{self._what}` in `{self.namespace}`",
            effect=f"it is deleted, and {controller(live)} makes another",
            changes=(ChangedPath(path=self._what, before="there", after=None),),
            diff="",
            labels=labels_of(live),
            objects=objects,
            warnings=warnings,
            notes=(f"It is {pod_status(live)} just now",),
            fingerprint=fingerprint(_TOOL, facts),
            risk=Risk.DANGER if cluster.is_home(self.namespace) else None,
            before={"uid": str(meta(live)["uid"]), "follow": follows, "facts": facts},
        )

    async def _write(self, cluster: Cluster, seen: Preview) -> Receipt:
        live, _, facts, _ = await reading(self._examine(cluster))
        if fingerprint(_TOOL, facts) != seen.fingerprint:
            raise stale(seen.before.get("facts"), facts, self._what)
        await self._delete(cluster, live, dry_run=False)
        return Receipt(text=f"{self._what} in {self.namespace} was deleted, to be made anew")

    async def _delete(self, cluster: Cluster, live: Object, *, dry_run: bool) -> None:
        target = ("pod", self.namespace, self.name)
        await cluster.delete(target, {"uid": str(meta(live)["uid"])}, dry_run=dry_run)

    async def _examine(self, cluster: Cluster) -> tuple[Object, Object, Facts, tuple[str, ...]]:
        """The pod, its owner, and what bears on it."""
        live = await missing.found(cluster, RESOURCES["pod"], self.namespace, self.name)
        kind, _, name = controller(live).partition("/")
        if kind not in _MAKES_ANOTHER:
            whose = f"belongs to {kind}/{name}, which" if kind else "belongs to nobody that"
            raise Refused(f"{self._what} in {self.namespace} {whose} makes no other in its place.")
        if is_leaving(live):
            raise Refused(f"{self._what} in {self.namespace} is being deleted already.")
        owner, budgets = await asyncio.gather(
            cluster.get(kind, self.namespace, name),
            around(cluster, "poddisruptionbudget", self.namespace),
        )
        budgets = budgets_of(budgets, owner)
        count = replicas_of(owner)
        warnings = [*moving({}, template_of(owner))]
        if kind != "daemonset":
            warnings += blocking(budgets, count)
            if count == 1:
                warnings.append("It is the only one: nothing answers until the other is ready.")
        facts: Facts = {
            "uid": str(meta(live)["uid"]),
            "owner": controller(live),
            "replicas": count,
            "warnings": list[JsonValue](warnings),
            "budgets": None if budgets is None else [budget(one) for one in budgets],
        }
        return live, owner, facts, tuple(warnings)

    async def _left(
        self, cluster: Cluster, seen: Preview, since: float, *, applied: bool
    ) -> Progress | Verdict | None:
        """None when the old pod is gone."""
        try:
            live = await cluster.get("pod", self.namespace, self.name)
        except NotFound:
            return None
        except ToolError as error:
            if since >= _GONE_WITHIN:
                return Verdict("cannot tell", f"The world could not be read: {error}")
            return Progress(f"Cannot look right now, trying again: {error}")
        if str(meta(live).get("uid")) != seen.before.get("uid"):
            return None
        if not is_leaving(live) and not applied and since >= _SECOND_LOOK:
            return Verdict("did not happen", f"{self._what} is there as before.")
        if since >= _GONE_WITHIN:
            return Verdict("failed", f"{self._what} still has not stopped after {since:.0f} s.")
        return Progress(f"{self._what} is stopping")


async def _followed(cluster: Cluster, owner: Object) -> list[JsonValue]:
    """Kind, name and uid of the workload that is followed: a replica set's deployment."""
    kind, _, name = controller(owner).partition("/")
    if kind == "deployment":
        owner = await cluster.get("deployment", str(meta(owner)["namespace"]), name)
    own = kind if kind == "deployment" else str(owner["kind"]).lower()
    return [own, name_of(owner), str(meta(owner)["uid"])]
