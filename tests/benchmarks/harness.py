"""The bot as a process of its own between stand-ins that live in this one, and what it uses.

CPU is the bot's process clock (user + system, threads that ended included), read from outside;
memory is the kernel's own account of it. Both need Linux.
"""

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg.rows import dict_row

from bot.agent.tables import langgraph
from bot.sandbox.slack import Settings as SlackSettings
from bot.store.database import Row
from bot.store.embedded import embedded_postgres, fresh_database
from bot.store.migrate import migrate
from tests.plugins.ports import free_port
from tests.standins.model import Json, Turn, calls, says
from tests.world import ROOT, Script, World, buttons, get_json, shown, world

ASKED = re.compile(r"scale ([\w-]+) to (\d+)")
DONE = "replicas now"
SHIPPED = ("-m", "bot", "run")
UNPACED = ("-m", "tests.benchmarks.launch")  # Slack's rates lifted
ROUND_ROBIN = SlackSettings(delivery="round_robin")
SPEED = 200.0  # of the cluster: its controllers are not what is measured


def three_calls(request: Json) -> Turn:
    """A full run's three replies, from what was asked last: read, change, answer."""
    messages = request["messages"]
    last = max(n for n, m in enumerate(messages) if m["role"] == "user")
    name, wanted = ASKED.findall(str(messages[last]["content"]))[-1]
    match sum(m["role"] == "assistant" for m in messages[last:]):
        case 0:
            return calls(("k8s_get", {"kind": "deployments", "namespace": "shop"}))
        case 1:
            it = {"namespace": "shop", "kind": "deployment", "name": name}
            return calls(("k8s_scale", {**it, "replicas": int(wanted)}))
        case _:
            return says(f"`{name}` has {wanted} {DONE}.")


def process_cpu(pid: int) -> float:
    """CPU seconds, user and system, that a process has used. Linux makes its clock's id so."""
    return time.clock_gettime((~pid << 3) | 2)


def memory(pid: int) -> tuple[float, float]:
    """Resident and proportional set size of a process, in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = dict(re.findall(r"^(Rss|Pss): +(\d+) kB", text, re.MULTILINE))
    return int(found["Rss"]) / 1024, int(found["Pss"]) / 1024


async def until(
    holds: Callable[[], Awaitable[object]], what: str, timeout: float = 30, every: float = 0.02
) -> None:
    """Wait until something is true. Raises `TimeoutError` that says what was waited for."""
    deadline = time.monotonic() + timeout
    while not await holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        await asyncio.sleep(every)


@dataclass
class Stage:
    """One bot in its process, and the people and systems around it."""

    chat: World
    database: psycopg.AsyncConnection[Row]
    http: str
    started: float = 0.0
    command: tuple[str, ...] = SHIPPED

    # --- the process -------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the bot; returns as soon as the process is there. `started` is its birth."""
        chat = self.chat
        chat.starts += 1
        self.started = time.time()
        with (chat.folder / f"bot-{chat.starts}.log").open("wb") as log:
            chat.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.command,
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], **chat.environment()},
                stderr=log,
                stdout=log,
            )

    async def listening(self, timeout: float = 30) -> None:
        """Wait for its first socket."""
        hub = self.chat.slack.hub
        await self._alive(
            self.chat.slack.wait_for(lambda: bool(hub.sockets), timeout, "an open socket")
        )

    async def warm(self, timeout: float = 60) -> None:
        """Wait until the model's client is loaded and both sockets are open."""

        async def is_warm() -> bool:
            return "model_warm" in self.chat.log() and len(self.chat.slack.hub.sockets) >= 2

        await self._alive(until(is_warm, "a bot that is warm", timeout))

    async def ready(self, timeout: float = 30) -> float:
        """Seconds from its birth until `/readyz` says 200."""

        async def is_ready() -> bool:
            try:
                return (await get_json(f"{self.http}/readyz"))[0] == 200
            except OSError:
                return False

        await self._alive(until(is_ready, "a bot that is ready", timeout))
        return time.time() - self.started

    async def _alive(self, waiting: Awaitable[object]) -> None:
        """Wait for something, but no longer than the bot lives."""
        if self.chat.process is None:
            raise RuntimeError("the bot does not run")
        wanted = asyncio.ensure_future(waiting)
        ended = asyncio.ensure_future(self.chat.process.wait())
        try:
            await asyncio.wait({wanted, ended}, return_when=asyncio.FIRST_COMPLETED)
            if wanted.done():
                await wanted
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.chat.log()[-3000:]}") from error
        finally:
            over = not wanted.done()
            wanted.cancel()
            ended.cancel()
        if over:
            code = self.chat.process.returncode
            raise TimeoutError(f"the bot ended ({code}):\n{self.chat.log()[-3000:]}")

    async def kill(self) -> None:
        """SIGKILL."""
        await self.chat.kill()
        await self.chat.slack.wait_for_sockets(0)

    @property
    def pid(self) -> int:
        """The bot's process."""
        if self.chat.process is None:
            raise RuntimeError("the bot does not run")
        return self.chat.process.pid

    def cpu(self) -> float:
        """CPU seconds that the bot has used so far."""
        return process_cpu(self.pid)

    def memory(self) -> tuple[float, float]:
        """RSS and PSS of the bot now, in MB."""
        return memory(self.pid)

    # --- what happens ------------------------------------------------------------------------

    async def full_run(self, *, pause: float = 0.0) -> float:
        """Mention, read, card, click (`pause` seconds after it), change, answer; when the click
        left for the bot (Unix time).
        """
        wanted = 5 if self.chat.replicas() == 3 else 3
        thread = await self.chat.ask(f"scale web to {wanted}")
        card = await self.message(thread, lambda m: "Approve" in buttons(m), "a card")
        await asyncio.sleep(pause)
        clicked = await self.chat.slack.click("bob", "ops", card["ts"], text="Approve")
        await self.message(thread, lambda m: DONE in shown(m), "the answer")
        return clicked.at

    def deploy(self, name: str) -> None:
        """One more deployment, for changes that must not meet."""
        web = deepcopy(self.chat.cluster.get("Deployment", "shop", "web"))
        if web is None:
            raise RuntimeError("there is no web to copy")
        labels, template = {"app": name}, web["spec"]["template"]
        template["metadata"] = {"labels": labels}
        self.chat.cluster.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "namespace": "shop", "labels": labels},
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": labels},
                    "template": template,
                },
            }
        )

    async def card(self, name: str, replicas: int) -> Json:
        """Ask for a deployment to be scaled, and wait for the card."""
        thread = await self.chat.ask(f"scale {name} to {replicas}")
        return await self.message(thread, lambda m: "Approve" in buttons(m), "a card")

    async def full_runs(self, count: int) -> None:
        """So many, one after the other."""
        for _ in range(count):
            await self.full_run()

    async def message(
        self,
        thread: str,
        fits: Callable[[Json], bool],
        what: str,
        where: str = "ops",
        timeout: float = 30,
    ) -> Json:
        """Wait for a message of the bot in a thread."""
        slack = self.chat.slack

        def found() -> Json | None:
            return next((m for m in slack.app_messages(where, thread) if fits(m)), None)

        message: Json | None = None

        async def wait() -> None:
            nonlocal message
            message = await slack.wait_for(found, timeout, what)

        await self._alive(wait())
        if message is None:
            raise TimeoutError(what)
        return message

    async def rows(self, query: str, *values: object) -> list[Row]:
        """Look into the database."""
        return await (await self.database.execute(query.encode(), values)).fetchall()

    async def quiet(self, *, swept: bool = False, timeout: float = 60) -> None:
        """Wait until every run has ended and everything was said; `swept`: and until the
        checkpoints are gone, which takes up to ten seconds.
        """

        async def is_quiet() -> bool:
            return not await self.rows(
                "SELECT 1 FROM runs WHERE ended_at IS NULL OR (%s AND NOT swept) UNION ALL"
                " SELECT 1 FROM outbox WHERE state IN ('pending', 'sending') LIMIT 1",
                swept,
            )

        await self._alive(until(is_quiet, "a bot at rest", timeout, 0.05))

    async def quiet_but_waiting(self, timeout: float = 60) -> None:
        """Wait until every run has ended or waits for people, and everything was said."""

        async def is_quiet() -> bool:
            return not await self.rows(
                "SELECT 1 FROM runs WHERE ended_at IS NULL AND state <> 'waiting' UNION ALL"
                " SELECT 1 FROM outbox WHERE is_open LIMIT 1"
            )

        await self._alive(until(is_quiet, "a bot that waits for people", timeout, 0.05))

    async def wal(self) -> int:
        """The write-ahead log's position in bytes."""
        return await wal_position(self.database)


async def wal_position(database: psycopg.AsyncConnection[Row]) -> int:
    """How many bytes a server has ever written to its write-ahead log."""
    query = b"SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS bytes"
    row = await (await database.execute(query)).fetchone()
    if row is None:
        raise TimeoutError("the database did not say how much it wrote")
    return int(row["bytes"])


@dataclass
class Bench:
    """What every part stands on: a PostgreSQL that really writes to disk, and a folder."""

    server: str
    template: str
    folder: Path
    worlds: int = 0

    async def fresh(self) -> str:
        """A database of its own, migrated and empty."""
        return await fresh_database(self.server, self.template)

    @asynccontextmanager
    async def stage(
        self,
        script: Script = three_calls,
        *,
        litellm: bool = False,
        extra: Mapping[str, str] | None = None,
        command: tuple[str, ...] = SHIPPED,
        slack: SlackSettings = ROUND_ROBIN,
    ) -> AsyncIterator[Stage]:
        """A bot that is about to be started; `litellm` leads its model through LiteLLM."""
        self.worlds += 1
        folder = self.folder / f"world-{self.worlds}"
        folder.mkdir()
        dsn, port = await self.fresh(), free_port()
        async with AsyncExitStack() as stack:
            chat = await stack.enter_async_context(
                world(dsn, folder, script, speed=SPEED, slack=slack, running="not yet")
            )
            database = await stack.enter_async_context(connected(dsn))
            chat.extra = {"COUNTERSIGN_HTTP_PORT": str(port), **(extra or {})}
            if litellm and chat.model is not None:
                chat.extra |= {
                    "COUNTERSIGN_MODEL": "hosted_vllm/test",
                    "HOSTED_VLLM_API_BASE": chat.model.url,
                    "HOSTED_VLLM_API_KEY": "sk-test",
                }
            yield Stage(chat, database, f"http://127.0.0.1:{port}", command=command)

    @asynccontextmanager
    async def warm_stage(
        self,
        script: Script = three_calls,
        *,
        litellm: bool = False,
        command: tuple[str, ...] = UNPACED,
        runs: int = 0,
    ) -> AsyncIterator[Stage]:
        """A bot that has its model loaded and has done `runs` full runs."""
        async with self.stage(script, litellm=litellm, command=command) as stage:
            await stage.start()
            await stage.warm()
            if runs:
                await stage.full_runs(runs)
                await stage.quiet()
            yield stage


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[psycopg.AsyncConnection[Row]]:
    """A connection of the harness's own."""
    connection = await psycopg.AsyncConnection.connect(
        dsn, autocommit=True, row_factory=dict_row, application_name="the harness"
    )
    async with connection:
        yield connection


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Start the PostgreSQL (fsync on), migrate a database to copy, and remove all of it after."""
    with TemporaryDirectory(prefix="countersign-bench-") as name:
        folder = Path(name)
        async with embedded_postgres(folder / "postgres", throwaway=True) as server:
            made = await fresh_database(server)

            await migrate(made, langgraph(made))
            template = made.rsplit("/", 1)[1].partition("?")[0]
            yield Bench(server, template, folder)
