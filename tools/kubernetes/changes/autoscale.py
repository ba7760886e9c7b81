"""The change that lets an autoscaler set a workload's number of replicas."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, ClassVar, Self, cast

from pydantic import Field, JsonValue, StringConstraints, model_validator

from tools._kit import (
    MAYBE_NAME,
    Access,
    Change,
    Name,
    Namespace,
    NoWayBack,
    Preview,
    Progress,
    Receipt,
    Refused,
    ToolError,
    Verdict,
)
from tools.kubernetes import missing
from tools.kubernetes.changes.single import ObjectChange, Place, Plan
from tools.kubernetes.changes.whole import Delete
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import RESOURCES, Object, ScalableKind, access
from tools.kubernetes.objects import annotation, conditions, meta, name_of, template_of
from tools.kubernetes.workloads import (
    Facts,
    around,
    autoscalers_of,
    blocking,
    budget,
    budgets_of,
    replicas_of,
)

_HPA = "horizontalpodautoscaler"
_KIND = {"deployment": "Deployment", "statefulset": "StatefulSet", "replicaset": "ReplicaSet"}


class Autoscale(ObjectChange):
    """Let an autoscaler keep a deployment, statefulset or replicaset between two numbers by CPU.

    Changes the autoscaler that it has, or makes one.
    """

    tool: ClassVar[str] = "k8s_autoscale"
    makes: ClassVar[bool] = True
    namespace: Namespace
    kind: ScalableKind = "deployment"
    name: Name
    min: Annotated[int, Field(ge=1, le=1000)]
    max: Annotated[int, Field(ge=1, le=1000)]
    cpu_percent: Annotated[
        int, Field(ge=1, le=1000, description="Of what its pods request, on average.")
    ] = 80
    autoscaler: Annotated[
        str,
        StringConstraints(pattern=MAYBE_NAME, strip_whitespace=True),
        Field(description="Its name, where it is not that of the workload."),
    ] = ""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise ValueError("`min` must not be more than `max`")
        return self

    @property
    def place(self) -> Place:
        """The autoscaler."""
        return Place(_HPA, self.namespace, self.autoscaler or self.name)

    def target(self) -> str:
        """The workload: it is what people speak of."""
        return f"{self.namespace}/{self.kind}/{self.name}"

    def needs(self) -> tuple[Access, ...]:
        """To change it or to make it."""
        name = self.place.name
        return (
            access("patch", _HPA, namespace=self.namespace, name=name),
            access("create", _HPA, namespace=self.namespace),
        )

    async def plan(self, cluster: Cluster, live: Object) -> Plan:
        """The bounds and the CPU; other metrics of an autoscaler stay."""
        workload, autoscalers, budgets = await asyncio.gather(
            missing.found(cluster, RESOURCES[self.kind], self.namespace, self.name),
            around(cluster, _HPA, self.namespace),
            around(cluster, "poddisruptionbudget", self.namespace),
        )
        mine = autoscalers_of(autoscalers, workload)
        if others := [name_of(one) for one in mine or () if name_of(one) != self.place.name]:
            raise Refused(
                f"{self.kind}/{self.name} has the autoscaler {others[0]}: name it as `autoscaler`."
            )
        if live and not autoscalers_of((live,), workload):
            raise Refused(f"{self.place} scales something else: name another `autoscaler`.")
        spec: dict[str, JsonValue] = {
            "minReplicas": self.min,
            "maxReplicas": self.max,
            "metrics": [self._cpu(), *_other_metrics(live)],
        }
        budgets = budgets_of(budgets, workload)
        facts: Facts = {
            "workload": str(meta(workload)["uid"]),
            "replicas": replicas_of(workload),
            "budgets": None if budgets is None else [budget(one) for one in budgets],
        }
        back = _bounds(live)
        return Plan(
            body={"spec": spec} if live else self._whole(workload, spec),
            summary=f"Autoscale `{self.kind}/{self.name}` in `{self.namespace}` between {self.min}"
            f" and {self.max} replicas",
            effect=f"{self.min} to {self.max} replicas at {self.cpu_percent} % CPU",
            done=f"{self.kind}/{self.name} in {self.namespace} is autoscaled",
            facts=facts,
            warnings=(
                *_retargeted(live, self.cpu_percent),
                *_about(workload, self.min, self.max),
                *([] if mine is not None else ["It cannot be told whether it has another one."]),
                *(blocking(budgets, self.min)),
            ),
            before={"back": back},
            way_back="delete the autoscaler" if not live else "set it back" if back else "",
        )

    async def verify(
        self, cluster: Cluster, seen: Preview, receipt: Receipt | None
    ) -> AsyncIterator[Progress | Verdict]:
        """Follow it until it is as asked, and say so where it cannot scale."""
        async for step in super().verify(cluster, seen, receipt):
            if isinstance(step, Verdict) and step.outcome == "holds":
                yield await self._whether_it_scales(cluster, step)
            else:
                yield step

    async def _whether_it_scales(self, cluster: Cluster, held: Verdict) -> Verdict:
        try:
            live = await cluster.get(_HPA, self.namespace, self.place.name)
        except ToolError as error:
            return Verdict("cannot tell", f"The world could not be read: {error}")
        for condition in ("AbleToScale", "ScalingActive"):
            found = conditions(live).get(condition, {})
            if found.get("status") == "False":
                why = " ".join(str(found.get("message") or found.get("reason")).split())[:200]
                return Verdict("failed", f"{self.place} is as asked and cannot scale: {why}.")
        return held

    def undo(self, seen: Preview) -> Change | NoWayBack:
        """Delete what was made, or set back what was there."""
        back = cast("dict[str, int]", seen.before["back"])
        if "uid" not in seen.before:
            return Delete(namespace=self.namespace, kind=_HPA, name=self.place.name)
        if not back:
            return NoWayBack(f"{self.place} was not by CPU before: patch it to what it was.")
        return self.with_more(**back)

    def _cpu(self) -> JsonValue:
        target: JsonValue = {"type": "Utilization", "averageUtilization": self.cpu_percent}
        return {"type": "Resource", "resource": {"name": "cpu", "target": target}}

    def _whole(self, workload: Object, spec: dict[str, JsonValue]) -> JsonValue:
        reference: JsonValue = {
            "apiVersion": str(workload.get("apiVersion") or "apps/v1"),
            "kind": _KIND[self.kind],
            "name": self.name,
        }
        return {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": self.place.name, "namespace": self.namespace},
            "spec": {"scaleTargetRef": reference, **spec},
        }


def _is_cpu(metric: Object) -> bool:
    return metric.get("type") == "Resource" and (metric.get("resource") or {}).get("name") == "cpu"


def _other_metrics(live: Object) -> list[JsonValue]:
    metrics = (live.get("spec") or {}).get("metrics") or ()
    return [metric for metric in metrics if not _is_cpu(metric)]


def _bounds(live: Object) -> dict[str, JsonValue]:
    """Its arguments of before; nothing where it was not by CPU alone or first."""
    spec = live.get("spec") or {}
    metrics = spec.get("metrics") or ()
    if not metrics or not _is_cpu(metrics[0]):
        return {}
    percent = metrics[0]["resource"].get("target", {}).get("averageUtilization")
    if percent is None:
        return {}
    return {
        "min": spec.get("minReplicas", 1),
        "max": spec["maxReplicas"],
        "cpu_percent": percent,
    }


def _retargeted(live: Object, percent: int) -> Iterator[str]:
    """That its target becomes another one, also where nobody named any."""
    for metric in filter(_is_cpu, (live.get("spec") or {}).get("metrics") or ()):
        target = metric["resource"].get("target") or {}
        before = target.get("averageUtilization")
        words = f"{before} %" if before is not None else str(target.get("averageValue", "unknown"))
        if before != percent:
            yield f"Its CPU target of {words} becomes {percent} %."


def _about(workload: Object, low: int, high: int) -> Iterator[str]:
    containers = (template_of(workload).get("spec") or {}).get("containers") or ()
    for one in containers:
        if "cpu" not in ((one.get("resources") or {}).get("requests") or {}):
            yield f"{one.get('name')} requests no CPU: an autoscaler cannot tell how much it uses."
    now = replicas_of(workload)
    if not now:
        yield "It has 0 replicas: an autoscaler rests until it is scaled to at least 1."
    elif not low <= now <= high:
        yield f"It has {now} replicas, out of these bounds: it is scaled at once."
    if annotation(workload, "kubectl.kubernetes.io/last-applied-configuration"):
        yield "kubectl apply wrote it: take `replicas` out of that manifest, or both fight."
