"""One PostgreSQL for a whole pytest run, shared by all xdist workers and gone at its end.

The controller starts it in a child process while pytest collects, so that whoever needs no database
does not wait for one. The child ends, and removes its data, when its standard input closes: at the
end of the run, on Ctrl-C and after a `kill -9` of pytest alike. `COUNTERSIGN_TEST_DATABASE_URL`
names a server to use instead.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from bot.core.errors import EmbeddedPostgresError
from bot.store.embedded import embedded_postgres

_ANSWER = pytest.StashKey[Path]()
_CHILD = pytest.StashKey["subprocess.Popen[bytes]"]()
_FAILED = "failed: "


def server_dsn(config: pytest.Config, timeout: float = 40.0) -> str:
    """Return the DSN of the run's server; waits at most `timeout` seconds until it takes calls."""
    if given := os.environ.get("COUNTERSIGN_TEST_DATABASE_URL"):
        return given
    answer = config.stash[_ANSWER]
    until = time.monotonic() + timeout
    while not answer.exists():
        if time.monotonic() > until:
            pytest.fail(f"The tests' Postgres was not ready within {timeout:.0f} s.", pytrace=False)
        time.sleep(0.01)
    text = answer.read_text()
    if text.startswith(_FAILED):
        pytest.fail(text.removeprefix(_FAILED), pytrace=False)
    return text


def pytest_configure(config: pytest.Config) -> None:
    """Start the server in the controller; a worker is told where its answer will be."""
    if os.environ.get("COUNTERSIGN_TEST_DATABASE_URL"):
        return
    if hasattr(config, "workerinput"):
        config.stash[_ANSWER] = Path(config.workerinput["postgres_answer"])
        return
    if config.option.collectonly or config.option.help:
        return
    # Runs lie side by side: each removes what one that was killed, with its child, left behind.
    runs = Path(tempfile.gettempdir()) / f"countersign-test-{os.getuid()}"
    runs.mkdir(mode=0o700, exist_ok=True)
    if runs.is_symlink() or runs.stat().st_uid != os.getuid():
        pytest.exit(f"{runs} belongs to somebody else: remove it, or set TMPDIR.", returncode=3)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=runs))
    config.stash[_ANSWER] = folder / "answer"
    config.stash[_CHILD] = subprocess.Popen(
        [sys.executable, "-m", "tests.plugins.postgres", str(folder)],
        cwd=config.rootpath,
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for pytest, which then closes the pipe
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker, also one that replaces a dead one."""
    if _ANSWER in node.config.stash:
        node.workerinput["postgres_answer"] = str(node.config.stash[_ANSWER])


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server and wait until it is gone."""
    if child := config.stash.get(_CHILD, None):
        assert child.stdin is not None
        child.stdin.close()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


async def _serve(folder: Path) -> None:
    """Run a server until standard input closes."""
    answer, partial = folder / "answer", folder / "answer.partial"
    try:
        # enough for a bot of each worker's: one that lacks connections says so
        async with embedded_postgres(folder, fsync=False, throwaway=True, connections=400) as dsn:
            partial.write_text(dsn)
            partial.rename(answer)
            await asyncio.to_thread(sys.stdin.buffer.read)
    except EmbeddedPostgresError as error:
        partial.write_text(f"{_FAILED}{error}")
        partial.rename(answer)
        await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    run_folder = Path(sys.argv[1])
    try:
        asyncio.run(_serve(run_folder))
    finally:
        shutil.rmtree(run_folder, ignore_errors=True)
