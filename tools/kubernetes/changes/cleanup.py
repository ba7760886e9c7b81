"""The change that removes finished or failed pods and jobs."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Literal, cast

from pydantic import BeforeValidator, Field, JsonValue, StringConstraints

from tools._kit import (
    Access,
    Change,
    ChangedPath,
    Duration,
    Namespace,
    NotFound,
    NoWayBack,
    Preview,
    Progress,
    Receipt,
    Refused,
    Risk,
    Stale,
    ToolError,
    Touched,
    Unavailable,
    Verdict,
    seconds,
)
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import Object, access, canonical_kind
from tools.kubernetes.objects import age, conditions, controller, labels_of, meta, moment, name_of
from tools.kubernetes.verification import until_verdict
from tools.kubernetes.wire import Conflict
from tools.kubernetes.workloads import fingerprint, reading

_TOOL = "k8s_clean_up"
MOST = 50
_LONGEST = 60.0


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class CleanUp(Change):
    """Delete finished or failed pods or jobs of a namespace, the oldest first, at most 50."""

    risk: ClassVar[Risk] = Risk.WRITE
    namespace: Namespace
    kind: Annotated[Literal["pod", "job"], BeforeValidator(canonical_kind)] = "pod"
    state: Annotated[
        Literal["finished", "failed", "both"],
        Field(description="How they ended. Evicted pods are failed ones."),
    ] = "both"
    older_than: Annotated[Duration, Field(description="Only what ended longer ago.")] = "1h"
    # Fixed once, when it is proposed: what ends later is not among them.
    at: Annotated[
        str,
        StringConstraints(
            pattern=r"^20[0-9]{2}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z$"
        ),
        Field(description="From when that counts. Leave it out: it is the time of now."),
    ] = Field(default_factory=_now)

    def target(self) -> str:
        """The namespace's pods or jobs."""
        return f"{self.namespace}/{self.kind}s"

    def needs(self) -> tuple[Access, ...]:
        """The deletions."""
        return (access("delete", self.kind, namespace=self.namespace),)

    async def preview(self, cluster: Cluster) -> Preview:
        """Which ones, by name and age."""
        found, unseen = await self._chosen(cluster)
        if not found:
            raise Refused(
                f"There are no {self._which} {self.kind}s in {self.namespace} that ended more than"
                f" {self.older_than} ago{unseen and f'; {unseen}'}."
            )
        more = len(found) - MOST
        found = found[:MOST]
        await self._delete(cluster, found[0], dry_run=True)
        ended = datetime.strptime(self.at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        uids: list[JsonValue] = [[name_of(one), str(meta(one)["uid"])] for one in found]
        return Preview(
            summary=f"Delete {counted(len(found), f'{self._which} {self.kind}')}"
            f" in `{self.namespace}`",
            effect=f"{len(found)} of them, and what they wrote to their logs",
            changes=tuple(
                ChangedPath(
                    path=f"{self.kind}/{name_of(one)}",
                    before=f"{_how(self.kind, one)} {age(_end(self.kind, one), ended)} ago",
                    after=None,
                )
                for one in found
            ),
            diff="",
            objects=tuple(map(self._touched, found)),
            warnings=tuple(self._warnings(found)),
            notes=(
                *([f"{more} more are left for another time"] if more > 0 else []),
                *filter(None, [unseen]),
            ),
            fingerprint=fingerprint(_TOOL, {"uids": uids}),
            risk=Risk.DANGER if cluster.is_home(self.namespace) else None,
            before={"uids": uids},
        )

    def _touched(self, one: Object) -> Touched:
        labels = labels_of(one)
        return Touched(kind=self.kind, name=name_of(one), namespace=self.namespace, labels=labels)

    async def apply(self, cluster: Cluster, seen: Preview) -> Receipt:
        """Delete exactly those that were seen, each by its uid; one that is gone is gone."""
        wanted = [
            tuple(cast("list[str]", one)) for one in cast("list[JsonValue]", seen.before["uids"])
        ]
        there = {
            (name_of(one), str(meta(one)["uid"])): one
            for one in (await reading(self._chosen(cluster)))[0]
        }
        if not any(one in there for one in wanted):
            raise Stale(f"None of those {self.kind}s in {self.namespace} is there any more.")
        done = 0
        for one in wanted:
            if one not in there:
                continue
            try:
                await self._delete(cluster, there[one], dry_run=False)
            except (NotFound, Conflict):
                continue  # gone, or another one of that name
            except ToolError as error:
                if not done:
                    raise
                raise Unavailable(f"{done} of {len(wanted)} were deleted, then: {error}") from error
            done += 1
        if not done:
            raise Stale(f"None of those {self.kind}s in {self.namespace} is there any more.")
        return Receipt(text=f"{done} {self.kind}s in {self.namespace} were deleted")

    def verify(
        self, cluster: Cluster, seen: Preview, receipt: Receipt | None
    ) -> AsyncIterator[Progress | Verdict]:
        """Look until none of them is there any more."""
        wanted = {
            str(cast("list[str]", one)[1]) for one in cast("list[JsonValue]", seen.before["uids"])
        }
        return until_verdict(
            lambda seconds: self._left(cluster, wanted, seconds, applied=receipt is not None),
            every=0.5,
        )

    def undo(self, seen: Preview) -> Change | NoWayBack:  # noqa: ARG002 - the contract's name
        """There is none."""
        return NoWayBack(f"Finished {self.kind}s cannot be brought back, nor what they wrote.")

    async def _chosen(self, cluster: Cluster) -> tuple[list[Object], str]:
        """Those that are meant, the oldest first, and whether there may be more."""
        listing = await cluster.list(self.kind, self.namespace)
        ended = datetime.strptime(self.at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        latest = ended - timedelta(seconds=seconds(self.older_than))
        found = [
            (end, name_of(one), one)
            for one in listing.items
            if _how(self.kind, one) in self._states
            and (end := moment(_end(self.kind, one))) is not None
            and end <= latest
            and not meta(one).get("deletionTimestamp")
        ]
        read = len(listing.items)
        unseen = f"only {read} of all {self.kind}s could be looked at" if listing.cut else ""
        return [one for *_, one in sorted(found, key=lambda each: each[:2])], unseen

    async def _delete(self, cluster: Cluster, one: Object, *, dry_run: bool) -> None:
        target = (self.kind, self.namespace, name_of(one))
        await cluster.delete(target, {"uid": str(meta(one)["uid"])}, dry_run=dry_run)

    async def _left(
        self, cluster: Cluster, wanted: set[str], since: float, *, applied: bool
    ) -> Progress | Verdict:
        try:
            listing = await cluster.list(self.kind, self.namespace)
        except ToolError as error:
            if since >= _LONGEST:
                return Verdict("cannot tell", f"The world could not be read: {error}")
            return Progress(f"Cannot look right now, trying again: {error}")
        left = [one for one in listing.items if str(meta(one).get("uid")) in wanted]
        if not left and listing.cut:
            return Verdict("cannot tell", f"{self.namespace} has more {self.kind}s than are read.")
        if not left:
            was = counted(len(wanted), self.kind)
            return Verdict("holds", f"{was} cleaned up: nothing of it is there any more.")
        gone = len(wanted) - len(left)
        if since >= (_LONGEST if applied or gone else 1.0):
            if not applied and not gone:
                there = f"{counted(len(wanted), self.kind)} still there, as before."
                return Verdict("did not happen", there)
            names = ", ".join(name_of(one) for one in left[:5])
            return Verdict("failed", f"{len(left)} of {len(wanted)} are still there: {names}.")
        return Progress(f"{gone} of {len(wanted)} {self.kind}s are gone")

    @property
    def _states(self) -> tuple[str, ...]:
        return ("finished", "failed") if self.state == "both" else (self.state,)

    @property
    def _which(self) -> str:
        return "finished or failed" if self.state == "both" else self.state

    def _warnings(self, found: list[Object]) -> list[str]:
        owners = sorted(
            {owner for one in found if (owner := controller(one)).startswith("cronjob")}
        )
        if self.kind == "job" and owners:
            return [f"{', '.join(owners)} keep some of their jobs on purpose (history limits)."]
        owners = sorted({owner for one in found if (owner := controller(one)).startswith("job")})
        if owners and len(owners) <= 5:
            return [f"They belong to {', '.join(owners)}, whose logs are gone with them."]
        return (
            [f"They belong to {len(owners)} jobs, whose logs are gone with them."] if owners else []
        )


def _how(kind: str, one: Object) -> str:
    """How it ended: finished, failed, or not yet: nothing."""
    if kind == "pod":
        phase = str((one.get("status") or {}).get("phase", ""))
        return {"Succeeded": "finished", "Failed": "failed"}.get(phase, "")
    found = conditions(one)
    for condition, how in (("Complete", "finished"), ("Failed", "failed")):
        if found.get(condition, {}).get("status") == "True":
            return how
    return ""


def _end(kind: str, one: Object) -> str:
    """When it ended, as far as it says."""
    status = one.get("status") or {}
    if kind == "job":
        times = [c.get("lastTransitionTime") for c in status.get("conditions") or ()]
        return str(status.get("completionTime") or max(filter(None, times), default=""))
    ended = [
        ((container.get("state") or {}).get("terminated") or {}).get("finishedAt")
        for container in status.get("containerStatuses") or ()
    ]
    last = max(filter(None, ended), default=None)
    return str(last or status.get("startTime") or meta(one).get("creationTimestamp") or "")
