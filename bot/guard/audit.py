"""The audit chain: each row's hash covers the one before it, so that a changed or missing row
shows.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from pydantic import JsonValue

from bot.store.database import Row, Transaction


def _hash(prev: str, row: Mapping[str, object]) -> str:
    """SHA-256 over canonical JSON of the row and the hash before it."""
    text = json.dumps({"prev": prev, **row}, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _covered(row: Mapping[str, object]) -> dict[str, object]:
    at = row["at"]
    return {
        "org": row["org"],
        "seq": row["seq"],
        "at": at.astimezone(UTC).isoformat() if isinstance(at, datetime) else at,
        "kind": row["kind"],
        "actor": row["actor"],
        "run_id": str(row["run_id"]) if row["run_id"] else None,
        "call_id": str(row["call_id"]) if row["call_id"] else None,
        "data": row["data"],
    }


async def append(
    tx: Transaction,
    org: str,
    kind: str,
    actor: str,
    data: Mapping[str, JsonValue],
    *,
    run_id: UUID | None = None,
    call_id: UUID | None = None,
) -> None:
    """Write one row in the caller's transaction. Takes the head's lock: the last lock of every
    transaction.
    """
    head = await tx.one("lock_head", org=org)
    assert head is not None  # noqa: S101 -- the statement inserts it where it is missing
    row: dict[str, object] = {
        "org": org,
        "seq": head["seq"] + 1,
        "at": datetime.now(UTC),
        "kind": kind,
        "actor": actor,
        "run_id": run_id,
        "call_id": call_id,
        "data": dict(data),
    }
    await tx.run("append_audit", **row, prev=head["hash"], hash=_hash(head["hash"], _covered(row)))


def broken_at(rows: Sequence[Row]) -> int | None:
    """The seq of the first row that does not fit the chain, or None. Rows in order, from the
    first.
    """
    prev, expected = "", 1
    for row in rows:
        fits = row["seq"] == expected and row["prev"] == prev
        if not fits or row["hash"] != _hash(prev, _covered(row)):
            return int(row["seq"])
        prev, expected = row["hash"], expected + 1
    return None
