"""Wake-ups from Postgres: LISTEN on a connection of its own, that comes back when it was lost."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import psycopg
import structlog
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bot.core.errors import DatabaseAway
from bot.store.connections import LOST, NETWORK, bounds

log = structlog.get_logger()
_AGAIN = 1.0  # seconds between two tries to connect
_CHECK = 30.0  # seconds of silence after which the connection is tried

AWAY = (DatabaseAway, *LOST)
"""What a database that goes away looks like to who was in the middle of a statement."""


async def notifications(
    dsn: str, channel: str, alive: int, lost: Callable[[], None] = lambda: None
) -> AsyncGenerator[bool, None]:
    """Yield for each NOTIFY, for ever; True right after each connect, as some may be missed.

    `alive` is an advisory lock that the connection holds: others see by it that we live. `lost` is
    called when it is lost, before another statement of ours can reach a server that came back.
    """
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                make_conninfo(dsn, options=bounds(), **NETWORK),
                autocommit=True,
                application_name="countersign listen",
            ) as connection:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                # shared: a half-dead connection of ours that still holds it is not waited for
                async with asyncio.timeout(5):
                    await connection.execute("SELECT pg_advisory_lock_shared(%s)", (alive,))
                yield True
                async for _ in _heard(connection):
                    yield False
        except (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError) as error:
            lost()
            log.warning("listen_lost", channel=channel, error=type(error).__name__)
        await asyncio.sleep(_AGAIN)


async def _heard(connection: psycopg.AsyncConnection) -> AsyncIterator[None]:
    while True:
        async for _ in connection.notifies(timeout=_CHECK):
            yield None
        # silence, or a connection that died without a word
        async with asyncio.timeout(5):
            await connection.execute("SELECT 1")
