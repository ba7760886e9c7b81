"""A worker that lost its run to another one writes nothing of it any more, though it goes on."""

from collections.abc import Mapping

import pytest

from bot.core.ids import uuid7
from bot.store.database import Database
from tests.bot.test_live import INSERT_RUN, INSERT_THREAD

WRITES: Mapping[str, Mapping[str, object]] = {
    "close_run": {"state": "done", "error": "", "worked": 1.0},
    "note_heard": {"heard": 7, "contributors": ["U0DAVE000"]},
}


@pytest.mark.parametrize("name", list(WRITES))
async def test_an_earlier_attempt_misses_its_row_while_the_later_one_works(
    database: Database, name: str
) -> None:
    run_id, thread = uuid7(), ("T1", "C1", "1.0")
    async with database.transaction() as tx:
        await tx.connection.execute(INSERT_THREAD, thread)
        await tx.connection.execute(INSERT_RUN, (run_id, *thread))
        attempts = [await tx.one("claim_run", id=run_id, version=1, patience=60) for _ in range(2)]
    lost, held = [row["attempt"] for row in attempts if row]
    async with database.transaction() as tx:
        assert await tx.one(name, id=run_id, attempt=lost, **WRITES[name]) is None
        assert await tx.one(name, id=run_id, attempt=held, **WRITES[name]) is not None
