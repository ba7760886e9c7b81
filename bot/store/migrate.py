"""Schema: ours, the job engine's, and whatever else is handed in, under one session-level lock."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import zip_longest
from types import MappingProxyType
from typing import Any

import psycopg
import structlog
from procrastinate.schema import SchemaManager
from psycopg.rows import dict_row

from bot.core.errors import BadSettings, DatabaseAway

log = structlog.get_logger()
_LOCK = 0x636F756E746572  # "counter": one process migrates, the others wait for it
_FATAL = re.compile(r"FATAL: +(.+)")  # what the server itself said: names, never a password
_FILE = re.compile(r"^(\d{4})_\w+\.sql$")


@dataclass(frozen=True)
class Step:
    """Tables of a library: what makes them, and says whether all of it is done; and one of them,
    by which is seen that somebody dropped them.
    """

    make: Callable[[], Awaitable[bool]]
    table: str


def migrations() -> list[tuple[int, str, str]]:
    """(number, file name, SQL), in order."""
    found = [
        (int(match[1]), file.name, file.read_text(encoding="utf-8"))
        for file in resources.files("migrations").iterdir()
        if (match := _FILE.match(file.name))
    ]
    return sorted(found)


async def _applied(connection: psycopg.AsyncConnection[dict[str, Any]]) -> set[int]:
    exists = await (
        await connection.execute("SELECT to_regclass('countersign_migrations') AS found")
    ).fetchone()
    if exists is None or exists["found"] is None:
        return set()
    rows = await (await connection.execute("SELECT number FROM countersign_migrations")).fetchall()
    return {row["number"] for row in rows}


def place(dsn: str) -> str:
    """ " at host:port" of an address, for a sentence; never its user, password or database."""
    try:
        parts = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return ""
    hosts = str(parts.get("host") or "").split(",")
    ports = str(parts.get("port") or 5432).split(",")
    if not any(hosts):
        return ""
    places = [
        host if host.startswith("/") else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        for host, port in zip_longest(hosts, ports, fillvalue=ports[-1])
    ]
    return f" at {', '.join(places)}"


async def connect(dsn: str) -> psycopg.AsyncConnection[dict[str, Any]]:
    """One connection in autocommit. Raises `DatabaseAway`, or `BadSettings` for no address."""
    try:
        return await psycopg.AsyncConnection.connect(
            dsn,
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=5,
            application_name="countersign migrate",
        )
    except psycopg.OperationalError as error:
        if said := _FATAL.search(str(error)):
            raise DatabaseAway(f"The database refuses us: {said[1].rstrip('.')}.") from error
        raise DatabaseAway(f"The database{place(dsn)} did not answer within 5 s.") from error
    except psycopg.ProgrammingError:
        # its own words repeat the address, and with it the password
        raise BadSettings(
            [
                (
                    "DATABASE_URL: this is no PostgreSQL address, such as "
                    "postgresql://user@host/countersign."
                )
            ]
        ) from None


async def outstanding(dsn: str) -> list[str]:
    """Names of migrations that the database does not have yet."""
    async with await connect(dsn) as connection:
        done = await _applied(connection)
    return [name for number, name, _ in migrations() if number not in done]


async def _lock(connection: psycopg.AsyncConnection[dict[str, Any]]) -> None:
    """Wait for the lock by asking again: a statement that waits holds a snapshot, on which another
    process's CREATE INDEX CONCURRENTLY would wait in turn.
    """
    while True:
        row = await (
            await connection.execute("SELECT pg_try_advisory_lock(%s) AS held", (_LOCK,))
        ).fetchone()
        if row is not None and row["held"]:
            return
        await asyncio.sleep(0.2)


async def migrate(dsn: str, others: Mapping[str, Step] = MappingProxyType({})) -> list[str]:
    """Bring the schema up to date; safe to call from several processes at once. Returns what
    was applied, of ours. `others` are libraries' own, each by a name that its version is a part of:
    one that was done is not done again.
    """
    applied: list[str] = []
    async with await connect(dsn) as connection:
        await _lock(connection)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS countersign_migrations"
            " (number integer PRIMARY KEY, name text NOT NULL,"
            " at timestamptz NOT NULL DEFAULT now())"
        )
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS countersign_foreign_migrations"
            " (name text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"
        )
        done = await _applied(connection)
        jobs = await (
            await connection.execute("SELECT to_regclass('procrastinate_jobs') AS found")
        ).fetchone()
        if jobs is not None and jobs["found"] is None:
            # several statements in one string: the simple protocol, never prepared
            await connection.execute(SchemaManager.get_schema().encode(), prepare=False)
        for number, name, text in migrations():
            if number in done:
                continue
            async with connection.transaction():
                await connection.execute(text.encode(), prepare=False)
                await connection.execute(
                    "INSERT INTO countersign_migrations (number, name) VALUES (%s, %s)",
                    (number, name),
                )
            applied.append(name)
            log.info("migrated", migration=name)
        rows = await (
            await connection.execute("SELECT name FROM countersign_foreign_migrations")
        ).fetchall()
        known = {row["name"] for row in rows}
        for name, step in others.items():
            there = await (
                await connection.execute("SELECT to_regclass(%s) AS found", (step.table,))
            ).fetchone()
            if name in known and there is not None and there["found"] is not None:
                continue
            if await step.make():
                await connection.execute(
                    "INSERT INTO countersign_foreign_migrations (name) VALUES (%s)"
                    " ON CONFLICT DO NOTHING",
                    (name,),
                )
    return applied
