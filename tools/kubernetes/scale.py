"""The change that sets how many replicas a workload runs."""

import asyncio
import copy
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, cast

from pydantic import Field, JsonValue

from tools._kit import (
    Access,
    Change,
    ChangedPath,
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
)
from tools.kubernetes import quotas
from tools.kubernetes.cluster import MERGE_PATCH, Cluster
from tools.kubernetes.drift import drift_of
from tools.kubernetes.justnow import JustNow
from tools.kubernetes.kinds import Object, ScalableKind, access
from tools.kubernetes.objects import difference, labels_of, meta, name_of
from tools.kubernetes.reach import reach_notes
from tools.kubernetes.verification import Goal, follow
from tools.kubernetes.workloads import (
    Around,
    Facts,
    around,
    autoscalers_of,
    base_facts,
    blocking,
    bounds,
    budget,
    budgets_of,
    fingerprint,
    fought,
    ownership_warnings,
    previewed,
    reading,
    replicas_of,
    services_of,
    stale,
    still,
    thinned,
    workload,
    write_locked,
)

_CHANGE = "k8s_scale"
_SLIP = 10  # so many times as many may be a slip of the finger


@dataclass(frozen=True)
class _Seen:
    """The workload as it is now, with what bears on scaling it."""

    live: Object
    facts: Facts
    autoscalers: Around
    budgets: Around
    warnings: tuple[str, ...]
    risk: Risk | None


class _Scaled:
    """Who, of those that were there when people decided, sets the number that was asked for."""

    def __init__(self, seen: Preview, asked: int) -> None:
        self._asked = asked
        facts = seen.before.get("facts")
        known = facts.get("autoscalers") if isinstance(facts, dict) else None
        self._bounds = cast("list[tuple[str, int, int]]", known or [])

    @property
    def against(self) -> str:
        """Why it cannot stay as it was asked for; empty where nothing is known against it."""
        for name, low, high in self._bounds:
            if self._asked and not low <= self._asked <= high:
                return f"HorizontalPodAutoscaler {name} keeps it between {low} and {high}"
        return ""

    def undone(self, now: int) -> str:
        """Who set another number since, where that is certain."""
        for name, low, high in self._bounds:
            if self._asked and now == min(max(self._asked, low), high):
                way, bound = ("back", "maximum") if now < self._asked else ("up", "minimum")
                return (
                    f"HorizontalPodAutoscaler {name} set {self._asked} {way} to {now}, its {bound}."
                    " It would do so again: change its bounds instead"
                )
        return ""

    def there(self, now: int) -> str:
        """What is there instead, and who may have set it."""
        names = " and ".join(name for name, _, _ in self._bounds)
        may = f"; HorizontalPodAutoscaler {names} sets this number too" if names else ""
        return f"replicas are {now}, asked for were {self._asked}{may}"


class Scale(Change):
    """Set how many replicas a deployment, statefulset or replicaset runs."""

    risk: ClassVar[Risk] = Risk.WRITE
    namespace: Namespace
    kind: ScalableKind = "deployment"
    name: Name
    replicas: Annotated[int, Field(ge=0, le=1000)]

    def target(self) -> str:
        """The workload."""
        return f"{self.namespace}/{self.kind}/{self.name}"

    def needs(self) -> tuple[Access, ...]:
        """The one write."""
        return (access("patch", self.kind, "scale", namespace=self.namespace, name=self.name),)

    async def preview(self, cluster: Cluster) -> Preview:
        """Ask the server what it would store. Refuses when there is nothing to change."""
        return await previewed(lambda: self._preview(cluster), self._what)

    async def apply(self, cluster: Cluster, seen: Preview) -> Receipt:
        """Write the number with the version of a fresh read that still is what was seen."""
        return await write_locked(lambda: self._write(cluster, seen), self._what)

    def verify(
        self, cluster: Cluster, seen: Preview, receipt: Receipt | None
    ) -> AsyncIterator[Progress | Verdict]:
        """Follow the pods until as many as asked are ready and stay so."""
        before = seen.before.get("replicas")
        scaled = _Scaled(seen, self.replicas)
        goal = Goal(
            kind=self.kind,
            namespace=self.namespace,
            name=self.name,
            uid=str(seen.before.get("uid")),
            asked=lambda live: replicas_of(live) == self.replicas,
            before=lambda live: replicas_of(live) == before,
            there=lambda live: scaled.there(replicas_of(live)),
            undone=lambda live: scaled.undone(replicas_of(live)),
            against=scaled.against,
            counted=True,
        )
        return follow(cluster, goal, applied=receipt is not None)

    def undo(self, seen: Preview) -> Change | NoWayBack:
        """Scale back to the number that was seen."""
        before = cast("int", seen.before["replicas"])
        return self.model_copy(update={"replicas": before})

    async def foresee(self, cluster: Cluster, seen: Preview) -> Preview | NoWayBack:
        """Scaling back from the number that this sets."""
        found = await self._examine(cluster)
        still(fingerprint(_CHANGE, found.facts), seen, self._what)
        back = self.model_copy(update={"replicas": replicas_of(found.live)})
        left = copy.deepcopy(found.live)
        left["spec"]["replicas"] = self.replicas
        return await back.leading(cluster, left, found.live)

    async def leading(self, cluster: Cluster, left: Object, goal: Object) -> Preview:
        """What it would do from a state that is not there yet to the one that is."""
        return self._told(await self._examine(cluster, left), goal, JustNow())

    async def drift(self, cluster: Cluster, seen: Preview, receipt: Receipt) -> Drift:
        """Whether the number is still this, and nothing else was written."""
        return await drift_of(cluster, (self.kind, self.namespace, self.name), seen, receipt)

    @property
    def _what(self) -> str:
        return f"{self.kind}/{self.name}"

    async def _preview(self, cluster: Cluster) -> Preview:
        found = await self._examine(cluster)
        now = replicas_of(found.live)
        if now == self.replicas:
            raise Refused(f"{self._what} in {self.namespace} already has {now} replicas.")
        stored, reach, left = await asyncio.gather(
            self._patch(cluster, found.live, dry_run=True),
            reach_notes(cluster, found.live, found.autoscalers, found.budgets),
            quotas.of_growth(cluster, found.live, self.replicas - now),
        )
        after = copy.deepcopy(found.live)
        after["spec"]["replicas"] = stored["spec"].get("replicas", 0)
        ready = int((found.live.get("status") or {}).get("readyReplicas") or 0)
        known = JustNow(notes=(f"{ready} of {now} pods ready", *reach))
        return self._told(found, after, known + left)

    def _told(self, found: _Seen, after: Object, now: JustNow) -> Preview:
        was, place, wanted = replicas_of(found.live), self.namespace, self.replicas
        return Preview(
            summary=f"Scale `{self._what}` in `{place}` from {was} to {wanted} replicas",
            effect=f"replicas {was} → {self.replicas}",
            changes=(ChangedPath(path="spec.replicas", before=was, after=self.replicas),),
            diff=difference(found.live, after),
            labels=labels_of(found.live),
            warnings=found.warnings,
            cautions=now.cautions,
            notes=now.notes,
            fingerprint=fingerprint(_CHANGE, found.facts),
            risk=found.risk,
            before={
                "uid": str(meta(found.live)["uid"]),
                "replicas": was,
                "facts": found.facts,
            },
            way_back=f"scale back to {was}",
        )

    async def _write(self, cluster: Cluster, seen: Preview) -> Receipt:
        found = await reading(self._examine(cluster))
        if fingerprint(_CHANGE, found.facts) != seen.fingerprint:
            raise stale(seen.before.get("facts"), found.facts, self._what)
        stored = await self._patch(cluster, found.live, dry_run=False)
        text = f"{self._what} in {self.namespace} was set to {self.replicas} replicas"
        facts: dict[str, JsonValue] = {
            "resource_version": str(meta(stored).get("resourceVersion", "")),
            "replicas": self.replicas,
            # written with the version of what was read: this is the next one
            "generation": int(meta(found.live).get("generation") or 0) + 1,
        }
        return Receipt(text=text, facts=facts)

    async def _patch(self, cluster: Cluster, live: Object, *, dry_run: bool) -> Object:
        """The scale sub-resource has the version of its workload: the lock of what was read."""
        return await cluster.patch(
            (self.kind, self.namespace, self.name),
            {
                "metadata": {"resourceVersion": meta(live)["resourceVersion"]},
                "spec": {"replicas": self.replicas},
            },
            MERGE_PATCH,
            sub="scale",
            dry_run=dry_run,
        )

    async def _examine(self, cluster: Cluster, given: Object | None = None) -> _Seen:
        """The workload as it is, or as it is `given`, with its surroundings of now."""
        live, autoscalers, budgets, services = await asyncio.gather(
            workload(cluster, (self.kind, self.namespace, self.name), given),
            around(cluster, "horizontalpodautoscaler", self.namespace),
            around(cluster, "poddisruptionbudget", self.namespace),
            # Only when nothing would be left does it matter who sends traffic.
            around(cluster, "service", self.namespace) if self.replicas == 0 else _none(),
        )
        autoscalers = autoscalers_of(autoscalers, live)
        budgets, services = budgets_of(budgets, live), services_of(services, live)
        facts: Facts = {
            **base_facts(live),
            "autoscalers": None if autoscalers is None else [bounds(hpa) for hpa in autoscalers],
            "budgets": None if budgets is None else [budget(pdb) for pdb in budgets],
            "services": None if services is None else [name_of(service) for service in services],
        }
        warnings = [
            *ownership_warnings(live),
            *fought(autoscalers, self.replicas),
            *_growth_warnings(replicas_of(live), self.replicas),
            *thinned(replicas_of(live), self.replicas),
            *(blocking(budgets, self.replicas) if self.replicas < replicas_of(live) else ()),
            *_traffic_warnings(services),
        ]
        has_traffic = services is None or bool(services)
        danger = has_traffic or cluster.is_home(self.namespace)
        risk = Risk.DANGER if danger else None
        return _Seen(live, facts, autoscalers, budgets, tuple(warnings), risk)


def _growth_warnings(now: int, wanted: int) -> Iterator[str]:
    if now and wanted >= _SLIP * now:
        yield f"That is {wanted // now} times as many pods as now."


def _traffic_warnings(services: tuple[Object, ...] | None) -> Iterator[str]:
    if services is None:
        yield "It cannot be told whether a Service sends it traffic."
    for service in services or ():
        yield f"Service {name_of(service)} sends it traffic: with 0 replicas nothing answers."


async def _none() -> tuple[Object, ...]:
    return ()
