"""The version before and this one side by side on one database, while one is replaced by the other.

Migrations come first, so what is older runs on what is newer: a migration only adds. What nobody
needs any more goes in a later release, and its file says so in a line `-- contract: why`.
"""

import asyncio
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import psycopg
import pytest
from langgraph.graph import START

from bot.agent.checkpoints import Checkpoints
from bot.agent.graph import VERSION, Nodes, State, build
from bot.store.database import named
from bot.store.migrate import migrations
from tests.bot.test_store import prepare_all

ROOT = Path(__file__).parents[2]
_NOTES = re.compile(r"--[^\n]*")
_CONTRACTS = re.compile(r"^-- contract: \S.{9}", re.MULTILINE)
_TAKEN_AWAY = {
    "drops a table or column": re.compile(r"\bDROP (TABLE|COLUMN|VIEW)\b"),
    "renames": re.compile(r"\bRENAME\b"),
    "changes a type": re.compile(r"\bALTER COLUMN \w+ (SET DATA )?TYPE\b"),
    "demands what was optional": re.compile(r"\bSET NOT NULL\b|\bDROP DEFAULT\b"),
}
_CLAUSE = re.compile(r";|,\s*(?=ADD|ALTER|DROP)")


def narrowed(text: str) -> list[str]:
    """What of a migration the version before could not live with."""
    if _CONTRACTS.search(text):
        return []
    text = _NOTES.sub("", text)
    found = [what for what, pattern in _TAKEN_AWAY.items() if pattern.search(text)]
    found += [
        f"demands a new value: {clause.strip()}"
        for clause in _CLAUSE.split(text)
        if "ADD COLUMN" in clause and "NOT NULL" in clause
        if "DEFAULT" not in clause and "GENERATED" not in clause
    ]
    functions = _names("DROP FUNCTION", text) - _names("CREATE FUNCTION", text)
    constraints = _names("ADD CONSTRAINT", text) - _names("DROP CONSTRAINT", text)
    found += [f"drops {name}" for name in functions] + [f"adds {name}" for name in constraints]
    return found


def _names(words: str, text: str) -> set[str]:
    return {*re.findall(rf"\b{words} (\w+)", text)}


def test_a_migration_only_adds() -> None:
    wrong = {name: why for _, name, text in migrations() if (why := narrowed(text))}
    assert wrong == {}, "split it in two releases, or say in it `-- contract: why nobody needs it`"


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE runs DROP COLUMN state;",
        "ALTER TABLE runs RENAME COLUMN state TO condition;",
        "ALTER TABLE runs ALTER COLUMN state TYPE integer USING 1;",
        "ALTER TABLE runs ALTER COLUMN error SET NOT NULL;",
        "ALTER TABLE runs\n    ADD COLUMN a text, -- with a note\n    ADD COLUMN b text NOT NULL;",
        "ALTER TABLE runs ADD CONSTRAINT short CHECK (length(state) < 5);",
        "DROP FUNCTION take_request(text);",
    ],
)
def test_what_takes_away_is_found(text: str) -> None:
    assert narrowed(text) != []
    assert narrowed(f"-- contract: read by nobody since 0.2\n{text}") == []


def test_what_only_adds_is_left_alone() -> None:
    assert (
        narrowed("ALTER TABLE runs ADD COLUMN a text, ADD COLUMN b int NOT NULL DEFAULT 0;") == []
    )


def test_what_a_checkpoint_holds_is_of_the_version_that_it_says() -> None:
    """A process of before breaks on a step or a field that it does not know: where this changes,
    `VERSION` is one more.
    """
    graph = build(Nodes.__new__(Nodes), cast("Checkpoints", None))
    assert (VERSION, set(graph.nodes) - {START}, set(State.__annotations__)) == (
        1,
        {"think", "look", "propose", "ask", "act", "answer", "leave"},
        {"messages", "replies", "open", "asked", "heard", "over"},
    )


async def test_the_statements_of_before_run_on_the_schema_of_now(dsn: str) -> None:
    """Those of the commit before the newest migration."""
    before = await commit_before_the_newest_migration()
    if before is None:
        pytest.skip("no git history here")
    statements = await statements_of(before)
    assert len(statements) > 100
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await prepare_all(connection, statements)


async def statements_of(commit: str) -> Mapping[str, str]:
    """Every named statement as it was."""
    files = (await git("ls-tree", "--name-only", commit, "bot/store/sql/") or "").split()
    texts = [await git("show", f"{commit}:{file}") or "" for file in files]
    return named(texts)


async def commit_before_the_newest_migration() -> str | None:
    """None where git does not know it: in an unpacked archive, or a shallow clone."""
    newest = migrations()[-1][0]
    commits = await git("log", "-50", "--format=%H", "--", "migrations") or ""
    for commit in commits.split():
        files = await git("ls-tree", "--name-only", commit, "migrations/") or ""
        numbers = [int(number) for number in re.findall(r"/(\d{4})_\w+\.sql$", files, re.MULTILINE)]
        # not one in which two that were written at once have the same number
        if numbers == list(range(1, len(numbers) + 1)) and len(numbers) < newest:
            return commit
    return None


async def git(*words: str) -> str | None:
    """What git says, or None."""
    if (program := shutil.which("git")) is None:
        return None
    process = await asyncio.create_subprocess_exec(
        program,
        *words,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await process.communicate()
    return said.decode().strip() if process.returncode == 0 else None
