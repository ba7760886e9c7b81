"""Following one object of any kind until a change of it holds."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tools._kit import NotFound, Progress, Refused, ToolError, Unavailable, Verdict
from tools.kubernetes.changes.coming import COMING
from tools.kubernetes.cluster import Cluster
from tools.kubernetes.kinds import Object
from tools.kubernetes.objects import meta
from tools.kubernetes.verification import Goal, follow, until_verdict

_ROLLED = ("deployment", "statefulset", "daemonset", "replicaset")
_SECOND_LOOK = 1.0  # seconds in which a request that was cut off may still arrive
_LONGEST = 60.0  # seconds in which the world must be readable once


@dataclass(frozen=True)
class Wanted:
    """What an object should be, and what it was."""

    place: tuple[str, str, str]  # kind, namespace, name
    uid: str  # empty: it was not there
    asked: Callable[[Object], bool]
    before: Callable[[Object], bool]
    rolls_out: bool = False  # its specification was written: if it runs pods, they follow
    # Its number of pods was written: they follow even when it is paused, except of what is new.
    rescales: bool = False
    generation: int = 0
    there: Callable[[Object], str] = lambda _: "what this writes is not there"

    @property
    def what(self) -> str:
        """The object, for sentences."""
        return f"{self.place[0]}/{self.place[2]}"


async def hold(
    cluster: Cluster, wanted: Wanted, *, applied: bool
) -> AsyncIterator[Progress | Verdict]:
    """Tell how it goes; the verdict comes last. `applied` False: find out first."""
    kind, namespace, name = wanted.place
    comes = None if wanted.uid else COMING.get(kind)
    if not wanted.uid:
        live = await _appeared(cluster, wanted)
        if live is None:
            said = f"There is no {wanted.what}."
            yield Verdict("cannot tell", said) if applied else Verdict("did not happen", said)
            return
        wanted = replace(wanted, uid=str(meta(live).get("uid")), before=lambda _: False)
    if (wanted.rolls_out or wanted.rescales) and kind in _ROLLED:
        goal = Goal(
            kind=kind,
            namespace=namespace,
            name=name,
            uid=wanted.uid,
            asked=wanted.asked,
            before=wanted.before,
            there=wanted.there,
            generation=wanted.generation,
            counted=wanted.rescales,
        )
        async for step in follow(cluster, goal, applied=applied):
            yield step
        return
    watch = _Watch(cluster, wanted, applied=applied)
    every = min(0.5, cluster.settle_seconds + 0.01)
    held = False
    async for step in until_verdict(lambda _: watch.look(), every):
        held = isinstance(step, Verdict) and step.outcome == "holds"
        if not (held and comes):
            yield step
    if held and comes:
        async for step in until_verdict(partial(comes, cluster, namespace, name), every):
            yield step


async def _appeared(cluster: Cluster, wanted: Wanted) -> Object | None:
    """A new object, waited for a moment: a request that was cut off may still arrive."""
    kind, namespace, name = wanted.place
    for _ in range(4):
        try:
            return await cluster.get(await cluster.resource(kind), namespace, name)
        except NotFound:
            await asyncio.sleep(_SECOND_LOOK / 3)
        except ToolError:
            return None
    return None


class _Watch:
    """What was seen so far of one object."""

    def __init__(self, cluster: Cluster, wanted: Wanted, *, applied: bool) -> None:
        self._cluster = cluster
        self._wanted = wanted
        self._applied = applied
        self._time = asyncio.get_running_loop().time
        self._begun = self._time()
        self._since: float | None = None  # it is as asked

    async def look(self) -> Progress | Verdict:
        """Look once."""
        kind, namespace, name = self._wanted.place
        try:
            live = await self._cluster.get(await self._cluster.resource(kind), namespace, name)
        except Unavailable as error:
            if self._time() - self._begun >= _LONGEST + self._cluster.settle_seconds:
                return Verdict("cannot tell", f"The world could not be read: {error}")
            return Progress(f"Cannot look right now, trying again: {error}")
        except NotFound:
            return Verdict("cannot tell", f"{self._wanted.what} is gone: somebody deleted it.")
        except Refused as error:
            return Verdict("cannot tell", f"The world could not be read: {error}")
        return self._judge(live)

    def _judge(self, live: Object) -> Progress | Verdict:
        what, now = self._wanted.what, self._time()
        if str(meta(live).get("uid")) != self._wanted.uid:
            return Verdict("cannot tell", f"{what} was deleted and made anew by somebody else.")
        if self._wanted.asked(live):
            self._since = now if self._since is None else self._since
            seconds = self._cluster.settle_seconds
            if now - self._since >= seconds:
                stayed = f" and stayed so for {seconds:g} s" if seconds else ""
                return Verdict("holds", f"{what} is as asked{stayed}.")
            return Progress(f"{what} is as asked; watching whether it stays so for {seconds:g} s")
        if self._since is not None or self._applied:
            there = self._wanted.there(live)
            return Verdict("cannot tell", f"Somebody changed {what} meanwhile: {there}.")
        if not self._wanted.before(live):
            return Verdict("cannot tell", f"{what} is neither as before nor as asked.")
        if now - self._begun < _SECOND_LOOK:
            return Progress("Looking whether it happened")
        return Verdict("did not happen", f"{what} is as before.")


async def together(
    followed: Sequence[AsyncIterator[Progress | Verdict]],
) -> AsyncIterator[Progress | tuple[Verdict, ...]]:
    """Several at once: what each says on the way, and at last all verdicts in their order."""
    verdicts: dict[int, Verdict] = {}
    while len(verdicts) < len(followed):
        open_ones = [number for number in range(len(followed)) if number not in verdicts]
        steps = await asyncio.gather(*(anext(followed[number]) for number in open_ones))
        for number, step in zip(open_ones, steps, strict=True):
            if isinstance(step, Verdict):
                verdicts[number] = step
            else:
                yield step
    yield tuple(verdicts[number] for number in range(len(followed)))


def of_all(verdicts: Sequence[Verdict], are: str) -> Verdict:
    """One verdict about all objects; `are` says what they are where it holds: "as applied"."""
    if len(verdicts) == 1:
        return verdicts[0]
    outcomes = {one.outcome for one in verdicts}
    if outcomes == {"holds"}:
        return Verdict("holds", f"All {len(verdicts)} objects are {are}.")
    if outcomes == {"did not happen"}:
        return Verdict("did not happen", "None of it happened.")
    others = [one.reason for one in verdicts if one.outcome != "holds"]
    good = len(verdicts) - len(others)
    said = " ".join([f"{good} of {len(verdicts)} objects are {are}.", *others])
    return Verdict("cannot tell" if outcomes <= {"holds", "cannot tell"} else "failed", said)
