"""What a run leaves open when it ends: nobody could execute it any more."""

from uuid import UUID

from bot.core.values import Thread
from bot.guard import audit
from bot.store.database import Transaction
from bot.store.outbox import say


async def end_open(tx: Transaction, thread: Thread, run_id: UUID, why: str, *, by: str = "") -> int:
    """Supersede every call of a run that is open, stands by or waits for its turn, each with its
    audit row; how many. Whoever calls this holds the run's row lock.
    """
    ended = await tx.all("supersede_open_calls", run_id=run_id, error=why)
    for call in ended:
        for one in (call["id"], call["undoes"]):
            if one is not None:
                data = {"call": str(one)}
                await say(tx, thread, "redraw", data, run_id=run_id, call_id=one)
        given = {"run_id": run_id, "call_id": call["id"]}
        audit.append(tx, thread.org, "superseded", by, {"reason": why}, **given)
    return len(ended)
