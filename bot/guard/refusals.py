"""What the policy refused: it has no row but in the audit, and an id by which it is explained."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from pydantic import JsonValue

from bot.guard import short_ids
from bot.guard.policy import PolicyInput, Ruling
from bot.store.database import Database


@dataclass(frozen=True)
class Refusal:
    """What the policy was asked, and that it refused; `short_id` is what people type for it."""

    asked: PolicyInput
    ruling: Ruling
    short_id: str = field(default_factory=short_ids.short_id)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """From its audit row."""
        return cls(PolicyInput.of(data["input"]), Ruling.of(data["ruling"]), data["short_id"])

    def stored(self) -> dict[str, JsonValue]:
        """As JSON: a changed policy is tried on what the one of now refused, too."""
        return {
            "input": self.asked.stored(),
            "ruling": self.ruling.stored(),
            "short_id": self.short_id,
        }

    @property
    def how(self) -> str:
        """Where it is said rule by rule how that was decided."""
        return f"`/ops why {self.short_id}` says how that was decided."


@dataclass(frozen=True)
class Refused:
    """One that was refused, and when."""

    at: datetime
    refusal: Refusal


async def within(
    database: Database,
    org: str,
    since: datetime,
    before: datetime,
    *,
    channel: str = "",
    person: str = "",
    most: int,
) -> tuple[list[Refused], int]:
    """The last `most` of that time, newest first, of one channel and requester or of all; and how
    many there are.
    """
    asked: dict[str, Any] = {"org": org, "since": since, "before": before, "most": most}
    async with database.statement() as tx:
        rows = await tx.all("refusals", **asked, channel=channel, person=person)
    found = [Refused(row["at"], Refusal.of({"short_id": "", **row["data"]})) for row in rows]
    return found, rows[0]["number"] if rows else 0


async def newest(
    database: Database, org: str, channel: str, short_id: str
) -> tuple[datetime, Refusal] | None:
    """The newest of a channel that was called so, and when it was refused."""
    async with database.statement() as tx:
        row = await tx.one("refusal_by_short_id", org=org, channel=channel, short_id=short_id)
    return (row["at"], Refusal.of(row["data"])) if row else None
