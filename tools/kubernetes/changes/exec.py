"""The change that runs an allow-listed command in a container, to look from inside."""

from collections.abc import AsyncIterator
from typing import Annotated, ClassVar

from pydantic import Field, JsonValue, StringConstraints

from tools._kit import (
    Access,
    Change,
    ChangedPath,
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
from tools.kubernetes import diagnostics, missing
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.containers import MaybeContainer, named
from tools.kubernetes.kinds import RESOURCES, Object, PodKind, access
from tools.kubernetes.objects import controller, labels_of, meta
from tools.kubernetes.workloads import Facts, fingerprint, reading, stale

_TOOL = "k8s_exec"
_TOLD = 3000  # characters of what it wrote

# Which of them may stand where, the list of what is allowed says.
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Exec(Change):
    """Run one of the allowed commands in a container and tell what it printed; never a shell.

    Such as ["df", "-h"], ["cat", "/etc/resolv.conf"], ["nslookup", "db.shop"], ["env"] (names
    only), ["wget", "-qO-", "-T", "5", "http://localhost:8080/healthz"].
    """

    risk: ClassVar[Risk] = Risk.DANGER
    namespace: Namespace
    kind: PodKind = "pod"
    name: Annotated[Name, Field(description="The pod.")]
    command: Annotated[
        tuple[Word, ...], Field(min_length=1, max_length=20, description="Its words, one by one.")
    ]
    container: MaybeContainer = ""

    def target(self) -> str:
        """The pod."""
        return f"{self.namespace}/pod/{self.name}"

    def needs(self) -> tuple[Access, ...]:
        """To run something there: the API asks for one or the other, by its version."""
        return tuple(
            access(verb, "pod", "exec", namespace=self.namespace, name=self.name)
            for verb in ("create", "get")
        )

    async def preview(self, cluster: Cluster) -> Preview:
        """Whether it may run there; there is no dry run that would be refused."""
        live, container, facts = await self._examine(cluster)
        for need in self.needs():
            if not await cluster.may(need):
                raise Refused(
                    f"Cluster {cluster.name} does not allow this: {need} in {self.namespace}."
                )
        words = " ".join(self.command)
        return Preview(
            summary=f"Run `{words}` in `{container}` of `pod/{self.name}` in `{self.namespace}`",
            effect="it runs once, as the container's user; what it prints is told here",
            changes=(ChangedPath(path=f"pod/{self.name} exec", before=None, after=words),),
            diff="",
            labels=labels_of(live),
            fingerprint=fingerprint(_TOOL, facts),
            before={"uid": str(meta(live)["uid"]), "container": container, "facts": facts},
        )

    async def apply(self, cluster: Cluster, seen: Preview) -> Receipt:
        """Run it, once."""
        _, container, facts = await reading(self._examine(cluster))
        if fingerprint(_TOOL, facts) != seen.fingerprint:
            raise stale(seen.before.get("facts"), facts, f"pod/{self.name}")
        found = await cluster.execute(self.namespace, self.name, container, self.command)
        if found.problem:
            raise Refused(f"`{' '.join(self.command)}` could not be run there: {found.problem}.")
        printed = diagnostics.without_values(self.command, found.text).strip()
        cut = found.cut or len(printed) > _TOLD
        how = "was cut off" if found.code is None else f"ended with exit code {found.code}"
        said = f"It {how} and printed{' (the beginning)' if cut else ''}:\n{printed[:_TOLD]}"
        return Receipt(text=said if printed else f"It {how} and printed nothing.")

    async def verify(
        self,
        cluster: Cluster,  # noqa: ARG002 - the contract's name
        seen: Preview,  # noqa: ARG002 - the contract's name
        receipt: Receipt | None,
    ) -> AsyncIterator[Progress | Verdict]:
        """What it printed is all that there is to see."""
        if receipt is None:
            yield Verdict("cannot tell", "Nothing in the cluster shows whether it ran.")
        else:
            yield Verdict("holds", receipt.text)

    def undo(self, seen: Preview) -> Change | NoWayBack:  # noqa: ARG002 - the contract's name
        """There is none."""
        return NoWayBack("What has run has run.")

    async def _examine(self, cluster: Cluster) -> tuple[Object, str, Facts]:
        """The pod, the container, and what an approval is bound to."""
        if not diagnostics.is_allowed(self.command, cluster.exec_commands):
            allowed = "; ".join(f"`{one}`" for one in cluster.exec_commands) or "none"
            raise Refused(f"That command is not allowed. Allowed are: {allowed}.")
        live = await missing.found(cluster, RESOURCES["pod"], self.namespace, self.name)
        one = named(live["spec"], self.container, f"pod/{self.name}")
        statuses = (live.get("status") or {}).get("containerStatuses") or ()
        running = any(
            status.get("name") == one.name and (status.get("state") or {}).get("running")
            for status in statuses
        )
        if not running:
            raise Refused(f"{one.name} of pod/{self.name} in {self.namespace} does not run.")
        command: list[JsonValue] = [*self.command]
        facts: Facts = {
            "uid": str(meta(live)["uid"]),
            "owner": controller(live),
            "image": one.image,
            "command": sha256_of(command),
        }
        return live, one.name, facts
