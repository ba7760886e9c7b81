"""What every change promises, walked through in one test for each: cheaper than one for each
promise. A change of `test_changes.py` needs no walk.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.sandbox.cluster import Cluster, Rule
from bot.sandbox.cluster.rights import READ
from tests.contracts.stage import Edit, verdict
from tests.contracts.walks import WALKS, Walk
from tools import (
    Access,
    Catalog,
    ChangeCall,
    Identity,
    NoWayBack,
    Preview,
    Receipt,
    Refused,
    Stale,
    Unavailable,
    Wish,
)
from tools.kubernetes.rights import NEEDS


@pytest.mark.parametrize("name", WALKS)
async def test_a_change_keeps_every_promise(name: str, catalog: Catalog, cluster: Cluster) -> None:
    walk = WALKS[name]
    for alter in walk.setup:
        alter(cluster)
    await cluster.advance(60)
    call = catalog.change(walk.tool, walk.arguments)
    await _a_preview_changes_nothing(call, walk, cluster)
    for material, alter in walk.materials.items():
        await _is_stale_after(call, alter, cluster, material)
    await _meets_conflicts(call, walk, cluster)
    await _is_unknown_and_never_repeated(call, walk, cluster)
    call = await _by_one_who_may_no_more(walk, catalog, cluster)
    await _is_done_once_and_taken_back(call, walk, catalog, cluster)
    assert [one.path for one in cluster.requests if one.status == 403] == []


def sent(cluster: Cluster) -> int:
    """How many real writes left for the cluster, whatever became of them."""
    return sum(request.mutates for request in cluster.requests)


async def _a_preview_changes_nothing(call: ChangeCall, walk: Walk, cluster: Cluster) -> None:
    seen = await call.preview()
    assert sent(cluster) == 0
    again = await call.preview()
    assert again.model_copy(update={"notes": seen.notes}) == seen
    assert Preview.model_validate_json(seen.model_dump_json()) == seen
    assert seen.summary
    assert seen.changes
    assert bool(seen.way_back) is walk.way_back
    if cluster.get(walk.kind, walk.namespace, walk.name):
        cluster.touch_status(walk.kind, walk.namespace, walk.name, 9)
    assert (await call.preview()).fingerprint == seen.fingerprint


async def _is_stale_after(call: ChangeCall, alter: Edit, cluster: Cluster, material: str) -> None:
    seen = await call.preview()
    alter(cluster)
    await cluster.advance(30)
    with pytest.raises(Stale) as stale:
        await call.apply(seen)
    assert sent(cluster) == 0, material
    assert str(stale.value).endswith("."), material
    assert (await call.preview()).fingerprint != seen.fingerprint, material


async def _meets_conflicts(call: ChangeCall, walk: Walk, cluster: Cluster) -> None:
    seen, before = await call.preview(), sent(cluster)
    cluster.fail(walk.verb, walk.place, 409, times=walk.conflicts, spares_dry_runs=True)
    with pytest.raises((Stale, Refused)):
        await call.apply(seen)
    assert sent(cluster) == before + walk.conflicts
    assert cluster.mutations == []


async def _is_unknown_and_never_repeated(call: ChangeCall, walk: Walk, cluster: Cluster) -> None:
    seen, before = await call.preview(), sent(cluster)
    cluster.fail(walk.verb, walk.place, 500, spares_dry_runs=True)
    with pytest.raises(Unavailable) as away:
        await call.apply(seen)
    assert not away.value.nothing_sent
    assert sent(cluster) == before + 1
    found = await verdict(cluster, call, seen, None)
    assert found.outcome == "did not happen", found.reason


async def _by_one_who_may_no_more(walk: Walk, catalog: Catalog, cluster: Cluster) -> ChangeCall:
    """It as somebody who may look at everything and do what it says that it needs."""
    cluster.allow("eve@corp", Rule(READ))
    call = catalog.change(walk.tool, walk.arguments, acting=Identity("eve@corp"))
    needs = await call.lacking()
    assert needs
    assert {one.verb for one in needs}.isdisjoint(READ)
    table = {replace(need, namespace="", name="") for need in NEEDS[walk.tool]}
    assert {replace(need, namespace="", name="") for need in needs} <= table
    rights = (*(right for right in table if right.verb in READ), *needs)
    cluster.allow("eve@corp", *(_rule(right) for right in rights))
    assert await call.lacking() == ()
    return call


def _rule(right: Access) -> Rule:
    what = f"{right.resource}/{right.sub}" if right.sub else right.resource
    return Rule((right.verb,), (what,))


async def _is_done_once_and_taken_back(
    call: ChangeCall, walk: Walk, catalog: Catalog, cluster: Cluster
) -> None:
    before = cluster.get(walk.kind, walk.namespace, walk.name)
    seen = await call.preview()
    foreseen = await call.foresee(seen)
    assert isinstance(foreseen, Preview) is (walk.way_back and walk.foreseen)
    receipt = await call.apply(Preview.model_validate(json.loads(seen.model_dump_json())))
    assert Receipt.model_validate_json(receipt.model_dump_json()) == receipt
    done = len(cluster.mutations)
    with pytest.raises(Stale):
        await call.apply(seen)
    assert len(cluster.mutations) == done
    for known in (receipt, None):
        found = await verdict(cluster, call, seen, known)
        assert found.outcome == "holds", found.reason
    assert (await call.drift(seen, receipt)).differs == ()
    wish = call.undo(seen)
    assert isinstance(wish, Wish) is walk.way_back
    if not isinstance(wish, Wish):
        assert isinstance(wish, NoWayBack)
        assert wish.reason.endswith(".")
        return
    back = catalog.change(wish.tool, wish.arguments)
    now = await back.preview()
    if isinstance(foreseen, Preview):
        assert foreseen.model_copy(update={"notes": now.notes}) == now
    back_receipt = await back.apply(now)
    found = await verdict(cluster, back, now, back_receipt)
    assert found.outcome == "holds", found.reason
    after = cluster.get(walk.kind, walk.namespace, walk.name)
    assert _kept(after) == _kept(before)


def _kept(thing: dict[str, Any] | None) -> Any:
    """What people write of an object."""
    if thing is None:
        return None
    meta = {key: thing["metadata"].get(key) or {} for key in ("labels", "annotations")}
    meta["annotations"] = {
        key: value
        for key, value in meta["annotations"].items()
        if not key.startswith("deployment.kubernetes.io/")
    }
    return {**{k: v for k, v in thing.items() if k not in ("metadata", "status")}, **meta}
