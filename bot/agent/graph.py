"""One run as a graph: think, look, propose, ask, act, answer.

No broad `except` in here: LangGraph pauses by raising a subclass of `Exception`.
"""

import asyncio
import operator
import time
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import structlog
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send, interrupt

from bot.agent.checkpoints import Checkpoints
from bot.agent.closing import Closing
from bot.agent.context import Aside
from bot.agent.hearing import STEERING, Hearing, aside_of
from bot.agent.model import Message
from bot.agent.outcomes import Denial, literal, outcome
from bot.agent.thinking import Thinking
from bot.agent.wishes import Wish, wishes_of
from bot.core.text import one_line
from bot.guard.ahead import Ahead
from bot.guard.deeds import Deeds
from bot.guard.house import House
from bot.guard.proposals import Proposals, Turned, Wished
from bot.guard.reads import Reads
from bot.guard.records import Call, Place, Run
from bot.guard.steering import Steering

# Of what a run's rows and checkpoints hold. One more as soon as a process of before could not carry
# a run on from there: it leaves such runs to later ones.
VERSION = 1


class State(TypedDict):
    """What is checkpointed: this run's own messages as plain dicts, and how many replies there
    were.
    """

    messages: Annotated[list[Message], operator.add]
    replies: int
    open: bool  # calls of the last reply are neither done nor given up
    asked: bool  # some of them wait for people
    heard: int  # the last message of a person that the model has read
    over: Literal["", "limit", "answered", "withdrawn"]


class Interrupted(Exception):
    """Thinking or looking was cut short: a person stopped the run, or a decision goes first."""

    def __init__(self, why: Literal["stop", "yield"]) -> None:
        super().__init__(why)
        self.why: Literal["stop", "yield"] = why


@dataclass
class Turn:
    """What the nodes of one claim share and no checkpoint holds."""

    run: Run
    began: float = field(default_factory=time.monotonic)
    paused: float = 0.0  # seconds of verification, which are not own work
    # results of reads that no checkpoint holds before the last one of their reply has ended
    looked: list[Message] = field(default_factory=list)
    _why: Literal["", "stop", "yield"] = ""
    _scopes: set[asyncio.Timeout] = field(default_factory=set)

    @property
    def worked(self) -> float:
        """Seconds of own work in this claim."""
        return time.monotonic() - self.began - self.paused

    def interrupt(self, why: Literal["stop", "yield"]) -> None:
        """End thinking and looking now; proposing, executing and verifying go on to their end."""
        if self._why != "stop":
            self._why = why
        for scope in self._scopes:
            scope.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def interruptible(self) -> AsyncIterator[None]:
        """What may be cut short at any moment. Raises `Interrupted`."""
        if self._why:
            raise Interrupted(self._why)
        try:
            async with asyncio.timeout(None) as scope:
                self._scopes.add(scope)
                try:
                    yield
                finally:
                    self._scopes.discard(scope)
        except TimeoutError:
            if scope.expired() and self._why:
                raise Interrupted(self._why) from None
            raise


log = structlog.get_logger()
Graph = CompiledStateGraph[State, Turn, State, State]


class Nodes:
    """The steps of a run. Each may be repeated after a crash and finds what it had stored."""

    def __init__(self, house: House, thinking: Thinking, window: int, ahead: Ahead) -> None:
        self._house = house
        self._thinking = thinking
        self._window = window
        self._reads = Reads(house)
        self._proposals = Proposals(house)
        self._deeds = Deeds(house, self._proposals, ahead)
        self.steering = Steering(house, self._proposals)
        self._hearing = Hearing(house)
        self._closing = Closing(house)
        self._tools = {**thinking.tools, **STEERING}

    async def think(self, state: State, runtime: Runtime[Turn]) -> dict[str, Any]:
        """One reply: the model's, or for a command the wish itself and then what came of it."""
        turn = runtime.context
        turn.looked.clear()
        async with turn.interruptible():
            if turn.run.stopped:
                turn.interrupt("stop")
                raise Interrupted("stop")
            if turn.run.kind != "turn":
                message = await self._thinking.reply(
                    turn.run, state["messages"], state["replies"], turn.worked
                )
                return {"messages": [message], "replies": state["replies"] + 1, "open": False}
            heard = await self._hearing.listen(turn.run, state.get("heard", 0))
            if heard.stopped or heard.decided:
                # the row says so, should the signal have been missed
                why: Literal["stop", "yield"] = "stop" if heard.stopped else "yield"
                turn.interrupt(why)
                raise Interrupted(why)
            turn.run = replace(turn.run, contributors=heard.contributors, heard=heard.seq)
            message = await self._thinking.reply(
                turn.run,
                [*state["messages"], *heard.messages],
                state["replies"],
                turn.worked,
                await self._aside(turn.run) if heard.others_wait else None,
            )
        if self._thinking.is_over(turn.run):
            # nobody has read what came in: it becomes the next run
            return {"messages": [message], "replies": state["replies"] + 1, "over": "limit"}
        return {
            "messages": [*heard.messages, message],
            "replies": state["replies"] + 1,
            "open": False,
            "heard": heard.seq,
        }

    async def _aside(self, run: Run) -> Aside | None:
        return aside_of(await self.steering.proposals(run.thread, but_of=run))

    def after_think(self, state: State) -> Hashable | Sequence[Hashable]:
        """Reads first, each a task of its own; then changes; without either, that was the
        answer.
        """
        wishes = self._wishes(state)
        looks = [wish for wish in wishes if wish["kind"] in {"read", "broken"}]
        if looks:
            return [Send("look", wish) for wish in looks]
        return "propose" if wishes else "answer"

    async def look(self, state: Wish, runtime: Runtime[Turn]) -> dict[str, Any]:
        """One read; a call that cannot be understood is answered with what is wrong with it."""
        wish, turn = state, runtime.context
        result = _result(wish["id"], await self._looked(turn, wish))
        turn.looked.append(result)
        return {"messages": [result]}

    async def _looked(self, turn: Turn, wish: Wish) -> str:
        if wish["kind"] == "broken":
            log.info("wish_refused", tool=wish["tool"][:80], why=wish["error"][:200])
            return wish["error"]
        async with turn.interruptible():
            looked = await self._reads.look(
                turn.run, _place(wish), wish["tool"], wish["arguments"], self._window
            )
        return looked.text

    def after_look(self, state: State) -> Literal["propose", "think"]:
        """Changes of the same reply are proposed once everything was looked at."""
        return "propose" if self._changes(state) else "think"

    async def propose(self, state: State, runtime: Runtime[Turn]) -> dict[str, Any]:
        """Insert calls with their previews and cards; what may not even be proposed is answered
        at once.
        """
        run = runtime.context.run
        said = str(_last_reply(state).get("content") or "") if run.wish is None else ""
        undoes = run.wish.get("undoes") if run.wish else None
        wishes = self._changes(state)
        changes = [wish for wish in wishes if wish["kind"] == "change"]
        proposed = await self._proposals.propose_all(
            run,
            [Wished(_place(wish), wish["tool"], wish["arguments"]) for wish in changes],
            model_says=said,
            undoes=UUID(undoes) if undoes else None,
            because=str((run.wish or {}).get("because") or ""),
            overheard=self._thinking.overheard(run),
        )
        answers = {wish["id"]: made for wish, made in zip(changes, proposed, strict=True)}
        messages, is_open, asked = [], False, False
        for wish in wishes:
            made = answers.get(wish["id"])
            if made is None:
                messages.append(_result(wish["id"], await self._steer(run, wish)))
            elif isinstance(made, Turned):
                messages.append(_result(wish["id"], f"refused: {made.sentence} Nothing was done."))
            else:
                is_open = True
                asked = asked or made.state == "proposed"
        return {"messages": messages, "open": is_open, "asked": asked}

    async def _steer(self, run: Run, wish: Wish) -> str:
        short_id, arguments = wish["arguments"].get("id"), wish["arguments"].get("arguments")
        if not isinstance(short_id, str):
            return "id: the proposal's id of four characters is expected. Nothing was done."
        if wish["tool"] == "withdraw":
            return await self.steering.withdraw(run, short_id)
        if not isinstance(arguments, dict):
            return "arguments: an object with those that change is expected. Nothing was done."
        overheard = self._thinking.overheard(run)
        return await self.steering.revise(run, short_id, arguments, overheard)

    def after_propose(self, state: State) -> Literal["ask", "act", "think"]:
        """People are asked when there is something to decide; what rules allow is done."""
        if not state["open"]:
            return "think"
        return "ask" if state.get("asked", True) else "act"

    def after_act(self, state: State) -> Literal["ask", "think", "leave"]:
        """Nothing is said twice about what was withdrawn."""
        if state.get("over") == "withdrawn":
            return "leave"
        return "ask" if state["open"] else "think"

    def after_answer(self, state: State) -> str:
        """What was said since the last model call is thought about before the run ends."""
        return END if state.get("over") else "think"

    async def ask(self, state: State) -> dict[str, Any]:
        """Wait for people. Nothing else happens here: this node runs again on resume."""
        interrupt({"replies": state["replies"]})
        return {}

    async def act(self, state: State, runtime: Runtime[Turn]) -> dict[str, Any]:
        """Execute what rows say is approved, whatever woke us; the model hears every call's
        outcome.
        """
        turn = runtime.context
        await self.carry_out(turn)
        calls = await self._calls_of_reply(turn.run, state["replies"] - 1)
        if any(call.state in {"proposed", "approved"} for call, _, _ in calls):
            return {"open": True}
        withdrawn = bool(calls) and await self._all_withdrawn(turn.run)
        # a command's outcome is its answer: the first line alone must make sense
        named = turn.run.wish is not None
        results = [
            _result(
                call.place.model_call_id,
                f"{_heading(call)}: {literal(outcome(call, denial, back))}"
                if named
                else outcome(call, denial, back),
            )
            for call, denial, back in calls
        ]
        return {"messages": results, "open": False, "over": "withdrawn" if withdrawn else ""}

    async def carry_out(self, turn: Turn) -> bool:
        """Do what rows say is approved; False where people still have to decide. What was done
        already is left alone.
        """
        began = time.monotonic()
        acted = await self._deeds.act(turn.run)
        turn.paused += time.monotonic() - began
        return acted

    async def answer(self, state: State, runtime: Runtime[Turn]) -> dict[str, Any]:
        """Close the run: its messages, its row and the answer in one transaction."""
        turn = runtime.context
        closed = await self._closing.answer(
            turn.run,
            state["messages"],
            turn.worked,
            state.get("heard", 0),
            last=state.get("over") == "limit",
        )
        return {"over": "answered" if closed else ""}

    async def leave(self, state: State, runtime: Runtime[Turn]) -> dict[str, Any]:
        """Close the run without a word."""
        turn = runtime.context
        await self._closing.leave(turn.run, state["messages"], turn.worked)
        return {}

    async def _all_withdrawn(self, run: Run) -> bool:
        async with self._house.database.statement() as tx:
            rows = await tx.all("calls_of_run", run_id=run.id)
        changes = [row for row in rows if row["kind"] == "change" and not row["superseded_by"]]
        return all(row["withdrawn_by"] for row in changes)

    async def _calls_of_reply(
        self, run: Run, reply: int
    ) -> list[tuple[Call, Denial | None, Call | None]]:
        """Each with its denial and what rolled it back, where there is such a thing."""
        found: list[tuple[Call, Denial | None, Call | None]] = []
        async with self._house.database.relaxed() as tx:
            for row in await tx.all("calls_of_run", run_id=run.id):
                if row["kind"] != "change" or row["reply"] != reply or row["superseded_by"]:
                    continue
                call, denial, back = Call.of(row), None, None
                if call.ruling.rollback and (one := await tx.one("rollback_of", id=call.id)):
                    back = Call.of(one)
                if call.state == "denied":
                    votes = await tx.all("decisions_of_call", call_id=call.id)
                    deny = next(vote for vote in votes if vote["vote"] == "deny")
                    person = await self._house.directory.person(run.thread.org, deny["person"])
                    denial = Denial(one_line(person.name, 60) or deny["person"], deny["reason"])
                found.append((call, denial, back))
        return found

    def _wishes(self, state: State) -> list[Wish]:
        return wishes_of(_last_reply(state), state["replies"] - 1, self._tools)

    def _changes(self, state: State) -> list[Wish]:
        return [wish for wish in self._wishes(state) if wish["kind"] in {"change", "steer"}]


def build(nodes: Nodes, checkpoints: Checkpoints) -> Graph:
    """The compiled graph; one for all runs."""
    graph = StateGraph(State, context_schema=Turn)
    graph.add_node("think", nodes.think)
    graph.add_node("look", nodes.look)
    graph.add_node("propose", nodes.propose)
    graph.add_node("ask", nodes.ask)
    graph.add_node("act", nodes.act)
    graph.add_node("answer", nodes.answer)
    graph.add_node("leave", nodes.leave)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", nodes.after_think, ["look", "propose", "answer"])
    graph.add_conditional_edges("look", nodes.after_look, ["propose", "think"])
    graph.add_conditional_edges("propose", nodes.after_propose, ["ask", "act", "think"])
    graph.add_edge("ask", "act")
    graph.add_conditional_edges("act", nodes.after_act, ["ask", "think", "leave"])
    graph.add_conditional_edges("answer", nodes.after_answer, ["think", END])
    graph.add_edge("leave", END)
    return graph.compile(checkpointer=checkpoints)


def _last_reply(state: State) -> Message:
    return next(m for m in reversed(state["messages"]) if m["role"] == "assistant")


def _heading(call: Call) -> str:
    """As its card has it."""
    return f"{'Undo: ' if call.undoes else ''}{call.preview.summary}"


def _result(call_id: str, text: str) -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def _place(wish: Wish) -> Place:
    return Place(wish["reply"], wish["ordinal"], wish["id"])
