"""`countersign init` as a new user meets it: at a terminal, through a pipe, and with options."""

import asyncio
import io
import os
import pty
import re
import shlex
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from bot.commands import parser
from bot.core.errors import BadSettings
from bot.first_steps import QUESTIONS, Terminal, app_link, say, take
from bot.settings import read
from tests.bot.test_cli import CONFIG, Ended, command
from tests.world import MANIFEST, ROOT, world

SECRET = "hunter2-Zq81xLw0"
DATABASE = f"postgresql://bot:{SECRET}@db.example/countersign"
TOKENS = {"SLACK_BOT_TOKEN": "xoxb-1-a", "SLACK_APP_TOKEN": "xapp-1-A1-a"}


@pytest.fixture
def around(tmp_path: Path) -> dict[str, str]:
    """A home with a kubeconfig of three contexts."""
    config = {
        "current-context": "prod",
        "contexts": [{"name": name, "context": {}} for name in ("dev", "prod", "stage")],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    return {"KUBECONFIG": str(tmp_path / "kubeconfig")}


async def piped(
    folder: Path, around: Mapping[str, str], *words: str, answers: Sequence[str] = ()
) -> Ended:
    """Run it as a process, with its answers through a pipe."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "init", "--folder", str(folder), *words),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **around},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    given = "".join(f"{answer}\n" for answer in answers).encode()
    out, err = await asyncio.wait_for(process.communicate(given), 25)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class Answers:
    """Answers each prompt with the next line, as a person would who then goes away."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._left = iter(lines)

    def __call__(self, prompt: str) -> str:
        say(prompt)
        line = next(self._left, None)
        if line is None:
            raise EOFError
        return line


def init(
    folder: Path, around: Mapping[str, str], *words: str, answers: Sequence[str] = ()
) -> Ended:
    """The same within this process: a start takes a second."""
    given = parser().parse_args(["init", "--folder", str(folder), *words])
    options = {name: getattr(given, name) for name in QUESTIONS}
    terminal = Terminal(asking=not given.yes, replacing=given.force, read=Answers(answers))
    with redirect_stdout(io.StringIO()) as out:
        try:
            take(terminal, {k: v for k, v in options.items() if v is not None}, folder, around)
        except BadSettings as error:
            return Ended(CONFIG, out.getvalue(), "\n".join(error.mistakes))
    return Ended(0, out.getvalue(), "")


async def sourced(folder: Path) -> dict[str, str]:
    """What a shell makes of `.env`, as the next steps say."""
    script = f"set -a; . {shlex.quote(str(folder / '.env'))}; set +a; env -0"
    shell = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", script), env={}, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await shell.communicate()
    lines = out.decode().split("\0")
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    return {name: value for name, value in found.items() if name not in {"PWD", "_", "SHLVL"}}


async def test_the_answers_become_settings_that_are_read(
    tmp_path: Path, around: dict[str, str]
) -> None:
    answers = [DATABASE, "dev, prod", "anthropic/claude-sonnet-4-5", "S0SRETEAM", "C0APPROVE"]
    ended = await piped(tmp_path, around, answers=answers)
    assert (ended.code, ended.err) == (0, "")
    assert all(f"{number}/5" in ended.out for number in range(1, 6))
    assert SECRET not in ended.out
    given = await sourced(tmp_path)
    assert given["ANTHROPIC_API_KEY"] == ""
    found = read(given | TOKENS)
    assert found.database_url.get_secret_value() == DATABASE
    assert found.model == ("anthropic/claude-sonnet-4-5",)
    assert found.approvers == ("S0SRETEAM",)
    assert found.file.approvals.channel == "C0APPROVE"
    assert found.providers()["kubernetes"]["contexts"] == {"dev": "dev", "prod": "prod"}
    assert found.providers()["kubernetes"]["kubeconfig"] == around["KUBECONFIG"]
    assert mode_of(tmp_path / ".env") == 0o600
    assert mode_of(tmp_path / "countersign.yaml") == 0o644, "no secret is in it"


async def test_a_wrong_answer_is_said_at_once_and_asked_again(
    tmp_path: Path, around: dict[str, str]
) -> None:
    answers = [
        *(f"mysql://me:{SECRET}@db/x", ""),
        *("prd", ""),
        "",
        *("@alice", "U012AB3CD"),
        *("#ops", ""),
    ]
    ended = init(tmp_path, around, answers=answers)
    assert ended.code == 0
    wrong = [line.strip() for line in ended.out.splitlines() if "⛔" in line]
    assert len(wrong) == 4
    assert "a PostgreSQL address is expected" in wrong[0]
    assert "has no context prd. Known: dev, prod, stage. Did you mean prod?" in wrong[1]
    assert "names are not ids" in wrong[2]
    assert "a Slack channel id (C…) is expected" in wrong[3]
    found = read(await sourced(tmp_path) | TOKENS)
    assert found.approvers == ("U012AB3CD",)
    assert found.providers()["kubernetes"]["context"] == "prod", "the current one is the default"


async def test_with_yes_nothing_is_asked(tmp_path: Path, around: dict[str, str]) -> None:
    ended = init(tmp_path, around, "--yes", "--approvers", "U012AB3CD", "--contexts", "none")
    assert ended.code == 0
    assert "1/5" not in ended.out
    found = read(await sourced(tmp_path) | TOKENS)
    assert (found.providers(), found.model, found.approvers) == ({}, (), ("U012AB3CD",))


async def test_wrong_options_are_told_together_and_nothing_is_written(
    tmp_path: Path, around: dict[str, str]
) -> None:
    wrong = ("--database", "db", "--contexts", "x", "--approvers", "al", "--channel", "ops")
    ended = init(tmp_path, around, "--yes", *wrong)
    assert ended.code == CONFIG
    database, contexts, approvers, channel = ended.err.splitlines()
    assert database.startswith("--database: DATABASE_URL: a PostgreSQL address is expected")
    assert contexts.endswith("has no context x. Known: dev, prod, stage.")
    assert approvers.startswith("--approvers: COUNTERSIGN_APPROVERS: a Slack user id")
    assert channel.startswith("--channel: approvals.channel: a Slack channel id")
    assert not (tmp_path / ".env").exists()


async def test_answers_that_end_too_early_write_nothing(
    tmp_path: Path, around: dict[str, str]
) -> None:
    ended = init(tmp_path, around, answers=[""])
    assert ended.code == CONFIG
    assert ended.sentence() == "The answers ended too early; nothing was written."
    assert not (tmp_path / ".env").exists()


async def test_files_that_are_there_are_not_replaced_unasked(
    tmp_path: Path, around: dict[str, str]
) -> None:
    (tmp_path / ".env").write_text("SLACK_BOT_TOKEN=xoxb-mine\n")
    around |= {"DATABASE_URL": DATABASE}
    refused = init(tmp_path, around, "--yes")
    assert refused.code == CONFIG
    assert "--force replaces it" in refused.sentence()
    assert not (tmp_path / "countersign.yaml").exists()
    declined = init(tmp_path, around, answers=["", "", "", "", "", "n"])
    assert declined.code == 0
    assert (tmp_path / ".env").read_text() == "SLACK_BOT_TOKEN=xoxb-mine\n"
    beside = tmp_path / ".env.new"
    assert f"Not replaced: {tmp_path / '.env'}. What it would be: {beside}" in declined.out
    assert "[the one in DATABASE_URL] >" in declined.out
    assert SECRET in beside.read_text()
    assert "SLACK_BOT_TOKEN=xoxb-mine" in beside.read_text()
    assert mode_of(beside) == 0o600
    assert SECRET not in declined.out
    assert "xoxb-mine" not in declined.out


async def test_asked_again_it_keeps_tokens_and_what_is_not_its_own(
    tmp_path: Path, around: dict[str, str]
) -> None:
    (tmp_path / ".env").write_text("SLACK_BOT_TOKEN=xoxb-kept\nexport HTTPS_PROXY='http://p'\n")
    ended = init(tmp_path, around, "--yes", "--force")
    assert ended.code == 0
    given = await sourced(tmp_path)
    assert given["SLACK_BOT_TOKEN"] == "xoxb-kept"
    assert given["HTTPS_PROXY"] == "http://p"
    assert not list(tmp_path.glob("*.new"))


async def test_at_a_real_terminal(tmp_path: Path, around: dict[str, str]) -> None:
    parent, child = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "init", "--folder", str(tmp_path)),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "TERM": "dumb", **around},
        stdin=child,
        stdout=child,
        stderr=child,
    )
    os.close(child)
    loop = asyncio.get_running_loop()
    seen = ""

    async def until(words: str) -> None:
        nonlocal seen
        async with asyncio.timeout(60):
            while words not in seen:
                piece = await loop.run_in_executor(None, os.read, parent, 4096)
                seen += piece.decode(errors="replace")

    for number in range(1, 6):
        await until(f"{number}/5")
        await until("] > ")
        seen = seen.partition("] > ")[2]
        os.write(parent, b"\n")
    await until("What comes next")
    assert await asyncio.wait_for(process.wait(), 15) == 0
    os.close(parent)
    assert (tmp_path / ".env").exists()


async def test_each_next_step_is_a_command_or_says_where(
    tmp_path: Path, around: dict[str, str]
) -> None:
    ended = init(tmp_path, around, "--yes", "--model", "openai/gpt-4.1-mini")
    steps = ended.out.partition("What comes next:")[2]
    for step in (
        f"set -a; . {tmp_path}/.env; set +a",
        "OPENAI_API_KEY",
        "connections:write",
        "/invite",
    ):
        assert step in steps
    for name in re.findall(r"^ +\d+\. countersign (\w+)", steps, re.MULTILINE):
        parser().parse_args([name])
    assert "Nobody may approve yet" in steps


def test_the_link_has_the_manifest_in_it() -> None:
    parts = urlsplit(app_link())
    query = parse_qs(parts.query)
    assert (parts.hostname, parts.path, query["new_app"]) == ("api.slack.com", "/apps", ["1"])
    assert yaml.safe_load(query["manifest_json"][0]) == MANIFEST


def test_every_question_has_its_option() -> None:
    given = parser().parse_args(["init"])
    assert set(QUESTIONS) <= set(vars(given))


async def test_from_init_to_the_first_approved_change(dsn: str, tmp_path: Path) -> None:
    """What the README tells a newcomer, step by step, with a local Slack for Slack."""
    async with world(dsn, tmp_path, running="not yet") as chat:
        around = {"KUBECONFIG": str(tmp_path / "kubeconfig")}
        approvers = chat.slack.set_group("sre", ["alice", "bob"])
        made = await piped(tmp_path, around, "--yes", "--database", dsn, "--approvers", approvers)
        assert made.code == 0, made.err
        given = await sourced(tmp_path) | {
            "SLACK_BOT_TOKEN": chat.slack.bot_token,
            "SLACK_APP_TOKEN": chat.slack.app_token,
            "SLACK_API_URL": chat.slack.api_url,  # the only step that a real Slack does not need
            "COUNTERSIGN_HTTP_PORT": "0",
            "COUNTERSIGN_SETTLE_SECONDS": "0",
        }
        examined = await command("doctor", environment=given)
        assert examined.code == 0, examined.out
        environment = chat.environment()
        chat.extra = {**{name: "" for name in environment if name not in given}, **given}
        await chat.spawn()
        thread = await chat.ask("scale deployment/web --replicas 5 -n shop", by="dave")
        card = await chat.card(thread)
        await chat.press("Approve", card, by="alice")
        await chat.reads(thread, "verified")
        assert chat.replicas() == 5
