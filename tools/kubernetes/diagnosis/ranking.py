"""From clues to findings: what is only a consequence is folded into its cause; the surest first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tools.kubernetes.diagnosis.causes import ROOT, Cause, depth
from tools.kubernetes.diagnosis.clues import Clue, Ref

_MOST_EVIDENCE = 8
_MOST_EFFECTS = 12


@dataclass(frozen=True)
class Ranked:
    """A cause with all that it brings about."""

    clue: Clue
    folded: tuple[Clue, ...] = field(default=())

    @property
    def covers(self) -> frozenset[Ref]:
        """Every object that is not well because of it."""
        found: set[Ref] = set()
        for one in (self.clue, *self.folded):
            found |= {one.about, *one.explains, *one.concerns}
        return frozenset(found)

    @property
    def effects(self) -> tuple[str, ...]:
        """The consequences in words, those about others than the cause's own object."""
        others: dict[Ref, str] = {}  # of each object what says most
        for one in sorted(self.folded, key=_order):
            if one.about != self.clue.about:
                others.setdefault(one.about, f"{one.about}: {one.text}")
        return tuple(dict.fromkeys([*self.clue.effects, *others.values()]))[:_MOST_EFFECTS]

    @property
    def evidence(self) -> tuple[str, ...]:
        """Its own, then what else was seen of the same object."""
        own = [line for one in self.folded if one.about == self.clue.about for line in one.evidence]
        return tuple(dict.fromkeys([*self.clue.evidence, *own]))[:_MOST_EVIDENCE]


def ranked(clues: Iterable[Clue]) -> list[Ranked]:
    """The causes, most likely first, in an order that the same clues always have."""
    heads = _by_object(sorted(clues, key=_order))
    above: dict[int, list[int]] = {}
    for index, one in enumerate(heads):
        if explaining := _above(heads, one):
            above[index] = explaining
    below: dict[int, list[Clue]] = {}
    for index, one in enumerate(heads):
        root = _root(index, above, heads)
        if root != index:
            below.setdefault(root, []).extend([one.clue, *one.folded])
    roots = [
        replace(one, folded=(*one.folded, *below.get(index, ())))
        for index, one in enumerate(heads)
        if _root(index, above, heads) == index
    ]
    return sorted(roots, key=_rank)


def _order(clue: Clue) -> tuple[int, bool, int, str, Ref, str, str]:
    since = clue.since.isoformat() if clue.since else "9"
    # That a rollout does not get on says less than the words of whoever keeps a pod from it.
    last, level = clue.cause is Cause.ROLLOUT_STUCK, clue.confidence.level
    return -depth(clue.cause), last, level, since, clue.about, clue.cause, clue.text


def _rank(one: Ranked) -> tuple[bool, int, int, int, str, Ref, str]:
    clue = one.clue
    since = clue.since.isoformat() if clue.since else "9"
    vague, level = depth(clue.cause) == 0, clue.confidence.level
    return vague, level, -len(one.folded), -len(one.covers), since, clue.about, clue.cause


def _by_object(clues: Sequence[Clue]) -> list[Ranked]:
    """One for each object and cause: of the same object the deeper takes the shallower in."""
    heads: list[Ranked] = []
    for clue in clues:
        for index, head in enumerate(heads):
            if _says_the_same(head.clue, clue):
                heads[index] = replace(head, folded=(*head.folded, clue))
                break
        else:
            heads.append(Ranked(clue))
    return heads


def _says_the_same(head: Clue, clue: Clue) -> bool:
    if head.about != clue.about:
        return False
    if head.cause == clue.cause:
        # Of two things that it calls each may have a cause of its own.
        apart = clue.cause is Cause.DEPENDENCY and not clue.hangs_on <= head.hangs_on
        return not (apart and head.hangs_on)
    deeper = depth(clue.cause) < ROOT and depth(clue.cause) <= depth(head.cause)
    # A consequence of something else than its own object's cause keeps its own place.
    return deeper and not (clue.hangs_on and depth(head.cause) == depth(clue.cause) == 1)


def _above(heads: Sequence[Ranked], one: Ranked) -> list[int]:
    """The causes that explain a clue."""
    clue = one.clue
    found = []
    for index, head in enumerate(heads):
        other = head.clue
        if other is clue or not _reaches(head, clue):
            continue
        if depth(other.cause) > 0 or depth(clue.cause) == 0:
            found.append(index)
    return found


def _reaches(head: Ranked, clue: Clue) -> bool:
    """Whether one cause's doing is what another clue hangs on, or what it is about."""
    if head.clue.about in clue.hangs_on or head.clue.explains & clue.hangs_on:
        return True
    if depth(clue.cause) == ROOT or depth(head.clue.cause) < ROOT:
        return False
    return clue.about in head.clue.explains and clue.about != head.clue.about


def _root(index: int, above: dict[int, list[int]], heads: Sequence[Ranked]) -> int:
    """The cause at the end of the chain; of a circle, the one that began first."""
    seen: list[int] = []
    while index in above and index not in seen:
        seen.append(index)
        index = min(above[index], key=lambda one: _chosen(heads[one].clue))
    if index not in seen:
        return index
    circle = seen[seen.index(index) :]
    return min(circle, key=lambda one: _begun(heads[one].clue))


def _chosen(clue: Clue) -> tuple[int, int, str, Ref]:
    since = clue.since.isoformat() if clue.since else "9"
    return -depth(clue.cause), clue.confidence.level, since, clue.about


def _begun(clue: Clue) -> tuple[int, str, Ref]:
    since: datetime | None = clue.since
    return -depth(clue.cause), since.isoformat() if since else "9", clue.about
