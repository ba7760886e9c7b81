"""What may happen: pure functions over one stored input. Anything unknown is denied, never
allowed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Literal, Self, TypeVar

from pydantic import JsonValue

from bot.core.values import Person, Sharing, Standing

Risk = Literal["read", "write", "danger"]


class Effect(StrEnum):
    """What the policy says about one call."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"
    PREVIEW = "preview"  # what it would do may be seen; it is not done


@dataclass(frozen=True)
class Approvers:
    """Who may approve by the settings: people, groups, or every full member."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    everybody: bool = False

    @classmethod
    def parse(cls, names: tuple[str, ...]) -> Self:
        """From `COUNTERSIGN_APPROVERS`: user ids, user-group ids, or `*`."""
        return cls(
            users=tuple(name for name in names if name[0] in "UW"),
            groups=tuple(name for name in names if name[0] == "S"),
            everybody="*" in names,
        )

    def include(self, person: Person) -> bool:
        """Whether the settings name this person, as a full member of ours."""
        return person.standing is Standing.MEMBER and (
            self.everybody or person.id in self.users or bool(person.groups & set(self.groups))
        )

    @property
    def nobody(self) -> bool:
        return not (self.users or self.groups or self.everybody)

    def asked(self, ruling: "Ruling") -> "Approvers":
        """Those whom the rule names; where it names nobody, these."""
        return Approvers(groups=ruling.groups) if ruling.groups else self

    def of(self, ruling: "Ruling") -> "Approvers":
        """Who may approve: those who are asked, and whom the rule lets call later."""
        asked = self.asked(ruling)
        return replace(asked, groups=(*asked.groups, *ruling.escalate_to))


@dataclass(frozen=True)
class Object:
    """One of several that a change writes; `labels` as they are now."""

    kind: str
    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


_Input = TypeVar("_Input", bound="PolicyInput")


@dataclass(frozen=True)
class PolicyInput:
    """All that the policy may look at; stored with every call, so that it can be replayed."""

    tool: str
    kind: Literal["read", "change", "unknown"]
    risk: str
    target: str
    arguments: dict[str, JsonValue]
    requester: str
    requester_standing: str
    contributors: tuple[str, ...]
    channel: str
    sharing: str
    warnings: tuple[str, ...]
    approver_users: tuple[str, ...]
    approver_groups: tuple[str, ...]
    approver_everybody: bool
    self_approval: bool
    read_only: bool = False
    requester_groups: tuple[str, ...] = ()  # of those that the settings name
    unknown_groups: tuple[str, ...] = ()  # of those, which nobody could say who is in
    requester_roles: tuple[str, ...] = ("operator", "viewer")  # before there were roles
    cluster: str = ""
    namespace: str = ""
    object_kind: str = ""
    name: str = ""
    labels: dict[str, str] = field(default_factory=dict)  # of the object as it is now
    objects: tuple[Object, ...] = ()  # each, where they are several: judged one by one
    changed_paths: tuple[str, ...] = ()
    reaches: tuple[str, ...] = ()  # namespaces whose objects go along
    along: tuple[Object, ...] = ()  # whose pods do: what is denied of them is denied of this
    images: tuple[str, ...] = ()  # that it would set
    replicas: int | None = None  # the most that it would set
    provenance: dict[str, str] = field(default_factory=dict)  # argument → where its value is from
    undoes: bool = False
    at: str = ""  # when it was asked, UTC, ISO 8601

    @classmethod
    def of(cls, stored: Mapping[str, JsonValue]) -> Self:
        """One that was stored, also by another version: what that did not know is left out."""
        given = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in _known(cls, stored).items()
        }
        listed: Any = {name: stored.get(name) or () for name in ("objects", "along")}
        read = {
            name: tuple(Object(**_known(Object, one)) for one in ones)
            for name, ones in listed.items()
        }
        return cls(**{**given, **read})  # type: ignore[arg-type]

    def each(self) -> Sequence[Self]:
        """The same about each of its objects alone."""
        return [_about(self, one) for one in self.objects] or [self]

    def beside(self) -> Sequence[Self]:
        """The same about each that goes along alone."""
        alone = replace(self, reaches=(), along=())
        return [_about(alone, one) for one in self.along]

    def stored(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }


def _about(asked: _Input, one: Object) -> _Input:
    return replace(
        asked,
        object_kind=one.kind,
        name=one.name,
        namespace=one.namespace,
        labels=dict(one.labels),
        objects=(),
    )


@dataclass(frozen=True)
class Ruling:
    """What the policy answered, by which rule, and for `ask`: how many, and whether a
    contributor counts.
    """

    effect: Effect
    rule: str
    quorum: int = 0
    contributors_may: bool = False
    reason: str = ""
    groups: tuple[str, ...] = ()  # who may approve; none: whoever approves in general
    expires: float = 0  # seconds; 0: as the settings say
    reminder: float = 0  # seconds after the card; 0: at half-time; below 0: none
    escalate_after: float = 0  # seconds; 0: never
    escalate_to: tuple[str, ...] = ()
    break_glass: tuple[str, ...] = ()  # groups of which one member may run it alone; none: nobody
    rollback: float = 0  # seconds in which what does not work is rolled back by itself; 0: never
    grant_times: int = 0  # how often an approval may be one of the same again; 0: never
    grant_within: float = 0  # seconds
    grant_vary: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # argument → range

    @property
    def is_default(self) -> bool:
        """Whether no rule of the operator's made it."""
        return self.rule in _DEFAULT_RULES

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """One that was stored with a call, also by another version."""
        known = {one.name for one in fields(cls)}
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in stored.items()
            if name in known
        }
        return cls(**{**given, "effect": Effect(given["effect"])})

    def stored(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }


DANGER = "danger needs two"
_DEFAULT_RULES = frozenset({"members may read", "a change needs one", DANGER})
READ_ONLY = Ruling(Effect.DENY, "read only", reason="changes are switched off here")


def _known(kind: type, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Those of what was stored that this version has a field for."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in stored.items() if name in names}


def floor(asked: PolicyInput) -> Ruling | None:
    """What no rule lifts: who may ask at all, and where; None where rules decide."""
    if asked.sharing != Sharing.OURS or asked.requester_standing != Standing.MEMBER:
        return Ruling(
            Effect.DENY, "members only", reason="only full members may ask, in our own channels"
        )
    if asked.read_only and asked.kind != "read":
        return READ_ONLY
    return None


def decide(asked: PolicyInput) -> Ruling:
    """The default rules: full members may read and propose where only ours read; people approve
    changes.
    """
    if (ruling := floor(asked)) is not None:
        return ruling
    match asked.kind, asked.risk:
        case "read", "read":
            return Ruling(Effect.ALLOW, "members may read")
        case "change", "write":
            return Ruling(Effect.ASK, "a change needs one", 1, asked.self_approval)
        case "change", "danger":
            return Ruling(Effect.ASK, DANGER, 2, contributors_may=False)
        case _:
            return Ruling(Effect.DENY, "no rule", reason="no rule allows it")


def why_not_approve(
    person: Person, approvers: Approvers, ruling: Ruling, contributors: tuple[str, ...]
) -> str | None:
    """The code of the reason why this person's vote would not count, or None."""
    if person.standing is Standing.UNKNOWN:
        return "unknown_person"
    if person.standing is not Standing.MEMBER:
        return "outsider" if person.standing is not Standing.GUEST else "guest"
    named = approvers.of(ruling)
    if named.nobody:
        return "nobody_may_approve"
    if not named.include(person):
        return _not_named(person, named.groups, "not_an_approver")
    if person.id in contributors and not ruling.contributors_may:
        return "own_request"
    return None


def why_not_break_glass(person: Person, ruling: Ruling) -> str | None:
    """The code of the reason why this person may not break the glass, or None. Who asked may."""
    if not ruling.break_glass:
        return "no_glass"
    if person.standing is Standing.UNKNOWN:
        return "unknown_person"
    if person.standing is not Standing.MEMBER:
        return "outsider" if person.standing is not Standing.GUEST else "guest"
    if person.groups & {*ruling.break_glass}:
        return None
    return _not_named(person, ruling.break_glass, "not_a_breaker")


def why_not_deny(
    person: Person, approvers: Approvers, ruling: Ruling, contributors: tuple[str, ...]
) -> str | None:
    """Whoever may approve may deny; whoever asked may take his wish back by denying it."""
    named = approvers.of(ruling)
    may = approvers.include(person) or named.include(person)
    if person.standing is Standing.MEMBER and (may or person.id in contributors):
        return None
    if person.standing is Standing.UNKNOWN:
        return "unknown_person"
    if person.standing is Standing.GUEST:
        return "guest"
    return _not_named(person, (*approvers.groups, *named.groups), "not_an_approver")


def _not_named(person: Person, groups: Iterable[str], code: str) -> str:
    """The code for who is in none of these groups, as far as it is known who is in them."""
    return code if person.unknown_groups.isdisjoint(groups) else "unknown_groups"
