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
from bot.core.ids import uuid7
from bot.core.values import Event, Thread
from bot.guard import audit
from bot.guard.house import House, lock_claimed
from bot.guard.records import Run
from bot.guard.unfinished import end_open
from bot.guard.wayback import WayBack
from bot.store.database import Transaction
from bot.store.jobs import TryAgain
from bot.store.outbox import Kind, say

_LOOKS = 5  # claims after which nobody tries any more to look at a change that was begun


class Closing:
    """Closes runs, each once: a worker that lost its claim writes nothing."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._way_back = WayBack(house)

    async def answer(
        self, run: Run, messages: Sequence[Message], worked: float, heard: int, *, last: bool
    ) -> bool:
        """Close with the last message as the answer. Raises `LostClaim`.

        Not closed, and False, when somebody said something since the last model call, which had
        read up to `heard`, or stopped the run; with `last` no call comes any more, and what was
        said becomes the next run.
        """
        async with self._house.database.transaction() as tx:
            await self._lock(tx, run)
            if last:
                await self._hand_on(tx, run, heard)
            elif run.kind == "turn" and await self._unheard(tx, run, heard):
                return False
            await self._append(tx, run, paired(messages))
            counts = await tx.one("count_calls", run_id=run.id) or {}
            data: dict[str, JsonValue] = {
                "markdown": str(messages[-1].get("content") or ""),
                "reads": int(counts.get("reads", 0)),
                "changes": int(counts.get("changes", 0)),
                **await self._bill(tx, run),
            }
            await self._close(tx, run, "done", None, worked)
            await self._say(tx, run, "answer", data)
        self._ended(run)
        return True

    async def leave(self, run: Run, messages: Sequence[Message], worked: float) -> None:
        """Close without an answer: all that was proposed was withdrawn, and who did it was told.

        Raises `LostClaim`.
        """
        async with self._house.database.transaction() as tx:
            await self._lock(tx, run)
            await self._hand_on(tx, run, None)
            await self._append(tx, run, paired(messages))
            await self._close(tx, run, "done", "withdrawn", worked)
            await self._fold(tx, run)
        self._ended(run)

    async def stop(self, run: Run, messages: Sequence[Message], worked: float) -> None:
        """Close because a person stopped it; what was found until then stays in the thread.

        Raises `LostClaim`.
        """
        async with self._house.database.transaction() as tx:
            await self._lock(tx, run)
            by = await tx.one("stopped_run", id=run.id)
            if by is None or not by["stopped_by"]:
                raise TryAgain  # a signal without a stop: the run goes on
            person = str(by["stopped_by"])
            await self._hand_on(tx, run, None, not_of=run.requester)
            await end_open(tx, run.thread, run.id, "stopped")
            await self._append(tx, run, paired(messages))
            note: Message = {"role": "assistant", "content": f"(<@{person}> stopped this turn.)"}
            await self._append(tx, run, [note])
            counts = await tx.one("count_calls", run_id=run.id) or {}
            data: dict[str, JsonValue] = {
                "code": "stopped",
                "person": person,
                "seconds": int((datetime.now(UTC) - run.created_at).total_seconds()),
                "reads": int(counts.get("reads", 0)),
                "changes": int(counts.get("changes", 0)),
            }
            await self._close(tx, run, "done", "stopped", worked)
            await self._say(tx, run, "notice", data)
        self._ended(run)

    async def decline(self, run: Run, sentence: str) -> None:
        """Close before anything was spent: a limit of today is used up. Raises `LostClaim`."""
        async with self._house.database.transaction() as tx:
            await self._lock(tx, run)
            await self._hand_on(tx, run, 0, not_of=run.requester)
            note: Message = {"role": "assistant", "content": f"(Declined: {sentence})"}
            await self._append(tx, run, [note])
            await self._close(tx, run, "failed", "declined: limit", 0.0)
            await self._say(tx, run, "notice", {"code": "declined", "sentence": sentence})
            audit.append(
                tx, run.thread.org, "declined", run.requester, {"why": sentence}, run_id=run.id
            )
        self._ended(run)

    async def refuse(self, run: Run, code: str) -> None:
        """Close without having done anything: he may not ask here. Raises `LostClaim`."""
        async with self._house.database.transaction() as tx:
            await self._lock(tx, run)
            await self._hand_on(tx, run, 0, not_of=run.requester)
            await self._close(tx, run, "failed", f"refused: {code}", 0.0)
            await self._say(tx, run, "notice", {"code": code, "person": run.requester})
            audit.append(tx, run.thread.org, "refused", run.requester, {"why": code}, run_id=run.id)
        self._ended(run)

    async def fail(self, run: Run, sentence: str, worked: float, detail: str = "") -> None:
        """Close with what went wrong and what to do; open calls end with it.

        Raises `LostClaim`, and `TryAgain` while a change is under way: the next try looks at it.
        """
        async with self._house.database.transaction() as tx:
            await self._lock(tx, run)
            unjudged = await tx.all("unjudged_calls", run_id=run.id)
            for row in unjudged:
                if row["state"] == "executing":
                    if run.attempt - (row["attempt"] or 0) < _LOOKS:
                        raise TryAgain
                    why = "I was interrupted"
                    await tx.one("doubt_call", id=row["id"], attempt=run.attempt, error=why)
                    row["state"] = "unknown"
                await self._give_up_on(tx, run, row["id"], row["state"])
            await self._hand_on(tx, run, None)
            note: Message = {"role": "assistant", "content": f"(This turn failed: {sentence})"}
            await self._append(tx, run, [note])
            counts = await tx.one("count_calls", run_id=run.id) or {}
            await end_open(tx, run.thread, run.id, "the run ended before")
            await self._close(tx, run, "failed", detail or sentence, worked)
            data: dict[str, JsonValue] = {
                "sentence": sentence,
                "reads": int(counts.get("reads", 0)),
                "changes": int(counts.get("changes", 0)),
                **await self._bill(tx, run),
            }
            await self._say(tx, run, "failure", data)
            audit.append(tx, run.thread.org, "failed", "", {"why": sentence}, run_id=run.id)
            await self._way_back.propose_left(tx, run.id, "I broke before")
            ran = [row["id"] for row in unjudged if row["state"] == "done"]
            await self._way_back.propose_broken(tx, ran)
        self._ended(run)

    async def _bill(self, tx: Transaction, run: Run) -> dict[str, JsonValue]:
        """What it took, for the line below; no cost where a price is not known."""
        bill = await tx.one("bill", run_id=run.id) or {}
        cost = bill.get("cost")
        return {
            "model_calls": int(bill.get("model_calls", 0)),
            "tokens": int(bill.get("tokens", 0)),
            "cost": None if cost is None else str(cost),
            "answered_by": bill.get("answered_by") or "",
        }

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
        audit.append(tx, run.thread.org, "verified", "", verdict, run_id=run.id, call_id=call_id)

    async def rest(self, run: Run, worked: float) -> bool:
        """Nothing to do until people decide; whether it rests now.

        What was said after the last model call is a turn of its own: it must not wait for a click.
        """
        async with self._house.database.relaxed() as tx:
            await tx.one("lock_thread", **_where(run))
            resting = await tx.run("rest_run", id=run.id, attempt=run.attempt, worked=worked)
            if resting:
                await self._hand_on(tx, run, None)
                by = await tx.one("stopped_run", id=run.id)
                if by is not None and by["stopped_by"]:
                    # stopped while it was proposing: nobody is asked any more
                    await end_open(tx, run.thread, run.id, "stopped")
                    await self._house.jobs.defer(tx, "resume", run.thread, run.id)
        return bool(resting)

    async def _unheard(self, tx: Transaction, run: Run, heard: int) -> bool:
        row = await tx.one("unheard", run_id=run.id, heard=heard)
        return row is not None and bool(row["yes"])

    async def _hand_on(
        self, tx: Transaction, run: Run, heard: int | None, *, not_of: str = ""
    ) -> None:
        """What people said after `heard` (None: as far as its row says) becomes the next run."""
        if run.kind != "turn":
            return
        if heard is None:
            row = await tx.one("run", id=run.id)
            heard = int(row["heard_seq"]) if row else 0
        given = {"run_id": run.id, "heard": heard, "not_of": not_of}
        first = await tx.one("to_hand_on", **given)
        if first is None:
            return
        next_id = uuid7()
        await tx.run(
            "insert_next_run",
            **_where(run),
            id=next_id,
            requester=first["author"],
            heard_seq=first["seq"],
        )
        await tx.all("hand_on", **given, next=next_id)
        await self._house.jobs.defer(tx, "turn", run.thread, next_id)

    async def _fold(self, tx: Transaction, run: Run) -> None:
        row = await tx.one("run", id=run.id)
        if row is None or not row["progress_ts"]:
            return
        # a place of its own in the order, as the sender does it
        place = Thread(run.thread.org, run.thread.channel, row["progress_ts"])
        data: dict[str, JsonValue] = {"run": str(run.id)}
        await say(tx, place, "fold", data, key=f"fold:{run.id}", run_id=run.id)

    async def _lock(self, tx: Transaction, run: Run) -> None:
        await tx.one("lock_thread", **_where(run))
        await lock_claimed(tx, run)

    async def _append(self, tx: Transaction, run: Run, messages: Sequence[Message]) -> None:
        # what people said was stored when it came in
        ours: list[JsonValue] = [message for message in messages if message["role"] != "user"]
        if ours:
            await tx.run("append_messages", **_where(run), run_id=run.id, messages={"all": ours})

    async def _close(
        self, tx: Transaction, run: Run, state: str, error: str | None, worked: float
    ) -> None:
        if run.wish is not None and (old := run.wish.get("again_of")):
            # where it came to no card, the old one may be asked again
            again: dict[str, JsonValue] = {"call": str(old)}
            await say(tx, run.thread, "redraw", again, run_id=run.id, call_id=UUID(str(old)))
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


def _where(run: Run) -> dict[str, str]:
    return {"org": run.thread.org, "channel": run.thread.channel, "thread_ts": run.thread.ts}
