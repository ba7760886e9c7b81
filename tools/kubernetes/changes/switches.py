"""The changes that set one switch of an object: pause, resume, suspend, cordon."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from tools._kit import Change, Name, Namespace, NoWayBack, Preview, Refused, Risk
from tools.kubernetes.changes.single import ObjectChange, Place, Plan
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.justnow import JustNow
from tools.kubernetes.kinds import CronJobKind, DeploymentKind, NodeKind, Object
from tools.kubernetes.objects import conditions, name_of
from tools.kubernetes.workloads import Facts, around


class _Switch(ObjectChange):
    """Sets one field of the specification to true or false."""

    switch: ClassVar[str]  # "paused"
    on: ClassVar[bool]
    verb: ClassVar[str]  # "Pause"
    past: ClassVar[str]  # "paused"
    name: Name

    def warned(self, live: Object) -> Iterator[str]:  # noqa: ARG002
        """What to know before."""
        yield from ()

    def noted(self, live: Object) -> Iterator[str]:  # noqa: ARG002
        """What its status says just now."""
        yield from ()

    @abstractmethod
    def back(self) -> "_Switch":
        """The opposite."""

    async def plan(self, cluster: Cluster, live: Object) -> Plan:  # noqa: ARG002
        """The one field."""
        now = bool(live["spec"].get(self.switch))
        if now is self.on:
            raise Refused(f"{self.place.at} is {self.past} already.")
        return Plan(
            body={"spec": {self.switch: self.on or None}},
            summary=f"{self.verb} {self.place.marked}",
            done=f"{self.place.at} is {self.past}",
            effect=f"{self.switch} {str(now).lower()} → {str(self.on).lower()}",
            warnings=tuple(self.warned(live)),
            now=JustNow(notes=tuple(self.noted(live))),
            way_back=f"{self.back().verb.lower()} it{'' if self.on else ' again'}",
        )

    def undo(self, seen: Preview) -> Change | NoWayBack:  # noqa: ARG002 - the contract's name
        """The opposite."""
        return self.back()


class _Rollout(_Switch):
    """Whether a deployment rolls out what is changed in it."""

    switch: ClassVar[str] = "paused"
    namespace: Namespace
    kind: DeploymentKind = "deployment"

    @property
    def place(self) -> Place:
        """The deployment."""
        return Place("deployment", self.namespace, self.name)


class RolloutPause(_Rollout):
    """Pause a deployment: what is changed in it takes effect only once it is resumed."""

    tool: ClassVar[str] = "k8s_rollout_pause"
    on: ClassVar[bool] = True
    verb: ClassVar[str] = "Pause"
    past: ClassVar[str] = "paused"

    def warned(self, live: Object) -> Iterator[str]:  # noqa: ARG002
        """That what comes later waits."""
        yield "Until it is resumed, nothing that is changed in its pods takes effect."

    def noted(self, live: Object) -> Iterator[str]:
        """That a rollout stops half-way."""
        progressing = conditions(live).get("Progressing", {})
        if progressing.get("reason") in ("ReplicaSetUpdated", "NewReplicaSetCreated"):
            yield "It is rolling out just now: old and new pods stay side by side"

    def back(self) -> "_Switch":
        """Resume it."""
        return RolloutResume(namespace=self.namespace, name=self.name)


class RolloutResume(_Rollout):
    """Resume a paused deployment: what was changed in it meanwhile is rolled out."""

    tool: ClassVar[str] = "k8s_rollout_resume"
    on: ClassVar[bool] = False
    verb: ClassVar[str] = "Resume"
    past: ClassVar[str] = "resumed"

    def noted(self, live: Object) -> Iterator[str]:
        """That what waited comes now."""
        status = live.get("status") or {}
        updated, total = int(status.get("updatedReplicas") or 0), int(status.get("replicas") or 0)
        if updated < total:
            yield f"{total - updated} of {total} pods are not of its newest template: replaced now"

    def back(self) -> "_Switch":
        """Pause it again."""
        return RolloutPause(namespace=self.namespace, name=self.name)


class _CronJob(_Switch):
    """Whether a cron job starts jobs."""

    switch: ClassVar[str] = "suspend"
    namespace: Namespace
    kind: CronJobKind = "cronjob"

    @property
    def place(self) -> Place:
        """The cron job."""
        return Place("cronjob", self.namespace, self.name)


class SuspendCronjob(_CronJob):
    """Suspend a cron job: it starts no more jobs; those that run go on."""

    tool: ClassVar[str] = "k8s_suspend_cronjob"
    on: ClassVar[bool] = True
    verb: ClassVar[str] = "Suspend"
    past: ClassVar[str] = "suspended"

    def noted(self, live: Object) -> Iterator[str]:
        """That a job goes on."""
        if (live.get("status") or {}).get("active"):
            yield "A job of it runs just now and goes on"

    def back(self) -> "_Switch":
        """Resume it."""
        return ResumeCronjob(namespace=self.namespace, name=self.name)


class ResumeCronjob(_CronJob):
    """Resume a suspended cron job: it starts jobs by its schedule again."""

    tool: ClassVar[str] = "k8s_resume_cronjob"
    on: ClassVar[bool] = False
    verb: ClassVar[str] = "Resume"
    past: ClassVar[str] = "resumed"

    def warned(self, live: Object) -> Iterator[str]:
        """That it may start one at once."""
        deadline = live["spec"].get("startingDeadlineSeconds")
        if deadline is None:
            yield "It may start a job at once for a time that it missed (no starting deadline)."
        else:
            yield f"It may start a job at once for a time missed in the last {deadline} s."

    def back(self) -> "_Switch":
        """Suspend it again."""
        return SuspendCronjob(namespace=self.namespace, name=self.name)


class _Node(_Switch):
    """Whether pods are placed on a node."""

    risk: ClassVar[Risk] = Risk.DANGER
    switch: ClassVar[str] = "unschedulable"
    kind: NodeKind = "node"

    @property
    def place(self) -> Place:
        """The node."""
        return Place("node", "", self.name)


def takes_pods(node: Object) -> bool:
    """Whether pods without tolerations may be placed there."""
    taints = node["spec"].get("taints") or ()
    closed = any(taint.get("effect") in ("NoSchedule", "NoExecute") for taint in taints)
    ready = conditions(node).get("Ready", {}).get("status") == "True"
    return ready and not closed and not node["spec"].get("unschedulable")


class Cordon(_Node):
    """Cordon a node: no new pods are placed on it; those that run there stay."""

    tool: ClassVar[str] = "k8s_cordon"
    on: ClassVar[bool] = True
    verb: ClassVar[str] = "Cordon"
    past: ClassVar[str] = "cordoned"

    async def plan(self, cluster: Cluster, live: Object) -> Plan:
        """The switch, and whether any other node is left for new pods."""
        plan = await super().plan(cluster, live)
        nodes = await around(cluster, "node", "")
        others = [one for one in nodes or () if name_of(one) != self.name and takes_pods(one)]
        facts: Facts = {"others": None if nodes is None else bool(others)}
        if nodes is None or others:
            return replace(plan, facts=facts)
        lonely = "No other node takes pods: new ones wait until it is uncordoned."
        return replace(plan, facts=facts, warnings=(*plan.warnings, lonely))

    def back(self) -> "_Switch":
        """Uncordon it."""
        return Uncordon(name=self.name)


class Uncordon(_Node):
    """Uncordon a node: pods are placed on it again."""

    tool: ClassVar[str] = "k8s_uncordon"
    on: ClassVar[bool] = False
    verb: ClassVar[str] = "Uncordon"
    past: ClassVar[str] = "uncordoned"

    def warned(self, live: Object) -> Iterator[str]:
        """What else keeps pods away."""
        for taint in live["spec"].get("taints") or ():
            if taint.get("key") != "node.kubernetes.io/unschedulable":
                yield f"Its taint {taint.get('key')}:{taint.get('effect')} stays."

    def noted(self, live: Object) -> Iterator[str]:
        """Whether it is well."""
        if conditions(live).get("Ready", {}).get("status") != "True":
            yield "The node is not ready just now"

    def back(self) -> "_Switch":
        """Cordon it again."""
        return Cordon(name=self.name)
