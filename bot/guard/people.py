"""Who somebody is, and whether he may ask here. Facts about people come from a directory above
us.
"""

from typing import Protocol

from bot.core.values import Person, Sharing, Standing


class Directory(Protocol):
    """Where facts about people and channels come from; a copy at most 60 s old.

    Never raises: a look-up that fails is `Standing.UNKNOWN`, `Sharing.SHARED`, no group.
    """

    async def person(self, org: str, user: str, *, fresh: bool = False) -> Person:
        """Somebody, with those groups he is in that approvals name. `fresh` asks again now."""

    async def sharing(self, org: str, channel: str) -> Sharing:
        """Whether only our organisation reads a channel."""


def why_not_ask(person: Person, sharing: Sharing) -> str | None:
    """The code of the reason why somebody may not ask here, or None. Speech is made of it
    elsewhere.
    """
    if sharing is not Sharing.OURS:
        return "shared_channel"
    match person.standing:
        case Standing.MEMBER:
            return None
        case Standing.GUEST:
            return "guest"
        case Standing.OUTSIDER | Standing.BOT | Standing.GONE:
            return "outsider"
        case Standing.UNKNOWN:
            return "unknown_person"
