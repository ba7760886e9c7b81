"""Databases that tests take and give back: to empty one costs a tenth of copying a template.

One is given back only if the test left its schema as it was and nobody is connected any more;
otherwise the next test gets a new copy.
"""

import asyncio
from dataclasses import dataclass

import psycopg

from bot.store.embedded import fresh_database

# A catalog row that was changed carries a new xmin; emptying and statistics change none of these.
_SCHEMA = """
SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
    SELECT 'c' || oid || ':' || xmin AS line FROM pg_class WHERE oid >= 16384
    UNION ALL SELECT 'a' || attrelid || '.' || attnum || ':' || xmin FROM pg_attribute
        WHERE attrelid >= 16384
    UNION ALL SELECT 'p' || oid || ':' || xmin FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT 't' || oid || ':' || xmin FROM pg_trigger WHERE oid >= 16384
    UNION ALL SELECT 'k' || oid || ':' || xmin FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT 'n' || oid || ':' || xmin FROM pg_namespace WHERE oid >= 16384
    UNION ALL SELECT 's' || setdatabase || '.' || setrole || ':' || xmin FROM pg_db_role_setting
) AS lines
"""
_TABLES = """
SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""
_ROWS = "(SELECT coalesce(md5(string_agg(r::text, ',' ORDER BY r::text)), '') FROM {} AS r)"
_EMPTY = "DELETE FROM {}"
_NOTHING = ""
_SEQUENCES = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences WHERE last_value IS NOT NULL
"""
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@dataclass(frozen=True)
class _Fresh:
    """What one held when it was new, and the statements that tell and make it so again."""

    state: str  # asks for all that no test may change: the schema, and what migrations put in
    was: tuple[object, ...]
    empty: str


class Databases:
    """Those of one worker. `template` names the migrated database that they are copies of."""

    def __init__(self, server: str, template: str) -> None:
        self._server = server
        self._template = template
        self._free: list[str] = []
        self._fresh: dict[str, _Fresh] = {}  # by DSN

    async def take(self) -> str:
        """The DSN of a database that holds what the migrations put into it and nothing else."""
        if self._free:
            return self._free.pop()
        dsn = await fresh_database(self._server, self._template)
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            self._fresh[dsn] = await _fresh(connection)
        return dsn

    async def give_back(self, dsn: str) -> None:
        """Empty it for the next test, or leave it as it is."""
        try:
            connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
        except psycopg.OperationalError:
            return  # a test closed it
        fresh = self._fresh[dsn]
        async with connection:
            for _ in range(50):  # a connection that was closed takes a moment to be gone
                if await _row(connection, _OTHERS) == (0,):
                    break
                await asyncio.sleep(0.01)
            else:
                return  # who is still there may write into the next test's rows
            if await _row(connection, fresh.state) != fresh.was:
                return
            await connection.execute(fresh.empty.encode())
        self._free.append(dsn)


async def _fresh(connection: psycopg.AsyncConnection) -> _Fresh:
    tables = [str(row[0]) for row in await (await connection.execute(_TABLES.encode())).fetchall()]
    rows = [_ROWS.format(table) for table in tables]
    found = await _row(connection, f"SELECT {', '.join(rows)}")
    filled = [its for its, value in zip(rows, found, strict=True) if value != _NOTHING]
    state = f"SELECT {', '.join([f'({_SCHEMA})', *filled])}"
    emptied = [
        _EMPTY.format(table)
        for table, value in zip(tables, found, strict=True)
        if value == _NOTHING
    ]
    # all at once: a round trip costs more than to look into a table that is empty
    empty = "; ".join(["SET session_replication_role = replica", *emptied, _SEQUENCES])
    return _Fresh(state, await _row(connection, state), empty)


async def _row(connection: psycopg.AsyncConnection, statement: str) -> tuple[object, ...]:
    row = await (await connection.execute(statement.encode())).fetchone()
    assert row is not None
    return tuple(row)
