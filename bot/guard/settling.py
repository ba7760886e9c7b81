"""A person says what came of a change of which nobody could find out: by name, and only once."""

from typing import Literal

from pydantic import JsonValue

from bot.guard import audit, short_ids
from bot.guard.decisions import Decision, decide
from bot.guard.house import House, lock_thread, redraw
from bot.guard.records import Call
from bot.guard.votes import Answer, Click, Code, Typed, Vote, Votes, is_fresh
from bot.guard.wayback import WayBack, why_broken
from bot.store.database import Transaction
from bot.store.outbox import say

How = Literal["done", "failed"]
_VOTES: dict[How, Vote] = {"done": "settle done", "failed": "settle failed"}


class Settling:
    """Settles unknown outcomes: by whoever may approve that call, never by the model."""

    def __init__(self, house: House, votes: Votes) -> None:
        self._house = house
        self._votes = votes
        self._way_back = WayBack(house)

    async def press(self, click: Click, how: How) -> Answer:
        """By a button of its card. Raises `DatabaseAway`: see `lost.py`."""
        call = await self._votes.find(click)
        return Answer("unknown_card") if call is None else await self._settle(click, call, how)

    async def typed(self, typed: Typed, how: How) -> Answer:
        """In words, in the channel of the call: the one that is named, or its rollback, on whose
        card that name stands. Raises `DatabaseAway`: see `lost.py`.
        """
        async with self._house.database.relaxed() as tx:
            row = await tx.one(
                "call_by_short_id",
                org=typed.org,
                channel=typed.channel,
                short_id=short_ids.typed(typed.short_id),
            )
            if row is None:
                return Answer("unknown_card")
            back = await tx.one("rollback_of", id=row["id"])
        call = Call.of(back if back is not None and back["state"] == "unknown" else row)
        click = Click(typed.org, typed.key, typed.person, call.public_id, reason=typed.reason)
        return await self._settle(click, call, how)

    async def _settle(self, click: Click, call: Call, how: How) -> Answer:
        vote = _VOTES[how]
        code = why_not_now(call) or await self._votes.why_not(call, click.person, vote)
        if code:
            await self._votes.refuse(click, call, vote, code)
            return Answer(code, call)
        async with self._house.database.transaction() as tx:
            await lock_thread(tx, call.thread)  # its way back may be asked for there
            if not await is_fresh(tx, click, f"vote:{vote}"):
                return Answer("duplicate", call)
            await tx.one("lock_run", id=call.run_id)
            said = {"id": call.id, "digest": call.digest}
            if await tx.one("settle_call_as_told", state=how, **said) is None:
                return Answer("not_unknown", call)
            await self._record(tx, click, call, vote)
            if how == "done" and (because := await why_broken(tx, call)):
                await self._way_back.propose(tx, call, because)
        self._house.tell(call)
        return Answer("settled", call)

    async def _record(self, tx: Transaction, click: Click, call: Call, vote: Vote) -> None:
        """Who said so, bound to what exactly; and everybody in the thread hears it."""
        salt = audit.salt()
        await decide(tx, call, vote, Decision(click.person, click.reason, salt))
        data: dict[str, JsonValue] = {
            "digest": call.digest,
            "reason_sha256": audit.hashed(click.reason, salt),
        }
        run_id, call_id = call.run_id, call.id
        audit.append(tx, click.org, vote, click.person, data, run_id=run_id, call_id=call_id)
        await redraw(tx, call)
        notice: dict[str, JsonValue] = {"code": "settled", "call": str(call_id)}
        key = f"settled:{call_id}"
        await say(tx, call.thread, "notice", notice, key=key, run_id=run_id, call_id=call_id)


def why_not_now(call: Call) -> Code | None:
    """Why there is nothing to settle, or not yet."""
    if call.state != "unknown":
        return "not_unknown"
    return None if call.outcome == "cannot tell" else "still_looking"
