"""A run while it works: one message, edited within the budget, never more than one a run."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import structlog

from bot.core.bus import Bus
from bot.core.tasks import Tasks
from bot.core.text import one_line
from bot.core.values import Event, Thread
from bot.slack.api import Limited, Method, Refused, SlackApi, SlackProblem, Uncertain
from bot.slack.budget import Budget, Lane
from bot.slack.views.data import ProgressData, RunState, Step
from bot.slack.views.progress import folded, progress
from bot.store.database import Database, Row
from bot.store.notify import AWAY
from bot.store.outbox import LATE

log = structlog.get_logger()

EDIT_SECONDS = 5.0  # an edit takes no longer; after it, none of ours is under way any more
_LEASE = 2.5  # seconds after which, had we stood still, another process may carry the run
_AGAIN = (1.0, 3.0, 10.0)  # seconds between tries to clear up after ourselves
_RUNS = 2_000  # as many are remembered
_CATCH_UP = 1.0  # seconds in which whoever carries a run says that it waits
_AT_ONCE = 50
_STEPS = 100
_STAGES = {"thinking": "Thinking", "looking": "Looking", "writing": "Writing the answer"}


@dataclass
class _Shown:
    """What is known here of one run and of its message."""

    thread: Thread
    run_id: UUID
    began: float
    drawn_at: float
    headline: str = ""
    stage: str = "Working"
    steps: dict[str, Step] = field(default_factory=dict)
    state: Literal["working", "waiting"] = "working"
    ts: str = ""
    posting: bool = False
    signed: bool = False  # this process posts its first sign, or did: it clears up after itself
    following: bool = False
    dirty: bool = False
    closed: bool = False  # nothing may be edited any more
    carried: bool = False  # this process carries the run: its steps are known here
    ended_here: bool = False  # this process ran it to its end: nobody else edits it
    late_until: float = 0.0  # Slack may take an edit of ours until then, over later ones
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def key(self) -> str:
        return progress_key(self.run_id)

    def data(self, now: float) -> ProgressData:
        return ProgressData(
            steps=tuple(self.steps.values()),
            state=self.state,
            seconds=int(now - self.began),
            headline=self.headline or self.stage,
            run_id=str(self.run_id),
        )


@dataclass(frozen=True)
class Pace:
    """Seconds: between two edits of one message, all of which share 50 a minute; before each look
    for what Slack may still do, as it never said.
    """

    interval: float = 1.5
    late: Sequence[float] = (8.0, 30.0)


class Live:
    """Hears what runs tell and shows it; what does not fit into the budget is left out."""

    def __init__(
        self,
        bus: Bus,
        database: Database,
        api: SlackApi,
        budget: Budget,
        tasks: Tasks,
        *,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._api = api
        self._budget = budget
        self._tasks = tasks
        self._pace = pace or Pace()
        self._clock = clock
        self._runs: OrderedDict[UUID, _Shown] = OrderedDict()
        bus.listen(self._hear, own=True)

    async def first_sign(self, thread: Thread, run_id: UUID, headline: str = "") -> None:
        """Post the progress message, unless there is one, the run has ended, or Slack is busy."""
        shown = self._of(thread, run_id)
        shown.headline = shown.headline or headline
        if shown.ts or shown.posting or shown.closed:
            return
        if not self._budget.spare(Method.POST, thread.channel):
            log.info("first_sign_dropped", run=str(run_id))
            return
        shown.posting = True
        try:
            if not await self._intend(shown):
                return
            ts = await self._post(shown)
            if ts:
                await self._keep(shown, ts)
        finally:
            shown.posting = False

    def tends(self, run_id: UUID) -> bool:
        """Whether no other process has to look for a first sign of this one's."""
        shown = self._runs.get(run_id)
        return shown is not None and shown.signed

    def place(self, run_id: UUID) -> str:
        """Where this process knows its message to stand; or empty."""
        shown = self._runs.get(run_id)
        return shown.ts if shown else ""

    async def settle(self, run_id: UUID) -> bool:
        """Edit this run's message no more, and wait for an edit under way.

        Whether it is certain that no other process has one under way.
        """
        shown = self._runs.get(run_id)
        if shown is None:
            return False
        shown.closed = True
        async with shown.lock:
            return shown.ended_here

    def in_doubt(self, run_id: UUID) -> bool:
        """Whether Slack may yet take an edit of this process's that it did not answer."""
        shown = self._runs.get(run_id)
        return shown is not None and shown.late_until > self._clock()

    async def fold(self, run_id: UUID, ts: str = "") -> float:
        """Shrink the progress message to a line; `ts` where the run's row does not know it. The
        seconds for which an earlier edit may still come over it.

        Works in a process that never saw the run. Raises `SlackProblem`.
        """
        await self.settle(run_id)
        async with self._database.statement() as tx:
            row = await tx.one("run", id=run_id)
        if row is None or not (ts := ts or row["progress_ts"] or ""):
            return 0.0
        shown = self._runs.get(run_id)
        await self._budget.take(Method.UPDATE, Lane.REST)
        message = folded(_folded(row, shown))
        await self._api.update(row["channel"], ts, message, key=progress_key(run_id))
        return float(row["late_for"] or 0.0)

    async def catch_up(self, org: str) -> None:
        """Let what waits for people say so where nobody does: whoever was about to has died."""
        async with self._database.statement() as tx:
            rows = await tx.all("unsaid_waits", org=org, rest=_CATCH_UP, limit=_AT_ONCE)
        for row in rows:
            shown = self._of(Thread(org, row["channel"], row["thread_ts"]), row["id"])
            if shown.following or shown.closed:
                continue
            shown.headline = shown.headline or quoted(row["words"] or "")
            shown.state, shown.dirty = "waiting", True
            self._start_following(shown)

    # --- hearing ----------------------------------------------------------------------------

    def _of(self, thread: Thread, run_id: UUID) -> _Shown:
        shown = self._runs.get(run_id)
        if shown is None:
            now = self._clock()
            shown = self._runs[run_id] = _Shown(thread, run_id, began=now, drawn_at=now)
            while len(self._runs) > _RUNS:
                self._runs.popitem(last=False)
        return shown

    def _hear(self, event: Event) -> None:
        shown = self._of(event.thread, event.run_id)
        if event.kind == "ended":
            shown.closed = shown.ended_here = True
            return
        if event.kind in {"stop", "yield"}:
            return  # for whoever carries the run
        if event.kind != "heard":
            shown.carried = True
        elif not shown.carried:
            return  # who carries it will say so among its steps
        if shown.closed or not _note(shown, event):
            return
        shown.dirty = True
        if not shown.following:
            self._start_following(shown)

    # --- showing ----------------------------------------------------------------------------

    def _start_following(self, shown: _Shown) -> None:
        shown.following = True
        self._tasks.start(f"progress of {shown.run_id}", self._follow(shown))

    async def _follow(self, shown: _Shown) -> None:
        """Draw until nothing new is known; what came in between is drawn at once. What Slack may
        have painted over is drawn once more.
        """
        try:
            while (shown.dirty or shown.late_until) and not shown.closed:
                due = self._due(shown)
                if due > 0:
                    # by and by: the run may end meanwhile
                    await asyncio.sleep(min(due, self._pace.interval))
                elif self._may_be_old(shown) and await self._is_old(shown):
                    return
                elif not shown.ts:
                    if shown.posting:
                        await asyncio.sleep(self._pace.interval)
                    elif not await self._late_sign(shown):
                        return
                elif self._budget.spare(Method.UPDATE):
                    await self._draw(shown)
                else:
                    await asyncio.sleep(self._pace.interval)
        finally:
            shown.following = False

    def _due(self, shown: _Shown) -> float:
        """Seconds until it is drawn next."""
        now = self._clock()
        if 0 < shown.late_until <= now:
            shown.late_until, shown.dirty = 0.0, True
        if not shown.dirty:
            return min(self._pace.interval, shown.late_until - now)
        return shown.drawn_at + self._between() - now

    def _may_be_old(self, shown: _Shown) -> bool:
        """Whether another process may carry the run by now: it waited for people, or this one may
        have stood still since it drew.
        """
        return shown.state == "waiting" or self._clock() - shown.drawn_at > _LEASE

    async def _is_old(self, shown: _Shown) -> bool:
        """Whether what is known here is not so any more, or nobody can say: it is not drawn."""
        try:
            async with self._database.statement() as tx:
                row = await tx.one("run", id=shown.run_id)
        except AWAY:
            return True
        if row is None or row["ended_at"] is not None:
            shown.closed = True
            return True
        self._learn(shown, row)
        return shown.state == "waiting" and row["state"] != "waiting"

    def _learn(self, shown: _Shown, row: Row) -> None:
        """Slack may take an edit of another process's, or of our own, until then."""
        if (late := float(row["late_for"] or 0.0)) > 0:
            shown.late_until = max(shown.late_until, self._clock() + late)

    def _between(self) -> float:
        """Seconds between two edits: they share what Slack allows for all messages together."""
        edited = sum(shown.following and not shown.closed for shown in self._runs.values())
        return self._pace.interval * max(1, edited)

    async def _draw(self, shown: _Shown) -> None:
        async with shown.lock:
            if shown.closed:
                return
            shown.dirty = False
            shown.drawn_at, waiting = self._clock(), shown.state == "waiting"
            try:
                await self._budget.take(Method.UPDATE, Lane.PROGRESS)
                await self._api.update(
                    shown.thread.channel,
                    shown.ts,
                    progress(shown.data(self._clock())),
                    key=shown.key,
                    timeout=EDIT_SECONDS,
                )
            except Limited as limited:
                self._budget.heed(limited)
                shown.dirty = True
            except Refused as refused:
                # somebody deleted it, or we may not write here any more
                log.info("progress_refused", run=str(shown.run_id), code=refused.code)
                shown.closed = True
            except Uncertain:
                shown.dirty = True
                await self._doubt(shown)
            except asyncio.CancelledError:
                await self._doubt(shown)
                raise
            else:
                if waiting:
                    await self._note_waiting(shown)

    async def _note_waiting(self, shown: _Shown) -> None:
        """That it says so; or else somebody draws it again."""
        try:
            async with self._database.statement() as tx:
                await tx.run("note_waiting", id=shown.run_id)
        except AWAY as error:
            log.info("waiting_not_noted", error=type(error).__name__)

    async def _doubt(self, shown: _Shown) -> None:
        """Slack may take this edit over later ones: whoever folds the message has to know."""
        shown.late_until = self._clock() + LATE
        try:
            async with self._database.statement() as tx:
                await tx.run("doubt_progress", id=shown.run_id, after=LATE)
        except AWAY as error:
            log.warning("doubt_not_noted", error=type(error).__name__)

    async def _late_sign(self, shown: _Shown) -> bool:
        """Find the message that another process posted, or post one; whether there is one now."""
        shown.drawn_at = self._clock()
        try:
            async with self._database.statement() as tx:
                row = await tx.one("run", id=shown.run_id)
        except AWAY:
            return False
        if row is None or row["ended_at"] is not None:
            shown.closed = True
            return False
        self._learn(shown, row)
        if row["progress_ts"]:
            shown.ts = row["progress_ts"]
        elif shown.state == "working" or may_be_lost(row):
            found = await self._find(shown) if may_be_lost(row) and not shown.signed else ""
            if found:
                await self._keep(shown, found)
            elif shown.state == "working":
                await self.first_sign(shown.thread, shown.run_id)
            else:
                await self._note_waiting(shown)
        return bool(shown.ts)

    async def _intend(self, shown: _Shown) -> bool:
        """Say first that it will be there: we may die between posting it and noting it."""
        try:
            async with self._database.statement() as tx:
                shown.signed = await tx.one("intend_progress", id=shown.run_id) is not None
        except AWAY as error:
            log.warning("first_sign_not_intended", error=type(error).__name__)
            return False
        return shown.signed

    async def _post(self, shown: _Shown) -> str:
        """The message's ts; empty if there is none."""
        try:
            await self._budget.take(Method.POST, Lane.PROGRESS, shown.thread.channel)
            return await self._api.post(
                shown.thread.channel,
                progress(shown.data(self._clock())),
                thread_ts=shown.thread.ts,
                key=shown.key,
            )
        except Limited as limited:
            self._budget.heed(limited)
        except Refused as refused:
            log.info("first_sign_refused", run=str(shown.run_id), code=refused.code)
        except Uncertain:
            # it may stand there, saying "working"
            found = await self._find(shown)
            if not found:
                self._tasks.start("look for a late first sign", self._look_later(shown))
            return found
        return ""

    async def _look_later(self, shown: _Shown) -> None:
        """What Slack did after we had given it up is the run's message, or goes again."""
        for pause in self._pace.late:
            await asyncio.sleep(pause)
            try:
                await self._budget.take(Method.REPLIES, Lane.REST)
                ours = await self._api.posted(shown.thread.channel, shown.thread.ts)
            except SlackProblem as problem:
                log.info("late_sign_not_looked_for", error=str(problem))
                continue
            late = [one.ts for one in ours if one.key == shown.key and one.ts != shown.ts]
            for ts in late:
                await self._keep(shown, ts)
            if late:
                return

    async def _find(self, shown: _Shown) -> str:
        for wait in _AGAIN:
            try:
                await self._budget.take(Method.REPLIES, Lane.PROGRESS)
                ours = await self._api.posted(shown.thread.channel, shown.thread.ts)
            except Refused:
                return ""
            except SlackProblem:
                await asyncio.sleep(wait)
            else:
                return next((one.ts for one in ours if one.key == shown.key), "")
        return ""

    async def _keep(self, shown: _Shown, ts: str) -> None:
        """Note the message as the run's one; where it is not, it goes again."""
        row: Row | None = None
        try:
            async with self._database.relaxed() as tx:
                if await tx.one("note_progress", id=shown.run_id, ts=ts) is None:
                    row = await tx.one("run", id=shown.run_id)
                else:
                    shown.ts, shown.drawn_at = ts, self._clock()
                    return
        except AWAY as error:
            log.warning("first_sign_not_noted", error=type(error).__name__)
        # it has ended meanwhile, or another process was faster
        theirs = str(row["progress_ts"] or "") if row else ""
        if row is None or row["ended_at"] is not None:
            shown.closed = True
        shown.ts = theirs
        if theirs != ts:
            await self._remove(shown, ts)

    async def _remove(self, shown: _Shown, ts: str) -> None:
        for wait in _AGAIN:
            try:
                await self._budget.take(Method.DELETE, Lane.REST)
                await self._api.delete(shown.thread.channel, ts)
            except Refused as refused:
                if refused.code != "message_not_found":
                    log.warning("progress_left", run=str(shown.run_id), code=refused.code)
                return
            except SlackProblem as problem:
                if isinstance(problem, Limited):
                    self._budget.heed(problem)
                await asyncio.sleep(wait)
            else:
                return


def quoted(text: str) -> str:
    """What somebody asked, as the headline of its progress."""
    return f"“{one_line(text, 80)}”" if text else ""


def progress_key(run_id: UUID) -> str:
    """The key in the metadata of a run's progress message."""
    return f"progress:{run_id}"


def may_be_lost(run: Row) -> bool:
    """Whether somebody was about to post its first sign and did not note where it stands."""
    return run["progress_at"] is not None and not run["progress_ts"]


def _note(shown: _Shown, event: Event) -> bool:
    """Fold an event into what is shown; whether that changed anything."""
    before, shown.state = shown.state, "waiting" if event.kind == "waiting" else "working"
    if event.kind == "call":
        return shown.state != before  # the rest is on its card
    shown.stage = _STAGES.get(event.kind, shown.stage)
    match event.kind:
        case "thinking" if event.text:
            shown.steps[event.key] = Step(event.text, "working")
        case "thinking" | "writing":
            shown.steps.pop(event.key, None)
        case "looking":
            shown.steps[event.key] = Step(event.text, "working")
        case "looked":
            earlier = shown.steps.get(event.key)
            text = event.text or (earlier.text if earlier else "")
            state: Literal["failed", "done"] = "failed" if event.failed else "done"
            shown.steps[event.key] = Step(text, state, event.detail)
        case "heard":
            shown.steps[event.key] = Step(event.text, "done")
        case "proposed":
            shown.steps[event.key] = Step(event.text, "working", "its card says how it stands")
    while len(shown.steps) > _STEPS:
        del shown.steps[next(iter(shown.steps))]
    return True


def _folded(row: Row, shown: _Shown | None) -> ProgressData:
    state: RunState = "failed" if row["state"] == "failed" else "done"
    took = (row["ended_at"] - row["created_at"]).total_seconds() if row["ended_at"] else 0.0
    return ProgressData(
        steps=tuple(shown.steps.values()) if shown else (),
        state=state,
        seconds=int(took),
        headline=shown.headline if shown else "",
    )
