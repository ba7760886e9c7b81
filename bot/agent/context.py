"""What one model call is given: the rules, the thread so far as far as it fits, and this run's
own messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pydantic import JsonValue

from bot.agent.model import Message, ToolSpec
from bot.agent.prompts import Instructions, system_prompt
from bot.guard.budget import estimate
from bot.guard.records import Run
from bot.store.database import Database

_NEWEST = 400  # messages looked at; what fits is far less
_OLD_RESULT = 1_500  # characters of an earlier turn's tool result: the rest was said in its answer


@dataclass(frozen=True)
class Aside:
    """What a turn gets beside the ordinary: tools of its own, and one note in its rules."""

    specs: tuple[ToolSpec, ...] = ()
    note: str = ""


class Context:
    """Builds the conversation for a run within the model's window."""

    def __init__(self, database: Database, instructions: Instructions) -> None:
        self._database = database
        self._instructions = instructions

    async def build(
        self, run: Run, clusters: Sequence[str], own: Sequence[Message], window: int
    ) -> list[Message]:
        """The messages of one call: at most 70 % of the window, so that tools and an answer fit
        beside them.
        """
        system: Message = {
            "role": "system",
            "content": system_prompt(clusters, run.thread.channel, self._instructions),
        }
        mine = paired(own)
        room = int(window * 0.7) - _size([system, *mine])
        earlier, asked = await self._history(run, room)
        return [system, *earlier, *asked, *mine]

    async def _history(self, run: Run, room: int) -> tuple[list[Message], list[Message]]:
        """Whole earlier turns, newest first until the room is used; and what this run was asked."""
        async with self._database.relaxed() as tx:
            rows = await tx.all(
                "history",
                org=run.thread.org,
                channel=run.thread.channel,
                thread_ts=run.thread.ts,
                run_id=run.id,
                limit=_NEWEST,
                most=_OLD_RESULT,
            )
        # newest first, this run's own last
        asked = [_said(row) for row in rows if row["run_id"] == run.id][::-1]
        others = [row for row in rows if row["run_id"] != run.id]
        turns: list[list[Message]] = []
        room -= _size(asked)
        left_out = 0
        ordered = sorted(others, key=lambda row: row["run_id"], reverse=True)
        for _, group in groupby(ordered, key=lambda row: row["run_id"]):
            turn = paired([_said(row) for row in sorted(group, key=lambda row: row["seq"])])
            room -= _size(turn)
            if room < 0 or left_out:
                left_out += 1
            else:
                turns.append(turn)
        earlier = [message for turn in reversed(turns) for message in turn]
        if left_out:
            note: Message = {
                "role": "user",
                "content": f"(Not from a person: {left_out} earlier turns are left out.)",
            }
            earlier.insert(0, note)
        return earlier, asked


def paired(messages: Sequence[Message]) -> list[Message]:
    """In the order that providers demand: behind each reply, one result for each of its calls.

    A call whose result is missing (the run ended before) is answered as such.
    """
    results = {m["tool_call_id"]: m for m in messages if m["role"] == "tool"}
    ordered: list[Message] = []
    for message in messages:
        if message["role"] == "tool":
            continue
        ordered.append(message)
        for call in _calls(message):
            missing: Message = {
                "role": "tool",
                "tool_call_id": call["id"],
                "content": "no result: the run ended before",
            }
            ordered.append(results.get(call["id"], missing))
    return ordered


def _calls(message: Message) -> list[dict[str, Any]]:
    calls = message.get("tool_calls")
    return calls if isinstance(calls, list) else []  # type: ignore[return-value]


def _said(row: dict[str, Any]) -> Message:
    body: dict[str, JsonValue] = row["body"]
    if row["role"] == "user":
        return {"role": "user", "content": f"<@{row['author']}> says: {body['content']}"}
    if row["role"] == "tool":
        text = str(body["content"])
        return {"role": "tool", "tool_call_id": body["tool_call_id"], "content": text}
    if not body.get("tool_calls") and not str(body.get("content") or "").strip():
        return {"role": "assistant", "content": "(no answer)"}  # providers refuse an empty one
    return {"role": "assistant", **body}


def _size(messages: Sequence[Message]) -> int:
    texts = (f"{one.get('content') or ''}{one.get('tool_calls') or ''}" for one in messages)
    return sum(estimate(text) + 8 for text in texts)
