"""Reading the audit: whether its chain is whole, and what it says of a day, a person or a call."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bot.guard import audit
from bot.store.database import Database, Row

_PAGE: Final = 2000  # rows read at once: a chain may be longer than the memory


@dataclass(frozen=True)
class Head:
    """Where a workspace's chain ends."""

    org: str
    seq: int
    hash: str


@dataclass(frozen=True)
class Checked:
    """What became of checking one chain.

    `broken_at` is the first row that does not fit, None when all do; `sought` the row whose hash
    was asked for, and when it was written.
    """

    head: Head
    broken_at: int | None
    sought: tuple[int, datetime] | None


@dataclass(frozen=True)
class Choice:
    """Which rows; empty means all. `since` is included, `before` is not; `call` is a public id, or
    the short one that people type, of a call or of what was refused.
    """

    since: datetime | None = None
    before: datetime | None = None
    kind: str = ""
    actor: str = ""
    call: str = ""


async def heads(database: Database) -> list[Head]:
    """Every workspace's head. What is written later is no part of what is read up to them."""
    async with database.statement() as tx:
        found = await tx.all("audit_heads")
    return [Head(**row) for row in found]


async def check(database: Database, head: Head, sought: str = "") -> Checked:
    """Follow one chain from its first row to `head`; `sought` is a hash that it should hold."""
    links, where = audit.Links(), None
    async for row in _rows(database, "audit_page", head, {}):
        if not links.fits(row):
            return Checked(head, int(row["seq"]), where)
        if sought and row["hash"] == sought:
            where = (int(row["seq"]), row["at"])
    whole = (links.seq, links.hash) == (head.seq, head.hash)
    return Checked(head, None if whole else links.seq + 1, where)


async def beyond(database: Database) -> dict[str, int]:
    """The first row of each chain that its head does not know of: a row was added by hand, or the
    head was set back or taken away.
    """
    async with database.statement() as tx:
        found = await tx.all("audit_beyond")
    return {row["org"]: int(row["seq"]) for row in found}


async def chosen(database: Database, head: Head, choice: Choice) -> AsyncIterator[Row]:
    """The rows that were chosen, in order, up to `head`."""
    async with database.statement() as tx:
        named = await tx.all("calls_named", org=head.org, call=choice.call) if choice.call else []
    wanted = {
        "since": choice.since,
        "before": choice.before,
        "kind": choice.kind,
        "actor": choice.actor,
        "call": choice.call,
        "calls": [row["id"] for row in named],
    }
    async for row in _rows(database, "audit_chosen", head, wanted):
        yield row


async def knows_actor(database: Database, actor: str) -> bool:
    """Whether any row is of somebody called so: a person's id, or as whom something ran."""
    async with database.statement() as tx:
        row = await tx.one("audit_knows_actor", actor=actor)
    return row is not None and bool(row["yes"])


async def _rows(
    database: Database, statement: str, head: Head, wanted: Mapping[str, object]
) -> AsyncIterator[Row]:
    after = 0
    while True:
        async with database.statement() as tx:
            page = await tx.all(
                statement, org=head.org, after=after, until=head.seq, limit=_PAGE, **wanted
            )
        for row in page:
            yield row
        if len(page) < _PAGE:
            return
        after = int(page[-1]["seq"])
