"""Rows of decisions: what one person decided, bound to exactly what he saw.

Whoever calls these holds the run's row lock, except of `take_approval`, which takes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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
class Audited:
    """A vote's row of the audit, of the same moment: for one that only counts, and for one that
    completes the quorum. Which of them is true is known only under the run's lock.
    """

    counts: Mapping[str, object]
    completes: Mapping[str, object]


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
    given = _arguments(call, decision, voters, start_within)
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
    audited: Audited,
) -> tuple[Row, Cast] | None:
    """An Approve that goes on, from being heard to its audit row: a transaction by itself. The call
    as `hear_vote` says it, and what came of the vote; None when Slack says the same `event` again.

    Nothing is noted where somebody has voted whose vote was not looked at.
    """
    row = await tx.one(
        "take_approval",
        **event,
        run_id=call.run_id,
        seen=list(voters.seen),
        at=audited.counts["at"],
        counts=audited.counts["data"],
        counts_until_prev=audited.counts["until_prev"],
        completes=audited.completes["data"],
        completes_until_prev=audited.completes["until_prev"],
        **_arguments(call, decision, voters, start_within),
    )
    if row is None:
        return None
    return row, Cast(row["stored"], row["completes"], row["woken"])


def _arguments(
    call: Call, decision: Decision, voters: Voters, start_within: float
) -> dict[str, object]:
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
