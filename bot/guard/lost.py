"""What became of something of which we heard no end: recorded, or shut out for good."""

import asyncio
from collections.abc import Sequence
from enum import Enum

from bot.core.errors import DatabaseAway
from bot.store.database import Database

FIND_OUT_SECONDS = 11.0  # longer than a statement can take
_LOOK_SECONDS = 2.0
_PAUSE = 0.25
_KIND = "lost"


class Became(Enum):
    """Of what may have been recorded."""

    RECORDED = "it was"
    SHUT_OUT = "it was not, and never will be"
    UNKNOWN = "the database does not say"


async def became(
    database: Database,
    org: str,
    keys: Sequence[str],
    error: DatabaseAway | TimeoutError | None,
    seconds: float = FIND_OUT_SECONDS,
) -> Became:
    """Find out for at most so many seconds what became of what is recorded under one of the `keys`,
    after this `error`, if it was one of these.

    A server goes on with a statement whose connection broke. So the keys are taken: who is told
    that nothing was recorded is told so of the future as well. Where that statement still runs,
    this waits for its end.
    """
    # of the statement that failed only: one before it may have recorded something
    nothing_done = isinstance(error, DatabaseAway) and error.nothing_done
    try:
        async with asyncio.timeout(min(seconds, _LOOK_SECONDS) if nothing_done else seconds):
            while True:
                try:
                    return await _shut_out(database, org, keys)
                except DatabaseAway:
                    await asyncio.sleep(_PAUSE)
    except TimeoutError:
        return Became.SHUT_OUT if nothing_done else Became.UNKNOWN


async def _shut_out(database: Database, org: str, keys: Sequence[str]) -> Became:
    for key in keys:
        async with database.statement() as tx:
            taken = await tx.one("record_event", org=org, key=key, kind=_KIND, actor="")
        if taken is None:
            async with database.statement() as tx:
                found = await tx.one("event", org=org, key=key)
            if found and found["kind"] != _KIND:  # ours, of a look before
                return Became.RECORDED
    return Became.SHUT_OUT
