"""Values that several rooms speak of: places, people, progress."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from uuid import UUID


@dataclass(frozen=True)
class Thread:
    """One conversation. `org` is the enterprise's or team's id."""

    org: str
    channel: str
    ts: str

    def __str__(self) -> str:
        return f"{self.org}/{self.channel}/{self.ts}"


class Standing(StrEnum):
    """What somebody is to our organisation."""

    MEMBER = "member"
    GUEST = "guest"
    OUTSIDER = "outsider"  # another organisation's
    BOT = "bot"
    GONE = "gone"  # deactivated
    UNKNOWN = "unknown"  # the look-up failed: treated as an outsider


@dataclass(frozen=True)
class Person:
    """Somebody, as a copy of at most a minute ago says."""

    id: str
    standing: Standing
    name: str = ""
    groups: frozenset[str] = frozenset()  # of the groups that the policy names, those he is in
    unknown_groups: frozenset[str] = frozenset()  # and those of which nobody could say who is in
    mail: str = ""  # confirmed by him; empty where the directory does not tell


class Sharing(StrEnum):
    """Whether only our organisation reads a channel."""

    OURS = "ours"
    SHARED = "shared"  # or pending, or a channel that we are not in
    UNKNOWN = "unknown"  # the look-up failed: fails closed


@dataclass(frozen=True)
class Event:
    """Something that a run tells while it works; folded into one progress message or into a
    card.
    """

    thread: Thread
    run_id: UUID
    kind: Literal[
        "started",
        "thinking",
        "looking",
        "looked",
        "writing",
        "proposed",
        "call",
        "waiting",
        "ended",
        "heard",  # what somebody said meanwhile was fed to it
        "stop",  # a person stopped it: end now
        "yield",  # a decision waits for the thread: a side turn gives way
    ]
    key: str = ""  # which step of the run: a call's id
    text: str = ""
    detail: str = ""
    failed: bool = False
    call_id: UUID | None = None
