"""Who could approve a call, and whose approval counts now; a card nobody can complete says so."""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.core.values import Standing
from bot.guard.clearance import is_nobody
from bot.guard.house import House
from bot.guard.policy import why_not_approve
from bot.guard.records import Call


@dataclass(frozen=True)
class TooFew:
    """Who could approve it, when these are fewer than are needed."""

    people: tuple[str, ...]
    if_another_asked: bool  # whether they and those who asked would be enough


async def too_few(house: House, call: Call) -> TooFew | None:
    """None: they are enough, or it is not known. No more people are looked up than are needed."""
    named = house.rules.approvers.of(call.ruling)
    if call.state != "proposed" or named.everybody or named.nobody:
        return None
    whom = set(named.users)
    for group in named.groups:
        members = await house.directory.members(call.thread.org, group)
        if members is None:
            return None
        whom |= members
    barred = set() if call.ruling.contributors_may else whom.intersection(call.contributors)
    could: list[str] = []
    for one in sorted(whom - barred):
        may = await _may(house, call, one)
        if may is None:
            return None
        could += [one] if may else []
        if len(could) >= call.quorum:
            return None
    return TooFew(tuple(could), len(could) + len(barred) >= call.quorum)


async def no_more(house: House, call: Call, approved: Iterable[str]) -> frozenset[str]:
    """Those who approved it while it is open and whose approvals do not count now. Of whom Slack
    says nothing, nothing is said.
    """
    if call.state != "proposed":
        return frozenset()
    may = {one: await _may(house, call, one) for one in approved}
    return frozenset(one for one, counts in may.items() if counts is False)


async def _may(house: House, call: Call, one: str) -> bool | None:
    """Whether his vote would count; None where Slack does not say who he is."""
    person = await house.directory.person(call.thread.org, one)
    if person.standing is Standing.UNKNOWN:
        return None
    why = why_not_approve(person, house.rules.approvers, call.ruling, call.contributors)
    return why is None and not is_nobody(house, person)
