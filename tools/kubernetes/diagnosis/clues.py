"""What an analyzer says: a cause, what it is about, and the evidence."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tools._kit import JsonObject
from tools.kubernetes.diagnosis.causes import Cause


class Confidence(StrEnum):
    """How sure: `high` only where the evidence leaves nothing else."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def level(self) -> int:
        """As a number, for sorting: the surest is 0."""
        return ("high", "medium", "low").index(self.value)


HIGH, MEDIUM, LOW = Confidence


@dataclass(frozen=True, order=True)
class Ref:
    """One object, as people write it."""

    kind: str  # lower-case
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Proposal:
    """A change that is right, as the catalog takes it."""

    tool: str  # without the provider's prefix
    arguments: JsonObject
    lacks: str = ""  # what of it the cluster does not allow whom this acts as


@dataclass(frozen=True)
class Clue:
    """Something is wrong with `about`, for this cause."""

    cause: Cause
    about: Ref
    text: str  # one or two sentences, whole
    evidence: tuple[str, ...] = ()  # each: which object, which field, event or log line, when
    confidence: Confidence = HIGH
    since: datetime | None = None
    # What else is not well because of it: pods, workloads. A clue about one of these is folded in.
    explains: frozenset[Ref] = field(default_factory=frozenset)
    # What it may be a consequence of: a failing one of these explains it.
    hangs_on: frozenset[Ref] = field(default_factory=frozenset)
    # Who asks about one of these wants to hear of it, though it may be well itself.
    concerns: frozenset[Ref] = field(default_factory=frozenset)
    effects: tuple[str, ...] = ()  # in words
    ruled_out: tuple[str, ...] = ()
    alternative: str = ""  # what else it may be, where the signs leave that open
    change: Proposal | None = None


@dataclass(frozen=True)
class Notice:
    """Worth knowing, and no trouble now."""

    about: Ref
    text: str


Said = Clue | Notice
