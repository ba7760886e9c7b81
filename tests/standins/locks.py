"""A door before the database that hears in which order each transaction locks rows."""

import re
from collections.abc import Callable, Mapping

from bot.store.database import STATEMENTS
from tests.standins.statements import BEGIN, COMMIT, ROLLBACK, Talk
from tests.world import Gate

# What only refers to a row, as an insert does, waits for nobody who locks it as we do.
ORDER = ("threads", "runs", "tool_calls", "grants", "audit_head")
# On a row that the same transaction inserted, which nobody else can see or wait for.
_ON_ITS_OWN = {"allow_call", "cast_approval", "note_grant"}
# A transaction has one of each, or takes all of them at its beginning: later it has them already.
_HELD_FROM_THE_START = {"threads", "runs"}
_NOTES = re.compile(r"--[^\n]*")
_WRITTEN = re.compile(r"\bUPDATE (\w+)|\bINSERT INTO (threads)\b")
_READ_FOR = re.compile(
    r"\bFROM (\w+)(?:(?!\bFROM\b).)*\bFOR (?:NO KEY UPDATE|UPDATE|SHARE)\b", re.DOTALL
)
_CALLED = {
    "append_audit(": ("audit_head",),
    "take_request(": ("threads", "audit_head"),
    "hear_vote(": ("runs", "tool_calls"),
    "cast_approval(": ("tool_calls",),
    "take_approval(": ("runs", "tool_calls", "audit_head"),
    "wake_if_decided(": ("tool_calls",),
}


def _locked(statement: str) -> tuple[str, ...]:
    """The tables whose rows a statement locks, in our order."""
    text = _NOTES.sub("", statement)
    found = {name for pair in _WRITTEN.findall(text) for name in pair}
    found |= {*_READ_FOR.findall(text)}
    for call, tables in _CALLED.items():
        found |= {*tables} if call in text else set()
    return tuple(table for table in ORDER if table in found)


LOCKS: Mapping[str, tuple[str, ...]] = {name: _locked(text) for name, text in STATEMENTS.items()}


class LockOrder(Gate):
    """Keeps what was locked in another order than all others lock it in."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.wrong: list[str] = []
        self.heard: set[str] = set()  # those that lock more than one table, or in such transactions

    def overhear(self) -> Callable[[bytes], None]:
        """One connection, from its first byte."""
        return _Order(self).hear


class _Order:
    """What one connection locked, in the order in which it did."""

    def __init__(self, told: LockOrder) -> None:
        self._told = told
        self._talk = Talk()
        self._did: list[str] | None = None  # statements of the open transaction

    def hear(self, data: bytes) -> None:
        for said in self._talk.hear(data):
            if said == BEGIN:
                self._did = []
            elif said in {COMMIT, ROLLBACK}:
                self._did = None
            elif self._did is not None:
                self._follows(said, self._did)
                self._did.append(said)
            elif said in LOCKS:  # a transaction by itself
                self._follows(said, [])

    def _follows(self, name: str, did: list[str]) -> None:
        held = [table for one in did for table in LOCKS[one]]
        if len({*held, *LOCKS[name]}) > 1 and LOCKS[name]:
            self._told.heard.add(name)
        for table in LOCKS[name]:
            late = [one for one in held if ORDER.index(one) > ORDER.index(table)]
            if not late or (table in _HELD_FROM_THE_START and table in held):
                continue
            if name in _ON_ITS_OWN and "insert_change" in did:
                continue
            self._told.wrong.append(f"{name} locks {table} after {late[0]}: {', '.join(did)}")
