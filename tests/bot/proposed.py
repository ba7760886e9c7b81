"""A run and its change that waits for people, at their rows."""

from typing import Any

from bot.core.ids import public_id, uuid7
from bot.core.values import Thread
from bot.guard.policy import PolicyInput, Ruling
from bot.guard.records import Call, Run
from bot.store.database import Transaction
from tools import Preview

_PREVIEW = Preview(summary="Scale web", changes=(), diff="", fingerprint="f")
_THREAD = "INSERT INTO threads (org, channel, thread_ts, ours) VALUES (%s, %s, %s, true)"
_RUN = (
    "INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors)"
    " VALUES (%s, %s, %s, %s, 'turn', %s, %s) RETURNING *, 0.0 AS worked"
)


async def proposed(
    tx: Transaction, thread: Thread, asked: PolicyInput, ruling: Ruling, **given: Any
) -> tuple[Run, Call]:
    """As somebody asked for it, and the policy ruled; `given` are columns of the call."""
    place = (thread.org, thread.channel, thread.ts)
    await tx.connection.execute(_THREAD.encode(), place)
    people = (asked.requester, list(asked.contributors))
    cursor = await tx.connection.execute(_RUN.encode(), (uuid7(), *place, *people))
    [run] = await cursor.fetchall()
    usual: dict[str, Any] = {
        "id": uuid7(),
        "org": thread.org,
        "channel": thread.channel,
        "thread_ts": thread.ts,
        "run_id": run["id"],
        "reply": 0,
        "ordinal": 0,
        "model_call_id": "a",
        "tool": asked.tool,
        "arguments": asked.arguments,
        "target": asked.target,
        "risk": asked.risk,
        "requester": asked.requester,
        "contributors": list(asked.contributors),
        "acting": "bot",
        "state": "proposed",
        "public_id": public_id(),
        "digest": "d",
        "schema_hash": "s",
        "preview": _PREVIEW.model_dump(mode="json"),
        "policy_input": asked.stored(),
        "policy": ruling.stored(),
        "quorum": ruling.quorum,
        "model_says": "",
        "lifetime": 600,
        "undoes": None,
        "error": None,
        "short_id": "A1B2",
        "depends_on": None,
        "rolls_back": None,
    }
    row = await tx.one("insert_change", **{**usual, **given})
    assert row is not None
    return Run.of(run), Call.of(row)
