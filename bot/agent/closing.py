"""The end of a run, in one transaction: its messages, its row, and the answer that must be
heard.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from pydantic import JsonValue

from bot.agent.context import paired
from bot.agent.model import Message
from bot.core.errors import LostClaim
from bot.core.values import Event
from bot.guard import audit
from bot.guard.house import House, lock_claimed
from bot.guard.records import Run
from bot.store.database import Transaction
from bot.store.jobs import TryAgain
from bot.store.outbox import Kind, say

_LOOKS = 5  # claims after which nobody tries any more to look at a change that was begun


class Closing:
    """Closes runs, each once: a worker that lost its claim writes nothing."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def answer(self, run: Run, messages: Sequence[Message], worked: float) -> None:
        """Close with the last message as the answer. Raises `LostClaim`."""
        async with self._house.database.transaction() as tx:
            await self._lock(tx, run)
            await self._append(tx, run, paired(messages))
            spent = await tx.one("spent", run_id=run.id) or {}
            counts = await tx.one("count_calls", run_id=run.id) or {}
            data: dict[str, JsonValue] = {
                "markdown": str(messages[-1].get("content") or ""),
                "model_calls": int(spent.get("model_calls", 0)),
                "tokens": int(spent.get("tokens", 0)),
                "cost": str(spent.get("cost", "0")),
                "model": spent.get("model") or "",
                "reads": int(counts.get("reads", 0)),
                "changes": int(counts.get("changes", 0)),
            }
            await self._close(tx, run, "done", None, worked)
            await self._say(tx, run, "answer", data)
        self._ended(run)

    async def refuse(self, run: Run, code: str) -> None:
        """Close without having done anything: he may not ask here. Raises `LostClaim`."""
        async with self._house.database.transaction() as tx:
            await self._lock(tx, run)
            await self._close(tx, run, "failed", f"refused: {code}", 0.0)
            await self._say(tx, run, "notice", {"code": code, "person": run.requester})
            await audit.append(
                tx, run.thread.org, "refused", run.requester, {"why": code}, run_id=run.id
            )
        self._ended(run)

    async def fail(self, run: Run, sentence: str, worked: float, detail: str = "") -> None:
        """Close with what went wrong and what to do; open calls end with it.

        Raises `LostClaim`, and `TryAgain` while a change is under way: the next try looks at it.
        """
        async with self._house.database.transaction() as tx:
            await self._lock(tx, run)
            for row in await tx.all("unjudged_calls", run_id=run.id):
                if row["state"] == "executing":
                    if run.attempt - (row["attempt"] or 0) < _LOOKS:
                        raise TryAgain
                    why = "I was interrupted"
                    await tx.one("doubt_call", id=row["id"], attempt=run.attempt, error=why)
                    row["state"] = "unknown"
                await self._give_up_on(tx, run, row["id"], row["state"])
            note: Message = {"role": "assistant", "content": f"(This turn failed: {sentence})"}
            await self._append(tx, run, [note])
            counts = await tx.one("count_calls", run_id=run.id) or {}
            for row in await tx.all(
                "supersede_open_calls", run_id=run.id, error="the run ended before"
            ):
                for one in (row["id"], row["undoes"]):
                    if one is not None:
                        again: dict[str, JsonValue] = {"call": str(one)}
                        await say(tx, run.thread, "redraw", again, run_id=run.id, call_id=one)
            await self._close(tx, run, "failed", detail or sentence, worked)
            data: dict[str, JsonValue] = {
                "sentence": sentence,
                "changes": int(counts.get("changes", 0)),
            }
            await self._say(tx, run, "failure", data)
            await audit.append(tx, run.thread.org, "failed", "", {"why": sentence}, run_id=run.id)
        self._ended(run)

    async def _give_up_on(self, tx: Transaction, run: Run, call_id: UUID, state: str) -> None:
        """Nobody will look any more at what became of it: a person has to."""
        reason = "I broke while verifying it; please look yourself"
        verdict: dict[str, JsonValue] = {
            "outcome": "cannot tell",
            "reason": reason,
            "at": datetime.now(UTC).isoformat(),
        }
        await tx.one("judge_call", id=call_id, verdict=verdict, attempt=run.attempt)
        data: dict[str, JsonValue] = {"call": str(call_id)}
        await say(tx, run.thread, "redraw", data, run_id=run.id, call_id=call_id)
        if state == "unknown":
            await say(
                tx,
                run.thread,
                "notice",
                {"code": "unknown_outcome", "call": str(call_id), "reason": reason},
                key=f"unknown:{call_id}",
                run_id=run.id,
                call_id=call_id,
            )
        await audit.append(
            tx, run.thread.org, "verified", "", verdict, run_id=run.id, call_id=call_id
        )

    async def _lock(self, tx: Transaction, run: Run) -> None:
        await tx.one(
            "lock_thread", org=run.thread.org, channel=run.thread.channel, thread_ts=run.thread.ts
        )
        await lock_claimed(tx, run)

    async def _append(self, tx: Transaction, run: Run, messages: Sequence[Message]) -> None:
        for message in messages:
            role = message["role"]
            await tx.run(
                "append_message",
                org=run.thread.org,
                channel=run.thread.channel,
                thread_ts=run.thread.ts,
                run_id=run.id,
                role=role,
                author="",
                ts=None,
                body={key: value for key, value in message.items() if key != "role"},
            )

    async def _close(
        self, tx: Transaction, run: Run, state: str, error: str | None, worked: float
    ) -> None:
        row = await tx.one(
            "close_run", id=run.id, attempt=run.attempt, state=state, error=error, worked=worked
        )
        if row is None:
            raise LostClaim(str(run.id))

    async def _say(
        self, tx: Transaction, run: Run, kind: Kind, data: Mapping[str, JsonValue]
    ) -> None:
        # one key for every way to end: a run is answered once
        await say(tx, run.thread, kind, data, key=f"end:{run.id}", run_id=run.id)

    def _ended(self, run: Run) -> None:
        self._house.bus.publish(Event(run.thread, run.id, "ended"))
