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
    """Store one saying. With a `key` it is said at most once, however often this is repeated."""
    await tx.run(
        "say",
        org=thread.org,
        channel=thread.channel,
        thread_ts=thread.ts,
        kind=kind,
        data=dict(data),
        key=key,
        lane=_LANES[kind],
        run_id=run_id,
        call_id=call_id,
    )
