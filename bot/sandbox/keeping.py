"""One document on disk that follows something that changes: how the sandbox survives a restart."""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

Document: TypeAlias = dict[str, Any]  # each keeper knows its own document's shape

_PAUSE: Final = 0.5  # seconds between two writings: what a SIGKILL may cost


_log = logging.getLogger(__name__)


class Unreadable(Exception):
    """What was kept cannot be taken up again; the text says which file and why."""


class Kept:
    """The JSON document at `path`, of a `kind` and a `version` of its shape.

    It is replaced in one step, so that a reader finds the old or the new one, whole; readable by
    its owner only.
    """

    def __init__(self, path: Path, kind: str, version: int) -> None:
        self.path = path
        self._failing = False
        self._mark = {"kind": kind, "version": version}

    def read(self) -> Document | None:
        """What was kept, or None when nothing was. Raises `Unreadable`, OSError."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise Unreadable(f"{self.path} is no text: {error}.") from error
        try:
            document = json.loads(text)
        except ValueError as error:
            raise Unreadable(f"{self.path} is no JSON.") from error
        if not isinstance(document, dict) or document.pop("_", None) != self._mark:
            raise Unreadable(f"{self.path} was written by another version.")
        return document

    def write(self, document: Document) -> None:
        """Replace what is kept. Raises OSError."""
        fresh = self.path.with_name(f"{self.path.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps({"_": self._mark} | document), encoding="utf-8")
        fresh.replace(self.path)

    def write_last(self, document: Document) -> None:
        """Write at the end, when nothing else can be done about what goes wrong than say it."""
        try:
            self.write(document)
        except OSError as error:
            _log.warning("%s could not be written: %s", self.path, error.strerror)

    def _complain(self, error: OSError) -> None:
        if not self._failing:
            _log.warning("%s cannot be written, trying again: %s", self.path, error.strerror)
        self._failing = True

    async def follow(self, picture: Callable[[], Document], changed: asyncio.Event) -> None:
        """Write `picture()` soon after each time `changed` is set, until cancelled.

        The picture is taken on the event loop, and so is whole; who cancels writes the last one.
        """
        while True:
            await changed.wait()
            changed.clear()
            writing = asyncio.ensure_future(asyncio.to_thread(self.write, picture()))
            try:
                await asyncio.shield(writing)
                self._failing = False
            except OSError as error:
                changed.set()  # it is tried again
                self._complain(error)
            except asyncio.CancelledError:
                # The thread cannot be stopped, and must not write over the last picture.
                await writing
                raise
            await asyncio.sleep(_PAUSE)
