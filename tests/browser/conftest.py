"""The demo as a real process, and the machine's own Chromium."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from bot.store.embedded import kept_in

_ROOT = Path(__file__).parents[2]
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for name in _NAMES if (path := shutil.which(name))), None)
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# The browser lives in one event loop, and so do the tests that drive it, and what they look at.
in_session = pytest_asyncio.fixture(loop_scope="session")
DRIVES = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome is installed here"),
]

_COMMAND = [sys.executable, "-m", "bot", "sandbox"]


class Demo:
    """`python -m bot sandbox`, started; what it prints is in `output()`."""

    def __init__(self, data: Path, port: int = 0, *words: str, **environment: str) -> None:
        self.data = data
        self._log = data.with_name(f"{data.name}.out")
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("COUNTERSIGN_", "SLACK_", "KUBECONFIG"))
        }
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [*_COMMAND, "--data", str(data), "--port", str(port), *words],
                cwd=_ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=clean | environment,
                start_new_session=True,
            )

    def output(self) -> str:
        """All it has printed so far."""
        return self._log.read_text()

    def address(self, timeout: float = 40.0) -> str:
        """The page's address: the one line that is nothing else."""
        until = time.monotonic() + timeout
        while time.monotonic() < until and self.process.poll() is None:
            for line in self.output().splitlines():
                if line.startswith("http://127.0.0.1:"):
                    return line
            time.sleep(0.05)
        bot = self.data / "bot.log"
        pytest.fail(f"{self.output()}\n{bot.read_text() if bot.exists() else ''}", pytrace=False)

    def family(self) -> dict[int, str]:
        """All processes below it: pid and start time, which together are one process for ever."""
        found: dict[int, str] = {}
        parents = [self.process.pid]
        table = {pid: stat for pid, stat in map(_stat, _pids()) if stat}
        while parents:
            parent = parents.pop()
            for pid, (its_parent, started) in table.items():
                if its_parent == parent:
                    found[pid] = started
                    parents.append(pid)
        return found

    def bot(self) -> int:
        """The pid of the bot itself."""
        words = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in self.family()}
        return next(pid for pid, words in words.items() if b"bot\0run" in words)

    def stop(self, number: int = signal.SIGINT, timeout: float = 15.0) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def end(self) -> None:
        """End it whatever happened."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def gone(family: dict[int, str], timeout: float = 5.0) -> list[int]:
    """Return which of these processes still live after `timeout` seconds."""
    until = time.monotonic() + timeout
    while left := [
        pid for pid, started in family.items() if (_stat(pid)[1] or ("",) * 2)[1] == started
    ]:
        if time.monotonic() > until:
            return left
        time.sleep(0.05)
    return []


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> tuple[int, tuple[int, str] | None]:
    """A process's parent and start time; None for one that is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return pid, None
    return pid, None if fields[0] == "Z" else (int(fields[1]), fields[19])


@contextmanager
def started(data: Path, port: int = 0, *words: str, **environment: str) -> Iterator[Demo]:
    """A demo that is gone at the end of the block."""
    demo = Demo(data, port, *words, **environment)
    try:
        yield demo
    finally:
        demo.end()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for a module's demos: making a database takes longer than starting one."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    yield folder
    shutil.rmtree(kept_in(folder / "postgres"), ignore_errors=True)  # root's lies elsewhere


@pytest.fixture(scope="module")
def demo(data: Path) -> Iterator[Demo]:
    """One demo for the tests of a module; it must end well."""
    with started(data) as demo:
        yield demo
        family = demo.family()
        assert demo.stop() == 0, demo.output()
        assert not gone(family)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _chromium() -> AsyncIterator[Browser]:
    """A real browser, one for all: it takes longer to start than most tests need."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        await browser.close()


@in_session
async def chromium(_chromium: Browser) -> AsyncIterator[Browser]:
    """The browser, without what another test left open in it."""
    yield _chromium
    for context in _chromium.contexts:
        await context.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go; `SCREENSHOTS` names a folder that is kept."""
    given = os.environ.get("SCREENSHOTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Watched:
    """Notes what a good page never does: errors, and requests to another host."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on(
            "console",
            lambda said: (
                self.complaints.append(f"{said.type}: {said.text}")
                if said.type in {"error", "warning"}
                else None
            ),
        )
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("http://127.0.0.1:", "data:"))
                else self.complaints.append(f"asked {request.url}")
            ),
        )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """`make test-browser` ends with a table of what was seen."""
    if terminalreporter.config.option.markexpr != "browser":
        return
    reports = [
        (report, outcome)
        for outcome in ("passed", "failed", "skipped")
        for report in terminalreporter.stats.get(outcome, [])
        if "tests/browser/" in report.nodeid
    ]
    terminalreporter.write_sep("=", "the page in Chromium")
    for report, outcome in sorted(reports, key=lambda row: row[0].nodeid):
        name = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
        terminalreporter.write_line(f"{outcome:8}{report.duration:6.1f} s  {name}")
