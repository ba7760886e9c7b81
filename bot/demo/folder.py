"""Where the demo keeps what must survive a restart: all of it, or nothing."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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

    @property
    def _former(self) -> Path:
        return self.path / "database.former"

    @property
    def former(self) -> str:
        """The name of a database that was forgotten and not dropped yet, or empty."""
        return self._former.read_text().strip() if self._former.exists() else ""

    def dropped(self) -> None:
        """The forgotten database is gone."""
        self._former.unlink()

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def log(self) -> Path:
        return self.path / "bot.log"

    def holds(self) -> bool | None:
        """Whether a demo can go on from here; None when nothing is here, or not all of it."""
        parts = [self.workspace, self.database, *([self.cluster] if self.has_cluster else ())]
        found = [part.exists() for part in parts]
        if all(found):
            return True
        return None if any(found) else False

    def forget(self) -> None:
        """Begin anew: the server drops the database once it runs. Raises `BadSettings`."""
        try:
            self.workspace.unlink(missing_ok=True)
            self.cluster.unlink(missing_ok=True)
            if self.database.exists():
                self.database.replace(self._former)
        except OSError as error:
            raise BadSettings([f"{error.filename} cannot be removed: {error.strerror}."]) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One demo at a time; the kernel lets go when this process ends, however it ends.

        Raises `BadSettings`, with the process that holds it.
        """
        with (self.path / "lock").open("a+") as lock:
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
            yield
