"""Rows of decisions: what one person decided, bound to exactly what he saw.

Whoever calls these holds the run's row lock.
"""

from collections.abc import Sequence

from bot.core.ids import uuid7
from bot.guard.records import Call
from bot.store.database import Transaction


async def decide(
    tx: Transaction, call: Call, person: str, vote: str, *, reason: str = "", salt: str = ""
) -> bool:
    """Store one; False where he had decided so already."""
    row = await tx.one("insert_decision", vote=vote, **_row(call, person, reason, salt))
    return row is not None


async def approve(
    tx: Transaction,
    call: Call,
    person: str,
    voters: Sequence[str],
    start_within: float,
    *,
    reason: str = "",
    salt: str = "",
) -> tuple[bool, bool]:
    """Store one more Approve: whether it is a new one, and whether it completes the quorum.

    `voters` are those whose vote counts now, he among them; the deed has to start within
    `start_within` seconds.
    """
    row = await tx.one(
        "cast_approval",
        voters=list(voters),
        start_within=start_within,
        **_row(call, person, reason, salt),
    )
    return (row["stored"], row["completes"]) if row else (False, False)


def _row(call: Call, person: str, reason: str, salt: str) -> dict[str, object]:
    return {
        "id": uuid7(),
        "org": call.thread.org,
        "call_id": call.id,
        "digest": call.digest,
        "person": person,
        "reason": reason,
        "salt": salt,
    }
