"""Whether what people decided stands now, by the roles and the policy of now."""

from collections.abc import Sequence
from datetime import UTC, datetime

from bot.core.values import Standing
from bot.guard.clearance import why_not_himself
from bot.guard.house import House
from bot.guard.policy import Ruling, why_not_approve, why_not_break_glass
from bot.guard.records import Call
from bot.store.database import Row
from bot.store.jobs import TryAgain


async def why_fallen(house: House, call: Call, now: Ruling, quorum: int, *, fresh: bool) -> str:
    """Why those who decided so may not do it now, in words: the quorum, or one who broke the glass.
    Empty when they may.

    Raises `TryAgain` where Slack does not say who somebody is, or a cluster what he may, while the
    approval is `fresh`; after that he does not count.
    """
    counting, why = 0, "somebody who approved it no longer may"
    for vote in await _decided(house, call):
        if vote["digest"] != call.digest or vote["vote"] not in {"approve", "break glass"}:
            continue
        alone = vote["vote"] == "break glass"
        person = await house.directory.person(
            call.thread.org, vote["person"], fresh=alone or call.risk == "danger"
        )
        if person.standing is Standing.UNKNOWN:
            if fresh:
                raise TryAgain  # that may pass
            why = "Slack did not say who somebody is who approved it"
            continue
        if alone:
            barred = why_not_break_glass(person, now)
        else:
            barred = why_not_approve(person, house.rules.approvers, now, call.contributors)
        bar = None if barred else await why_not_himself(house, call, person)
        if bar == "rights_unknown":
            if fresh:
                raise TryAgain
            why = "the cluster did not say what somebody may who approved it"
        if barred or bar:
            continue
        if alone:
            return ""
        counting += 1
    return "" if counting >= quorum else why


async def _decided(house: House, call: Call) -> Sequence[Row]:
    if call.decisions is not None:
        return call.decisions
    async with house.database.statement() as tx:
        return await tx.all("decisions_of_call", call_id=call.id)


def is_fresh(call: Call) -> bool:
    """Whether its approval may still start something."""
    return call.start_by is not None and call.start_by > datetime.now(UTC)
