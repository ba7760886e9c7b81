"""Who may see what: a run and all that it produced belong to its channel."""

from collections.abc import Collection
from typing import Literal

from bot.core.values import Standing
from bot.guard.house import House, NotLooking

Unseen = NotLooking | Literal["not_in_channel"]


class Sight:
    """Asked whenever something is about to be shown to one person."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def why_not(
        self, org: str, person_id: str, shown_in: Collection[str], *, present: bool = False
    ) -> Unseen | None:
        """Why somebody may not see what is shown in these channels, or None. Auditors see all.

        `present`: Slack itself says that he is there now, as for a click on a message.
        """
        person = await self._house.directory.person(org, person_id)
        if person.standing is Standing.UNKNOWN:
            return "unknown_person"
        if code := self._house.why_not_look(person):
            return code
        if present or "auditor" in self._house.rules.roles.of(person):
            return None
        for channel in shown_in:
            if channel and await self._house.directory.reads(org, channel, person_id):
                return None
        return "not_in_channel"
