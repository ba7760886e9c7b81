"""The command line as its user meets it: real processes, one sentence per mistake, exit codes."""

import asyncio
import os
import signal
import socket
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from bot.app import _providers
from bot.commands import parser
from bot.settings import read
from bot.store.embedded import fresh_database
from bot.store.migrate import migrations
from tests.plugins.ports import free_port
from tests.plugins.processes import launch
from tests.world import ROOT, World, get_json, world

UNAVAILABLE, CONFIG = 69, 78
SECRET = "hunter2-Zq81xLw0"


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    def sentence(self) -> str:
        """The one sentence it ended with; our own log lines, which are JSON, do not count."""
        said = [line for line in self.err.splitlines() if line and not line.startswith("{")]
        assert len(said) == 1, self.err
        assert "Traceback" not in self.err
        return said[0]


async def command(*words: str, environment: Mapping[str, str] | None = None) -> Ended:
    """Run `countersign …` to its end, with nothing in its environment but this."""
    given = {"PATH": os.environ["PATH"], "COLUMNS": "100", **(environment or {})}
    with TemporaryFile() as out, TemporaryFile() as err:
        process = await launch(*words, environment=given, out=out, err=err)
        try:
            async with asyncio.timeout(60):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        out.seek(0)
        err.seek(0)
        return Ended(code, out.read().decode(), err.read().decode())


def settings(chat: World, **extra: str) -> dict[str, str]:
    """What a bot of this world is told, with some of it otherwise."""
    return chat.environment() | extra


# --- words ------------------------------------------------------------------------------------


async def test_the_installed_command_explains_itself() -> None:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("countersign")),
        "--help",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
    )
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, err) == (0, b"")
    for name in ("run", "migrate", "init", "doctor", "audit", "forget", "redraw", "sandbox"):
        assert f"    {name}" in out.decode()


async def test_where_nobody_reads_any_more_it_ends_quietly() -> None:
    """As in `countersign rbac operator | head -3`."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("countersign"),
            *("rbac", "operator"),
            stdout=writing,
            stderr=asyncio.subprocess.PIPE,
        )
    finally:
        os.close(writing)
    _, err = await process.communicate()
    assert (process.returncode, err) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("run", "--no-migrate"),
        ("run", "--dev"),
        ("migrate", "DATABASE_MIGRATE_URL or DATABASE_URL"),
        ("init", "--approvers"),
        ("doctor", "--json"),
        ("audit", "verify"),
        ("forget", "What stands in Slack stays there"),
        ("redraw", "as fast as Slack takes edits"),
        ("sandbox", "--data"),
        ("sandbox", "Nothing leaves the machine"),
    ],
)
def test_each_command_explains_itself(
    name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([name, "--help"])
    assert ended.value.code == 0
    assert says in " ".join(capsys.readouterr().out.split())


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--version"])
    assert ended.value.code == 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert capsys.readouterr().out.strip() == f"countersign {project['version']}"


@pytest.mark.parametrize("words", [[], ["rum"], ["run", "--nonsense"], ["sandbox", "--port", "x"]])
def test_a_wrong_command_gets_its_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(words)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: countersign")
    assert "error: " in said


# --- settings ---------------------------------------------------------------------------------


async def test_nothing_set_lists_all_that_is_missing() -> None:
    ended = await command("run")
    assert ended.code == CONFIG
    assert [line.split(" is not set")[0] for line in ended.err.splitlines()] == [
        "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN",
        "DATABASE_URL",
    ]


async def test_tokens_that_slack_refuses_are_each_one_sentence(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, running="not yet") as chat:
        both, bot_only = await asyncio.gather(
            command(
                "run",
                environment=settings(
                    chat, SLACK_BOT_TOKEN=f"xoxb-{SECRET}", SLACK_APP_TOKEN=f"xapp-{SECRET}"
                ),
            ),
            command("run", environment=settings(chat, SLACK_BOT_TOKEN=f"xoxb-{SECRET}")),
        )
    assert both.code == bot_only.code == CONFIG
    said = [line for line in both.err.splitlines() if not line.startswith("{")]
    assert said == [
        "SLACK_BOT_TOKEN: Slack does not accept this token (invalid_auth).",
        "SLACK_APP_TOKEN: Slack does not accept this token (invalid_auth).",
    ]
    assert bot_only.sentence() == said[0]
    assert SECRET not in both.err + bot_only.err


async def test_a_slack_that_cannot_be_reached_or_is_no_address(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, running="not yet") as chat:
        away, nonsense = await asyncio.gather(
            command(
                "run",
                environment=settings(chat, SLACK_API_URL=f"http://127.0.0.1:{free_port()}/api/"),
            ),
            command("run", environment=settings(chat, SLACK_API_URL="slack, please")),
        )
    assert away.code == UNAVAILABLE
    assert "Slack" in away.sentence()
    assert nonsense.code == CONFIG
    assert nonsense.sentence().startswith("SLACK_API_URL: ")


async def test_a_model_address_that_is_none_is_said(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, running="not yet") as chat:
        ended = await command(
            "run",
            environment=settings(
                chat, COUNTERSIGN_MODEL="openai/test", OPENAI_API_BASE="somewhere else"
            ),
        )
    assert ended.code == CONFIG
    assert ended.sentence().startswith("OPENAI_API_BASE: ")


async def test_what_breaks_while_it_runs_is_no_wrong_setting(tmp_path: Path) -> None:
    given = {
        "SLACK_BOT_TOKEN": "xoxb-1",
        "SLACK_APP_TOKEN": "xapp-1",
        "DATABASE_URL": "postgresql:///x",
        "KUBECONFIG": str(tmp_path / "gone"),
    }
    with pytest.raises(ValueError, match="a fault of ours"):
        async with _providers(read(given)):
            raise ValueError("a fault of ours")


async def test_a_port_that_is_taken_is_one_sentence(dsn: str, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        async with world(dsn, tmp_path, running="not yet") as chat:
            ended = await command(
                "run", environment=settings(chat, COUNTERSIGN_HTTP_PORT=f"{port}")
            )
    assert ended.code == CONFIG
    said = ended.sentence()
    assert said.startswith(f"COUNTERSIGN_HTTP_PORT: 127.0.0.1:{port} cannot be used: ")
    assert "address already in use" in said.lower()


# --- the database -----------------------------------------------------------------------------


async def test_a_database_that_cannot_be_reached_is_one_sentence(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, running="not yet") as chat:
        port = free_port()
        away = f"postgresql://me:{SECRET}@127.0.0.1:{port}/countersign"
        given = settings(chat, DATABASE_URL=away)
        every = await asyncio.gather(
            *(
                command(*words, environment=given)
                for words in (("run",), ("migrate",), ("audit", "verify"))
            )
        )
    for ended in every:
        assert ended.code == UNAVAILABLE
        said = f"countersign: The database at 127.0.0.1:{port} did not answer within 5 s."
        assert ended.sentence() == said
        assert SECRET not in ended.err


async def test_a_database_address_that_is_none_is_a_wrong_setting(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, running="not yet") as chat:
        both = await asyncio.gather(
            *(
                command("migrate", environment=settings(chat, DATABASE_URL=url))
                for url in (SECRET, f"mysql://me:{SECRET}@127.0.0.1/x")
            )
        )
    for ended in both:
        assert SECRET not in ended.err
        assert ended.code == CONFIG
        assert ended.sentence().startswith("DATABASE_URL: ")


async def test_a_database_that_does_not_exist_is_not_said_to_be_silent(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, running="not yet") as chat:
        nowhere = dsn.replace("/fresh_", "/gone_")
        ended = await command("migrate", environment=settings(chat, DATABASE_URL=nowhere))
    assert ended.code in {UNAVAILABLE, CONFIG}
    assert "does not exist" in ended.sentence()


async def test_migrate_says_what_it_applied_and_then_that_nothing_is_left(
    server: str, dsn: str, tmp_path: Path
) -> None:
    empty = await fresh_database(server)
    async with world(dsn, tmp_path, running="not yet") as chat:
        given = settings(chat, DATABASE_URL=empty)
        refused = await command("run", "--no-migrate", environment=given)
        assert refused.code == CONFIG
        names = [name for _, name, _ in migrations()]
        assert refused.sentence() == f"The database lacks migrations: {', '.join(names)}."
        first = await command("migrate", environment=given)
        assert (first.code, first.out.splitlines()) == (0, names)
        again = await command("migrate", environment=given)
    assert (again.code, again.out.strip()) == (0, "The database is up to date.")


# --- what does not stop it --------------------------------------------------------------------


async def test_a_cluster_and_a_model_that_are_away_do_not_stop_it(dsn: str, tmp_path: Path) -> None:
    port = free_port()
    extra = {
        "KUBECONFIG": str(tmp_path / "gone"),
        "COUNTERSIGN_HTTP_PORT": str(port),
        "COUNTERSIGN_MODEL": "openai/test",
        "OPENAI_API_BASE": f"http://127.0.0.1:{free_port()}/v1",
        "OPENAI_API_KEY": f"sk-{SECRET}",
    }
    async with world(dsn, tmp_path, extra=extra, running="process") as chat:
        async with asyncio.timeout(10):
            while not (answer := await get_json(f"http://127.0.0.1:{port}/readyz"))[1]["ready"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # Slack knows of a socket a moment before the bot does
        status, said = answer
        assert (status, said["ready"], said["problems"]) == (200, True, [])
        assert any("There is no kubeconfig at" in one for one in said["away"])
        read = await chat.ask("get pods -n shop")
        await chat.reads(read, "There is no kubeconfig at .* create it, or point KUBECONFIG at")
        change = await chat.ask("scale deployment/web --replicas 5 -n shop")
        await chat.reads(change, "There is no kubeconfig at")
        wish = await chat.ask("how is web?")
        failed = await chat.reads(wish, "The model did not answer", timeout=20)
        assert "no connection" in str(failed)
        assert await chat.terminate() == 0
        assert SECRET not in chat.log()
        assert "Traceback" not in chat.log()


async def test_a_database_that_holds_nothing_of_ours_is_one_sentence(server: str) -> None:
    empty = {"DATABASE_URL": await fresh_database(server)}
    for words in (
        ("audit", "verify"),
        ("forget", "U012AB3CD"),
        ("redraw",),
        ("policy", "test", "--replay", "5"),
    ):
        ended = await command(*words, environment=empty)
        assert ended.code == UNAVAILABLE, words
        assert "run `countersign migrate` first" in ended.sentence()
