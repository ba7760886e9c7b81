"""The one transaction of an inbound message: the event, the message, the run and its job, or
none of them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from bot.core.ids import uuid7
from bot.core.values import Thread
from bot.store.database import Transaction
from bot.store.jobs import PRIORITY


@dataclass(frozen=True)
class Request:
    """What somebody asked for; `wish` is set when no model needs to read it."""

    thread: Thread
    author: str
    text: str
    ts: str
    ours: bool  # the thread's root mentions us, or is this message
    kind: Literal["turn", "command", "undo"] = "turn"
    wish: dict[str, Any] | None = None
    salt: str = ""  # of the hash that the audit holds of its words: it goes with them
    apart: bool = False  # people act as themselves: it is fed to no run but one of his own


async def speaks_with_us(tx: Transaction, thread: Thread, author: str) -> bool:
    """Whether this person already spoke to us in a thread that is ours."""
    row = await tx.one(
        "speaks_with_us",
        org=thread.org,
        channel=thread.channel,
        thread_ts=thread.ts,
        author=author,
    )
    return row is not None and bool(row["yes"])


@dataclass(frozen=True)
class Taken:
    """Where a request went: to a run of its own, or to one that is working already (`fed`)."""

    run_id: UUID
    fed: bool = False


@dataclass(frozen=True)
class AuditRow:
    """What the audit keeps of it, and that row's canonical JSON up to the hash before it."""

    data: dict[str, Any]
    until_prev: str


async def record(
    tx: Transaction,
    key: str,
    kind: str,
    asked: Request,
    *,
    at: datetime,
    row: AuditRow,
    fed_row: AuditRow,
) -> Taken | None:
    """Record a request under `key`, in one round trip; None when Slack only repeated itself.

    Words to a thread whose run is working are fed to that run before its next model call; `fed_row`
    is for these.
    """
    taken = await tx.one(
        "take_request",
        org=asked.thread.org,
        key=key,
        event=kind,
        author=asked.author,
        channel=asked.thread.channel,
        thread_ts=asked.thread.ts,
        ours=asked.ours,
        kind=asked.kind,
        wish=asked.wish,
        id=uuid7(),
        ts=asked.ts or None,
        body={"content": asked.text, "salt": asked.salt},
        lock=str(asked.thread),
        priority=PRIORITY["turn"],
        at=at,
        data=row.data,
        until_prev=row.until_prev,
        fed_data=fed_row.data,
        fed_until_prev=fed_row.until_prev,
        apart=asked.apart,
    )
    return Taken(taken["run_id"], fed=taken["fed"]) if taken else None
