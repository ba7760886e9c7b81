"""A world whose bot is a process that dies and comes back, and what must be true in the end."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import yaml
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from bot.guard import audit
from bot.store.database import STATEMENTS, Row
from bot.store.embedded import with_database
from tests.faults.door import Door
from tests.faults.wire import Wire
from tests.plugins.processes import Process, launch
from tests.world import Json, Script, World, buttons, get_json, shown, world

WEB = {"namespace": "shop", "kind": "deployment", "name": "web"}


@dataclass
class Case:
    """One line of the table. Seconds count from the start of the new process."""

    point: str
    executions: int | None = None
    answers: int | None = None
    ready: float | None = None
    goes_on: float | None = None
    end: str = ""

    def row(self, *, passed: bool) -> list[str]:
        """Its cells as text."""
        end = self.end if passed else f"FAILED {self.end}"
        return [
            self.point,
            "-" if self.executions is None else str(self.executions),
            "-" if self.answers is None else str(self.answers),
            _seconds(self.ready),
            _seconds(self.goes_on),
            " ".join(end.split())[:110],
        ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


async def until(
    holds: Callable[[], object], what: str, timeout: float = 15, log: Callable[[], str] = str
) -> None:
    """Wait until something is true that no event tells of."""
    deadline = monotonic() + timeout
    while not holds():
        assert monotonic() < deadline, f"{what}: not within {timeout} s\n{log()}"
        await asyncio.sleep(0.01)


@dataclass
class Other:
    """A process beside the first one."""

    process: Process
    log: Path

    def said(self) -> str:
        """Its log."""
        return self.log.read_text()

    async def kill(self) -> None:
        """SIGKILL, also where it has ended."""
        self.send(signal.SIGKILL)
        await self.process.wait()

    async def terminate(self) -> None:
        """SIGTERM, and its orderly end."""
        self.send(signal.SIGTERM)
        assert await asyncio.wait_for(self.process.wait(), 30) == 0, self.said()

    def send(self, number: int) -> None:
        """A signal, where it still lives."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)


@dataclass
class Scene:
    """What a test drives. `cluster` and `slack` are the wires that can hold a request; `door`
    stands before the database, where the scene was asked for one.
    """

    chat: World
    case: Case
    cluster: Wire
    slack: Wire
    door: Door
    options: tuple[str, ...] = ()
    code: Path | None = None
    started: float = 0.0
    others: list["Other"] = field(default_factory=list)

    # --- the process -------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the bot; the clock of the case begins anew."""
        self.started = monotonic()
        await self.chat.spawn(*self.options, code=self.code)
        self.case.ready = monotonic() - self.started

    async def another(self, *options: str) -> "Other":
        """One more process on the same database, beside the first."""
        log = self.chat.folder / f"other-{len(self.others) + 1}.log"
        with log.open("wb") as file:
            given = {"PATH": os.environ["PATH"], **self.chat.environment()}
            process = await launch("run", *options, environment=given, out=file, err=file)
        made = Other(process, log)
        self.others.append(made)
        await until(lambda: "ready_to_serve" in made.said(), "its start", 40, made.said)
        return made

    async def kill(self) -> None:
        """SIGKILL."""
        await self.chat.kill()
        await self.chat.slack.wait_for_sockets(0)

    def freeze(self) -> None:
        """SIGSTOP: it holds what it holds, and does nothing."""
        assert self.chat.process is not None
        self.chat.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.chat.process is not None
        self.chat.process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        """What all of them wrote."""
        return "\n".join([self.chat.log(), *(other.said() for other in self.others)])

    async def end(self) -> None:
        """SIGKILL for all that there are."""
        for other in self.others:
            await other.kill()
        if self.chat.process is not None:
            await self.chat.kill()

    async def terminate(self) -> float:
        """SIGTERM; how many seconds its orderly end took."""
        began = monotonic()
        code = await self.chat.terminate()
        assert code == 0, self.chat.log()
        await self.chat.slack.wait_for_sockets(0)
        return monotonic() - began

    def goes_on(self, since: float | None = None) -> None:
        """Note how long it took until the thread went on."""
        if self.case.goes_on is None:
            self.case.goes_on = monotonic() - (self.started if since is None else since)

    # --- what is there -----------------------------------------------------------------------

    async def rows(self, query: str, *values: object) -> list[Row]:
        """Look into the database."""
        return await self.chat.rows(query, *values)

    async def call_is(self, state: str, *, verdict: bool = False, timeout: float = 15) -> None:
        """Wait until the newest change is in a state."""
        query = (
            "SELECT state, verdict IS NOT NULL AS judged FROM tool_calls WHERE kind = 'change'"
            " ORDER BY created_at DESC LIMIT 1"
        )
        deadline = monotonic() + timeout
        found: list[Row] = []
        while monotonic() < deadline:
            found = await self.rows(query)
            if found and found[0]["state"] == state and found[0]["judged"] == verdict:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"not {state}: {found}\n{self.chat.log()}")

    async def asked(self, text: str = "scale web to 5") -> tuple[str, Json]:
        """A thread with an open card, as everybody sees it."""
        thread = await self.chat.ask(text)
        card = await self.chat.card(thread)
        await self.state_is(thread, "waiting")
        await self.quiet_outbox()
        return thread, card

    async def state_is(self, thread: str, state: str, timeout: float = 15) -> None:
        """Wait until the thread's only run is in a state."""
        deadline = monotonic() + timeout
        found: list[Row] = []
        while monotonic() < deadline:
            found = await self.rows("SELECT state FROM runs WHERE thread_ts = %s", thread)
            if [row["state"] for row in found] == [state]:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"not {state}: {found}\n{self.chat.log()}")

    async def mutated(self, timeout: float = 15) -> None:
        """Wait until the cluster has carried out a change."""
        await until(lambda: self.chat.cluster.mutations, "a change", timeout, self.chat.log)

    # --- the end -----------------------------------------------------------------------------

    async def ends(
        self,
        thread: str,
        answer: str,
        *,
        executions: int,
        card: str = "",
        where: str = "ops",
        timeout: float = 30,
    ) -> None:
        """All that must be true whatever died: once or not at all, answered once, nothing left."""
        chat, case = self.chat, self.case
        await chat.reads(thread, answer, where, timeout)
        self.goes_on()
        await self.quiet(thread, where, timeout)
        texts = [shown(m) for m in chat.slack.app_messages(where, thread)]
        case.executions = len(chat.cluster.mutations)
        case.answers = sum(bool(re.search(answer, text, re.DOTALL)) for text in texts)
        case.end = next(t for t in reversed(texts) if re.search(answer, t, re.DOTALL))
        everything = "\n---\n".join(texts)
        assert case.executions == executions, everything
        assert case.answers == 1, everything
        assert "⏳" not in everything, everything
        for shown_card in chat.cards(thread, where):
            assert not {"Approve", "Deny"} & set(buttons(shown_card)), everything
        if card:
            assert re.search(card, shown(chat.cards(thread, where)[-1]), re.DOTALL), everything
        await self.nothing_is_left()

    async def quiet(self, thread: str, where: str = "ops", timeout: float = 30) -> None:
        """Wait until every run has ended and everything was said."""
        deadline = monotonic() + timeout
        while busy := await self.rows(
            "SELECT 'run' AS what, state, 0::bigint AS id, '' AS kind, error FROM runs"
            " WHERE ended_at IS NULL UNION ALL SELECT 'saying', state, id, kind, error FROM outbox"
            " WHERE state IN ('pending', 'sending')"
        ):
            if monotonic() > deadline:
                seen = self.chat.thread(thread, where)
                raise AssertionError(f"still busy: {busy}\n{seen}\n{self.chat.log()}")
            await asyncio.sleep(0.1)

    async def quiet_outbox(self, timeout: float = 30) -> None:
        """Wait until everything was said; runs may still wait for people."""
        deadline = monotonic() + timeout
        while await self.rows("SELECT 1 FROM outbox WHERE state IN ('pending', 'sending')"):
            assert monotonic() < deadline, self.chat.log()
            await asyncio.sleep(0.05)

    async def nothing_is_left(self) -> None:
        """No run works or was lost, each was answered once, nothing failed to be said, and the
        audit chain is whole.
        """
        assert await self.rows("SELECT id, state FROM runs WHERE ended_at IS NULL") == []
        assert await self.rows("SELECT id, error FROM outbox WHERE state = 'failed'") == []
        unanswered = await self.rows(
            "SELECT r.id FROM runs r LEFT JOIN outbox o ON o.key = 'end:' || r.id"
            " WHERE o.state IS DISTINCT FROM 'sent' AND r.error IS DISTINCT FROM 'withdrawn'"
        )
        assert unanswered == []
        twice = await self.rows(
            "SELECT call_id FROM audit WHERE kind = 'executing'"
            " GROUP BY call_id HAVING count(*) > 1"
        )
        assert twice == []
        chain = await self.audit_rows()
        assert chain
        assert audit.broken_at(chain) is None

    async def audit_rows(self) -> list[Row]:
        """The whole chain."""
        async with await psycopg.AsyncConnection.connect(
            self.chat.dsn, row_factory=dict_row
        ) as looking:
            statement = STATEMENTS["audit_rows"].encode()
            cursor = await looking.execute(statement, {"org": self.chat.slack.team_id})
            return await cursor.fetchall()

    # --- readiness ---------------------------------------------------------------------------

    @property
    def http(self) -> str:
        """Where this process answers about itself, as it logged."""
        lines = (json.loads(line) for line in self.chat.log().splitlines() if line[:1] == "{")
        return next(str(line["http"]) for line in lines if line["event"] == "ready_to_serve")

    async def is_ready(self) -> tuple[bool, list[str]]:
        """What the process says of itself: whether it is ready, and what is in the way."""
        status, body = await get_json(f"{self.http}/readyz")
        assert body["ready"] is (status == 200)
        return status == 200, body["problems"]

    async def says_ready(self, wanted: bool, timeout: float = 15) -> list[str]:
        """Wait until it says so; what it says is in the way."""
        deadline = monotonic() + timeout
        while True:
            ready, problems = await self.is_ready()
            if ready is wanted:
                return problems
            assert monotonic() < deadline, f"ready: {ready} {problems}\n{self.chat.log()}"
            await asyncio.sleep(0.1)

    # --- the database ------------------------------------------------------------------------

    async def cut_database(self) -> int:
        """End every connection that the bot has; how many there were."""
        ended = await self.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return len(ended)

    async def open_database(self, *, is_open: bool) -> None:
        """Take new connections, or none. Those that are open stay: ours, too."""
        await self.rows("SELECT 1")
        name = conninfo_to_dict(self.chat.dsn)["dbname"]
        allow = f"ALTER DATABASE {name} ALLOW_CONNECTIONS {'true' if is_open else 'false'}"
        elsewhere = with_database(self.chat.dsn, "postgres")
        async with await psycopg.AsyncConnection.connect(elsewhere, autocommit=True) as other:
            await other.execute(allow.encode())


@asynccontextmanager
async def scene(
    dsn: str,
    folder: Path,
    case: Case,
    script: Script,
    extra: Mapping[str, str] | None = None,
    *,
    door: bool = False,
    options: tuple[str, ...] = (),
    code: Path | None = None,
) -> AsyncIterator[Scene]:
    """A running bot, with a wire to the cluster and one to Slack that can be held; with `door`,
    the database, too. `options` are those of `countersign run`, which
    is that of `code` where that is given.
    """
    async with AsyncExitStack() as stack:
        chat = await stack.enter_async_context(world(dsn, folder, script, running="not yet"))
        cluster = await stack.enter_async_context(Wire(chat.cluster.url))
        slack = await stack.enter_async_context(Wire(chat.slack.state.base_url))
        # sockets and response URLs lead through it, too
        chat.slack.state.base_url = slack.url
        chat.extra = {"KUBECONFIG": str(kubeconfig(chat, cluster, folder)), **(extra or {})}
        before = Door(dsn)
        if door:
            await stack.enter_async_context(before.serve())
            chat.extra = {**chat.extra, "DATABASE_URL": before.dsn}
        made = Scene(chat, case, cluster, slack, before, options, code)
        # before the wires go: their end would only fill its log
        stack.push_async_callback(made.end)
        await made.start()
        yield made


def kubeconfig(chat: World, wire: Wire, folder: Path) -> Path:
    """A kubeconfig that leads through the wire."""
    given: dict[str, Any] = chat.cluster.kubeconfig()
    given["clusters"][0]["cluster"]["server"] = wire.url
    path = folder / "kubeconfig-wired"
    path.write_text(yaml.safe_dump(given))
    return path
