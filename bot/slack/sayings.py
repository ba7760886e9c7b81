"""Rows of the outbox, as the sender has them in hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from bot.core.values import Thread
from bot.store.database import Row

WAITS, LIMITED = "waits", "limited"  # why it was put off, where it was certainly not said


@dataclass(frozen=True)
class Saying:
    """One row of the outbox, as it was claimed."""

    id: int
    thread: Thread
    kind: str
    data: Mapping[str, Any]
    lane: int
    run_id: UUID | None
    tries: int
    ends_run: bool
    created_at: datetime
    claimed_at: datetime
    waited: str = ""  # why an earlier try came to nothing: a doubt is not forgotten
    run: Row | None = None  # as it was when this was claimed
    late: bool = False  # so long ago that another sender may say it now

    @classmethod
    def of(cls, row: Row, *, late: bool = False) -> Self:
        """From a row of `outbox`."""
        return cls(
            id=row["id"],
            thread=Thread(row["org"], row["channel"], row["thread_ts"]),
            kind=row["kind"],
            data=row["data"],
            lane=row["lane"],
            run_id=row["run_id"],
            tries=row["tries"],
            ends_run=row["run_id"] is not None and row["key"] == f"end:{row['run_id']}",
            created_at=row["created_at"],
            claimed_at=row["claimed_at"],
            waited=row["error"] or "",
            run=_run_of(row),
            late=late,
        )

    @property
    def calls(self) -> list[UUID]:
        """The calls that it is about."""
        return [UUID(one) for one in self.data.get("calls") or [self.data["call"]]]

    @property
    def in_doubt(self) -> bool:
        """Whether Slack may have it, or take it yet, from an earlier try."""
        return self.tries > 1 and self.waited not in {WAITS, LIMITED}

    @property
    def posts(self) -> bool:
        """Whether it is a message of its own; a redraw or a fold only edits one."""
        return self.kind not in {"redraw", "fold"}

    def key(self, number: int) -> str:
        """The key in the metadata of one of its messages."""
        return f"outbox:{self.id}:{number}"


def _run_of(row: Row) -> Row | None:
    """The run that a row of the outbox was joined with."""
    if row["run_id"] is None:
        return None
    return {"id": row["run_id"]} | {
        name.removeprefix("run_"): value
        for name, value in row.items()
        if name.startswith("run_") and name != "run_id"
    }
