"""The database: migrations, named statements, the outbox's order, the audit chain."""

import asyncio
import sys
import time
from collections.abc import Mapping
from functools import partial

import psycopg
import pytest
from psycopg import AsyncConnection
from pydantic import JsonValue

from bot.core.errors import DatabaseAway
from bot.core.values import Thread
from bot.guard import audit
from bot.store.database import STATEMENTS, Database
from bot.store.embedded import fresh_database
from bot.store.migrate import Step, migrate, migrations, outstanding
from bot.store.outbox import say
from tests.bot.test_outbox import TAKER

THREAD = Thread("T1", "C1", "1.0")


async def test_migrating_twice_changes_nothing(dsn: str) -> None:
    assert await outstanding(dsn) == []
    assert await migrate(dsn) == []
    assert [number for number, _, _ in migrations()] == list(range(1, len(migrations()) + 1))


async def test_a_librarys_tables_are_made_until_all_of_it_is_done_and_not_again(dsn: str) -> None:
    made: list[str] = []

    async def make(what: str, *, done: bool) -> bool:
        made.append(what)
        return done

    await migrate(dsn, {"saver 1": Step(partial(make, "1", done=False), "runs")})
    await migrate(dsn, {"saver 1": Step(partial(make, "1", done=True), "runs")})
    await migrate(dsn, {"saver 1": Step(partial(make, "1", done=True), "runs")})
    await migrate(dsn, {"saver 2": Step(partial(make, "2", done=True), "runs")})
    assert made == ["1", "1", "2"]
    # somebody dropped its tables
    await migrate(dsn, {"saver 2": Step(partial(make, "2 again", done=True), "no_such_table")})
    assert made[3:] == ["2 again"]


async def test_a_start_on_a_database_that_is_up_to_date_loads_no_graph(dsn: str) -> None:
    """LangGraph is half of a start: until it is there people are heard already."""
    code = (
        "import asyncio, sys, bot.app; asyncio.run(bot.app.bring_up_to_date(sys.argv[1]));"
        "sys.exit(any(name.partition('.')[0] in {'langgraph', 'langchain_core', 'langsmith'}"
        " for name in sys.modules))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, dsn)
    assert await process.wait() == 0


async def test_every_statement_is_understood_by_the_database(dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await prepare_all(connection, STATEMENTS)


async def prepare_all(connection: AsyncConnection, statements: Mapping[str, str]) -> None:
    """Raises what the database says of one that it does not understand."""
    for name, text in statements.items():
        numbered = text
        seen: list[str] = []
        while (start := numbered.find("%(")) >= 0:
            end = numbered.index(")s", start)
            argument = numbered[start + 2 : end]
            if argument not in seen:
                seen.append(argument)
            numbered = f"{numbered[:start]}${seen.index(argument) + 1}{numbered[end + 2 :]}"
        try:
            await connection.execute(
                f"PREPARE s_{name} AS {numbered.replace('%%', '%').rstrip(';')}".encode()
            )
        except psycopg.errors.IndeterminateDatatype:
            continue  # a parameter whose type only the value tells


async def test_a_saying_waits_for_the_older_one_of_its_thread(database: Database) -> None:
    async with database.transaction() as tx:
        await say(tx, THREAD, "notice", {"n": 1})
        await say(tx, THREAD, "card", {"n": 2})
        await say(tx, Thread("T1", "C1", "2.0"), "notice", {"n": 3})
    taken = []
    async with database.relaxed() as tx:
        while row := await tx.one("take_saying", **TAKER):
            taken.append(row["data"]["n"])
    assert taken == [1, 3]


async def test_what_a_later_version_says_is_left_to_it_for_a_while(database: Database) -> None:
    async with database.transaction() as tx:
        await say(tx, THREAD, "notice", {"n": 1})
        await tx.connection.execute("UPDATE outbox SET version = 2")
    async with database.relaxed() as tx:
        assert await tx.one("take_saying", **TAKER) is None
        await tx.connection.execute("UPDATE outbox SET created_at = now() - interval '1 hour'")
        assert await tx.one("take_saying", **TAKER) is not None


async def test_one_saying_is_taken_at_a_time_whatever_the_plan(database: Database) -> None:
    """A table that was vacuumed while it was empty is scanned row by row, and a subquery beside it
    as often: each time it would take another saying, and tell of one.
    """
    for number in range(4):
        async with database.transaction() as tx:
            await say(tx, Thread("T1", "C1", f"{number}.0"), "notice", {"n": number})
    async with database.transaction() as tx:
        await tx.connection.execute(
            b"UPDATE pg_class SET relpages = 1, reltuples = 0 WHERE relname = 'outbox'"
        )
    taken = []
    async with database.relaxed() as tx:
        while row := await tx.one("take_saying", **TAKER):
            taken.append(row["data"]["n"])
    assert taken == [0, 1, 2, 3]


async def test_a_key_is_said_once(database: Database) -> None:
    for _ in range(3):
        async with database.transaction() as tx:
            await say(tx, THREAD, "notice", {}, key="end:1")
    async with database.relaxed() as tx:
        assert await tx.one("take_saying", **TAKER) is not None
        assert await tx.one("take_saying", **TAKER) is None


async def test_the_audit_chain_shows_what_was_changed_or_cut(database: Database) -> None:
    for number in range(5):
        async with database.transaction() as tx:
            audit.append(tx, "T1", "request", "U1", {"n": number})
    async with database.relaxed() as tx:
        rows = await tx.all("audit_rows", org="T1")
    assert audit.broken_at(rows) is None
    assert audit.broken_at([*rows[:2], *rows[3:]]) == 4
    assert audit.broken_at([*rows[:2], {**rows[2], "actor": "U2"}, *rows[3:]]) == 3
    assert audit.broken_at([*rows[:2], {**rows[2], "data": {"n": 9}}, *rows[3:]]) == 3


async def test_the_audit_chain_holds_whatever_numbers_are_in_it(database: Database) -> None:
    numbers: list[JsonValue] = [1e16, 1e22, -0.0, 1.0, 0.1, 1e-7, 10**30, {"of": [2.5e15, "é"]}]
    async with database.transaction() as tx:
        audit.append(tx, "T1", "proposed", "U1", {"arguments": {"values": numbers}})
    async with database.relaxed() as tx:
        rows = await tx.all("audit_rows", org="T1")
    assert rows[0]["data"]["arguments"]["values"] == numbers
    assert audit.broken_at(rows) is None


async def test_the_audit_chain_holds_under_concurrency(database: Database) -> None:
    async def one(number: int) -> None:
        async with database.relaxed() as tx:
            audit.append(tx, "T1", "read", "U1", {"n": number})

    await asyncio.gather(*(one(number) for number in range(30)))
    async with database.relaxed() as tx:
        rows = await tx.all("audit_rows", org="T1")
    assert len(rows) == 30
    assert audit.broken_at(rows) is None


async def test_after_an_outage_every_pool_works_at_once(server: str, template: str) -> None:
    """However long it was: a pool that pauses longer after each failure would sleep through."""
    dsn = await fresh_database(server, template)
    name = dsn.rsplit("/", 1)[1].partition("?")[0]
    door = "ALTER DATABASE {} ALLOW_CONNECTIONS {}"
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"
    async with (
        Database(dsn).open() as database,
        await AsyncConnection.connect(server, autocommit=True) as outside,
    ):
        await outside.execute(door.format(name, "false").encode())
        await outside.execute(cut.format(name).encode())
        ways = (database.transaction, database.relaxed)
        until = time.monotonic() + 7.5
        while time.monotonic() < until:
            for way in ways:
                with pytest.raises(DatabaseAway):
                    async with way() as tx:
                        await tx.one("ping")
            await asyncio.sleep(0.1)
        await outside.execute(door.format(name, "true").encode())
        until = time.monotonic() + 4
        for way in ways:
            while True:
                try:
                    async with way() as tx:
                        await tx.one("ping")
                    break
                except DatabaseAway:
                    assert time.monotonic() < until, "it is back, and nobody looks"


async def test_a_database_that_is_away_is_said_in_one_sentence() -> None:
    with pytest.raises(DatabaseAway, match="did not answer"):
        await Database("postgresql://nobody@127.0.0.1:1/none").open().__aenter__()


@pytest.mark.parametrize("then", ["goes on", "commits"])
async def test_who_stood_still_in_a_transaction_finds_the_database_away(
    database: Database, then: str
) -> None:
    """The server cuts it off, as a machine that slept finds out: no fault that nobody foresaw."""

    async def stands_still() -> None:
        async with database.transaction() as tx:
            await tx.connection.execute(b"SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            await asyncio.sleep(0.3)
            if then == "goes on":
                await tx.one("ping")

    with pytest.raises(DatabaseAway):
        await stands_still()
    async with database.transaction() as tx:
        assert await tx.one("ping")


async def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    async def fails() -> None:
        async with database.transaction() as tx:
            await say(tx, THREAD, "notice", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fails()
    async with database.relaxed() as tx:
        assert await tx.one("take_saying", **TAKER) is None
