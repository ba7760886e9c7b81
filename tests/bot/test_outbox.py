"""The outbox's statements: what is said ends and what comes next is taken in one; redraws of one
call that still wait are one.
"""

from typing import Any
from uuid import UUID

import pytest
from pydantic import JsonValue

from bot.core.ids import uuid7
from bot.core.values import Thread
from bot.store.database import Database, Row
from bot.store.outbox import Kind, say

# a sender that nothing keeps from saying whatever comes next
TAKER: dict[str, Any] = {"sender": 1, "busy": [], "edits": True}
HERE, THERE = Thread("T1", "C1", "1.0"), Thread("T1", "C1", "2.0")
RUN = (
    "INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors)"
    " VALUES (%s, 'T1', 'C1', '1.0', 'turn', 'U1', '{U1}')"
)
THREAD = "INSERT INTO threads (org, channel, thread_ts, ours) VALUES ('T1', 'C1', '1.0', true)"
CALL = (
    "INSERT INTO tool_calls (id, org, channel, thread_ts, run_id, reply, ordinal, model_call_id,"
    " kind, tool, arguments, target, risk, requester, contributors, acting, state, public_id,"
    " digest, quorum, expires_at) VALUES (%s, 'T1', 'C1', '1.0', %s, 0, 0, 'm', 'change', 't',"
    " '{}', 'web', 'write', 'U1', '{U1}', 'bot', %s, 'p', 'd', 1, now() + interval '1 hour')"
)


async def _execute(database: Database, statement: str, *values: object) -> None:
    async with database.transaction() as tx:
        await tx.connection.execute(statement.encode(), values)


async def _say(database: Database, thread: Thread, kind: Kind, n: int) -> None:
    async with database.transaction() as tx:
        await say(tx, thread, kind, {"n": n})


async def _take(database: Database) -> Row | None:
    async with database.statement() as tx:
        return await tx.one("take_saying", **TAKER)


async def _said(database: Database, row: Row, **other: Any) -> Row | None:
    given = {"ts": "9.0", "fold": "", "fold_lane": 2, "more": True} | TAKER | other
    async with database.statement() as tx:
        return await tx.one("said", id=row["id"], tries=row["tries"], **given)


async def _rows(database: Database) -> list[Row]:
    async with database.relaxed() as tx:
        cursor = await tx.connection.execute(b"SELECT * FROM outbox ORDER BY id")
        return await cursor.fetchall()


@pytest.fixture
async def call_id(database: Database) -> UUID:
    run_id, made = uuid7(), uuid7()
    await _execute(database, THREAD)
    await _execute(database, RUN, run_id)
    await _execute(database, CALL, made, run_id, "proposed")
    return made


async def _redraw(database: Database, call_id: UUID) -> None:
    data: dict[str, JsonValue] = {"call": str(call_id)}
    async with database.transaction() as tx:
        await say(tx, HERE, "redraw", data, call_id=call_id)


async def test_what_is_said_makes_room_for_the_next_of_its_thread(database: Database) -> None:
    await _say(database, HERE, "notice", 1)
    await _say(database, HERE, "answer", 2)
    first = await _take(database)
    assert first is not None
    assert await _take(database) is None
    second = await _said(database, first)
    assert second is not None
    assert (second["data"], second["state"], second["tries"]) == ({"n": 2}, "sending", 1)
    assert await _said(database, second) is None
    assert [row["state"] for row in await _rows(database)] == ["sent", "sent"]


async def test_who_lost_his_claim_ends_nothing_and_frees_nothing(database: Database) -> None:
    await _say(database, HERE, "notice", 1)
    await _say(database, HERE, "notice", 2)
    first = await _take(database)
    assert first is not None
    assert await _said(database, first | {"tries": first["tries"] + 1}) is None
    assert [row["state"] for row in await _rows(database)] == ["sending", "pending"]


async def test_a_fold_is_claimed_as_it_is_stored_and_only_once(
    database: Database, call_id: UUID
) -> None:
    async with database.transaction() as tx:
        rows = await (await tx.connection.execute(b"SELECT id FROM runs")).fetchall()
        for n in (1, 2):
            await say(tx, HERE, "notice", {"n": n}, run_id=rows[0]["id"])
    await _say(database, THERE, "notice", 3)
    first = await _take(database)
    assert first is not None
    fold = await _said(database, first, fold="5.0")
    assert fold is not None
    assert (fold["kind"], fold["thread_ts"], fold["run_attempt"]) == ("fold", "5.0", 0)
    assert fold["data"] == {"run": str(rows[0]["id"])}
    second = await _take(database)
    assert second is not None
    assert await _said(database, second, fold="5.0") is None
    assert sum(row["kind"] == "fold" for row in await _rows(database)) == 1


async def test_redraws_of_a_call_that_wait_are_one(database: Database, call_id: UUID) -> None:
    for _ in range(3):
        await _redraw(database, call_id)
    assert len(await _rows(database)) == 1
    assert await _take(database) is not None
    await _redraw(database, call_id)  # the one under way may have read an older state
    assert [row["state"] for row in await _rows(database)] == ["sending", "pending"]
    assert await _take(database) is None  # two at once could end with the older drawing


async def test_a_redraw_that_somebody_takes_now_is_not_counted_on(
    database: Database, call_id: UUID
) -> None:
    await _redraw(database, call_id)
    async with database.relaxed() as taking:
        assert await taking.one("take_saying", **TAKER) is not None
        await _redraw(database, call_id)
    assert len(await _rows(database)) == 2


async def test_what_was_approved_is_drawn_with_what_follows(
    database: Database, call_id: UUID
) -> None:
    await _execute(database, "UPDATE tool_calls SET state = 'approved'")
    await _redraw(database, call_id)
    await _say(database, HERE, "answer", 2)
    assert await _take(database) is not None  # the answer: nothing waits for a redraw
    assert await _take(database) is None
    await _execute(database, "UPDATE tool_calls SET state = 'done'")
    await _redraw(database, call_id)
    rows = await _rows(database)
    assert [row["kind"] for row in rows] == ["redraw", "answer"]
    assert (rows[0]["not_before"] - rows[0]["created_at"]).total_seconds() < 1
    await _execute(database, "UPDATE outbox SET state = 'sent' WHERE kind = 'answer'")
    taken = await _take(database)
    assert taken is not None
    assert taken["kind"] == "redraw"
