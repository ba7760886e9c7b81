"""Following a workload until a change holds, or until it is clear that it does not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tools._kit import NotFound, Progress, Refused, Unavailable, Verdict, sha256_of
from tools.kubernetes.cluster import MOST, Cluster
from tools.kubernetes.counting import counted
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import (
    conditions,
    images_of,
    meta,
    moment,
    namespace_of,
    selector_text,
    template_of,
    version_of,
)
from tools.kubernetes.pods import (
    Trouble,
    is_leaving,
    is_ready,
    restarts_of,
    trouble_of,
    unscheduled_since,
)
from tools.kubernetes.reasons import reported, telling_line
from tools.kubernetes.revisions import HASHES, revisions_of
from tools.kubernetes.workloads import counts_of, partition_of, strategy_of

_LONGEST = 300.0  # seconds, where the workload itself sets no shorter deadline
_CONTESTED = 30.0  # seconds; an autoscaler looks every 15
_SECOND_LOOK = 1.0  # seconds in which a request that was cut off may still arrive
_NO_PROGRESS = 5.0  # seconds after which it is asked why nothing moves, and again


@dataclass(frozen=True)
class Goal:
    """What the world should look like, and what it looked like before."""

    kind: str
    namespace: str
    name: str
    uid: str
    asked: Callable[[Object], bool]  # is it as asked?
    before: Callable[[Object], bool]  # is it as it was?
    there: Callable[[Object], str]  # what is there instead: "replicas are 4"
    generation: int = 0  # of the write; 0: not known
    counted: bool = False  # how many pods it has was asked for, or that all it has are ready
    undone: Callable[[Object], str] = lambda _live: ""  # who took it back, where that is certain
    against: str = ""  # who will not leave it as asked: that it is so for a moment says little

    @property
    def what(self) -> str:
        """The object, for sentences."""
        return f"{self.kind}/{self.name}"


async def follow(
    cluster: Cluster, goal: Goal, *, applied: bool
) -> AsyncIterator[Progress | Verdict]:
    """Tell how it goes; the verdict comes last.

    `applied` False: nobody knows whether the change was sent; find out first.
    """
    watch = Watch(cluster, goal, applied=applied)
    said, pause = "", 0.1
    while True:
        outcome = await watch.look()
        if isinstance(outcome, Verdict):
            yield outcome
            return
        if outcome.text != said:
            said = outcome.text
            yield outcome
        await asyncio.sleep(min(pause, watch.left_to_settle()))
        pause = min(1.0, pause * 1.4)


async def until_verdict(
    look: Callable[[float], Awaitable[Progress | Verdict]], every: float
) -> AsyncIterator[Progress | Verdict]:
    """Look again and again, with the seconds since the first look; tell what is new. A verdict
    ends it.
    """
    time, said = asyncio.get_running_loop().time, ""
    begun = time()
    while True:
        found = await look(time() - begun)
        if isinstance(found, Verdict):
            yield found
            return
        if found.text != said:
            said = found.text
            yield found
        await asyncio.sleep(every)


class Watch:
    """What was seen so far of one change."""

    def __init__(self, cluster: Cluster, goal: Goal, *, applied: bool) -> None:
        self._cluster = cluster
        self._goal = goal
        self._applied = applied
        self._time = asyncio.get_running_loop().time
        self._begun = self._time()
        self._limit = _LONGEST
        self._stale_condition: datetime | str | None = "unseen"
        self._first: dict[str, int] | None = None  # restarts by pod at the first look
        self._settled: dict[str, int] = {}  # restarts by pod when all were ready
        self._settled_at: float | None = None
        self._pending: dict[str, float] = {}  # since when a pod has no node
        self._hash: tuple[str, str] = ("", "")  # of a template, its pods' label
        self._count, self._asked_at = (-1, -1), self._begun  # pods and ready ones; since when
        self._why = ""  # it does not move, as far as that was reported

    def left_to_settle(self) -> float:
        """Seconds until the next look can be the last one; a second or more when none is near."""
        if self._settled_at is None:
            return 1.0
        return max(0.01, self._settled_at + self._settle_seconds - self._time())

    @property
    def _settle_seconds(self) -> float:
        """How long it has to hold; longer where somebody is known who will not leave it so."""
        seconds = self._cluster.settle_seconds
        return max(seconds, min(6 * seconds, _CONTESTED)) if self._goal.against else seconds

    async def look(self) -> Progress | Verdict:
        """Look once."""
        goal = self._goal
        try:
            live = await self._cluster.get(goal.kind, goal.namespace, goal.name)
            found = self._as_asked(live)
            if found is not None:
                return found
            return await self._judge(live)
        except Unavailable as error:
            if self._late():
                return Verdict("cannot tell", f"The world could not be read: {error}")
            return Progress(f"Cannot look right now, trying again: {error}")
        except NotFound:
            return Verdict("cannot tell", f"{goal.what} is gone: somebody deleted it.")
        except Refused as error:
            return Verdict("cannot tell", f"The world could not be read: {error}")

    def _as_asked(self, live: Object) -> Progress | Verdict | None:
        """None when the world is as asked, whoever made it so."""
        goal = self._goal
        if str(meta(live).get("uid")) != goal.uid:
            return Verdict(
                "cannot tell", f"{goal.what} was deleted and made anew by somebody else."
            )
        if goal.asked(live):
            self._applied = True
            return None
        if self._applied:
            words = f"Somebody changed {goal.what} meanwhile: {goal.there(live)}"
            return Verdict("cannot tell", f"{goal.undone(live) or words}.")
        if not goal.before(live):
            words = f"{goal.what} is neither as before nor as asked: {goal.there(live)}."
            return Verdict("cannot tell", words)
        if self._time() - self._begun < _SECOND_LOOK:
            return Progress("Looking whether it happened")
        return Verdict("did not happen", f"{goal.what} is as before: {goal.there(live)}.")

    async def _judge(self, live: Object) -> Progress | Verdict:
        """As asked: is it there yet, does it hold, or will it never?"""
        goal = self._goal
        if strategy_of(live)["type"] == "OnDelete" and not goal.counted:
            return Verdict(
                "holds", f"{goal.what} is as asked; its pods follow as they are deleted."
            )
        selector = selector_text(live["spec"].get("selector"))
        listing = await self._cluster.list("pod", namespace_of(live), labels=selector)
        if listing.cut:
            return Verdict(
                "cannot tell", f"{goal.what} has more pods than can be followed ({MOST})."
            )
        pods = [pod for pod in listing.items if not is_leaving(pod)]
        self._limit = min(_LONGEST, live["spec"].get("progressDeadlineSeconds") or _LONGEST)
        if self._stale_condition == "unseen":
            # A deadline missed before this change says nothing about it.
            self._stale_condition = _missed_deadline(live)
        if self._arrived(live):
            return self.settle(live, pods)
        self._settled_at = None
        current = pods if self._keeps_old(live) else await self._current(live, pods)
        troubles = [trouble for pod in current if (trouble := trouble_of(pod)) is not None]
        if not troubles:
            await self._ask_why(current)
        failure = self._failure(live, current, troubles)
        if failure is not None:
            return await self._failed(failure, troubles, current)
        ready = sum(map(is_ready, current))
        text = f"{ready} of {counted(counts_of(live).wanted, 'pod')} ready{self._on(live)}"
        return Progress("; ".join(part for part in (text, self._because(troubles)) if part))

    def _on(self, live: Object) -> str:
        """What all of its pods run; they may run something else than its template of now."""
        old = self._keeps_old(live) or self._goal.kind == "replicaset"  # which replaces no pod
        images = () if old else images_of(template_of(live))
        return f" on {version_of(images[0])}" if images else ""

    def _because(self, troubles: Sequence[Trouble]) -> str:
        return f"{troubles[0].pod} {troubles[0].words}" if troubles else self._why

    async def _ask_why(self, pods: Sequence[Object]) -> None:
        """What was reported of a pod that does not become ready, where its status says nothing."""
        count, now = (len(pods), sum(map(is_ready, pods))), self._time()
        if count != self._count:
            self._count, self._asked_at, self._why = count, now, ""
        elif now - self._asked_at >= min(_NO_PROGRESS, self._limit / 2):
            self._asked_at = now
            self._why = await reported(self._cluster, self._goal.namespace, pods)

    def _arrived(self, live: Object) -> bool:
        """Observed, and updated = available = desired with none of the old left."""
        status, counts = live.get("status") or {}, counts_of(live)
        generation = max(self._goal.generation, int(meta(live).get("generation") or 0))
        if int(status.get("observedGeneration") or 0) < generation:
            return False
        there = {counts.total, counts.available} == {counts.wanted}
        updated = counts.updated >= max(0, counts.wanted - partition_of(live))
        return there and (updated or self._keeps_old(live))

    def _keeps_old(self, live: Object) -> bool:
        """Whether only the number was asked for, of what does not replace its pods by itself."""
        still = live["spec"].get("paused") or strategy_of(live)["type"] == "OnDelete"
        return self._goal.counted and bool(still)

    def settle(self, live: Object, pods: Sequence[Object]) -> Progress | Verdict:
        """All is ready: has it been so, without a restart, for long enough?"""
        now, restarts, seconds = self._time(), restarts_of(pods), self._settle_seconds
        again = any(count > self._settled.get(uid, 0) for uid, count in restarts.items())
        if self._settled_at is None or again:
            if again and self._settled_at is not None and self._late():
                return Verdict("failed", f"The containers of {self._goal.what} keep restarting.")
            self._settled_at, self._settled = now, restarts
        wanted = counts_of(live).wanted
        ready = f"{wanted} of {counted(wanted, 'pod')} ready{self._on(live)}"
        state = ready if wanted else "All pods are gone"
        against = f", though {self._goal.against}" if self._goal.against else ""
        if now - self._settled_at >= seconds:
            held = f", no restarts for {seconds:g} s" if wanted and seconds else ""
            return Verdict("holds", f"{state}{held}{against}.")
        return Progress(f"{state}; watching for restarts for {seconds:g} s{against}")

    async def _current(self, live: Object, pods: Sequence[Object]) -> list[Object]:
        """Those pods that run the template of now."""
        status = live.get("status") or {}
        label = HASHES.get(str(live["kind"]))
        if label is None:
            return list(pods)
        if self._goal.kind == "statefulset" and status.get("updateRevision"):
            value = str(status["updateRevision"])
        else:
            value = await self._template_hash(live)
        return [pod for pod in pods if (meta(pod).get("labels") or {}).get(label) == value]

    async def _template_hash(self, live: Object) -> str:
        """What the pods of the template of now are labelled with; empty: nobody knows yet."""
        template = sha256_of(template_of(live))
        if self._hash[0] != template:
            try:
                revisions = await revisions_of(self._cluster, live)
            except Refused:  # without a right to see them, only the counts tell
                revisions = []
            for one in revisions:
                if one.current:
                    self._hash = (template, one.hash)
        return self._hash[1] if self._hash[0] == template else ""

    def _failure(
        self, live: Object, pods: Sequence[Object], troubles: Sequence[Trouble]
    ) -> str | None:
        """Why it will not come right, as soon as that is clear."""
        restarts = restarts_of(pods)
        first = self._first = restarts if self._first is None else self._first
        for trouble in troubles:
            if trouble.clear:
                return f"{trouble.pod} {trouble.words}"
        crashed = next((trouble for trouble in troubles if trouble.crashed), None)
        if crashed and any(n - first.get(uid, 0) >= 2 for uid, n in restarts.items()):
            return f"{crashed.pod} {crashed.words}"
        if (unplaced := self._unplaced(pods)) is not None:
            return f"{unplaced.pod} {unplaced.words}"
        return self._missed(live, pods, troubles)

    def _unplaced(self, pods: Sequence[Object]) -> Trouble | None:
        """A pod that no node has taken for so long that no new node will come for it either."""
        patience = 3 * self._cluster.settle_seconds
        for pod in pods:
            uid = str(meta(pod).get("uid"))
            if unscheduled_since(pod) is None:
                self._pending.pop(uid, None)
            elif self._time() - self._pending.setdefault(uid, self._time()) >= patience:
                return trouble_of(pod)
        return None

    def _missed(
        self, live: Object, pods: Sequence[Object], troubles: Sequence[Trouble]
    ) -> str | None:
        """Its own deadline, ours, or pods that may not even be made."""
        status, wanted = live.get("status") or {}, counts_of(live).wanted
        because = f": {why}" if (why := self._because(troubles)) else ""
        observed = int(status.get("observedGeneration") or 0) >= self._goal.generation
        refused = conditions(live).get("ReplicaFailure", {})
        if observed and refused.get("status") == "True":
            return f"Pods cannot be made: {' '.join(str(refused.get('message')).split())[:200]}"
        missed = _missed_deadline(live)
        if observed and missed is not None and missed != self._stale_condition:
            return f"{self._goal.what} exceeded its progress deadline{because}"
        if self._late():
            ready = sum(map(is_ready, pods))
            return (
                f"Only {ready} of {counted(wanted, 'pod')} ready after {self._limit:.0f} s{because}"
            )
        return None

    async def _failed(
        self, reason: str, troubles: Sequence[Trouble], pods: Sequence[Object]
    ) -> Verdict:
        """The verdict, with why: the line that a crashed container wrote, or what was reported."""
        place = self._goal.namespace
        crashed = next((one for one in troubles if one.crashed and one.pod in reason), None)
        if crashed and (line := await telling_line(self._cluster, place, crashed)):
            reason = f"{reason}; its log says: {line}"
        elif not self._because(troubles) and (why := await reported(self._cluster, place, pods)):
            reason = f"{reason}: {why}"
        return Verdict("failed", reason.rstrip(".") + ".")

    def _late(self) -> bool:
        return self._time() - self._begun >= self._limit


def _missed_deadline(live: Object) -> datetime | None:
    """When the controller said that the workload's progress deadline has passed."""
    progressing = conditions(live).get("Progressing", {})
    if progressing.get("reason") != "ProgressDeadlineExceeded":
        return None
    return moment(progressing.get("lastUpdateTime") or progressing.get("lastTransitionTime"))
