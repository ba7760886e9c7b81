"""The change that runs a cron job's job once, now."""

import secrets
from typing import Annotated, Any, ClassVar

from pydantic import Field, JsonValue, StringConstraints

from tools._kit import (
    Access,
    Change,
    Name,
    Namespace,
    NoWayBack,
    Preview,
    Refused,
    sha256_of,
)
from tools.kubernetes import missing
from tools.kubernetes.changes.single import ObjectChange, Place, Plan
from tools.kubernetes.changes.whole import Delete
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.justnow import JustNow
from tools.kubernetes.kinds import RESOURCES, CronJobKind, Object, access
from tools.kubernetes.objects import meta

_INSTANTIATED = "cronjob.kubernetes.io/instantiate"
_RUNS_NOW = "A job of it runs just now: two would run at a time."


def _fixed_name(given: dict[str, Any]) -> str:
    return f"{str(given.get('name', 'job'))[:45]}-manual-{secrets.token_hex(3)}"


class CreateJob(ObjectChange):
    """Run the job of a cron job once, now, whatever its schedule says."""

    tool: ClassVar[str] = "k8s_create_job"
    makes: ClassVar[bool] = True
    namespace: Namespace
    kind: CronJobKind = "cronjob"
    name: Annotated[Name, Field(description="The cron job.")]
    # Fixed once, when it is proposed: the same arguments are the same job at any time.
    job: Annotated[
        str,
        StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", strip_whitespace=True),
        Field(description="What the new job is called. Leave it out: it gets a name."),
    ] = Field(default_factory=_fixed_name)

    @property
    def place(self) -> Place:
        """The new job."""
        return Place("job", self.namespace, self.job)

    def needs(self) -> tuple[Access, ...]:
        """To make it."""
        return (access("create", "job", namespace=self.namespace),)

    async def plan(self, cluster: Cluster, live: Object) -> Plan:
        """The job as its cron job would make it."""
        if live:
            raise Refused(f"There is a {self.place.at} already.")
        cron = await missing.found(cluster, RESOURCES["cronjob"], self.namespace, self.name)
        template: Object = cron["spec"]["jobTemplate"]
        given: Object = template.get("metadata") or {}
        annotations = {**(given.get("annotations") or {}), _INSTANTIATED: "manual"}
        owner: dict[str, JsonValue] = {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "name": self.name,
            "uid": str(meta(cron)["uid"]),
            "controller": True,
        }
        running = (cron.get("status") or {}).get("active")
        policy = cron["spec"].get("concurrencyPolicy", "Allow")
        return Plan(
            body={
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {
                    "name": self.job,
                    "namespace": self.namespace,
                    "labels": dict(given.get("labels") or {}),
                    "annotations": annotations,
                    "ownerReferences": [owner],
                },
                "spec": template["spec"],
            },
            summary=f"Run the job of `cronjob/{self.name}` in `{self.namespace}` now, as"
            f" `{self.place}`",
            effect="one run beside the schedule",
            done=f"{self.place.at} was made",
            facts={"cronjob": str(meta(cron)["uid"]), "template": sha256_of(template)},
            warnings=(f"It may not run twice at a time ({policy}): this does not ask.",)
            if policy != "Allow"
            else (),
            now=JustNow((_RUNS_NOW,) if running else ()),
            way_back="delete the job",
        )

    def undo(self, seen: Preview) -> Change | NoWayBack:  # noqa: ARG002 - the contract's name
        """Delete it; what it did stays done."""
        return Delete(namespace=self.namespace, kind="job", name=self.job)
