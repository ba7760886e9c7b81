"""One ruling of several: of a change to several objects, each of which was judged by itself."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from bot.guard.policy import Effect, Ruling

_ORDER = (Effect.ALLOW, Effect.ASK, Effect.PREVIEW, Effect.DENY)


def strictest(rulings: Sequence[Ruling]) -> Ruling:
    """What all of them demand together."""
    return reduce(_both, rulings)


def _both(one: Ruling, other: Ruling) -> Ruling:
    if one == other:
        return one
    strict, mild = (one, other) if _weight(one) >= _weight(other) else (other, one)
    if mild.effect is not Effect.ASK or strict.effect is not Effect.ASK:
        return strict
    groups = _groups(strict, mild)
    if groups is None:
        who = f"“{strict.rule}” and “{mild.rule}” ask different people"
        reason = f"it is of several objects, and {who}: propose them one by one"
        return Ruling(Effect.DENY, strict.rule, reason=reason)
    times = [one for one in (strict.expires, mild.expires) if one]
    return replace(
        strict,
        contributors_may=strict.contributors_may and mild.contributors_may,
        groups=groups,
        expires=min(times, default=0),
        break_glass=tuple(one for one in strict.break_glass if one in mild.break_glass),
        rollback=min(strict.rollback, mild.rollback),  # 0: never
        grant_times=0,
        grant_within=0,
        grant_vary={},
    )


def _weight(ruling: Ruling) -> tuple[int, int, bool]:
    return _ORDER.index(ruling.effect), ruling.quorum, bool(ruling.groups)


def _groups(one: Ruling, other: Ruling) -> tuple[str, ...] | None:
    """Who may approve both; None: nobody. Without groups, whoever approves in general may."""
    if not one.groups or not other.groups:
        return one.groups or other.groups
    return tuple(group for group in one.groups if group in other.groups) or None
