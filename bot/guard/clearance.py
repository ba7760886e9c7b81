"""Whether who decides on a change may make it himself: the cluster's own answer, asked as him."""

import asyncio
from typing import Literal

from bot.core.values import Person
from bot.guard.house import House
from bot.guard.identities import acting_as
from bot.guard.records import Call
from tools import ToolError

Bar = Literal[
    "not_mapped",  # he is nobody on the clusters
    "not_himself",  # the cluster would not let him do it
    "rights_unknown",  # it did not say
]
_SECONDS = 10.0
SOON = 0.7  # seconds for who clicks: he has to hear that the cluster does not answer


def is_nobody(house: House, person: Person) -> bool:
    """Whether he would have to be allowed to do it himself, and is nobody on the clusters."""
    identities = house.rules.identities
    if identities is None or not identities.approvers_checked:
        return False
    try:
        acting_as(identities, person)
    except ToolError:
        return True
    return False


async def why_not_himself(
    house: House, call: Call, person: Person, *, seconds: float = _SECONDS
) -> Bar | None:
    """The code of the reason why this person may not make that change himself, or None.

    Asked only where people are mapped, and the settings do not switch it off.
    """
    identities = house.rules.identities
    if identities is None or not identities.approvers_checked:
        return None
    try:
        acting = acting_as(identities, person)
    except ToolError:
        return "not_mapped"
    try:
        change = house.catalog.change(call.tool, call.arguments, acting=acting)
        async with asyncio.timeout(seconds):
            lacking = await change.lacking()
    except (ToolError, TimeoutError):
        return "rights_unknown"
    return "not_himself" if lacking else None
