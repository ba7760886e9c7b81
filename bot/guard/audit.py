"""The audit chain: each row's hash covers the one before it, so that a changed or missing row
shows.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, get_args
from uuid import UUID

from pydantic import JsonValue

from bot.store.database import Row, Transaction
from tools import sha256_of

Kind = Literal[
    "allowed",
    "approve",
    "break glass",
    "configured",
    "declined",
    "deny",
    "done",
    "executing",
    "expired",
    "failed",
    "forgetting",
    "forgotten",
    "granted",
    "proposed",
    "read",
    "refused",
    "request",
    "revised",
    "revoked",
    "settle done",
    "settle failed",
    "stopped",
    "superseded",
    "unknown",
    "verified",
    "vote refused",
    "withdrawn",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""Everything that a row may be about."""


def _hash(prev: str, row: Mapping[str, object]) -> str:
    """SHA-256 over canonical JSON of the row and the hash before it."""
    return hashlib.sha256(_canonical({"prev": prev, **row}).encode()).hexdigest()


def _canonical(row: Mapping[str, object]) -> str:
    return json.dumps(row, sort_keys=True, separators=(",", ":"), default=str)


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


def salt() -> str:
    """For `hashed`: stored beside the words and forgotten with them."""
    return secrets.token_hex(16)


def hashed(words: str, salt: str) -> str:
    """What the chain holds of somebody's words, since it forgets nothing: who has the words and
    the salt can show that they are these, and without the salt no dictionary finds them. Rows of
    before there were salts hold the hash of the words alone, under the name that they had.
    """
    return sha256_of({"salt": salt, "text": words}) if words else ""


def append(
    tx: Transaction,
    org: str,
    kind: Kind,
    actor: str,
    data: Mapping[str, JsonValue],
    *,
    run_id: UUID | None = None,
    call_id: UUID | None = None,
) -> None:
    """Write one row at the end of the caller's transaction: the head's lock is the last one of
    every transaction, wherever in it this is called.
    """
    tx.last("append_audit", **row(org, kind, actor, data, run_id=run_id, call_id=call_id))


def row(
    org: str,
    kind: Kind,
    actor: str,
    data: Mapping[str, JsonValue],
    *,
    run_id: UUID | None = None,
    call_id: UUID | None = None,
    at: datetime | None = None,
) -> dict[str, object]:
    """The same for a statement that writes it along with what it is about; `at`, or now."""
    at = at or datetime.now(UTC)
    data = {name: _as_kept(value) for name, value in data.items()}
    return {
        "org": org,
        "at": at,
        "kind": kind,
        "actor": actor,
        "run_id": run_id,
        "call_id": call_id,
        "data": data,
        "until_prev": until_prev(org, at, kind, actor, data, call_id=call_id),
    }


def _as_kept(value: JsonValue) -> JsonValue:
    """With numbers as the database gives them back, which knows no 1e16 and no -0.0: what is read
    must have the hash of what was written.
    """
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _as_kept(one) for name, one in value.items()}
        case list():
            return [_as_kept(one) for one in value]
        case _:
            return value


def until_prev(
    org: str,
    at: datetime,
    kind: Kind,
    actor: str,
    data: Mapping[str, JsonValue],
    *,
    call_id: UUID | None = None,
) -> str:
    """A row's canonical JSON up to the hash before it, which only the database knows: it puts that
    behind it, and then the two keys that sort later, `run_id` and `seq`.
    """
    row = {"org": org, "at": at, "kind": kind, "actor": actor, "call_id": call_id, "data": data}
    covered = _covered({**row, "seq": 0, "run_id": None})
    del covered["seq"], covered["run_id"]
    return f'{_canonical(covered)[:-1]},"prev":"'


class Links:
    """Follows a chain row by row, from its first."""

    def __init__(self) -> None:
        self.seq = 0
        self.hash = ""

    def fits(self, row: Row) -> bool:
        """Whether this is the next row, unchanged; then the chain goes on from it."""
        follows = row["seq"] == self.seq + 1 and row["prev"] == self.hash
        if not follows or row["hash"] != _hash(self.hash, _covered(row)):
            return False
        self.seq, self.hash = int(row["seq"]), str(row["hash"])
        return True


def broken_at(rows: Sequence[Row]) -> int | None:
    """The seq of the first row that does not fit the chain, or None. Rows in order, from the
    first.
    """
    links = Links()
    return next((int(row["seq"]) for row in rows if not links.fits(row)), None)
