"""Runs as jobs: claimed, carried through the graph, rested while people decide, closed once."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import Command

from bot.agent.checkpoints import Checkpoints
from bot.agent.closing import Closing
from bot.agent.graph import VERSION, Graph, Interrupted, Nodes, State, Turn, build
from bot.agent.model import Message
from bot.core.errors import LostClaim
from bot.core.model_errors import ModelError
from bot.core.values import Event
from bot.guard.allowance import Allowance
from bot.guard.house import House
from bot.guard.records import Run
from bot.store.jobs import TryAgain

log = structlog.get_logger()

_INTERRUPT = "__interrupt__"  # the channel in which LangGraph stores why it stopped
# supersteps that one reply can cause: think, look, propose, ask, act, and a card asked anew
_STEPS_PER_REPLY = 12
_LEFT = 300.0  # seconds for which a run of a later version waits for a process of that version
_LATER = (
    "A later version of me began this, and only an earlier one runs now, which cannot go on from "
    "there. Nothing more was done. Ask again."
)
_MOST_LOST = 10  # processes that may die while they carry a run: more are its own doing
# From so many on it is carried without another such run beside it: one of them may be what kills,
# and the others must not be given up for it. One that has not killed for so many seconds holds up
# nobody any more, even if it then does.
_SUSPECT, _CLEARED = 3, 30.0
_LOST = (
    f"It was lost with its process {_MOST_LOST} times, one after the other, so it is not tried "
    "again. See how those ended: they may lack memory."
)
_MAY_PASS = frozenset({"unknown_person", "unknown_channel"})  # Slack did not say

# Wraps the carrying of one run: what nobody foresaw ends it through the function that is handed in,
# as (sentence, seconds worked, detail).
Contain = Callable[
    [Callable[[str, float, str], Awaitable[None]]], AbstractAsyncContextManager[None]
]


class Runs:
    """The worker's side of every run. `work` is both jobs: a turn and its resume."""

    def __init__(
        self,
        house: House,
        nodes: Nodes,
        checkpoints: Checkpoints,
        *,
        model_calls: int,
        contain: Contain,
        allowance: Allowance,
    ) -> None:
        self._house = house
        self._closing = Closing(house)
        self.nodes = nodes
        self._checkpoints = checkpoints
        self._graph: Graph = build(self.nodes, checkpoints)
        self._steps = model_calls * _STEPS_PER_REPLY + _STEPS_PER_REPLY
        self._contain = contain
        self._allowance = allowance
        self._controls: set[RunControl] = set()
        self._turns: dict[UUID, Turn] = {}
        self._draining = False
        self._suspects: dict[UUID, float] = {}  # since when they are carried
        house.bus.listen(self._hear)

    async def work(self, run_id: UUID) -> None:
        """Carry a run on from wherever it is. Safe to repeat: a closed run is left alone."""
        if self._draining:
            raise TryAgain
        run = await self._claim(run_id)
        if run is None:
            await self._leave(run_id)
            return
        with structlog.contextvars.bound_contextvars(
            run=str(run.id), thread=str(run.thread), actor=run.requester, attempt=run.attempt
        ):
            try:
                async with self._contain(partial(self._closing.fail, run)):
                    if run.version > VERSION:
                        await self._closing.fail(run, _LATER, 0.0)
                    elif await self._is_given_up(run):
                        await self._closing.fail(run, _LOST, 0.0)
                    else:
                        with self._without_another(run):
                            await self._carry(run)
            except LostClaim:
                log.info("claim_lost")

    @contextmanager
    def _without_another(self, run: Run) -> Iterator[None]:
        """Carry it unless both it and one that has just begun may be what kills processes. Raises
        `TryAgain`: its job waits, so that it is not lost with the other. One that was stopped only
        ends.
        """
        if run.lost_workers < _SUSPECT or run.stopped:
            yield
            return
        now = time.monotonic()
        if any(now < since + _CLEARED for since in self._suspects.values()):
            log.info("run_waits_for_another", lost_workers=run.lost_workers)
            raise TryAgain
        self._suspects[run.id] = now
        try:
            yield
        finally:
            self._suspects.pop(run.id, None)  # its next claim here may have ended first

    async def _is_given_up(self, run: Run) -> bool:
        """What became of a change is looked at for as long again."""
        if run.lost_workers < _MOST_LOST:
            return False
        async with self._house.database.statement() as tx:
            unjudged = await tx.all("unjudged_calls", run_id=run.id)
        return not unjudged or run.lost_workers >= 2 * _MOST_LOST

    def drain(self) -> None:
        """Stop at the next step: runs under way are left to the next worker."""
        self._draining = True
        for control in self._controls:
            control.request_drain()

    def _hear(self, event: Event) -> None:
        """A stop ends its run now; a decision of another run of the thread goes before talk."""
        if event.kind == "stop" and (turn := self._turns.get(event.run_id)):
            turn.interrupt("stop")
        elif event.kind == "yield":
            for turn in self._turns.values():
                is_side = turn.run.parent is not None and turn.run.id != event.run_id
                if is_side and turn.run.thread == event.thread:
                    turn.interrupt("yield")

    async def _claim(self, run_id: UUID) -> Run | None:
        async with self._house.database.statement() as tx:
            row = await tx.one("claim_run", id=run_id, version=VERSION, patience=_LEFT)
        return Run.of(row) if row is not None else None

    async def _leave(self, run_id: UUID) -> None:
        """It has ended; or it is a later version's: raises `TryAgain`, as one may take it then."""
        async with self._house.database.statement() as tx:
            if await tx.one("leave_run", id=run_id, version=VERSION):
                log.info("run_left_to_a_later_version", run=str(run_id))
                raise TryAgain

    async def _carry(self, run: Run) -> None:
        turn, control = Turn(run), RunControl()
        self._controls.add(control)
        self._turns[run.id] = turn
        try:
            await self._invoke(run, turn, control)
        except Interrupted as cut:
            if cut.why == "yield":
                raise TryAgain from cut
            found = [*await self._said(run), *turn.looked]
            await self._closing.stop(run, found, turn.worked)
        except ModelError as error:
            await self._closing.fail(
                run, f"{error.what} Nothing more was done. {error.advice}", turn.worked, error.why
            )
        except GraphDrained as drained:
            raise TryAgain from drained
        finally:
            self._controls.discard(control)
            self._turns.pop(run.id, None)

    async def _said(self, run: Run) -> list[Message]:
        """What the run's checkpoint holds of the conversation."""
        snapshot = await self._graph.aget_state(self._checkpoints.place(run.id, run.attempt))
        return list(snapshot.values.get("messages", []))

    async def _invoke(self, run: Run, turn: Turn, control: RunControl) -> None:
        config = self._checkpoints.place(run.id, run.attempt)
        config["recursion_limit"] = self._steps
        start: State | Command[Any] | None = {
            "messages": [],
            "replies": 0,
            "open": False,
            "asked": False,
            "heard": 0,
            "over": "",
        }
        # People wait for the deed, not for the graph: its `act` will find it done.
        is_open = run.attempt > 1 and not await self.nodes.carry_out(turn)
        checkpoint = await self._checkpoints.peek(run.id) if run.attempt > 1 else None
        if checkpoint is None:
            if code := await self._why_not(run):
                await self._closing.refuse(run, code)
                return
            if sentence := await self._allowance.why_not(run):
                await self._closing.decline(run, sentence)
                return
            self._house.bus.publish(Event(run.thread, run.id, "started"))
        elif not _asks_people(checkpoint):
            start = None
        elif is_open:
            self._checkpoints.forget(run.id)
            await self._rest(run, turn)
            return
        else:
            start = Command(resume=True)  # only wakes it: `act` reads the rows
        await self._graph.ainvoke(start, config, context=turn, durability="sync", control=control)
        await self._rest(run, turn)

    async def _rest(self, run: Run, turn: Turn) -> None:
        """It waits for people, or has ended: then this touches no row."""
        if await self._closing.rest(run, turn.worked):
            self._house.bus.publish(Event(run.thread, run.id, "waiting"))

    async def _why_not(self, run: Run) -> str | None:
        """Why it may not be asked for. Who asks himself can try again; what we propose ourselves
        was promised, and is tried again as long as an approval may wait for its start.
        """
        thread = run.thread
        code = await self._house.why_not_ask(thread.org, thread.channel, run.requester)
        if code in _MAY_PASS and (run.wish or {}).get("because"):
            patience = timedelta(seconds=self._house.rules.start_seconds)
            if datetime.now(UTC) < run.created_at + patience:
                raise TryAgain
        return code


def _asks_people(checkpoint: CheckpointTuple) -> bool:
    """Whether the graph stopped at `ask` there."""
    return any(channel == _INTERRUPT for _, channel, _ in checkpoint.pending_writes or ())
