"""The change that replaces a workload's pods one after the other, with nothing else changed."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from tools._kit import Change, NoWayBack, Preview, Refused
from tools.kubernetes.cluster import MERGE_PATCH
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import annotation, meta, template_of
from tools.kubernetes.templates import Step, TemplateChange, moving

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class RolloutRestart(TemplateChange):
    """Restart a deployment, statefulset or daemonset: replace its pods step by step."""

    tool: ClassVar[str] = "k8s_rollout_restart"
    has_way_back = False
    # Fixed once, when it is proposed: the same arguments are the same change at any time.
    at: Annotated[
        str,
        StringConstraints(
            pattern=r"^20[0-9]{2}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z$"
        ),
        Field(description="The mark it leaves on the pods. Leave it out: it is the time of now."),
    ] = Field(default_factory=_now)

    def undo(self, seen: Preview) -> Change | NoWayBack:  # noqa: ARG002 - the contract's name
        """There is none."""
        return NoWayBack(
            f"A restart of {self.what} cannot be taken back: the old pods are gone, and the new"
            " ones run the same."
        )

    def step(self, live: Object) -> Step:
        """The annotation by which kubectl restarts too."""
        if (live["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
            raise Refused(
                f"{self.what} in {self.namespace} replaces its pods only when they are deleted"
                " (OnDelete): a restart would do nothing."
            )
        if annotation(template_of(live), RESTARTED_AT) == self.at:
            raise Refused(f"{self.what} in {self.namespace} was already restarted at {self.at}.")
        return Step(
            body={
                "metadata": {"resourceVersion": meta(live)["resourceVersion"]},
                "spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: self.at}}}},
            },
            content_type=MERGE_PATCH,
            summary=f"Restart `{self.what}` in `{self.namespace}`",
            effect="every pod is replaced",
            done=f"{self.what} in {self.namespace} was restarted",
            warnings=tuple(moving({}, template_of(live))),
        )
