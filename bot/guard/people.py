"""Who somebody is, and whether he may ask here. Facts about people come from a directory above
us.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from bot.core.values import Person, Sharing, Standing


class Directory(Protocol):
    """Where facts about people and channels come from; a copy at most 60 s old.

    Never raises: a look-up that fails is `Standing.UNKNOWN`, `Sharing.UNKNOWN`, no group, not
    there.
    """

    async def person(self, org: str, user: str, *, fresh: bool = False) -> Person:
        """Somebody, with those groups he is in that approvals name. `fresh` asks again now."""

    async def members(self, org: str, group: str) -> frozenset[str] | None:
        """Who is in a group; None where that cannot be told."""

    async def sharing(self, org: str, channel: str) -> Sharing:
        """Whether only our organisation reads a channel."""

    async def reads(self, org: str, channel: str, user: str) -> bool:
        """Whether somebody is in a channel; not where that cannot be told."""


@dataclass(frozen=True)
class Roles:
    """Who is what by the settings: role → user ids, user-group ids or `*`.

    A role of which the settings say nothing: every full member looks, and whoever looks proposes;
    nobody else is anything. An approver is what the guard's `Approvers` say.
    """

    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, person: Person) -> tuple[str, ...]:
        """All roles of somebody, sorted; none for who is no full member of ours."""
        if person.standing is not Standing.MEMBER:
            return ()
        own = {role for role, names in self.named.items() if _names(names, person)}
        if "viewer" not in self.named:
            own.add("viewer")
        if "operator" not in self.named and ("viewer" not in self.named or "viewer" in own):
            own.add("operator")  # who may look may propose: to name viewers shuts the others out
        for role in tuple(own):
            own |= _IMPLIED.get(role, frozenset())
        return tuple(sorted(own))


_IMPLIED = {
    "operator": frozenset({"viewer"}),
    "approver": frozenset({"viewer"}),
    "auditor": frozenset({"viewer"}),
    "admin": frozenset({"viewer", "operator", "auditor"}),
}


NoMember = Literal["guest", "outsider", "unknown_person"]


def _names(names: tuple[str, ...], person: Person) -> bool:
    return "*" in names or person.id in names or not person.groups.isdisjoint(names)


def why_not_ask(person: Person, sharing: Sharing) -> str | None:
    """The code of the reason why somebody may not ask here, or None. Speech is made of it
    elsewhere.
    """
    if sharing is not Sharing.OURS:
        return "shared_channel" if sharing is Sharing.SHARED else "unknown_channel"
    return why_no_member(person)


def why_no_member(person: Person) -> NoMember | None:
    """The code of what he is instead of a full member here, or None."""
    match person.standing:
        case Standing.MEMBER:
            return None
        case Standing.GUEST:
            return "guest"
        case Standing.OUTSIDER | Standing.BOT | Standing.GONE:
            return "outsider"
        case Standing.UNKNOWN:
            return "unknown_person"
