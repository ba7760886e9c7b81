"""What tools take and give: argument types, findings, previews, receipts, verdicts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

JsonObject = Mapping[str, JsonValue]


class Risk(StrEnum):
    """How much harm a tool can do: a floor, which a preview may raise and never lower."""

    READ = "read"
    WRITE = "write"
    DANGER = "danger"

    @property
    def level(self) -> int:
        """The risk as a number, for comparing."""
        return ("read", "write", "danger").index(self.value)


# Typed strings: a value that fits one of these can never be taken for a flag, a path or a URL.
# DNS-1123 label and subdomain, as Kubernetes defines them.
NAMESPACE = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
MAYBE_NAMESPACE = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"  # or the empty text: not given
MAYBE_NAME = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"
DURATION = r"^[1-9][0-9]{0,4}[smhd]$"
Namespace = Annotated[str, StringConstraints(pattern=NAMESPACE, strip_whitespace=True)]
Name = Annotated[str, StringConstraints(pattern=NAME, strip_whitespace=True)]
# "90s", "15m", "6h", "7d"
Duration = Annotated[str, StringConstraints(pattern=DURATION, strip_whitespace=True)]


def seconds(duration: str) -> int:
    """A `Duration` in seconds."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]


@dataclass(frozen=True)
class Identity:
    """As whom something is done on the other side: its name there, and the groups that go with it.

    Neither has a space in it, so that the whole can be stored as one line of text.
    """

    name: str
    groups: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.name, *self.groups))

    @classmethod
    def of(cls, stored: str) -> "Identity":
        """One as `str` gave it."""
        name, *groups = stored.split(" ")
        return cls(name, tuple(groups))


@dataclass(frozen=True, order=True)
class Access:
    """One deed on the other side, as an access review asks about it; empty: any, or none."""

    verb: str
    group: str  # of the API; empty: the core group
    resource: str  # plural
    sub: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f"/{self.sub}" if self.sub else "")


@dataclass(frozen=True)
class Lines:
    """Text as the other side wrote it, newest last. `note` says which window and limit it has."""

    lines: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows for people; `note` says which selection and limit were used."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Manifests:
    """Objects as the API holds them; guard masks them by structure and shows them as YAML.

    `written` makes another text of them: of what is masked already, as it cannot be masked later.
    """

    objects: tuple[JsonObject, ...]
    note: str = ""
    written: Callable[[tuple[JsonObject, ...]], str] | None = None


@dataclass(frozen=True)
class Report:
    """A judgement in lines for people, and the same as data for programs."""

    lines: tuple[str, ...]
    data: JsonObject
    note: str = ""


Single = Lines | Table | Manifests | Report


@dataclass(frozen=True)
class Several:
    """What one read found of several kinds, each by itself: their columns do not fit together."""

    parts: Mapping[str, Single]  # by the kind

    @property
    def note(self) -> str:
        """The notes of all."""
        return "; ".join(part.note for part in self.parts.values() if part.note)


Finding = Single | Several


class _Stored(BaseModel):
    """Survives JSON: it is stored with the call and read back, perhaps by a newer version."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ChangedPath(_Stored):
    """One field that a change writes: `spec.replicas`, 3 → 5.

    `before` is None where it did not exist.
    """

    path: str
    before: JsonValue = None
    after: JsonValue = None


class Touched(_Stored):
    """One of several objects that a change writes, as rules see it."""

    kind: str
    name: str
    namespace: str = ""
    labels: dict[str, str] = Field(default_factory=dict)  # as it is now


class Preview(_Stored):
    """What a change would do, computed against the live state, by a dry run where there is one."""

    # One imperative line without state: "Scale `deployment/web` in `shop` from 3 to 5 replicas".
    summary: str
    effect: str = ""  # the numbers people look for: "image 1.9.0 → 1.8.0 · 3 pods"
    changes: tuple[ChangedPath, ...]  # every path that would change, whole
    # Unified, of the object as the server would store it, without what controllers write.
    diff: str
    labels: dict[str, str] = Field(default_factory=dict)  # of the object as it is, for the policy
    objects: tuple[Touched, ...] = ()  # each that it writes, where its arguments name not one alone
    reaches: tuple[str, ...] = ()  # namespaces whose objects go along, besides the target's own
    along: tuple[Touched, ...] = ()  # whose pods go along: what is denied of them is denied of this
    warnings: tuple[str, ...] = ()  # what a senior colleague would say; part of the fingerprint
    cautions: tuple[str, ...] = ()  # the same of numbers from status: not part of the fingerprint
    notes: tuple[str, ...] = ()  # such numbers that nobody need beware of
    fingerprint: str  # SHA-256 hex; see ARCHITECTURE.md, "Fingerprint"
    locked: bool = True  # False: nothing keeps the world still between this preview and the apply
    risk: Risk | None = None  # raises the class's floor; never lowers it
    # What `apply` and `undo` need of the world as seen.
    before: dict[str, JsonValue] = Field(default_factory=dict)
    way_back: str = ""  # in words: "scale back to 3"; empty: `undo` gives NoWayBack

    @property
    def heads_up(self) -> tuple[str, ...]:
        """All that people should beware of, what is so just now first."""
        return (*self.cautions, *self.warnings)


class Receipt(_Stored):
    """What the other side said when the change was sent: generation, build number."""

    text: str
    facts: dict[str, JsonValue] = Field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """A line for people while a change is being verified: "2 of 3 pods ready on 1.8.0"."""

    text: str


@dataclass(frozen=True)
class Verdict:
    """How a change ended, as far as the world shows.

    holds: as approved, for the settling time. did not happen: the world is as before.
    cannot tell: the world could not be read, or somebody else changed it since.
    failed: it happened and does not work.
    """

    outcome: Literal["holds", "did not happen", "cannot tell", "failed"]
    reason: str


@dataclass(frozen=True)
class Drift:
    """What became of the world since a change was applied to it.

    as left: nobody wrote there. changed: somebody did. cannot tell: that is not known.
    """

    outcome: Literal["as left", "changed", "cannot tell"]
    reason: str = ""  # what was written, or why it is not known
    differs: tuple[str, ...] = ()  # in what the change wrote: "replicas was changed to 7 by …"


@dataclass(frozen=True)
class NoWayBack:
    """Why a change cannot be undone."""

    reason: str
