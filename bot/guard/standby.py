"""A rollback that stands by follows its change: the votes on it, and its end.

Whoever calls these holds the run's row lock.
"""

from bot.guard import audit
from bot.guard.decisions import Decision, decide
from bot.guard.records import Call
from bot.store.database import Transaction


async def vote_along(tx: Transaction, call: Call, person: str) -> None:
    """An approval of a change approves what its card shows as its rollback: by a decision of its
    own, on its own digest.
    """
    row = await _standing_by(tx, call)
    if row is None:
        return
    if await decide(tx, row, "approve", Decision(person)):
        data = {"digest": row.digest, "rule": row.ruling.rule, "rolls_back": str(call.id)}
        given = {"run_id": call.run_id, "call_id": row.id}
        audit.append(tx, call.thread.org, "approve", person, data, **given)


async def stand_down(tx: Transaction, call: Call, why: str) -> None:
    """Its change ended otherwise than in a failure, or people decide now: it never runs."""
    if not call.ruling.rollback:
        return
    row = await tx.one("stand_down", id=call.id, error=why)
    if row is not None:
        given = {"run_id": call.run_id, "call_id": row["id"]}
        audit.append(tx, call.thread.org, "superseded", "", {"reason": why}, **given)


async def stands_by(tx: Transaction, call: Call) -> bool:
    """Whether a rollback waits for what becomes of this change."""
    return await _standing_by(tx, call) is not None


async def _standing_by(tx: Transaction, call: Call) -> Call | None:
    if not call.ruling.rollback:
        return None
    row = await tx.one("rollback_of", id=call.id)
    return Call.of(row) if row is not None and row["state"] == "standby" else None
