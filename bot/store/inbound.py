"""The one transaction of an inbound message: the event, the message, the run and its job, or
none of them.
"""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from bot.core.ids import uuid7
from bot.core.values import Thread
from bot.store.database import Transaction
from bot.store.jobs import Jobs


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


async def record(tx: Transaction, jobs: Jobs, key: str, kind: str, asked: Request) -> Taken | None:
    """Record a request under `key`; None when Slack only repeated itself.

    Words to a thread whose run is working are fed to that run before its next model call.
    """
    org = asked.thread.org
    if await tx.one("record_event", org=org, key=key, kind=kind, actor=asked.author) is None:
        return None
    where = {"org": org, "channel": asked.thread.channel, "thread_ts": asked.thread.ts}
    opened = await tx.one("open_thread", **where, ours=asked.ours)
    talking = await tx.one("talking_run", **where) if asked.kind == "turn" else None
    run_id = talking["id"] if talking else uuid7()
    if talking is None:
        await tx.run(
            "insert_run",
            **where,
            id=run_id,
            kind=asked.kind,
            requester=asked.author,
            wish=asked.wish,
            heard_seq=opened["next_seq"] if opened else 0,
        )
    await tx.run(
        "append_message",
        **where,
        run_id=run_id,
        role="user",
        author=asked.author,
        ts=asked.ts or None,
        body={"content": asked.text},
    )
    if talking is None:
        await jobs.defer(tx, "turn", asked.thread, run_id)
    return Taken(run_id, fed=talking is not None)
