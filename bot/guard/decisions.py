"""Rows of decisions: what one person decided, bound to exactly what he saw.

Whoever calls these holds the run's row lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.ids import uuid7
from bot.guard.records import Call
from bot.store.database import Transaction
from bot.store.jobs import job
from bot.store.outbox import redrawing


@dataclass(frozen=True)
class Decision:
    """Whose it is and why; the salt is that of the reason's hash in the audit."""

    person: str
    reason: str = ""
    salt: str = ""


async def decide(tx: Transaction, call: Call, vote: str, decision: Decision) -> bool:
    """Store one; False where he had decided so already."""
    row = await tx.one("insert_decision", vote=vote, **_row(call, decision))
    return row is not None


@dataclass(frozen=True)
class Cast:
    """What came of an Approve: whether it is a new one, completes the quorum, and lets the run go
    on.
    """

    stored: bool
    completes: bool
    woken: bool


async def approve(
    tx: Transaction,
    call: Call,
    decision: Decision,
    voters: Sequence[str],
    start_within: float,
    *,
    goes_on: bool = False,
) -> Cast:
    """Store one more Approve, and the arrow if it completes the quorum. Where it `goes_on`, the run
    is woken and the card drawn, if there is a reason to.

    `voters` are those whose vote counts now, he among them; the deed has to start within
    `start_within` seconds.
    """
    row = await tx.one(
        "cast_approval",
        voters=list(voters),
        start_within=start_within,
        **job("resume", call.thread),
        **redrawing(call.id),
        goes_on=goes_on,
        **_row(call, decision),
    )
    return Cast(**row) if row else Cast(stored=False, completes=False, woken=False)


def _row(call: Call, decision: Decision) -> dict[str, object]:
    return {
        "id": uuid7(),
        "org": call.thread.org,
        "call_id": call.id,
        "digest": call.digest,
        "person": decision.person,
        "reason": decision.reason,
        "salt": decision.salt,
    }
