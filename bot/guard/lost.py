"""What became of something of which we heard no end: recorded, or shut out for good."""

import asyncio
from enum import Enum

from bot.core.errors import DatabaseAway
from bot.store.connections import LONGEST
from bot.store.database import Database

FIND_OUT_SECONDS = LONGEST + 1.0
_NEVER_ASKED = 2.0  # seconds to look where the statement never left us
_PAUSE = 0.25
_KIND = "lost"
REFUSED = "refused"  # how the kind begins of what was heard and does not count


class Became(Enum):
    """Of what may have been recorded."""

    RECORDED = "it was"
    REFUSED = "that it does not count was"
    SHUT_OUT = "it was not, and never will be"
    UNKNOWN = "the database does not say"


async def became(
    database: Database,
    org: str,
    key: str,
    error: DatabaseAway | TimeoutError | None,
    seconds: float = FIND_OUT_SECONDS,
) -> Became:
    """Find out for at most so many seconds what became of what is recorded under this `key`, after
    this `error`, if it was one of these: of what records it, or of something before that.

    A server goes on with a statement whose connection broke. So the key is taken: who is told that
    nothing was recorded is told so of the future as well. Where that statement still runs, this
    waits for its end.
    """
    nothing_done = isinstance(error, DatabaseAway) and error.nothing_done
    try:
        async with asyncio.timeout(min(seconds, _NEVER_ASKED) if nothing_done else seconds):
            while True:
                try:
                    return await _shut_out(database, org, key)
                except DatabaseAway:
                    await asyncio.sleep(_PAUSE)
    except TimeoutError:
        return Became.SHUT_OUT if nothing_done else Became.UNKNOWN


async def _shut_out(database: Database, org: str, key: str) -> Became:
    async with database.statement() as tx:
        taken = await tx.one("record_event", org=org, key=key, kind=_KIND, actor="")
    if taken is not None:
        return Became.SHUT_OUT
    async with database.statement() as tx:
        found = await tx.one("event", org=org, key=key)
    kind = found["kind"] if found else _KIND
    if kind == _KIND:  # ours, of a look before
        return Became.SHUT_OUT
    return Became.REFUSED if kind.startswith(REFUSED) else Became.RECORDED
