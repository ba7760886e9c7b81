"""Runs as jobs: claimed, carried through the graph, rested while people decide, closed once."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import Command

from bot.agent.checkpoints import Checkpoints
from bot.agent.closing import Closing
from bot.agent.graph import Graph, Nodes, State, Turn, build
from bot.agent.thinking import Thinking
from bot.core.errors import LostClaim
from bot.core.model_errors import ModelError
from bot.core.values import Event
from bot.guard.house import House
from bot.guard.people import why_not_ask
from bot.guard.records import Run
from bot.store.jobs import TryAgain

log = structlog.get_logger()

# supersteps that one reply can cause: think, look, propose, ask, act, and a card asked anew
_STEPS_PER_REPLY = 12

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
        thinking: Thinking,
        checkpoints: Checkpoints,
        *,
        window: int,
        model_calls: int,
        contain: Contain,
    ) -> None:
        self._house = house
        self._closing = Closing(house)
        self.nodes = Nodes(house, thinking, window)
        self._graph: Graph = build(self.nodes, checkpoints)
        self._steps = model_calls * _STEPS_PER_REPLY + _STEPS_PER_REPLY
        self._contain = contain
        self._controls: set[RunControl] = set()
        self._draining = False

    async def work(self, run_id: UUID) -> None:
        """Carry a run on from wherever it is. Safe to repeat: a closed run is left alone."""
        if self._draining:
            raise TryAgain
        run = await self._claim(run_id)
        if run is None:
            return
        with structlog.contextvars.bound_contextvars(
            run=str(run.id), thread=str(run.thread), actor=run.requester, attempt=run.attempt
        ):
            try:
                async with self._contain(partial(self._closing.fail, run)):
                    await self._carry(run)
            except LostClaim:
                log.info("claim_lost")

    def drain(self) -> None:
        """Stop at the next step: runs under way are left to the next worker."""
        self._draining = True
        for control in self._controls:
            control.request_drain()

    async def _claim(self, run_id: UUID) -> Run | None:
        async with self._house.database.relaxed() as tx:
            row = await tx.one("claim_run", id=run_id)
        return Run.of(row) if row is not None else None

    async def _carry(self, run: Run) -> None:
        turn, control = Turn(run), RunControl()
        self._controls.add(control)
        try:
            await self._invoke(run, turn, control)
        except ModelError as error:
            await self._closing.fail(
                run, f"{error.what} Nothing more was done. {error.advice}", turn.worked, error.why
            )
        except GraphDrained as drained:
            raise TryAgain from drained
        finally:
            self._controls.discard(control)

    async def _invoke(self, run: Run, turn: Turn, control: RunControl) -> None:
        config: RunnableConfig = {
            "configurable": {"thread_id": str(run.id)},
            "recursion_limit": self._steps,
        }
        start: State | Command[Any] | None = {"messages": [], "replies": 0, "open": False}
        snapshot = await self._graph.aget_state(config) if run.attempt > 1 else None
        if snapshot is None or snapshot.created_at is None:
            if code := await self._why_not(run):
                await self._closing.refuse(run, code)
                return
            self._house.bus.publish(Event(run.thread, run.id, "started"))
        elif not snapshot.interrupts:
            start = None
        elif await self._undecided(run):
            await self._rest(run, turn)
            return
        else:
            start = Command(resume=True)  # only wakes it: `act` reads the rows
        await self._graph.ainvoke(start, config, context=turn, durability="sync", control=control)
        await self._rest(run, turn)

    async def _undecided(self, run: Run) -> bool:
        async with self._house.database.relaxed() as tx:
            row = await tx.one("open_calls", run_id=run.id)
        return row is not None and row["open"] > 0

    async def _rest(self, run: Run, turn: Turn) -> None:
        """It waits for people, or has ended: then this touches no row."""
        async with self._house.database.relaxed() as tx:
            resting = await tx.run("rest_run", id=run.id, attempt=run.attempt, worked=turn.worked)
        if resting:
            self._house.bus.publish(Event(run.thread, run.id, "waiting"))

    async def _why_not(self, run: Run) -> str | None:
        person = await self._house.directory.person(run.thread.org, run.requester)
        sharing = await self._house.directory.sharing(run.thread.org, run.thread.channel)
        return why_not_ask(person, sharing)
