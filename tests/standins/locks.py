"""A door before the database that hears in which order each transaction locks rows."""

import re
from collections.abc import Callable, Mapping

from bot.store.database import STATEMENTS
from tests.world import Gate

ORDER = ("threads", "runs", "tool_calls", "grants", "audit_head")
# On a row that the same transaction inserted, which nobody else can see or wait for.
_ON_ITS_OWN = {"approve_call", "note_grant"}
# A transaction has one of each, or takes all of them at its beginning: later it has them already.
_HELD_FROM_THE_START = {"threads", "runs"}
_NOTES = re.compile(r"--[^\n]*")
_VALUE = re.compile(r"%\(\w+\)s|\$\d+")
_WRITTEN = re.compile(r"\bUPDATE (\w+)|\bINSERT INTO (threads)\b")
_READ_FOR = re.compile(r"\bFROM (\w+)(?:(?!\bFROM\b).)*\bFOR (?:UPDATE|SHARE)\b", re.DOTALL)
_CALLED = {"append_audit(": ("audit_head",), "take_request(": ("threads", "audit_head")}
_BEGUN_WITH = {196608, 196610}  # versions of the protocol; other first messages ask for a cipher


def _locked(statement: str) -> tuple[str, ...]:
    """The tables whose rows a statement locks, in our order."""
    text = _NOTES.sub("", statement)
    found = {name for pair in _WRITTEN.findall(text) for name in pair}
    found |= {*_READ_FOR.findall(text)}
    for call, tables in _CALLED.items():
        found |= {*tables} if call in text else set()
    return tuple(table for table in ORDER if table in found)


def _said(statement: str) -> str:
    return _VALUE.sub("?", statement.replace("%%", "%")).strip()


_NAMES: Mapping[str, str] = {_said(text): name for name, text in STATEMENTS.items()}
LOCKS: Mapping[str, tuple[str, ...]] = {name: _locked(text) for name, text in STATEMENTS.items()}


class LockOrder(Gate):
    """Keeps what was locked in another order than all others lock it in."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.wrong: list[str] = []
        self.heard: set[str] = set()  # statements in transactions that lock more than one table

    def overhear(self) -> Callable[[bytes], None]:
        """One connection, from its first byte."""
        return _Talk(self).hear


class _Talk:
    """One connection's words: PostgreSQL's frontend protocol, as far as it names statements."""

    def __init__(self, told: LockOrder) -> None:
        self._told = told
        self._rest = b""
        self._begun = False
        self._prepared: dict[bytes, str] = {}
        self._did: list[str] | None = None  # statements of the open transaction

    def hear(self, data: bytes) -> None:
        self._rest += data
        while (message := self._message()) is not None:
            kind, body = message
            if kind == b"Q":
                self._run(body[:-1].decode())
            elif kind == b"P":
                name, text, _ = body.split(b"\0", 2)
                self._prepared[name] = text.decode()
            elif kind == b"B":
                _, name, _ = body.split(b"\0", 2)
                self._run(self._prepared[name])

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

    def _run(self, text: str) -> None:
        if text.startswith("BEGIN"):
            self._did = []
        elif text.startswith(("COMMIT", "ROLLBACK")):
            self._did = None
        elif self._did is not None and (name := _NAMES.get(_said(text))):
            self._follows(name, self._did)
            self._did.append(name)

    def _follows(self, name: str, did: list[str]) -> None:
        held = [table for one in did for table in LOCKS[one]]
        if held and LOCKS[name]:
            self._told.heard.add(name)
        for table in LOCKS[name]:
            late = [one for one in held if ORDER.index(one) > ORDER.index(table)]
            if not late or (table in _HELD_FROM_THE_START and table in held):
                continue
            if name in _ON_ITS_OWN and "insert_change" in did:
                continue
            self._told.wrong.append(f"{name} locks {table} after {late[0]}: {', '.join(did)}")
