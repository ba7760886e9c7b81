"""States by number: what is in each, and what a diagnosis should say about it."""

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from tests.diagnosis.blame import Blame, Fault
from tests.diagnosis.decoys import DECOYS, NoRoom
from tests.diagnosis.faults import FAULTS
from tests.diagnosis.fifth import FIFTH, FIFTH_DECOYS
from tests.diagnosis.fresh import FRESH, FRESH_DECOYS
from tests.diagnosis.shop import Shop, shop
from tests.diagnosis.unseen import UNSEEN, UNSEEN_DECOYS
from tests.diagnosis.workloads import settle
from tests.diagnosis.world import World

_ALL = FAULTS | FRESH | UNSEEN | FIFTH
_HARMLESS = DECOYS | FRESH_DECOYS | UNSEEN_DECOYS | FIFTH_DECOYS
PLACES = ("default", "team-7", "payments-prd", "x", "pr-1834-preview", "data-platform", "eu-1")
HEALTHY = 70  # states of each set without a fault
PAIRS = 20  # with two


@dataclass(frozen=True)
class Recipe:
    """What a state is made of; its number is its seed."""

    seed: int
    held: bool
    size: str
    faults: tuple[str, ...] = ()
    decoys: tuple[str, ...] = ()
    place: str = ""  # a namespace of its own, and applications of other names

    @property
    def beyond_view(self) -> bool:
        """Whether somebody with the role `view` cannot see what is wrong."""
        return any(_ALL[name].beyond_view for name in self.faults)

    def __str__(self) -> str:
        parts = " + ".join(self.faults) or "healthy"
        more = f", with {'; '.join(self.decoys)}" if self.decoys else ""
        return f"{self.seed} ({self.size}): {parts}{more}"


@dataclass
class State:
    """A recipe made."""

    recipe: Recipe
    shop: Shop
    blames: list[Blame]

    @property
    def world(self) -> World:
        return self.shop.world


def recipes(*, held: bool) -> list[Recipe]:
    """All states of a set: every fault twice, two at once, and none; the same at each call."""
    return list(_recipes(held))


def _recipes(held: bool) -> Iterator[Recipe]:
    seeds = iter(range(5000 if held else 1000, 10_000))
    chance = random.Random(f"recipes-{held}")
    kinds = sorted(DECOYS)
    for _ in range(2):
        for name in FAULTS:
            size = chance.choice(("small", "medium", "medium", "large"))
            count = chance.randrange(0, 2) if size == "small" else chance.randrange(0, 5)
            yield Recipe(next(seeds), held, size, (name,), tuple(chance.sample(kinds, count)))
    single = [name for name, one in FAULTS.items() if not one.alone]
    for _ in range(PAIRS):
        both = tuple(chance.sample(single, 2))
        decoys = tuple(chance.sample(kinds, chance.randrange(0, 4)))
        yield Recipe(next(seeds), held, "large", both, decoys)
    for number in range(HEALTHY):
        size = ("small", "medium", "medium", "large", "large")[number % 5]
        count = number % 3 if size == "small" else number % 7
        decoys = tuple(chance.sample(kinds, min(count, 1 if size == "small" else 6)))
        # Each decoy is alone in some state.
        decoys = decoys if number >= len(kinds) else (kinds[number],)
        yield Recipe(next(seeds), held, size, (), decoys)
    yield Recipe(next(seeds), held, "huge", (), ())
    yield Recipe(next(seeds), held, "huge", (), tuple(kinds[:8]))
    yield Recipe(next(seeds), held, "huge", ("new version panics",), tuple(kinds[8:14]))


def fresh() -> list[Recipe]:
    """The third set: each of its states once, its names taken from the other two in turn."""
    ways: list[tuple[tuple[str, ...], tuple[str, ...]]] = [((name,), ()) for name in FRESH]
    ways += [((), (name,)) for name in FRESH_DECOYS]
    return [
        Recipe(9000 + number, bool(number % 2), ("medium", "large")[number % 3 == 0], *way)
        for number, way in enumerate(ways)
    ]


def unseen() -> list[Recipe]:
    """The fourth set: each of its faults once, beside each other one a decoy; each decoy alone."""
    kinds = sorted(UNSEEN_DECOYS)
    ways: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
        ((name,), (kinds[number % len(kinds)],) if number % 2 and not one.alone else ())
        for number, (name, one) in enumerate(UNSEEN.items())
    ]
    ways += [((), (name,)) for name in UNSEEN_DECOYS]
    return [
        Recipe(9500 + number, bool(number % 2), ("medium", "large")[number % 3 == 0], *way)
        for number, way in enumerate(ways)
    ]


def fifth() -> list[Recipe]:
    """The fifth set: as the fourth, of other names and in namespaces of all kinds."""
    kinds = sorted(FIFTH_DECOYS)
    ways: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
        ((name,), (kinds[number % len(kinds)],) if number % 2 and not one.alone else ())
        for number, (name, one) in enumerate(FIFTH.items())
    ]
    ways += [((), (name,)) for name in FIFTH_DECOYS]
    sizes = ("medium", "large", "medium")
    return [
        Recipe(20_000 + number, bool(number % 2), sizes[number % 3], *way, place=PLACES[number % 7])
        for number, way in enumerate(ways)
    ]


def make(recipe: Recipe, now: datetime) -> State:
    """The world of a recipe."""
    world = World(recipe.seed, now, held=recipe.held, place=recipe.place)
    made = shop(world, recipe.size)
    state = State(recipe, made, [_ALL[name].make(made) for name in recipe.faults])
    for name in recipe.decoys:
        with suppress(NoRoom):
            _HARMLESS[name](made)
    settle(world, [*made.apps.values(), *made.system.values()])
    for one in made.after:
        one()
    return state


def find(seed: int) -> Recipe:
    """The recipe of a number. Raises `KeyError`."""
    every = [*recipes(held=False), *recipes(held=True), *fresh(), *unseen(), *fifth()]
    by_seed = {one.seed: one for one in every}
    return by_seed[seed]


def faults() -> Sequence[Fault]:
    """All kinds of faults."""
    return list(FAULTS.values())
