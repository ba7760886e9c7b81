"""The table of what was killed where, and what came of it; and a database that may die."""

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from bot.store.embedded import fresh_database
from tests.faults.outages import Outage
from tests.faults.scene import Case
from tests.plugins.databases import Databases

_CASE = pytest.StashKey[Case]()
_PROPERTY = "crash case"
_HEADS = (
    "step × what happened",
    "runs of the change",
    "answers",
    "ready s (forked)",
    "goes on s",
    "the thread's end",
)


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    """What this test notes for the table."""
    made = Case(request.node.name)
    request.node.stash[_CASE] = made
    return made


@pytest.fixture(scope="session")
def mortal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of this worker's own, which a test may restart without disturbing others."""
    folder = tmp_path_factory.mktemp("mortal")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.plugins.postgres", str(folder)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,  # whose end is its end
    ) as child:
        until = time.monotonic() + 60
        while not (folder / "answer").exists():
            assert time.monotonic() < until, "the PostgreSQL that may die did not start"
            time.sleep(0.05)
        yield (folder / "answer").read_text()
        assert child.stdin is not None
        child.stdin.close()


@pytest.fixture
async def place(
    request: pytest.FixtureRequest, databases: Databases, outage: Outage
) -> AsyncIterator[str]:
    """The database of a case: on a server that may die, where it will."""
    if outage is Outage.POSTGRES_RESTARTED:
        yield await fresh_database(request.getfixturevalue("mortal_server"))
        return
    taken = await databases.take()
    yield taken
    await databases.give_back(taken)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the repetitions to `-m crash`: one kill for each step of the walk is for every day.

    Whoever names a test, gets it.
    """
    asked = config.option.markexpr or config.option.keyword or "::" in "".join(config.args)
    if asked:
        return
    long = [item for item in items if item.get_closest_marker("crash")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the case travel with the report, from an xdist worker, too."""
    report = yield
    if report.when == "call" and _CASE in item.stash:
        row = item.stash[_CASE].row(passed=report.passed)
        report.user_properties.append((_PROPERTY, json.dumps(row)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if any case ran."""
    rows = sorted(_rows(terminalreporter))
    if not rows:
        return
    widths = [max(len(row[n]) for row in [_HEADS, *rows]) for n in range(len(_HEADS) - 1)]
    terminalreporter.write_sep("=", "crash and restart")
    for row in [_HEADS, *rows]:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        terminalreporter.write_line("  ".join([*cells, row[-1]]))


def _rows(reporter: pytest.TerminalReporter) -> Iterator[tuple[str, ...]]:
    for outcome in ("passed", "failed"):
        for report in reporter.stats.get(outcome, []):
            for name, value in report.user_properties:
                if name == _PROPERTY:
                    yield tuple(json.loads(value))
