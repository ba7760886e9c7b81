"""How large the database is, what in it is, and what it was: a row a day."""

from dataclasses import dataclass
from datetime import date

from bot.store.database import Database


@dataclass(frozen=True)
class Table:
    """One table with its indexes; rows are about so many, `dead` ones not yet cleaned up."""

    name: str
    bytes: int
    rows: int
    dead: int


@dataclass(frozen=True)
class Growth:
    """The whole database now, with its largest tables first; and how large it was on a day about a
    week ago, or as early as is known. None: it has no yesterday.
    """

    bytes: int
    tables: tuple[Table, ...]
    then: date | None = None
    bytes_then: int = 0


async def note(database: Database) -> None:
    """Keep today's size, once. Raises `DatabaseAway`."""
    async with database.relaxed() as tx:
        await tx.run("note_growth")
        await tx.run("drop_growth")


async def look(database: Database) -> Growth:
    """Raises `DatabaseAway`."""
    async with database.relaxed() as tx:
        row = await tx.one("growth_now") or {}
        tables = tuple(Table(**one) for one in await tx.all("growth_of_tables"))
    return Growth(row["bytes"], tables, row["day"], row["bytes_then"] or 0)
