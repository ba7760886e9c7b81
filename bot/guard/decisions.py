"""Rows of decisions: what one person decided, bound to exactly what he saw.

Whoever calls these holds the run's row lock, except of `take_approval`, which takes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.core.ids import uuid7
from bot.guard.records import Call
from bot.store.database import Row, Transaction
from bot.store.jobs import job
from bot.store.outbox import redrawing


@dataclass(frozen=True)
class Decision:
    """Whose it is and why; the salt is that of the reason's hash in the audit."""

    person: str
    reason: str = ""
    salt: str = ""


@dataclass(frozen=True)
class Voters:
    """Whose earlier votes were looked at, and whose Approve counts now, the newest included."""

    seen: frozenset[str]
    counting: tuple[str, ...]


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
    voters: Voters,
    start_within: float,
    *,
    goes_on: bool = False,
) -> Cast:
    """Store one more Approve, and the arrow if it completes the quorum. Where it `goes_on`, the run
    is woken and the card drawn, if there is a reason to.

    The deed has to start within `start_within` seconds.
    """
    given = _cast(call, decision, voters, start_within)
    row = await tx.one("cast_approval", goes_on=goes_on, **given)
    return Cast(**row) if row else Cast(stored=False, completes=False, woken=False)


async def take_approval(
    tx: Transaction,
    call: Call,
    decision: Decision,
    voters: Voters,
    start_within: float,
    *,
    event: Mapping[str, object],
    audited: Callable[[bool, datetime], Mapping[str, object]],
) -> tuple[Row, Cast] | None:
    """An Approve that goes on, from being heard to its audit row: a transaction by itself. The call
    as `hear_vote` says it, and what came of the vote; None when Slack says the same `event` again.

    Nothing is noted where somebody has voted whose vote was not looked at. `audited` makes the row
    of the audit: whether the vote completes the quorum is known only in there.
    """
    at = datetime.now(UTC)
    counts, completes = audited(False, at), audited(True, at)
    row = await tx.one(
        "take_approval",
        **event,
        run_id=call.run_id,
        seen=list(voters.seen),
        at=at,
        counts=counts["data"],
        counts_until_prev=counts["until_prev"],
        completes=completes["data"],
        completes_until_prev=completes["until_prev"],
        **_cast(call, decision, voters, start_within),
    )
    if row is None:
        return None
    return row, Cast(row["stored"], row["completes"], row["woken"])


def _cast(call: Call, decision: Decision, voters: Voters, start_within: float) -> dict[str, object]:
    return {
        "voters": list(voters.counting),
        "start_within": start_within,
        **job("resume", call.thread),
        **redrawing(call.id),
        **_row(call, decision),
    }


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
