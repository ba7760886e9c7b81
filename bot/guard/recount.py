"""Whether what people decided stands now, by the roles and the policy of now."""

from datetime import UTC, datetime

from bot.core.values import Person, Standing
from bot.guard.clearance import why_not_himself
from bot.guard.house import House
from bot.guard.policy import Ruling, why_not_approve, why_not_break_glass
from bot.guard.records import Call
from bot.store.jobs import TryAgain


async def still_stands(house: House, call: Call, now: Ruling, quorum: int) -> bool:
    """Whether those who decided so may do it now as well: the quorum, or one who broke the glass.

    Raises `TryAgain` where Slack does not say who somebody is, or a cluster what he may, while the
    approval is fresh.
    """
    async with house.database.statement() as tx:
        votes = await tx.all("decisions_of_call", call_id=call.id)
    counting = 0
    for vote in votes:
        if vote["digest"] != call.digest or vote["vote"] == "deny":
            continue
        alone = vote["vote"] == "break glass"
        person = await house.directory.person(
            call.thread.org, vote["person"], fresh=alone or call.risk == "danger"
        )
        if person.standing is Standing.UNKNOWN and is_fresh(call):
            raise TryAgain  # Slack did not say who decided; that may pass
        if alone:
            barred = why_not_break_glass(person, now)
        else:
            barred = why_not_approve(person, house.rules.approvers, now, call.contributors)
        if barred is not None or not await _may_himself(house, call, person):
            continue
        if alone:
            return True
        counting += 1
    return counting >= quorum


async def _may_himself(house: House, call: Call, person: Person) -> bool:
    bar = await why_not_himself(house, call, person)
    if bar == "rights_unknown" and is_fresh(call):
        raise TryAgain  # the cluster did not say what he may; that may pass
    return bar is None


def is_fresh(call: Call) -> bool:
    """Whether its approval may still start something."""
    return call.start_by is not None and call.start_by > datetime.now(UTC)
