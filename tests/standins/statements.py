"""What is said to PostgreSQL on one connection, in the names that our statements have."""

import re
from collections.abc import Iterator, Mapping

from bot.store.database import STATEMENTS

BEGIN, COMMIT, ROLLBACK = "BEGIN", "COMMIT", "ROLLBACK"
_VALUE = re.compile(r"%\(\w+\)s|\$\d+")
_BEGUN_WITH = {196608, 196610}  # versions of the protocol; other first messages ask for a cipher


def _said(statement: str) -> str:
    return _VALUE.sub("?", statement.replace("%%", "%")).strip()


_NAMES: Mapping[str, str] = {_said(text): name for name, text in STATEMENTS.items()}


class Talk:
    """One connection's words: PostgreSQL's frontend protocol, as far as it names statements."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._prepared: dict[bytes, str] = {}

    def hear(self, data: bytes) -> Iterator[str]:
        """What is run by these bytes: our statements by name, and where transactions begin and
        end. Nothing of what others say.
        """
        self._rest += data
        while (message := self._message()) is not None:
            kind, body = message
            if kind == b"Q":
                yield from _named(body[:-1].decode())
            elif kind == b"P":
                name, text, _ = body.split(b"\0", 2)
                self._prepared[name] = text.decode()
            elif kind == b"B":
                _, name, _ = body.split(b"\0", 2)
                yield from _named(self._prepared[name])

    def _message(self) -> tuple[bytes, bytes] | None:
        start = 1 if self._begun else 0
        if len(self._rest) < start + 4:
            return None
        end = start + int.from_bytes(self._rest[start : start + 4])
        if len(self._rest) < end:
            return None
        kind, body = self._rest[:start], self._rest[start + 4 : end]
        self._rest = self._rest[end:]
        if not self._begun:
            self._begun = int.from_bytes(body[:4]) in _BEGUN_WITH
        return kind, body


def _named(text: str) -> Iterator[str]:
    for word in (BEGIN, COMMIT, ROLLBACK):
        if text.startswith(word):
            yield word
            return
    if name := _NAMES.get(_said(text)):
        yield name
