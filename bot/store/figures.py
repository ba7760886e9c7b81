"""What /metrics reads of the database: how things stand now, and what ended runs came to."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import psycopg

from bot.core.errors import DatabaseAway
from bot.store.database import Database, Row

_SECONDS = 2.0


@dataclass(frozen=True)
class Figures:
    """Rows, as `sql/metrics.sql` gives them."""

    now: Row
    runs: list[Row]
    model_calls: list[Row]
    calls: list[Row]
    decisions: list[Row]
    refused_votes: list[Row]
    starts: list[Row]


async def figures(database: Database, runs: Collection[UUID], ended: Collection[UUID]) -> Figures:
    """Of now, of `runs`, and the rest of those that have `ended`. Raises `DatabaseAway`."""
    some, done = list(runs), list(ended)
    try:
        async with asyncio.timeout(_SECONDS), database.relaxed() as tx:
            now = await tx.one("figures_now") or {}
            if not some:
                return Figures(now, [], [], [], [], [], [])
            return Figures(
                now=now,
                runs=await tx.all("figures_of_runs", runs=some),
                model_calls=await tx.all("figures_of_model_calls", runs=some),
                calls=await tx.all("figures_of_calls", runs=done),
                decisions=await tx.all("figures_of_decisions", runs=done),
                refused_votes=await tx.all("figures_of_refused_votes", runs=done),
                starts=await tx.all("figures_of_starts", runs=done),
            )
    except (psycopg.Error, TimeoutError) as error:
        raise DatabaseAway("The database did not answer.") from error
