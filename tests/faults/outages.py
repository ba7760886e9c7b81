"""What may happen to the bot, or to what it stands on, at any step of a walk."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from enum import StrEnum

import psycopg

from bot.store.embedded import with_database
from tests.faults.scene import Scene
from tests.faults.wire import Held
from tests.plugins.redis import RedisServer

_AWAY = 3.0  # seconds


class Outage(StrEnum):
    """What it is called in the table."""

    KILLED = "killed"
    POSTGRES_RESTARTED = "Postgres restarted"
    REDIS_LOST = "Redis lost"
    MODEL_AWAY = "model away"
    CLUSTER_AWAY = "cluster away"


Befalls = Callable[[Scene, Held, RedisServer], Awaitable[None]]
"""Does it while the bot is held at its step, and lets go of it."""


async def killed(at: Scene, held: Held, _: object = None) -> None:
    """SIGKILL, and a new process. What was on its way to the world still arrives."""
    await at.kill()
    if at.door.holds(held):
        held.drop()
    else:
        held.release()
    await at.start()


async def _postgres_restarted(at: Scene, held: Held, _: RedisServer) -> None:
    """A backend dies by SIGKILL: PostgreSQL ends all others, recovers from its log and starts anew.
    What it had committed relaxed may be gone.
    """
    row = await at.rows(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'countersign%%' LIMIT 1"
    )
    elsewhere = with_database(at.chat.dsn, "postgres")
    witness = await psycopg.AsyncConnection.connect(elsewhere, autocommit=True)
    os.kill(row[0]["pid"], signal.SIGKILL)
    with suppress(psycopg.OperationalError):
        await witness.execute("SELECT pg_sleep(60)")  # until the server has ended it, too
    await witness.close()
    if at.door.holds(held):
        held.drop()
    else:
        held.release()
    await _answers(elsewhere)


async def _redis_lost(_: Scene, held: Held, redis: RedisServer) -> None:
    redis.kill()
    held.release()
    await asyncio.sleep(0)


async def _model_away(at: Scene, held: Held, _: RedisServer) -> None:
    """For good: a run that still needs it ends with what went wrong."""
    assert at.chat.model is not None
    await at.chat.model.go_away()
    held.release()


async def _cluster_away(at: Scene, held: Held, _: RedisServer) -> None:
    await at.cluster.cut()
    held.release()
    await asyncio.sleep(_AWAY)
    at.cluster.mend()


async def _answers(dsn: str) -> None:
    async def tried() -> bool:
        try:
            async with await psycopg.AsyncConnection.connect(dsn, connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    async with asyncio.timeout(30):
        while not await tried():  # noqa: ASYNC110 -- nothing tells of it
            await asyncio.sleep(0.05)


BEFALLS: Mapping[Outage, Befalls] = {
    Outage.KILLED: killed,
    Outage.POSTGRES_RESTARTED: _postgres_restarted,
    Outage.REDIS_LOST: _redis_lost,
    Outage.MODEL_AWAY: _model_away,
    Outage.CLUSTER_AWAY: _cluster_away,
}
