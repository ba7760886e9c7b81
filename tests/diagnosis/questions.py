"""What is asked about a state, and what should be found by who asks so."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import JsonValue

from tests.diagnosis.blame import Blame
from tests.diagnosis.decoys import DECOYS
from tests.diagnosis.faults import FAULTS
from tests.diagnosis.kinds import BY_KIND
from tests.diagnosis.states import State

Arguments = dict[str, JsonValue]
_ELSEWHERE = "many events about another namespace"  # whose trouble is real to who asks about all
assert _ELSEWHERE in DECOYS


@dataclass(frozen=True)
class Asked:
    """The tool's arguments, and the root causes that are in reach of them."""

    arguments: Arguments
    blames: list[Blame]


Question = Callable[[State], Asked | None]


def about_namespace(state: State) -> Asked:
    """Its namespace."""
    return Asked({"namespace": state.world.namespace}, state.blames)


def about_all(state: State) -> Asked | None:
    """The whole cluster."""
    if _ELSEWHERE in state.recipe.decoys:
        return None
    return Asked({"all_namespaces": True}, state.blames)


def about_culprit(state: State) -> Asked | None:
    """The workload, or the node, that is to be mended."""
    if len(state.blames) != 1:
        return None
    world = state.world
    kinds = {kind.lower(): kind for kind in BY_KIND}
    for named in state.blames[0].objects:
        kind, _, name = named.partition("/")
        place = "" if kind == "node" else world.namespace
        there = (place, name) in world.objects.get(kinds.get(kind, ""), {})
        if there and kind in ("deployment", "statefulset", "job", "cronjob", "node"):
            arguments: Arguments = {"kind": kind, "name": name}
            return Asked(arguments | ({"namespace": place} if place else {}), state.blames)
    return None


def about_bystander(state: State) -> Asked | None:
    """A workload that nothing happened to, beside one that is broken."""
    shop, faults = state.shop, state.recipe.faults
    special = {shop.web, shop.api, shop.database}
    free = sorted(set(shop.apps) - shop.taken - special)
    if not faults or any(FAULTS[name].alone for name in faults) or not free:
        return None
    name = state.world.random.choice(free)
    kind = shop.apps[name].workload["kind"].lower()
    return Asked({"kind": kind, "name": name, "namespace": state.world.namespace}, [])
