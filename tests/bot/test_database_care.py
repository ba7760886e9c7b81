"""What grows is swept or is a record; what waits is bounded; how large it all is can be seen."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.types import INTERRUPT

from bot.agent.checkpoints import Checkpoints
from bot.core.errors import DatabaseAway
from bot.core.ids import uuid7
from bot.core.values import Thread
from bot.doctor import Mark
from bot.doctor.storage import _room
from bot.guard.forgetting import Bounds, Keeping, Retention
from bot.store import growth
from bot.store.connections import Room, Sizes
from bot.store.database import Database, Row
from bot.store.jobs import Jobs
from bot.store.outbox import say
from bot.store.swept import sweep, sweep_strays

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
THREAD = Thread("T1", "C1", "1.0")

# Every table, and what becomes of its rows: by which sweep they go, or why they stay.
FATE = {
    "artifacts": "drop_artifacts",
    "audit": "kept: the record, whose chain holds from its first row on",
    "audit_head": "kept: one row a workspace",
    "cards": "drop_views, those of modals; kept: where a change was shown",
    "checkpoint_blobs": "runs_to_sweep, stray_checkpoints",
    "checkpoint_migrations": "kept: of LangGraph's schema",
    "checkpoint_writes": "runs_to_sweep, stray_checkpoints",
    "checkpoints": "runs_to_sweep, stray_checkpoints",
    "countersign_migrations": "kept: of our schema",
    "countersign_foreign_migrations": "kept: of libraries' schemas",
    "decisions": "kept: who approved",
    "events": "drop_events",
    "grants": "kept: what was allowed in advance, and by whom",
    "growth": "drop_growth",
    "listeners": "forget_listeners",
    "messages": "forget_messages, forget_answers: words and answers; kept: who spoke where",
    "model_calls": "kept: what was spent",
    "outbox": "drop_sayings",
    "procrastinate_events": "drop_jobs, with their jobs",
    "procrastinate_jobs": "drop_jobs; procrastinate: those that succeeded",
    "procrastinate_periodic_defers": "kept: nothing of ours is periodic there",
    "procrastinate_workers": "procrastinate: those without a heartbeat",
    "runs": "kept: who asked",
    "threads": "kept: where we were spoken to",
    "tool_calls": "kept: what ran; forget_results: what it found",
}


# As they are so many days before NOW.
THREAD_OF_IT = """
INSERT INTO threads (org, channel, thread_ts, ours) VALUES ('T1', 'C1', '1.0', true)
ON CONFLICT DO NOTHING
"""
RUN = """
INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors, ended_at)
VALUES ('{}', 'T1', 'C1', '1.0', 'turn', 'U1', '{{U1}}', {})
"""
CALL = """
INSERT INTO tool_calls (id, org, channel, thread_ts, run_id, reply, ordinal, model_call_id, kind,
                        tool, arguments, target, risk, requester, contributors, acting, state)
VALUES ('{call}', 'T1', 'C1', '1.0', '{run}', 0, 0, 'a', 'read', 'k8s_get', '{{}}', 'web', 'read',
        'U1', '{{}}', 'bot', 'done')
"""
CARD = """
INSERT INTO cards (org, call_id, channel, ts, view_id, at)
VALUES ('T1', '{}', '{}', '{}', '{}', '2026-11-25 12:00Z'::timestamptz - interval '{} days')
"""
SAYING = """
INSERT INTO outbox (org, channel, thread_ts, kind, data, lane, state, created_at)
VALUES ('T1', 'C1', '1.0', 'notice', '{{}}', 2, '{}',
        '2026-11-25 12:00Z'::timestamptz - interval '{} days')
"""
JOB = """
WITH job AS (
    INSERT INTO procrastinate_jobs (queue_name, task_name, status)
    VALUES ('default', 'turn', '{}') RETURNING id)
INSERT INTO procrastinate_events (job_id, type, at)
SELECT id, 'started', '2026-11-25 12:00Z'::timestamptz - interval '{} days' FROM job
"""
CHECKPOINT = """
INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES ('{}', '1', '{{}}')
"""
CHECKPOINT_WRITE = """
INSERT INTO checkpoint_writes (thread_id, checkpoint_id, task_id, idx, channel, blob)
VALUES ('{}', '1', 't', 0, 'c', '')
"""
CLAIMED_TWICE = "UPDATE runs SET attempt = 2 WHERE id = '{}'"
WRITES = "SELECT checkpoint_id FROM checkpoint_writes"
TABLES = """
SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


async def write(database: Database, *statements: str) -> None:
    async with database.transaction() as tx:
        for statement in statements:
            await tx.connection.execute(statement.encode())


async def rows(database: Database, query: str) -> list[Row]:
    async with database.transaction() as tx:
        return await (await tx.connection.execute(query.encode())).fetchall()


async def run_of(database: Database, ended: str = "NULL") -> UUID:
    """A run, and the thread it needs."""
    run = uuid7()
    await write(database, THREAD_OF_IT, RUN.format(run, ended))
    return run


async def test_every_table_is_swept_or_kept_on_purpose(database: Database) -> None:
    found = await rows(database, TABLES)
    assert {row["relname"] for row in found} == {*FATE}, "say what removes a table's rows"


async def test_what_only_the_work_needed_goes_with_time(database: Database) -> None:
    run, call = await run_of(database), uuid4()
    modals = [("", "", "V1", 3), ("", "", "V2", 1), ("C1", "1.1", "", 300)]
    sayings = [("pending", 90), ("sent", 30), ("failed", 20), ("sent", 8), ("sent", 6)]
    jobs = [("failed", 9), ("failed", 1), ("todo", 30), ("aborted", 9)]
    await write(
        database,
        CALL.format(call=call, run=run),
        *(CARD.format(call, *place, days) for *place, days in modals),
        *(SAYING.format(state, days) for state, days in sayings),
        *(JOB.format(status, days) for status, days in jobs),
        # what their triggers noted of them just now
        "DELETE FROM procrastinate_events WHERE type <> 'started'",
    )
    sweeper = Retention(database, "T1", Keeping(), Bounds(rows=2))
    assert await sweeper.sweep(NOW) == {"views": 1, "sayings": 3, "jobs": 2}
    assert await sweeper.sweep(NOW) == {}
    left = await rows(database, "SELECT state FROM outbox ORDER BY id")
    assert [row["state"] for row in left] == ["pending", "sent"]
    left = await rows(database, "SELECT status FROM procrastinate_jobs ORDER BY id")
    assert [row["status"] for row in left] == ["failed", "todo"]
    kept = Keeping(events=None, outbox=None, jobs=None)
    assert await Retention(database, "T1", kept).sweep(NOW + timedelta(days=999)) == {}


async def test_checkpoints_stay_as_long_as_somebody_wants_them_and_no_longer(
    database: Database,
) -> None:
    ended = await run_of(database, "now() - interval '2 days'")
    under_way = await run_of(database)

    async def written(run: UUID) -> None:
        await write(database, CHECKPOINT.format(run), CHECKPOINT_WRITE.format(run))

    async def left() -> set[str]:
        found = await rows(
            database,
            "SELECT thread_id FROM checkpoints UNION SELECT thread_id FROM checkpoint_writes",
        )
        return {row["thread_id"] for row in found}

    await written(ended)
    await written(under_way)
    assert await sweep(database, 3 * 86_400) == 0
    assert await sweep(database, 86_400) == 1
    assert await left() == {str(under_way)}
    # a worker that had been stopped for a while goes on with a run that another one has ended
    await written(ended)
    assert await sweep(database, 0) == 0, "its run is swept already"
    assert await sweep_strays(database) == 1
    assert await left() == {str(under_way)}


async def test_who_lost_his_claim_stores_no_step_of_the_run(database: Database) -> None:
    """It would be the newest one, and whoever holds the claim would go on from it."""
    checkpoints = Checkpoints(database)
    run = await run_of(database)
    await write(database, CLAIMED_TWICE.format(run))
    stored: list[str] = []
    for attempt in (2, 1):  # the earlier worker wakes up after the later one has written
        config = Checkpoints.place(run, attempt)
        config["configurable"]["checkpoint_ns"] = ""
        state = empty_checkpoint()
        state["channel_values"] = {"heard": attempt, "messages": ["hi"]}
        state["channel_versions"] = {"heard": "1", "messages": "1"}
        config = await checkpoints.aput(config, state, {}, state["channel_versions"])
        config["configurable"]["attempt"] = attempt
        await checkpoints.aput_writes(config, [(INTERRUPT, attempt)], "a task")
        await checkpoints.aput_writes(config, [("heard", attempt)], "another")  # is in the next one
        stored.append(state["id"])
    found = await checkpoints.peek(run)
    assert found is not None
    assert found.checkpoint["id"] == stored[0]
    assert found.checkpoint["channel_values"] == {"heard": 2, "messages": ["hi"]}
    assert found.pending_writes == [("a task", INTERRUPT, 2)]
    assert [row["checkpoint_id"] for row in await rows(database, WRITES)] == stored[:1]


async def test_everything_on_every_connection_is_bounded(dsn: str) -> None:
    bounds = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    asked = "SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in bounds)
    jobs = Jobs(dsn, {}, 1)
    async with Database(dsn, Sizes.of(20)).open() as database, jobs.open():
        for pool in (database._durable, database._relaxed, database.checkpoints):
            async with pool.connection() as connection:
                found = await (await connection.execute(asked)).fetchone()
                assert found == dict(zip(bounds, ("10s", "5s", "15s"), strict=True)), pool.name
        found = await jobs._app.connector.execute_query_one_async(asked)
        assert found == dict(zip(bounds, ("10s", "5s", "15s"), strict=True))

        # who waits for a lock for too long is told the same as one whose database is away
        async with database.transaction() as tx:
            await say(tx, THREAD, "notice", {}, key="one")
            with pytest.raises(DatabaseAway):
                await says_the_same(database)
    async with (
        Database(dsn, patient=True).open() as database,
        database.checkpoints.connection() as connection,
    ):
        found = await (await connection.execute(asked)).fetchone()
        assert found == dict(zip(bounds, ("0", "0", "15s"), strict=True))


async def says_the_same(database: Database) -> None:
    """Waits for whoever is about to say it, but not as long as usual."""
    async with database.transaction() as tx:
        await tx.connection.execute(b"SET LOCAL lock_timeout = '50ms'")
        await say(tx, THREAD, "notice", {}, key="one")


def test_all_the_connections_of_a_process_are_no_more_than_asked_for() -> None:
    for number in range(20, 501):
        sizes = Sizes.of(number)
        assert min(vars(sizes).values()) >= 3
        assert sum(vars(sizes).values()) + 2 == number
    assert Sizes.of(40) == Sizes(durable=8, relaxed=8, checkpoints=16, jobs=6)


async def test_too_few_connections_are_told_before_they_run_out(dsn: str) -> None:
    async with Database(dsn).open() as database:
        before = await database.room()
        async with (
            Database(dsn, serving=True).open(),
            Database(dsn, serving=True).open(),
            await psycopg.AsyncConnection.connect(dsn, application_name="somebody"),
        ):
            room = await database.room()
        assert (before.processes, room.processes) == (0, 2)
        assert room.allowed == before.allowed > 50
        assert room.others >= 1
    assert Room(97, 17, 2).lacking(40) == []
    (said,) = Room(97, 18, 2).lacking(40)
    assert said.startswith("database: 79 connections are left for 2 processes that may open 40")
    assert Room(20, 30, 0).holds(40) == 0
    for room, mark, words in (
        (Room(97, 0, 0), Mark.OK, "97 are allowed and others have 0: room for 2 processes of"),
        (Room(97, 30, 0), Mark.WARNING, "room for 1 process of at most 40, none for one more"),
        (Room(97, 0, 2), Mark.WARNING, "of at most 40, 2 running, none for one more while"),
        (Room(97, 60, 1), Mark.FAILED, "room for 0 processes of at most 40"),
    ):
        found = _room(room, 40)
        assert found.mark is mark
        assert words in found.said
        assert ("COUNTERSIGN_DATABASE_CONNECTIONS" in found.mend) == (mark is not Mark.OK)


async def test_its_size_is_kept_a_day_and_compared_with_a_week_ago(database: Database) -> None:
    await asyncio.gather(*(growth.note(database) for _ in range(3)))
    assert len(await rows(database, "SELECT day FROM growth")) == 1
    first = await growth.look(database)
    assert (first.then, first.bytes_then) == (None, 0)
    names = [table.name for table in first.tables]
    assert {"messages", "checkpoints", "procrastinate_jobs"} <= {*names}
    assert 0 < first.tables[0].bytes < first.bytes
    today = datetime.now(UTC).date()
    for days, expected in ((2, 2), (3, 3), (30, 30), (9, 9), (7, 7), (500, 7)):
        await write(
            database,
            f"INSERT INTO growth VALUES ('{today - timedelta(days=days)}', {1000 + days})",  # noqa: S608
        )
        found = await growth.look(database)
        assert (found.then, found.bytes_then) == (
            today - timedelta(days=expected),
            1000 + expected,
        )
    await growth.note(database)
    [oldest] = await rows(database, "SELECT min(day) AS day FROM growth")
    assert oldest["day"] == today - timedelta(days=30)
    assert isinstance(oldest["day"], date)
