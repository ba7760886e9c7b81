"""What people say to a run while it works, and what a side turn may do about open proposals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from pydantic import JsonValue

from bot.agent.context import Aside
from bot.agent.model import Message, ToolSpec
from bot.agent.quoting import asked, overheard
from bot.core.errors import LostClaim
from bot.core.text import one_line
from bot.core.values import Event
from bot.guard.house import House
from bot.guard.records import Call, Run
from bot.guard.toolset import Offered
from bot.store.outbox import say

_ID: dict[str, JsonValue] = {
    "type": "string",
    "description": "the proposal's id of four characters, as the list names it",
}
STEERING: dict[str, Offered] = {
    "withdraw": Offered(
        "withdraw",
        "Take back an open proposal of this thread, when who asked for it no longer wants it.",
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["id"],
            "properties": {"id": _ID},
        },
        "steer",
    ),
    "revise": Offered(
        "revise",
        "Replace an open proposal of this thread by one with other arguments; people decide anew.",
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["id", "arguments"],
            "properties": {
                "id": _ID,
                "arguments": {
                    "type": "object",
                    "description": "only those that change, as the proposed tool takes them",
                },
            },
        },
        "steer",
    ),
}
_PROPOSAL = 2_000  # characters of one in the list of the open ones
_SPECS = tuple(ToolSpec.brief(one.name, one.summary, one.schema) for one in STEERING.values())


@dataclass(frozen=True)
class Heard:
    """What was said since the last model call: up to `seq`, by whom of those who may ask."""

    messages: list[Message]
    seq: int
    contributors: tuple[str, ...]
    stopped: bool
    others_wait: bool  # proposals of other runs of the thread are open
    decided: bool  # another run of the thread was decided and goes first


class Hearing:
    """Reads what was said to a run. Only who may ask for himself here has a say in it."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def listen(self, run: Run, heard: int) -> Heard:
        """What people said after `heard`, judged; noted in the run's row. Raises `LostClaim`."""
        async with self._house.database.statement() as tx:
            row = await tx.one("listen", id=run.id, attempt=run.attempt, heard=heard)
        if row is None or not row["claimed"]:
            raise LostClaim(str(run.id))
        messages, people = [], list(run.contributors)
        refused: list[tuple[_Words, str]] = []
        said: list[_Words] = row["said"]
        for words in said:
            code = await self._why_not(run, words["author"])
            if code is None:
                messages.append(asked(words["author"], words["content"]))
                people += [words["author"]] if words["author"] not in people else []
            else:
                messages.append(overheard(words["author"], words["content"]))
                refused.append((words, code))
        seq = max([heard, *(words["seq"] for words in said)])
        if seq > run.heard or refused:
            await self._note(run, seq, people, refused)
        if heard:
            self._tell(run, said)
        return Heard(
            messages,
            seq,
            tuple(people),
            stopped=bool(row["stopped_by"]),
            others_wait=row["others_wait"],
            decided=row["decided"],
        )

    async def _note(
        self, run: Run, seq: int, people: list[str], refused: Sequence[tuple["_Words", str]]
    ) -> None:
        async with self._house.database.relaxed() as tx:
            noted = await tx.one(
                "note_heard", id=run.id, attempt=run.attempt, heard=seq, contributors=people
            )
            if noted is None:
                raise LostClaim(str(run.id))
            for words, code in refused:
                data: dict[str, JsonValue] = {"code": code, "person": words["author"]}
                key = f"refused:{run.thread.channel}:{words['ts']}"
                await say(tx, run.thread, "notice", data, key=key, run_id=run.id)

    def _tell(self, run: Run, said: Sequence["_Words"]) -> None:
        for words in said:
            text = "read what came in meanwhile"
            event = Event(run.thread, run.id, "heard", key=f"heard:{words['ts']}", text=text)
            self._house.bus.publish(event)

    async def _why_not(self, run: Run, author: str) -> str | None:
        if self._house.rules.identities is not None and author != run.requester:
            return "own_turn"  # it was fed before people were mapped
        thread = run.thread
        return await self._house.why_not_ask(thread.org, thread.channel, author)


class _Words(TypedDict):
    """A message of a person, as the database gives it."""

    seq: int
    author: str
    ts: str | None
    content: str


def aside_of(proposals: Sequence[Call]) -> Aside | None:
    """What a side turn gets: the open proposals of its thread, and two tools to act on them."""
    if not proposals:
        return None
    lines = ["People are deciding these proposals of this thread now; you proposed them earlier:"]
    lines += [f"- {one.short_id}: {_proposal(one)}" for one in proposals]
    lines.append(
        "When somebody no longer wants one, `withdraw` it; when he wants it otherwise, `revise` it "
        "instead of proposing a second one. What you write approves nothing: only the card does."
    )
    return Aside(_SPECS, "\n".join(lines))


def _proposal(call: Call) -> str:
    given = ", ".join(f"{name}={value}" for name, value in call.arguments.items())
    said = f"{call.tool}({given}) on {call.target}: {call.preview.summary}"
    return f"asked by <@{call.asked_by}>, {one_line(said, _PROPOSAL)}"
