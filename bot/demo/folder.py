"""Where the demo keeps what must survive a restart: all of it, or nothing."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from bot.core.errors import BadSettings


@dataclass(frozen=True)
class Folder:
    """The demo's data. What one part remembers of another only fits the same moment: the bot's
    rows name messages of the workspace, its approvals objects of the cluster.
    """

    path: Path
    has_cluster: bool

    @classmethod
    def at(cls, path: Path, *, has_cluster: bool) -> "Folder":
        """Make it where it is missing. Raises `BadSettings`."""
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BadSettings([f"--data: {path} cannot be made: {error.strerror}."]) from error
        return cls(path.resolve(), has_cluster)

    @property
    def workspace(self) -> Path:
        return self.path / "workspace.json"

    @property
    def cluster(self) -> Path:
        return self.path / "cluster.json"

    @property
    def database(self) -> Path:
        """A file with the database's name."""
        return self.path / "database"

    def database_name(self) -> str:
        """The name of this demo's database, or empty. Raises `BadSettings`."""
        return "".join(_lines(self.database))

    def name_database(self, name: str) -> None:
        """Remember the database. Raises `BadSettings`."""
        _replace(self.database, name)

    @property
    def database_url(self) -> Path:
        """A file with the address of the database, for the bot's commands in another terminal."""
        return self.path / "database.url"

    def tell_database(self, dsn: str) -> None:
        """Write that address, for nobody else to read. Raises `BadSettings`."""
        _replace(self.database_url, dsn, mode=0o600)

    @property
    def _former(self) -> Path:
        return self.path / "database.former"

    def former(self) -> list[str]:
        """The databases that were forgotten and not dropped yet. Raises `BadSettings`."""
        return _lines(self._former)

    def dropped(self) -> None:
        """The forgotten databases are gone. Raises `BadSettings`."""
        with told(self._former):
            self._former.unlink(missing_ok=True)

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def log(self) -> Path:
        return self.path / "bot.log"

    def holds(self) -> bool | None:
        """Whether a demo can go on from here; None when not all of it is here.

        Raises `BadSettings`.
        """
        with told(self.path):
            found = [self.workspace.exists(), bool(self.database_name())]
            if self.has_cluster:
                found.append(self.cluster.exists())
        if all(found):
            return True
        return None if any(found) else False

    def forget(self) -> None:
        """Begin anew: the server drops the database once it runs. Raises `BadSettings`."""
        # The documents first: without them a forgetting that broke off is done again.
        with told(self.path):
            self.workspace.unlink(missing_ok=True)
            self.cluster.unlink(missing_ok=True)
        if name := self.database_name():
            _replace(self._former, "\n".join(dict.fromkeys([*self.former(), name])))
        with told(self.database):
            self.database.unlink(missing_ok=True)

    def set_aside(self) -> list[Path]:
        """Begin anew, but keep the documents under other names, which are returned.

        What was set aside before gives way. Raises `BadSettings`.
        """
        aside = []
        for path in (self.workspace, self.cluster):
            with told(path):
                if path.exists():
                    aside.append(path.replace(path.with_name(f"{path.name}.unreadable")))
        self.forget()
        return aside

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One demo at a time; the kernel lets go when this process ends, however it ends.

        Raises `BadSettings`, with the process that holds it.
        """
        path = self.path / "lock"
        with ExitStack() as stack:
            with told(path):
                self._take(stack.enter_context(path.open("a+")))
            yield

    def _take(self, lock: TextIO) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "?"
            why = f"A demo already runs on {self.path} (process {holder}): stop it, or name "
            raise BadSettings([f"{why}another folder with --data."]) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Make one sentence of what the operating system refuses. Raises `BadSettings`."""
    try:
        yield
    except OSError as error:
        which = error.filename or path
        raise BadSettings([f"{which} cannot be read or written: {error.strerror}."]) from error


def _lines(path: Path) -> list[str]:
    with told(path):
        try:
            return path.read_text(encoding="utf-8", errors="replace").split()
        except FileNotFoundError:
            return []


def _replace(path: Path, text: str, mode: int = 0o666) -> None:
    """Write it whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    with told(path):
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=mode)
        fresh.write_text(f"{text}\n", encoding="utf-8")
        fresh.replace(path)
