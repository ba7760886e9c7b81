"""Rows of runs and calls as values, and the digest that binds an approval to exactly one deed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import JsonValue

from bot.core.values import Thread
from bot.guard.policy import Ruling
from bot.identity_file import ITSELF
from bot.store.database import Row
from tools import Identity, Preview, Receipt, sha256_of

CallState = Literal[
    "proposed",
    "standby",  # a rollback: it waits for what becomes of the change that it takes back
    "approved",
    "denied",
    "expired",
    "superseded",
    "executing",
    "done",
    "failed",
    "unknown",
]


@dataclass(frozen=True)
class Run:
    """One turn of one thread, as a worker claimed it: `attempt` fences its writes."""

    id: UUID
    thread: Thread
    kind: Literal["turn", "command", "undo"]
    state: str
    requester: str
    contributors: tuple[str, ...]
    wish: dict[str, Any] | None
    attempt: int
    created_at: datetime
    worked: float
    progress_ts: str | None
    ended: bool
    parent: UUID | None = None  # of a side turn: the run that waits for people meanwhile
    stopped: bool = False
    heard: int = 0  # the last message that a model call of it has read, or its own first one
    version: int = 1  # of what its rows and checkpoints hold
    lost_workers: int = 0  # processes that died while they carried it, since it last rested

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of `runs`."""
        return cls(
            id=row["id"],
            thread=Thread(row["org"], row["channel"], row["thread_ts"]),
            kind=row["kind"],
            state=row["state"],
            requester=row["requester"],
            contributors=tuple(row["contributors"]),
            wish=row["wish"],
            attempt=row["attempt"],
            created_at=row["created_at"],
            worked=row["worked"],
            progress_ts=row["progress_ts"],
            ended=row["ended_at"] is not None,
            parent=row["parent_run_id"],
            stopped=bool(row["stopped_by"]),
            heard=row["heard_seq"],
            version=row["version"],
            lost_workers=row["lost_workers"],
        )


@dataclass(frozen=True)
class Place:
    """Which wish of a run a call answers: the model's reply, its place there, the model's own
    id.
    """

    reply: int
    ordinal: int
    model_call_id: str


@dataclass(frozen=True)
class Call:
    """One row of `tool_calls` that is a change."""

    id: UUID
    thread: Thread
    run_id: UUID
    place: Place
    tool: str
    arguments: dict[str, JsonValue]
    target: str
    risk: Literal["write", "danger"]
    requester: str
    contributors: tuple[str, ...]
    acting: str
    state: CallState
    public_id: str
    digest: str
    schema_hash: str
    preview: Preview
    ruling: Ruling
    policy_input: dict[str, Any]
    quorum: int
    model_says: str
    expires_at: datetime
    start_by: datetime | None
    approved_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    receipt: Receipt | None
    verdict: dict[str, str] | None
    progress: tuple[str, ...]
    undoes: UUID | None
    superseded_by: UUID | None
    error: str
    attempt: int | None
    created_at: datetime = field(repr=False)
    short_id: str = ""
    depends_on: UUID | None = None
    withdrawn_by: str = ""
    rolls_back: UUID | None = None  # of a rollback that was approved with a change: that one
    grant: UUID | None = None  # under which it was approved
    grant_use: int = 0  # the how manieth use that was
    # (person, vote, digest) each, where they were read along
    decisions: Sequence[Row] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of `tool_calls`."""
        return cls(
            id=row["id"],
            thread=Thread(row["org"], row["channel"], row["thread_ts"]),
            run_id=row["run_id"],
            place=Place(row["reply"], row["ordinal"], row["model_call_id"]),
            tool=row["tool"],
            arguments=row["arguments"],
            target=row["target"],
            risk=row["risk"],
            requester=row["requester"],
            contributors=tuple(row["contributors"]),
            acting=row["acting"],
            state=row["state"],
            public_id=row["public_id"],
            digest=row["digest"],
            schema_hash=row["schema_hash"],
            preview=Preview.model_validate(row["preview"]),
            ruling=Ruling.of(row["policy"]),
            policy_input=row["policy_input"],
            quorum=row["quorum"],
            model_says=row["model_says"],
            expires_at=row["expires_at"],
            start_by=row["start_by"],
            approved_at=row["approved_at"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            receipt=Receipt.model_validate(row["receipt"]) if row["receipt"] else None,
            verdict=row["verdict"],
            progress=tuple(row["progress"]),
            undoes=row["undoes"],
            superseded_by=row["superseded_by"],
            error=row["error"] or "",
            attempt=row["attempt"],
            created_at=row["created_at"],
            short_id=row["short_id"] or "",
            depends_on=row["depends_on"],
            withdrawn_by=row["withdrawn_by"] or "",
            rolls_back=row["rolls_back"],
            grant=row["grant_id"],
            grant_use=row["grant_use"] or 0,
            decisions=row.get("decisions"),
        )

    @property
    def identity(self) -> Identity | None:
        """As whom it runs; None: as the bot itself."""
        return None if self.acting == ITSELF else Identity.of(self.acting)

    @property
    def asked_by(self) -> str:
        """Whose wish it was at first; `requester` is who edited it last, in whose name it runs."""
        return self.contributors[0] if self.contributors else self.requester

    @property
    def edited_by(self) -> str:
        """Who made another wish of it, last; empty where it is as its asker wanted it."""
        return self.requester if self.requester != self.asked_by else ""

    @property
    def takes_back(self) -> bool:
        """Whether the policy took it for a way back when it was proposed."""
        return bool(self.policy_input.get("undoes"))

    @property
    def provenance(self) -> dict[str, str]:
        """Where each argument's value came from when it was proposed."""
        return dict(self.policy_input.get("provenance") or {})

    @property
    def judged_at(self) -> datetime | None:
        """When the verdict was given."""
        return datetime.fromisoformat(self.verdict["at"]) if self.verdict else None

    @property
    def outcome(self) -> str:
        """The verdict's word, or empty while there is none."""
        return self.verdict["outcome"] if self.verdict else ""


def stored_identity(acting: Identity | None) -> str:
    """As a row and a digest hold it."""
    return ITSELF if acting is None else str(acting)


def digest(
    *,
    tool: str,
    arguments: dict[str, JsonValue],
    target: str,
    acting: str,
    fingerprint: str,
    schema_hash: str,
) -> str:
    """What an approval is bound to: exactly this, against exactly this state."""
    return sha256_of(
        {
            "tool": tool,
            "arguments": arguments,
            "target": target,
            "acting": acting,
            "fingerprint": fingerprint,
            "schema": schema_hash,
        }
    )
