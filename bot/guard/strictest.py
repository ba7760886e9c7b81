"""One ruling of several: of a change to several objects, each of which was judged by itself."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from bot.guard.policy import Approvers, Effect, Ruling

_ORDER = (Effect.ALLOW, Effect.ASK, Effect.PREVIEW, Effect.DENY)


def strictest(rulings: Sequence[Ruling], approvers: Approvers, card_seconds: int) -> Ruling:
    """What all of them demand together; where a rule names nobody, `approvers` are asked, and where
    it says no time, for `card_seconds`.
    """
    return reduce(lambda one, other: _both(approvers, card_seconds, one, other), rulings)


def _both(approvers: Approvers, card_seconds: int, one: Ruling, other: Ruling) -> Ruling:
    if one == other:
        return one
    strict, mild = (one, other) if _weight(one) >= _weight(other) else (other, one)
    if mild.effect is not Effect.ASK or strict.effect is not Effect.ASK:
        return strict
    if not (groups := _groups(approvers, strict, mild)) and (strict.groups or mild.groups):
        who = f"“{strict.rule}” and “{mild.rule}” ask different people"
        reason = f"it is of several objects, and {who}, and nobody is known to be among both"
        return Ruling(Effect.DENY, strict.rule, reason=reason)
    times = [one or card_seconds for one in (strict.expires, mild.expires)]
    return replace(
        strict,
        contributors_may=strict.contributors_may and mild.contributors_may,
        groups=groups,
        escalate_to=_among(approvers.of(mild), strict.escalate_to),
        expires=min(times) if strict.expires or mild.expires else 0,
        break_glass=tuple(one for one in strict.break_glass if one in mild.break_glass),
        rollback=min(strict.rollback, mild.rollback),  # 0: never
        grant_times=0,
        grant_within=0,
        grant_vary={},
    )


def _weight(ruling: Ruling) -> tuple[int, int, bool]:
    return _ORDER.index(ruling.effect), ruling.quorum, bool(ruling.groups)


def _groups(approvers: Approvers, one: Ruling, other: Ruling) -> tuple[str, ...]:
    """The groups of which everybody may approve both; none: whoever approves in general, or, where
    one names groups, nobody of whom that is known.
    """
    named, against = (one, other) if one.groups else (other, one)
    return _among(approvers.asked(against), named.groups)


def _among(approvers: Approvers, groups: Sequence[str]) -> tuple[str, ...]:
    """Those of the groups whose members all are among these."""
    return tuple(one for one in groups if approvers.everybody or one in approvers.groups)
