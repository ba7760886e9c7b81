"""What every test stands on: a fresh, migrated database on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

from bot.agent.tables import langgraph
from bot.store.database import Database
from bot.store.embedded import fresh_database
from bot.store.migrate import migrate
from tests.plugins.databases import Databases
from tests.plugins.postgres import server_dsn
from tests.plugins.redis import RedisServer

pytest_plugins = ("tests.plugins.validated",)


# No example is timed: the machine may be busy, and speed is for the benchmarks. Fifteen of each,
# in every run other ones.
settings.register_profile("untimed", deadline=None, max_examples=15)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> str:
    """The DSN of this run's PostgreSQL server."""
    return server_dsn(request.config)


@pytest.fixture(scope="session")
def template(server: str) -> str:
    """The name of a migrated database that tests copy."""

    async def make() -> str:
        dsn = await fresh_database(server)

        await migrate(dsn, langgraph(dsn))
        return dsn.rsplit("/", 1)[1].partition("?")[0]

    return asyncio.run(make())


@pytest.fixture(scope="session")
def databases(server: str, template: str) -> Databases:
    """What `dsn` takes from."""
    return Databases(server, template)


@pytest.fixture
async def dsn(databases: Databases) -> AsyncIterator[str]:
    """A database of this test's own, migrated and empty."""
    taken = await databases.take()
    yield taken
    await databases.give_back(taken)


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """The same, opened."""
    async with Database(dsn).open() as opened:
        yield opened


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis of this test's own, running."""
    with RedisServer() as server:
        yield server
