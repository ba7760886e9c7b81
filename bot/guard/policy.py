"""What may happen: pure functions over one stored input. Anything unknown is denied, never
allowed.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Literal, Self

from pydantic import JsonValue

from bot.core.values import Person, Sharing, Standing

Risk = Literal["read", "write", "danger"]


class Effect(StrEnum):
    """What the policy says about one call."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


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

    def stored(self) -> dict[str, JsonValue]:
        """As JSON."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }


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

    def stored(self) -> dict[str, JsonValue]:
        """As JSON."""
        return asdict(self)


READ_ONLY = Ruling(Effect.DENY, "read only", reason="changes are switched off here")


def decide(asked: PolicyInput) -> Ruling:
    """The default policy: full members may read and propose where only ours read; people
    approve changes.
    """
    if asked.sharing != Sharing.OURS or asked.requester_standing != Standing.MEMBER:
        return Ruling(
            Effect.DENY, "members only", reason="only full members may ask, in our own channels"
        )
    if asked.read_only and asked.kind != "read":
        return READ_ONLY
    match asked.kind, asked.risk:
        case "read", "read":
            return Ruling(Effect.ALLOW, "members may read")
        case "change", "write":
            return Ruling(Effect.ASK, "a change needs one", 1, asked.self_approval)
        case "change", "danger":
            return Ruling(Effect.ASK, "danger needs two", 2, contributors_may=False)
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
    if approvers.nobody:
        return "nobody_may_approve"
    if not approvers.include(person):
        return "not_an_approver"
    if person.id in contributors and not ruling.contributors_may:
        return "own_request"
    return None


def why_not_deny(person: Person, approvers: Approvers, contributors: tuple[str, ...]) -> str | None:
    """Whoever may approve may deny; whoever asked may take his wish back by denying it."""
    if person.standing is Standing.MEMBER and (
        approvers.include(person) or person.id in contributors
    ):
        return None
    if person.standing is Standing.UNKNOWN:
        return "unknown_person"
    return "guest" if person.standing is Standing.GUEST else "not_an_approver"
