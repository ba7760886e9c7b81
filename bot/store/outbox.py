"""What must be heard: stored as meaning in the transaction that makes it true, said by the
sender later.
"""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from pydantic import JsonValue

from bot.core.values import Thread
from bot.store.database import Transaction

Kind = Literal["answer", "failure", "card", "redraw", "notice", "fold", "announce", "reminder"]
# pages and cards before answers before the rest
_LANES: dict[Kind, int] = {
    "card": 0,
    "redraw": 0,
    "announce": 1,
    "reminder": 1,
    "notice": 1,
    "answer": 1,
    "failure": 1,
    "fold": 2,
}
_PATIENCE = 1.0  # seconds


# Seconds after which Slack has taken or dropped what it did not answer in time.
LATE = 10.0


def redrawing(call_id: UUID) -> dict[str, object]:
    """What a statement needs to have a call's card drawn anew, besides where it is."""
    data = {"call": str(call_id)}
    return {"data": data, "lane": _LANES["redraw"], "patience": _PATIENCE}


async def say(
    tx: Transaction,
    thread: Thread,
    kind: Kind,
    data: Mapping[str, JsonValue],
    *,
    key: str | None = None,
    run_id: UUID | None = None,
    call_id: UUID | None = None,
) -> None:
    """Store one saying. With a `key` it is said at most once, however often this is repeated.

    One redraw of a call that still waits is enough for all that becomes true before it is made.
    """
    where = {"org": thread.org, "channel": thread.channel, "thread_ts": thread.ts}
    what = {"data": dict(data), "lane": _LANES[kind], "run_id": run_id, "call_id": call_id}
    if kind == "redraw" and call_id is not None and key is None:
        await tx.all("say_redraw", **where, **what, patience=_PATIENCE)
    else:
        await tx.run("say", **where, **what, kind=kind, key=key)


async def redraw_open(tx: Transaction) -> int:
    """Have the card of every change that is not over drawn anew, whatever we believe that it shows;
    how many there are.
    """
    return len(await tx.all("redraw_open", lane=_LANES["redraw"]))
