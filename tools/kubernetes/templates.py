"""What the changes of a pod template have in common: their controller rolls each out."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import JsonValue

from tools._kit import (
    Access,
    Change,
    Drift,
    Name,
    Namespace,
    NoWayBack,
    Preview,
    Progress,
    Receipt,
    Refused,
    Risk,
    Verdict,
    sha256_of,
)
from tools.kubernetes import capacity
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.drift import drift_of
from tools.kubernetes.justnow import JustNow
from tools.kubernetes.kinds import Object, RolledKind, access
from tools.kubernetes.objects import (
    all_images_of,
    changed_paths,
    difference,
    images_of,
    labels_of,
    meta,
    name_of,
    template_of,
    why_moving,
)
from tools.kubernetes.reach import reach_notes
from tools.kubernetes.verification import Goal, follow
from tools.kubernetes.workloads import (
    Around,
    Facts,
    around,
    autoscalers_of,
    base_facts,
    bounds,
    budget,
    budgets_of,
    counts_of,
    fingerprint,
    may_stop,
    ownership_warnings,
    partition_of,
    previewed,
    reading,
    replicas_of,
    stale,
    still,
    strategy_of,
    workload,
    write_locked,
)

_ONE_POD = "It has one pod: nothing answers while that is replaced."


@dataclass(frozen=True)
class Step:
    """What a change asks of the pod template that was read."""

    body: JsonValue  # a patch that holds the resourceVersion of what was read
    content_type: str
    summary: str
    effect: str
    done: str  # once it is written: "deployment/web in shop was restarted"
    warnings: tuple[str, ...] = ()
    before: dict[str, JsonValue] = field(default_factory=dict)
    way_back: str = ""


@dataclass(frozen=True)
class Beside:
    """What lies beside the workload and bears on one change of it only."""

    facts: Facts = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Seen:
    """The workload as it is now, what to write, and what bears on it."""

    live: Object
    step: Step
    facts: Facts
    autoscalers: Around
    budgets: Around
    warnings: tuple[str, ...]
    risk: Risk | None


class TemplateChange(Change):
    """A change of the pod template of a deployment, statefulset or daemonset."""

    risk: ClassVar[Risk] = Risk.WRITE
    tool: ClassVar[str] = ""  # part of the fingerprint
    namespace: Namespace
    kind: RolledKind = "deployment"
    name: Name

    @abstractmethod
    def step(self, live: Object) -> Step:
        """What to write, given the workload as it is. Raises `Refused` when there is nothing."""

    async def beside(self, cluster: Cluster, live: Object) -> Beside:  # noqa: ARG002
        """What else bears on it. Raises `ToolError`."""
        return Beside()

    async def now(self, cluster: Cluster, live: Object, stored: Object) -> JustNow:
        """What numbers of just now tell. Raises `ToolError`."""
        return await capacity.for_rollout(cluster, live, stored)

    def target(self) -> str:
        """The workload."""
        return f"{self.namespace}/{self.kind}/{self.name}"

    def needs(self) -> tuple[Access, ...]:
        """The one write."""
        return (access("patch", self.kind, namespace=self.namespace, name=self.name),)

    async def preview(self, cluster: Cluster) -> Preview:
        """Ask the server what it would store. Refuses when there is nothing to change."""
        return await previewed(lambda: self._preview(cluster), self.what)

    async def apply(self, cluster: Cluster, seen: Preview) -> Receipt:
        """Write with the version of a fresh read that still is what was seen."""
        return await write_locked(lambda: self._write(cluster, seen), self.what)

    def verify(
        self, cluster: Cluster, seen: Preview, receipt: Receipt | None
    ) -> AsyncIterator[Progress | Verdict]:
        """Follow the rollout until the pods of that template are ready and stay so."""
        goal = template_goal((self.kind, self.namespace, self.name), seen, receipt)
        return follow(cluster, goal, applied=receipt is not None)

    async def foresee(self, cluster: Cluster, seen: Preview) -> Preview | NoWayBack:
        """The way back from the template that the server would store."""
        back = self.undo(seen)
        if not isinstance(back, TemplateChange):
            return back if isinstance(back, NoWayBack) else await super().foresee(cluster, seen)
        found = await self._examine(cluster)
        still(fingerprint(self.tool, found.facts), seen, self.what)
        left = await self._patch(cluster, found, dry_run=True)
        return await back.leading(cluster, left, found.live)

    async def leading(self, cluster: Cluster, left: Object, goal: Object) -> Preview:
        """What it would do from a state that is not there yet to the one that is."""
        return self._told(await self._examine(cluster, left), goal, JustNow())

    async def drift(self, cluster: Cluster, seen: Preview, receipt: Receipt) -> Drift:
        """Whether it still has the template that this gave it, and nothing else was written."""
        return await drift_of(cluster, (self.kind, self.namespace, self.name), seen, receipt)

    @property
    def what(self) -> str:
        """The workload, for sentences."""
        return f"{self.kind}/{self.name}"

    async def _preview(self, cluster: Cluster) -> Preview:
        found = await self._examine(cluster)
        stored, reach = await asyncio.gather(
            self._patch(cluster, found, dry_run=True),
            reach_notes(cluster, found.live, found.autoscalers, found.budgets),
        )
        counts = counts_of(found.live)
        ready = f"{counts.ready} of {counts.wanted} pods ready"
        known = JustNow(notes=(ready, *reach))
        return self._told(found, stored, known + await self.now(cluster, found.live, stored))

    def _told(self, found: _Seen, stored: Object, now: JustNow) -> Preview:
        before, after = template_of(found.live), template_of(stored)
        return Preview(
            summary=found.step.summary,
            effect=f"{found.step.effect} · {_all_pods(found.live)}",
            changes=tuple(changed_paths(before, after, "spec.template")),
            diff=difference(found.live, stored),
            labels=labels_of(found.live),
            warnings=found.warnings,
            cautions=now.cautions,
            notes=now.notes,
            fingerprint=fingerprint(self.tool, found.facts),
            risk=found.risk,
            before={
                **found.step.before,
                "uid": str(meta(found.live)["uid"]),
                "template": sha256_of(before),
                "to_template": sha256_of(after),
                "facts": found.facts,
            },
            way_back=found.step.way_back,
        )

    async def _write(self, cluster: Cluster, seen: Preview) -> Receipt:
        found = await reading(self._examine(cluster))
        if fingerprint(self.tool, found.facts) != seen.fingerprint:
            raise stale(seen.before.get("facts"), found.facts, self.what)
        stored = await self._patch(cluster, found, dry_run=False)
        generation = int(meta(stored).get("generation") or 0)
        return Receipt(text=found.step.done, facts={"generation": generation})

    async def _patch(self, cluster: Cluster, found: _Seen, *, dry_run: bool) -> Object:
        target = (self.kind, self.namespace, self.name)
        step = found.step
        return await cluster.patch(target, step.body, step.content_type, dry_run=dry_run)

    async def _examine(self, cluster: Cluster, given: Object | None = None) -> _Seen:
        """The workload as it is, or as it is `given`, with its surroundings of now."""
        live, autoscalers, budgets = await asyncio.gather(
            workload(cluster, (self.kind, self.namespace, self.name), given),
            around(cluster, "horizontalpodautoscaler", self.namespace),
            around(cluster, "poddisruptionbudget", self.namespace),
        )
        if live["spec"].get("paused"):
            raise Refused(f"{self.what} in {self.namespace} is paused: resume its rollout first.")
        step, beside = self.step(live), await self.beside(cluster, live)
        autoscalers, budgets = autoscalers_of(autoscalers, live), budgets_of(budgets, live)
        facts: Facts = {
            **base_facts(live),
            "autoscalers": None if autoscalers is None else [bounds(hpa) for hpa in autoscalers],
            "budgets": None if budgets is None else [budget(pdb) for pdb in budgets],
            "strategy": strategy_of(live),
            **beside.facts,
        }
        warnings = (
            *step.warnings,
            *beside.warnings,
            *ownership_warnings(live),
            *replacing(live),
            *scaled_meanwhile(autoscalers, replicas_of(live)),
            *unprotected(budgets),
        )
        danger = cluster.is_home(self.namespace)
        risk = Risk.DANGER if danger else None
        return _Seen(live, step, facts, autoscalers, budgets, warnings, risk)


def template_goal(target: tuple[str, str, str], seen: Preview, receipt: Receipt | None) -> Goal:
    """The world with the template that was previewed, on kind, namespace and name."""
    kind, namespace, name = target
    before, after = seen.before.get("template"), seen.before.get("to_template")
    generation = receipt.facts.get("generation") if receipt is not None else 0
    return Goal(
        kind=kind,
        namespace=namespace,
        name=name,
        uid=str(seen.before.get("uid")),
        asked=lambda live: sha256_of(template_of(live)) == after,
        before=lambda live: sha256_of(template_of(live)) == before,
        there=_there,
        generation=generation if isinstance(generation, int) else 0,
    )


def _there(live: Object) -> str:
    return "it runs " + (", ".join(images_of(template_of(live))) or "no image")


def _all_pods(live: Object) -> str:
    if live["kind"] == "DaemonSet":
        return "its pod on every node"  # how many is status, which is no part of what is approved
    return counted(replicas_of(live), "pod")


def replacing(live: Object) -> Iterator[str]:
    """What its way of replacing pods means."""
    strategy, count = strategy_of(live), replicas_of(live)
    if strategy["type"] == "OnDelete":
        yield "Its pods take this up only when somebody deletes them (OnDelete)."
    elif count == 0:
        yield "It has 0 replicas: no pod takes this up until it is scaled."
    elif strategy["type"] == "Recreate":
        yield "All its pods stop before new ones start (Recreate): nothing answers meanwhile."
    elif live["kind"] == "StatefulSet":
        if first := partition_of(live):
            yield f"Only pods from number {first} on take this up (partition {first})."
        elif count == 1:
            yield _ONE_POD
    elif live["kind"] == "Deployment" and may_stop(live) >= count:
        all_of_them = "All its pods may stop before new ones are ready: nothing answers meanwhile."
        yield _ONE_POD if count == 1 else all_of_them


def scaled_meanwhile(autoscalers: Around, replicas: int) -> Iterator[str]:
    """Who sets another number of pods while they are replaced; nobody where there are none."""
    if replicas == 0:
        return
    if autoscalers is None:
        yield "It cannot be told whether an autoscaler changes the number of pods meanwhile."
    for hpa in autoscalers or ():
        low, high = hpa["spec"].get("minReplicas", 1), hpa["spec"].get("maxReplicas")
        yield (
            f"HorizontalPodAutoscaler {name_of(hpa)} may change the number of pods meanwhile,"
            f" between {low} and {high}."
        )


def moving(before: Object, after: Object) -> Iterator[str]:
    """Images that it would run from now on and that may be other code at another time."""
    for image in dict.fromkeys(all_images_of(after)):
        if image not in all_images_of(before) and (why := why_moving(image)):
            yield f"{why}: which code runs is decided when each node pulls it."


def unprotected(budgets: tuple[Object, ...] | None) -> Iterator[str]:
    """Whether anything keeps its pods from being evicted meanwhile."""
    if budgets is None:
        yield "It cannot be told whether a PodDisruptionBudget covers its pods."
    elif not budgets:
        yield "No PodDisruptionBudget."
