"""A pretend world at the wire: people in a Slack, a cluster, a scripted model, and the real bot
between them.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp
import psycopg
import yaml
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from bot import app
from bot.guard import audit
from bot.sandbox.cluster import Behaviour, Cluster
from bot.sandbox.cluster.seed import IMAGES
from bot.sandbox.slack import Settings as SlackSettings
from bot.sandbox.slack import Workspace, shown_text
from bot.settings import read
from bot.store.database import Row
from tests.plugins.processes import Process, launch
from tests.standins.cluster import SeededCluster
from tests.standins.model import ModelServer

ROOT = Path(__file__).parents[1]
MANIFEST = yaml.safe_load((ROOT / "manifest.yml").read_text())
Json = dict[str, Any]
_PACE = 100.0  # times Slack's
PATIENCE = 30.0  # seconds until what should come is missed: the machine may be busy


@dataclass
class World:
    """What a test drives and looks at. The bot runs in this process, or as one that can be
    killed.
    """

    slack: Workspace
    cluster: Cluster
    model: ModelServer | None
    dsn: str
    folder: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    _stop: asyncio.Event | None = None
    _task: asyncio.Task[None] | None = None
    process: Process | asyncio.subprocess.Process | None = None
    parts: app.Parts | None = None
    starts: int = 0
    _looking: psycopg.AsyncConnection[Row] | None = None  # one for all looks: a new one is dear
    _one_looks: asyncio.Lock = field(default_factory=asyncio.Lock)

    def environment(self) -> dict[str, str]:
        """What the bot is told."""
        given = {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_API_URL": self.slack.api_url,
            "DATABASE_URL": self.dsn,
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            "COUNTERSIGN_APPROVERS": self.slack.set_group("sre", ["alice", "bob"]),
            "COUNTERSIGN_SETTLE_SECONDS": "0",
            "COUNTERSIGN_HTTP_PORT": "0",
        }
        if self.model is not None:
            given |= {
                "COUNTERSIGN_MODEL": "openai/test",
                "OPENAI_API_BASE": self.model.url,
                "OPENAI_API_KEY": "sk-test",
            }
        return given | dict(self.extra)

    # --- the bot -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the bot in this process and wait until it listens and carries runs on."""
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(
            app.run(read(self.environment()), self._stop, built=self._keep)
        )
        await self._listening(self._task)
        for _ in range(2_000):
            if self._task.done() or (self.parts and self.parts.work.runs):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the bot does not carry runs on")

    def _keep(self, parts: app.Parts) -> None:
        self.parts = parts
        # this Slack takes more, unless a test says otherwise: nobody waits for a post a second
        parts.sender._budget._factor = 1.0 if self.slack.settings.rate_limits else _PACE

    async def stop(self) -> None:
        """Stop it as SIGTERM would."""
        if self._stop is not None and self._task is not None:
            self._stop.set()
            await asyncio.wait_for(self._task, 30)
        self._stop = self._task = None

    async def spawn(self, *options: str, code: Path | None = None) -> None:
        """Start the bot as a process of its own; that of `code` instead of ours."""
        self.starts += 1
        with (self.folder / f"bot-{self.starts}.log").open("wb") as log:
            given = {"PATH": os.environ["PATH"], **self.environment()}
            if code is None:
                self.process = await launch("run", *options, environment=given, out=log, err=log)
            else:
                words = (sys.executable, "-m", "bot", "run", *options)
                self.process = await asyncio.create_subprocess_exec(
                    *words, cwd=code, env=given, stdout=log, stderr=log
                )
        await self._listening(asyncio.ensure_future(self.process.wait()))

    async def kill(self) -> None:
        """SIGKILL: nothing is said, nothing is cleaned up."""
        assert self.process is not None
        with suppress(ProcessLookupError):  # it may have ended by itself
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        self.process = None

    async def terminate(self) -> int:
        """SIGTERM, and wait for its end."""
        assert self.process is not None
        self.process.terminate()
        code = await asyncio.wait_for(self.process.wait(), 30)
        self.process = None
        return code

    async def _listening(self, running: "asyncio.Future[Any]") -> None:
        # at least one: a second may open before anybody looks
        waiting = asyncio.ensure_future(
            self.slack.wait_for(lambda: bool(self.slack.hub.sockets), 40, "an open socket")
        )
        await asyncio.wait({waiting, running}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            running.result()
            raise AssertionError(f"the bot ended at start:\n{self.log()}")
        await waiting

    def log(self) -> str:
        """What the newest process wrote."""
        path = self.folder / f"bot-{self.starts}.log"
        return path.read_text() if path.exists() else ""

    async def move(self, dsn: str) -> None:
        """From now on, its database is another one; the bot must not run."""
        self.dsn = dsn
        if self._looking is not None:
            await self._looking.close()
            self._looking = None

    # --- people ------------------------------------------------------------------------------

    async def ask(self, text: str, by: str = "dave", where: str = "ops") -> str:
        """Mention the bot in a channel; the thread's ts."""
        return await self.slack.mention(by, where, text)

    async def card(
        self, thread: str, number: int = 1, where: str = "ops", timeout: float = PATIENCE
    ) -> Json:
        """The thread's n-th card, once it is there and the bot knows that it is.

        What is typed before that is no approval: a person sees it later than a test does.
        """

        await self._until(lambda: len(self.cards(thread, where)) >= number, thread, where, timeout)
        card = self.cards(thread, where)[number - 1]
        with suppress(psycopg.OperationalError):  # some tests cut it just then
            for _ in range(100):
                if await self.rows("SELECT 1 FROM cards WHERE ts = %s LIMIT 1", card["ts"]):
                    break
                await asyncio.sleep(0.02)
        return card

    def cards(self, thread: str, where: str = "ops") -> list[Json]:
        """Every card of a thread: what has, or had, Approve and Deny."""
        posted = {
            call.response["ts"]
            for call in self.slack.calls_of("chat.postMessage")
            if call.response.get("ok") and is_card(call.args)
        }
        return [m for m in self.slack.app_messages(where, thread) if m["ts"] in posted]

    async def press(self, button: str, card: Json, by: str, where: str = "ops") -> Any:
        """Press a button of a message; Deny and the like open a modal that is sent off at once."""
        clicked = await self.slack.click(by, where, card["ts"], text=button)
        if button == "Deny" and not self.slack.ephemerals(by, where):
            view = await self.slack.wait_for_view(by)
            await self.slack.submit(by, view.id, {})
        return clicked

    async def reads(
        self, thread: str, pattern: str, where: str = "ops", timeout: float = PATIENCE
    ) -> Json:
        """Wait for a message of the bot in a thread that matches a regular expression."""

        def found() -> list[Json]:
            messages = self.slack.app_messages(where, thread)
            return [m for m in messages if re.search(pattern, shown(m), re.DOTALL)]

        await self._until(lambda: bool(found()), thread, where, timeout, pattern)
        return found()[-1]

    async def _until(
        self,
        holds: Callable[[], bool],
        thread: str,
        where: str,
        timeout: float,
        what: str = "a card",
    ) -> None:
        try:
            await self.slack.wait_for(holds, timeout)
        except (TimeoutError, AssertionError) as error:
            raise AssertionError(
                f"waited for {what!r}; the thread:\n{self.thread(thread, where)}\n{self.log()}"
            ) from error

    async def told(
        self, who: str, pattern: str, where: str = "ops", timeout: float = PATIENCE
    ) -> Json:
        """Wait for something that only one person sees."""

        def found() -> list[Json]:
            messages = self.slack.ephemerals(who, where)
            return [m for m in messages if re.search(pattern, shown(m))]

        await self.slack.wait_for(lambda: bool(found()), timeout)
        return found()[-1]

    def thread(self, thread: str, where: str = "ops") -> str:
        """All that the bot says in a thread now, as text."""
        return "\n---\n".join(shown(m) for m in self.slack.app_messages(where, thread))

    # --- the world ---------------------------------------------------------------------------

    def replicas(self, name: str = "web", namespace: str = "shop") -> int:
        """How many a deployment asks for."""
        found = self.cluster.get("Deployment", namespace, name)
        assert found is not None
        return int(found["spec"]["replicas"])

    def image(self, name: str = "checkout", namespace: str = "shop") -> str:
        """Which image a deployment asks for."""
        found = self.cluster.get("Deployment", namespace, name)
        assert found is not None
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    async def rows(self, query: str, *values: object) -> list[Row]:
        """Look into the database."""
        async with self._one_looks:
            if self._looking is not None:
                with suppress(psycopg.OperationalError):  # cut since the last look
                    return await (await self._looking.execute(query.encode(), values)).fetchall()
                await self._looking.close()
            self._looking = await psycopg.AsyncConnection.connect(
                self.dsn, autocommit=True, row_factory=dict_row, connect_timeout=5
            )
            return await (await self._looking.execute(query.encode(), values)).fetchall()

    async def waits_for_a_lock(self, statement: str) -> None:
        """Wait until a statement of that text waits for a lock of somebody's."""
        for _ in range(1_000):
            if await self.rows(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock' AND query LIKE %s",
                f"%{statement}%",
            ):
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{statement} waits for nobody")

    async def quiet(self, thread: str, where: str = "ops", timeout: float = PATIENCE) -> None:
        """Wait until every run of a thread has ended and everything was said."""
        deadline = asyncio.get_running_loop().time() + timeout
        while asyncio.get_running_loop().time() < deadline:
            busy = await self.rows(
                "SELECT 1 FROM runs WHERE ended_at IS NULL AND state <> 'waiting' UNION ALL"
                " SELECT 1 FROM outbox WHERE state IN ('pending', 'sending')"
            )
            if not busy:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"still busy:\n{self.thread(thread, where)}")


def is_card(message: Mapping[str, Any]) -> bool:
    """Whether a message, as it was posted, asks for a decision."""
    return bool({b.get("action_id") for b in elements(message)} & {"approve", "approve_open"})


def elements(message: Mapping[str, Any]) -> list[Json]:
    """The buttons of a message."""
    return [
        element
        for block in message.get("blocks") or []
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def shown(message: Mapping[str, Any]) -> str:
    """A message's whole text as a person reads it."""
    return shown_text(dict(message))


def buttons(message: Mapping[str, Any]) -> list[str]:
    """What its buttons say."""
    return [element["text"]["text"] for element in elements(message)]


Script = Iterable[Any] | Callable[[Json], Any] | None


@asynccontextmanager
async def world(
    dsn: str,
    folder: Path,
    script: Script = None,
    *,
    speed: float = 20.0,
    extra: Mapping[str, str] | None = None,
    slack: SlackSettings | None = None,
    running: Literal["here", "process", "not yet"] = "here",
    behaviours: Sequence[Behaviour] = (),
    from_now_on: Sequence[Behaviour] = (),
) -> AsyncIterator[World]:
    """A whole world; at its end every call the bot made must have been one that Slack takes.

    `behaviours` says how further images act: what they log, above all. Those `from_now_on`
    spare the history: to live through nine days of crashes would take ten seconds.
    """
    async with AsyncExitStack() as stack:
        workspace = await stack.enter_async_context(
            Workspace(MANIFEST, slack or SlackSettings(time_scale=0.2, delivery="round_robin"))
        )
        cluster = await stack.enter_async_context(
            Cluster(seed="few", speed=speed, behaviours=(*behaviours, *IMAGES))
            if behaviours
            else SeededCluster(speed=speed)
        )
        cluster._kubelet.behaviours = (*from_now_on, *cluster._kubelet.behaviours)
        cluster.write_kubeconfig(folder / "kubeconfig")
        model = None
        if script is not None:
            model = await stack.enter_async_context(ModelServer(script))
        made = World(workspace, cluster, model, dsn, folder, extra or {})
        try:
            match running:
                case "here":
                    await made.start()
                case "process":
                    await made.spawn()
                case "not yet":
                    pass
            yield made
        finally:
            await made.stop()
            if made.process is not None:
                await made.kill()
            if made._looking is not None:
                await made._looking.close()
        assert await _broken_at(dsn) is None
        assert not workspace.violations, workspace.violations
        if model is not None:
            assert not model.violations, model.violations


async def _broken_at(dsn: str) -> int | None:
    """Where the audit is not whole, unless the database is gone."""
    with suppress(psycopg.OperationalError):
        async with await psycopg.AsyncConnection.connect(
            dsn, row_factory=dict_row, connect_timeout=5
        ) as looking:
            found = await (await looking.execute(b"SELECT * FROM audit ORDER BY seq")).fetchall()
        return audit.broken_at(found)
    return None


async def get_json(url: str) -> tuple[int, Json]:
    """A GET of a JSON endpoint."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json()


class Gate:
    """A door before the database: `shut` cuts every connection and lets none in until `reopen`."""

    def __init__(self, dsn: str) -> None:
        self._behind = conninfo_to_dict(dsn)
        self._connections: set[asyncio.StreamWriter] = set()
        self._open = True
        self._port = 0

    @property
    def dsn(self) -> str:
        """The database as it is called from before the door."""
        user, name = self._behind["user"], self._behind["dbname"]
        return f"postgresql://{user}@127.0.0.1:{self._port}/{name}"

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Gate"]:
        """Listen on a port of 127.0.0.1."""
        server = await asyncio.start_server(self._enter, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.shut()
            await server.wait_closed()

    def shut(self) -> None:
        """As if the database's machine had gone."""
        self._open = False
        for connection in list(self._connections):
            connection.transport.abort()

    def reopen(self) -> None:
        """It is back."""
        self._open = True

    def overhear(self) -> Callable[[bytes], None] | None:
        """Who hears what is said to the database on one more connection."""
        return None

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        self._connections.add(writer)  # who is on the way in when it is shut is cut as well
        inner_reader, inner = await self._connect()
        self._connections.add(inner)
        try:
            await asyncio.gather(_pump(reader, inner, self.overhear()), _pump(inner_reader, writer))
        finally:
            self._connections -= {writer, inner}
            inner.close()
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._behind.get("host") or ""), self._behind.get("port") or 5432
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host or "127.0.0.1", int(port))


async def _pump(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    hear: Callable[[bytes], None] | None = None,
) -> None:
    """Carry bytes from one side to the other until either ends."""
    try:
        while data := await reader.read(65536):
            if hear is not None:
                hear(data)
            writer.write(data)
            await writer.drain()
    except OSError:
        return
    finally:
        writer.transport.abort()
