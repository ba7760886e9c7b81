"""The change that leads a deployment back to an earlier pod template."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, cast

from pydantic import Field, JsonValue

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
from tools.kubernetes.changes.consequences import is_dangerous
from tools.kubernetes.cluster import JSON_PATCH, Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.drift import drift_of
from tools.kubernetes.justnow import JustNow
from tools.kubernetes.kinds import RESOURCES, DeploymentKind, Object, access
from tools.kubernetes.lastrun import failure_of
from tools.kubernetes.objects import (
    annotation,
    changed_paths,
    difference,
    images_of,
    labels_of,
    meta,
    template_of,
    told,
    version_of,
)
from tools.kubernetes.reach import reach_notes
from tools.kubernetes.revisions import CAUSE, Revision, revisions_of
from tools.kubernetes.templates import (
    moving,
    replacing,
    scaled_meanwhile,
    template_goal,
    unprotected,
)
from tools.kubernetes.verification import follow
from tools.kubernetes.workloads import (
    Around,
    Facts,
    around,
    autoscalers_of,
    base_facts,
    bounds,
    budget,
    budgets_of,
    fingerprint,
    ownership_warnings,
    previewed,
    reading,
    replicas_of,
    stale,
    still,
    strategy_of,
    workload,
    write_locked,
)

_CHANGE = "k8s_rollout_undo"
_ESCAPED = CAUSE.replace("/", "~1")


@dataclass(frozen=True)
class _Seen:
    """The deployment as it is now, and the revision to go back to."""

    live: Object
    current: Revision
    goal: Revision
    facts: Facts
    autoscalers: Around
    budgets: Around
    warnings: tuple[str, ...]
    failure: str  # of the revision to go back to, where it did not work when it ran last
    risk: Risk | None


class RolloutUndo(Change):
    """Roll a deployment back to an earlier revision's pod template.

    `to_revision` 0 means the newest earlier revision whose pod template differs from the live one.
    """

    risk: ClassVar[Risk] = Risk.WRITE
    namespace: Namespace
    kind: DeploymentKind = "deployment"
    name: Name
    to_revision: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    def target(self) -> str:
        """The deployment."""
        return f"{self.namespace}/deployment/{self.name}"

    def needs(self) -> tuple[Access, ...]:
        """The one write."""
        return (access("patch", "deployment", namespace=self.namespace, name=self.name),)

    async def preview(self, cluster: Cluster) -> Preview:
        """Find the revision and ask the server what it would store."""
        return await previewed(lambda: self._preview(cluster), self._what)

    async def apply(self, cluster: Cluster, seen: Preview) -> Receipt:
        """Write the template that was seen, with the version of a fresh read."""
        return await write_locked(lambda: self._write(cluster, seen), self._what)

    def verify(
        self, cluster: Cluster, seen: Preview, receipt: Receipt | None
    ) -> AsyncIterator[Progress | Verdict]:
        """Follow the rollout until the pods of that template are ready and stay so."""
        goal = template_goal(("deployment", self.namespace, self.name), seen, receipt)
        return follow(cluster, goal, applied=receipt is not None)

    def undo(self, seen: Preview) -> Change | NoWayBack:
        """Roll forward to the revision that was live: its replica set keeps its number."""
        if not seen.way_back:
            return NoWayBack(f"{self._what} keeps no old revisions (revisionHistoryLimit is 0).")
        revision = cast("int", seen.before["revision"])
        return self.model_copy(update={"to_revision": revision})

    async def foresee(self, cluster: Cluster, seen: Preview) -> Preview | NoWayBack:
        """Rolling forward again: the earlier template gets the number after the newest."""
        back = self.undo(seen)
        if not isinstance(back, RolloutUndo):
            return back if isinstance(back, NoWayBack) else await super().foresee(cluster, seen)
        found = await self._examine(cluster)
        still(fingerprint(_CHANGE, found.facts), seen, self._what)
        left = await self._patch(cluster, found, dry_run=True)
        current = replace(found.goal, number=found.current.number + 1, current=True)
        failure = await failure_of(cluster, found.live, found.current)
        facts: Facts = {
            **found.facts,
            **base_facts(left),
            "revision": current.number,
            "to_revision": found.current.number,
            "to_template": sha256_of(found.current.template),
            "cause": sha256_of([found.goal.cause, found.current.cause]),
            "failed": bool(failure),
        }
        then = replace(
            found, live=left, current=current, goal=found.current, facts=facts, failure=failure
        )
        return back.leading(then, _with_cause(found.live, found.current.cause))

    def leading(self, left: _Seen, goal: Object) -> Preview:
        """What it would do from a state that is not there yet to the one that is."""
        return self._told(left, goal, JustNow())

    async def drift(self, cluster: Cluster, seen: Preview, receipt: Receipt) -> Drift:
        """Whether it still has the template that this gave it, and nothing else was written."""
        return await drift_of(cluster, ("deployment", self.namespace, self.name), seen, receipt)

    @property
    def _what(self) -> str:
        return f"deployment/{self.name}"

    async def _preview(self, cluster: Cluster) -> Preview:
        found = await self._examine(cluster)
        stored, reach = await asyncio.gather(
            self._patch(cluster, found, dry_run=True),
            reach_notes(cluster, found.live, found.autoscalers, found.budgets),
        )
        ready = int((found.live.get("status") or {}).get("readyReplicas") or 0)
        known = JustNow(notes=(f"{ready} of {_pods(found.live)} ready", *reach))
        return self._told(
            found, stored, known + await capacity.for_rollout(cluster, found.live, stored)
        )

    def _told(self, found: _Seen, stored: Object, now: JustNow) -> Preview:
        before, after = template_of(found.live), template_of(stored)
        changes = (
            *changed_paths(before, after, "spec.template"),
            *changed_paths(_noted(found.live), _noted(stored), "metadata.annotations"),
        )
        keeps = found.live["spec"].get("revisionHistoryLimit", 10) != 0
        goal, current = found.goal.number, found.current.number
        return Preview(
            summary=f"Roll back `{self._what}` in `{self.namespace}` to revision {goal}",
            effect=f"{_versions(before, after) or told(changes[0])} · {_pods(found.live)}",
            changes=changes,
            diff=difference(found.live, stored),
            labels=labels_of(found.live),
            warnings=(*filter(None, [found.failure]), *moving(before, after), *found.warnings),
            cautions=now.cautions,
            notes=now.notes,
            fingerprint=fingerprint(_CHANGE, found.facts),
            risk=Risk.DANGER if is_dangerous(RESOURCES["deployment"], changes) else found.risk,
            before={
                "uid": str(meta(found.live)["uid"]),
                "revision": current,
                "to_revision": goal,
                "template": sha256_of(before),
                # As the server stores it: it may fill in more than the replica set holds.
                "to_template": sha256_of(after),
                "facts": found.facts,
            },
            way_back=f"roll forward to revision {current}" if keeps else "",
        )

    async def _write(self, cluster: Cluster, seen: Preview) -> Receipt:
        found = await reading(self._examine(cluster))
        if fingerprint(_CHANGE, found.facts) != seen.fingerprint:
            raise stale(seen.before.get("facts"), found.facts, self._what)
        stored = await self._patch(cluster, found, dry_run=False)
        goal, generation = found.goal.number, int(meta(stored).get("generation") or 0)
        text = f"{self._what} in {self.namespace} was given the template of revision {goal}"
        return Receipt(text=text, facts={"generation": generation, "to_revision": goal})

    async def _patch(self, cluster: Cluster, found: _Seen, *, dry_run: bool) -> Object:
        """Replace the template whole; the version makes it a conflict if anybody wrote since."""
        body: list[JsonValue] = [
            {
                "op": "replace",
                "path": "/metadata/resourceVersion",
                "value": meta(found.live)["resourceVersion"],
            },
            {"op": "replace", "path": "/spec/template", "value": found.goal.template},
            *_noting(found.live, found.goal.cause),
        ]
        target = ("deployment", self.namespace, self.name)
        return await cluster.patch(target, body, JSON_PATCH, dry_run=dry_run)

    async def _examine(self, cluster: Cluster) -> _Seen:
        live, autoscalers, budgets = await asyncio.gather(
            workload(cluster, ("deployment", self.namespace, self.name)),
            around(cluster, "horizontalpodautoscaler", self.namespace),
            around(cluster, "poddisruptionbudget", self.namespace),
        )
        if live["spec"].get("paused"):
            raise Refused(f"{self._what} in {self.namespace} is paused: resume its rollout first.")
        revisions = await revisions_of(cluster, live)
        current = next((one for one in revisions if one.current), None)
        if current is None:
            raise Refused(f"{self._what} is just taking up a new template: ask again in a moment.")
        goal = self._choose(revisions, current)
        failure = await failure_of(cluster, live, goal)
        autoscalers, budgets = autoscalers_of(autoscalers, live), budgets_of(budgets, live)
        limit = live["spec"].get("revisionHistoryLimit", 10)
        facts: Facts = {
            **base_facts(live),
            "revision": current.number,
            "to_revision": goal.number,
            "to_template": sha256_of(goal.template),
            "cause": sha256_of([annotation(live, CAUSE), goal.cause]),
            "failed": bool(failure),
            "budgets": None if budgets is None else [budget(pdb) for pdb in budgets],
            "autoscalers": None if autoscalers is None else [bounds(hpa) for hpa in autoscalers],
            "strategy": strategy_of(live),
            "history_limit": limit == 0,
        }
        warnings = [*ownership_warnings(live), *replacing(live)]
        warnings += [*scaled_meanwhile(autoscalers, replicas_of(live)), *unprotected(budgets)]
        if limit == 0:
            warnings.append("It keeps no old revisions: there is no way back from this.")
        risk = Risk.DANGER if cluster.is_home(self.namespace) else None
        beside = (autoscalers, budgets)
        return _Seen(live, current, goal, facts, *beside, tuple(warnings), failure, risk)

    def _choose(self, revisions: Sequence[Revision], current: Revision) -> Revision:
        """The revision that is meant. Raises `Refused`."""
        others = [one for one in revisions if not one.current]
        kept = ", ".join(str(one.number) for one in others) or "none"
        if self.to_revision == 0:
            if not others:
                raise Refused(
                    f"{self._what} in {self.namespace} has no earlier revision whose pod template"
                    " differs from the live one."
                )
            return others[0]
        if self.to_revision == current.number:
            raise Refused(
                f"{self._what} in {self.namespace} already runs revision {current.number}."
            )
        for one in others:
            if one.number == self.to_revision:
                return one
        raise Refused(
            f"{self._what} in {self.namespace} does not keep revision {self.to_revision};"
            f" kept besides the live one: {kept}."
        )


def _noted(live: Object) -> dict[str, JsonValue]:
    """What was noted as the cause of the revision that runs, by its annotation."""
    return {CAUSE: cause} if (cause := annotation(live, CAUSE)) else {}


def _noting(live: Object, cause: str) -> list[JsonValue]:
    """How a patch notes the cause with the template that it belongs to, as kubectl does."""
    path = "/metadata/annotations"
    if not cause:
        return [{"op": "remove", "path": f"{path}/{_ESCAPED}"}] if CAUSE in _notes(live) else []
    if not _notes(live):
        return [{"op": "add", "path": path, "value": {CAUSE: cause}}]
    return [{"op": "add", "path": f"{path}/{_ESCAPED}", "value": cause}]


def _with_cause(live: Object, cause: str) -> Object:
    notes = {key: value for key, value in _notes(live).items() if key != CAUSE}
    notes |= {CAUSE: cause} if cause else {}
    return {**live, "metadata": {**meta(live), "annotations": notes}}


def _notes(live: Object) -> dict[str, JsonValue]:
    return dict(meta(live).get("annotations") or {})


def _pods(live: Object) -> str:
    return counted(replicas_of(live), "pod")


def _versions(before: Object, after: Object) -> str:
    """What happens to the images, if anything."""
    old, new = images_of(before), images_of(after)
    pairs = [(a, b) for a, b in zip(old, new, strict=False) if a != b]
    return ", ".join(f"image {version_of(a)} → {version_of(b)}" for a, b in pairs)
