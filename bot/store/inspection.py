"""A look at a database or a Redis, as `countersign doctor` needs it: nothing is written."""

from dataclasses import dataclass

import psycopg
from psycopg.rows import dict_row
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.core.errors import DatabaseAway
from bot.store.connections import Room
from bot.store.database import STATEMENTS
from bot.store.migrate import connect

_SECONDS = 5.0


@dataclass(frozen=True)
class DatabaseFacts:
    """What a role sees of a database. `rewrites_audit` names what it may do to audit rows besides
    adding them; empty is what it should be, None while there is no such table.
    """

    version: int  # 150004 is 15.4
    role: str
    creates: bool  # may make tables, as migrations do
    orgs: tuple[str, ...]  # workspaces whose rows are in it
    rewrites_audit: tuple[str, ...] | None
    room: Room
    sockets: int = 0  # that our processes hold, wherever they run


async def look_at_database(dsn: str) -> DatabaseFacts:
    """Raises `DatabaseAway` or `BadSettings` with a sentence without any secret."""
    try:
        async with await connect(dsn) as connection:
            row = await (await connection.execute(STATEMENTS["inspect_role"].encode())).fetchone()
            assert row is not None  # noqa: S101 -- a SELECT without FROM has one row
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(STATEMENTS["inspect_room"].replace("%%", "%").encode())
            room = Room(**(await cursor.fetchone() or {}))
            audit, orgs, sockets = None, [], 0
            if row["has_tables"]:
                await cursor.execute(STATEMENTS["inspect_audit"].encode())
                audit = tuple(str(one["may"]) for one in await cursor.fetchall())
                await cursor.execute(STATEMENTS["inspect_orgs"].encode())
                orgs = [str(one["org"]) for one in await cursor.fetchall()]
            if row["has_listeners"]:
                cursor = connection.cursor(row_factory=dict_row)
                await cursor.execute(STATEMENTS["inspect_listeners"].encode())
                held = await cursor.fetchone()
                sockets = int(held["sockets"]) if held else 0
    except psycopg.OperationalError as error:
        raise DatabaseAway("The database broke off in the middle of an answer.") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseAway(
            "The role may not read the tables: grant it what deploy/database/role.sql says."
        ) from error
    return DatabaseFacts(
        row["version"], row["role"], row["creates"], tuple(orgs), audit, room, sockets
    )


async def look_at_redis(url: str) -> str:
    """The version of a Redis that lets us publish. Raises `OSError` or `PermissionError`, whose
    texts hold no secret.
    """
    client = Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
    try:
        await client.publish("countersign:doctor", b"")
        found = await client.info("server")
        return str(found.get("redis_version", "of an unknown version"))
    except RedisError as error:
        words = str(error).split(" ", 1)[0]
        if words in {"NOAUTH", "WRONGPASS", "NOPERM"} or "auth" in type(error).__name__.lower():
            raise PermissionError("it refuses our user or password") from None
        raise ConnectionError(f"it cannot be reached ({type(error).__name__})") from None
    finally:
        await client.aclose()
