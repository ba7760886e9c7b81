"""Postgres: two pools, transactions, and statements by name."""

import logging
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import resources
from select import POLLIN, poll
from time import monotonic
from types import TracebackType
from typing import Any

import psycopg
from psycopg.errors import LockNotAvailable, QueryCanceled
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from bot.core.errors import DatabaseAway, NotMigrated
from bot.store.connections import LOST, NETWORK, Room, Sizes, bounds
from bot.store.migrate import place

Row = dict[str, Any]
_AWAY = (*LOST, PoolTimeout)
_USUAL = Sizes.of(40)
_IDLE = 10.0  # seconds after which a connection is asked whether it lives
_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def named(files: Iterable[str]) -> Mapping[str, str]:
    """Every statement of these files, by the name in the line `-- name --` above it."""
    found: dict[str, str] = {}
    for text in files:
        parts = _NAME.split(text)
        for name, statement in zip(parts[1::2], parts[2::2], strict=True):
            if name in found:
                raise ValueError(f"two statements are called {name}")
            found[name] = statement.strip()
    return found


def _statements() -> Mapping[str, str]:
    files = resources.files("bot.store").joinpath("sql").iterdir()
    ordered = sorted(files, key=lambda file: file.name)
    return named(file.read_text(encoding="utf-8") for file in ordered)


STATEMENTS = _statements()


def _adapt(value: object) -> object:
    """JSON goes in as jsonb; everything else as psycopg knows it."""
    return Jsonb(value) if isinstance(value, dict) else value


class Transaction:
    """One open transaction; statements are called by name with named arguments."""

    def __init__(self, connection: psycopg.AsyncConnection[Row]) -> None:
        self.connection = connection
        self.committed: list[Callable[[], None]] = []
        self._last: list[tuple[str, Mapping[str, object]]] = []

    def last(self, name: str, **arguments: object) -> None:
        """Run a statement once everything else of this transaction was: it takes a lock that all
        others want as well.
        """
        self._last.append((name, arguments))

    async def finish(self, kind: type[BaseException] | None, *_: object) -> None:
        """What comes last, in the order in which it was asked for; nothing after an error."""
        if kind is None:
            await self.come_to_last()

    async def come_to_last(self) -> None:
        """Run what comes last now, before something that takes the same lock by itself."""
        waiting, self._last = self._last, []
        for name, arguments in waiting:
            await self.run(name, **arguments)

    def after_commit(self, work: Callable[[], None]) -> None:
        """Do `work` once this has been committed, and never if it is not. It must not block."""
        self.committed.append(work)

    async def run(self, name: str, **arguments: object) -> int:
        """Run a statement; how many rows it touched."""
        return (await self._execute(name, arguments)).rowcount

    async def one(self, name: str, **arguments: object) -> Row | None:
        """The first row, or None."""
        return await (await self._execute(name, arguments)).fetchone()

    async def all(self, name: str, **arguments: object) -> list[Row]:
        """All rows."""
        return await (await self._execute(name, arguments)).fetchall()

    async def _execute(
        self, name: str, arguments: Mapping[str, object]
    ) -> psycopg.AsyncCursor[Row]:
        return await self.connection.execute(
            STATEMENTS[name].encode(), {key: _adapt(value) for key, value in arguments.items()}
        )


class _Connection(psycopg.AsyncConnection[Row]):
    """Knows when it was last in use."""

    used_at = float("-inf")


async def _note_use(connection: _Connection) -> None:
    connection.used_at = monotonic()


async def _check(connection: _Connection) -> None:
    """Whether it still lives, at a check-out. Raises `psycopg.OperationalError`.

    A server that ended it has said so: then an idle connection has something to read. Only one
    that was idle for long is asked with a round trip, since a network may die without a word.
    """
    readable = poll()
    readable.register(connection.fileno(), POLLIN)
    if not readable.poll(0) and monotonic() - connection.used_at < _IDLE:
        return
    await AsyncConnectionPool.check_connection(connection)


async def _configure(connection: psycopg.AsyncConnection[Row]) -> None:
    await connection.set_autocommit(True)


# Seconds a pool goes on connecting by itself. It pauses longer after each failure, and who wants a
# connection meanwhile waits for the pause; once it has given up, the next one who does is its try.
RECONNECT = 1.0


def _pool(
    dsn: str, name: str, size: int, whose: str = "", **options: str
) -> AsyncConnectionPool[Any]:
    return AsyncConnectionPool(
        dsn,
        name=name,
        min_size=1,
        max_size=size,
        timeout=1.5,
        reconnect_timeout=RECONNECT,
        max_idle=300,
        max_lifetime=3600,
        check=_check,
        reset=_note_use,
        configure=_configure,
        connection_class=_Connection,
        kwargs={
            "row_factory": dict_row,
            "application_name": f"countersign {name} {whose}".rstrip(),
            "options": bounds(**options),
            **NETWORK,
        },
        open=False,
    )


class Database:
    """Two ways to write: durable for what must survive a crash of Postgres, relaxed for the rest.

    A relaxed commit survives a crash of the bot, and every later durable commit makes it durable
    too (the write-ahead log is one sequence).
    """

    def __init__(
        self, dsn: str, sizes: Sizes = _USUAL, *, patient: bool = False, serving: bool = False
    ) -> None:
        """`patient`: statements may take as long as they need, as a large index does. `serving`:
        it is that of a process of ours that stays, and is counted as one (`inspect_room`).
        """
        self.dsn = dsn
        process = secrets.token_hex(4) if serving else ""
        limit = {"statement_timeout": "0", "lock_timeout": "0"} if patient else {}
        self._durable = _pool(dsn, "durable", sizes.durable)
        self._relaxed = _pool(dsn, "relaxed", sizes.relaxed, process, synchronous_commit="off")
        relaxed = {"synchronous_commit": "off"} | limit
        self.checkpoints = _pool(dsn, "checkpoints", sizes.checkpoints, **relaxed)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Database"]:
        """Open the pools; raises `DatabaseAway` when the database does not answer within 5 s."""
        async with AsyncExitStack() as stack:
            for pool in (self._durable, self._relaxed, self.checkpoints):
                try:
                    await pool.open(wait=True, timeout=5)
                except PoolTimeout as error:
                    await pool.close(timeout=1)
                    where = place(self.dsn)
                    raise DatabaseAway(f"The database{where} did not answer within 5 s.") from error
                stack.push_async_callback(pool.close, timeout=2)
            yield self

    def pools(self) -> dict[str, dict[str, int]]:
        """What each pool says of itself."""
        pools = (self._durable, self._relaxed, self.checkpoints)
        return {pool.name: pool.get_stats() for pool in pools}

    def transaction(self) -> "_Begin":
        """A durable transaction: committed is on disk."""
        return _Begin(self._durable)

    def relaxed(self) -> "_Begin":
        """A transaction whose loss in a crash of Postgres would be mended by itself."""
        return _Begin(self._relaxed)

    def statement(self) -> "_Begin":
        """For exactly one statement, relaxed: a transaction by itself, without BEGIN and COMMIT."""
        return _Begin(self._relaxed, alone=True)

    def durable_statement(self) -> "_Begin":
        """The same, durable: one round trip, and no lock is held while we are busy elsewhere."""
        return _Begin(self._durable, alone=True)

    async def room(self) -> Room:
        """How many connections there are for us. Raises `DatabaseAway`."""
        async with self.statement() as tx:
            return Room(**(await tx.one("inspect_room") or {}))

    async def drop_indexes(self, names: Iterable[str]) -> bool:
        """Those that only cost; False when one stays for now, as it is in use for too long."""
        gone = True
        async with self._relaxed.connection() as connection:
            for name in names:
                try:
                    await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}".encode())
                except (QueryCanceled, LockNotAvailable):
                    gone = False
        return gone

    async def answers(self) -> bool:
        """Whether a round trip works now."""
        try:
            async with self.statement() as tx:
                await tx.one("ping")
        except DatabaseAway:
            return False
        return True


def _said(error: BaseException) -> str:
    """For the log: a server that answers may have given up one statement, as in a deadlock."""
    if not isinstance(error, psycopg.Error) or error.sqlstate is None:
        return "The database did not answer."
    first, _, _ = str(error).partition("\n")
    return f"The database gave it up: {first}."


class _Begin:
    """`async with` a transaction on a pool; what the network does to it becomes `DatabaseAway`."""

    def __init__(self, pool: AsyncConnectionPool[Any], *, alone: bool = False) -> None:
        self._pool = pool
        self._alone = alone
        self._stack = AsyncExitStack()
        self._transaction: Transaction | None = None

    async def __aenter__(self) -> Transaction:
        try:
            connection = await self._stack.enter_async_context(self._pool.connection())
            if not self._alone:
                await self._stack.enter_async_context(connection.transaction())
        except _AWAY as error:
            await self._stack.aclose()
            raise DatabaseAway("The database did not answer.", nothing_done=True) from error
        self._transaction = Transaction(connection)
        self._stack.push_async_exit(self._transaction.finish)  # the first that is left
        return self._transaction

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._stack.__aexit__(kind, error, trace)
        except _AWAY as lost:
            raise DatabaseAway(_said(lost)) from lost
        if isinstance(error, _AWAY):
            # the connection was cut in the middle of the body
            raise DatabaseAway(_said(error)) from error
        if error is None and self._transaction is not None:
            for work in self._transaction.committed:
                work()


@asynccontextmanager
async def migrated(dsn: str) -> AsyncIterator[Database]:
    """A database for a command that starts nothing and migrates nothing. Raises `DatabaseAway`, and
    `NotMigrated` when what is asked inside finds no tables.
    """
    # that it does not answer is said in one sentence, not at each try
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    async with Database(dsn).open() as database:
        try:
            yield database
        except psycopg.errors.UndefinedTable as error:
            raise NotMigrated(
                "the database at DATABASE_URL lacks tables of Countersign's: run "
                "`countersign migrate` first."
            ) from error
