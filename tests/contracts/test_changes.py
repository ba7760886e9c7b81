"""What every change of every provider promises, run for each case of the table."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from bot.sandbox.cluster import Cluster, Rule
from bot.sandbox.cluster.rights import READ
from tests.contracts.stage import (
    HPA,
    IMAGE,
    PDB,
    Edit,
    deployment,
    made,
    owned,
    recreated,
    rolled,
    sent,
    verdict,
    workload,
    writes,
)
from tests.contracts.walks import NOT_WALKED, WALKS
from tools import (
    Catalog,
    ChangeCall,
    Drift,
    Identity,
    JsonObject,
    NoWayBack,
    Preview,
    Receipt,
    Refused,
    Risk,
    Stale,
    Unavailable,
    Verdict,
    Wish,
    known_tools,
)


@dataclass(frozen=True)
class Case:
    """A change on the seeded cluster, and every edit that must make its preview stale."""

    tool: str
    arguments: JsonObject
    name: str
    materials: Mapping[str, Edit] = field(default_factory=dict)
    kind: str = "Deployment"
    way_back: bool = True

    @property
    def path(self) -> str:
        return f"/{self.kind.lower()}s/{self.name}"

    @property
    def other(self) -> Edit:
        """What somebody else may write that matters to every change."""
        if self.kind == "DaemonSet":
            return writes(self.kind, self.name, IMAGE, "shop/agent:7")
        return writes(self.kind, self.name, "spec.replicas", 6)


CART = {"namespace": "shop", "name": "cart"}
CASES = {
    "scale": Case(
        "k8s_scale",
        {**CART, "replicas": 4},
        "cart",
        {
            **workload("cart"),
            "a new autoscaler": made("HorizontalPodAutoscaler", "autoscaling/v2", "cart", HPA),
            "a new budget": made("PodDisruptionBudget", "policy/v1", "cart-2", PDB),
        },
    ),
    "rollout undo": Case(
        "k8s_rollout_undo",
        CART,
        "cart",
        {
            **workload("cart"),
            "the budget": writes("PodDisruptionBudget", "cart", "spec.minAvailable", 2),
        },
    ),
    "rollout restart": Case(
        "k8s_rollout_restart",
        CART,
        "cart",
        {
            **rolled("cart"),
            "the budget": writes("PodDisruptionBudget", "cart", "spec.minAvailable", 2),
        },
        way_back=False,
    ),
    "set image": Case(
        "k8s_set_image", {**CART, "image": "shop/cart:1.4.9"}, "cart", rolled("cart")
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def call(case: Case, catalog: Catalog) -> ChangeCall:
    return catalog.change(case.tool, case.arguments)


def test_every_change_has_a_case(catalog: Catalog) -> None:
    offered = {tool.name for tool in catalog.tools.values() if tool.kind == "change"}
    tried = {one.tool for one in CASES.values()} | {one.tool for one in WALKS.values()}
    assert offered == tried | NOT_WALKED, "add it to WALKS"


async def test_previews_and_receipts_survive_json(call: ChangeCall) -> None:
    seen = await call.preview()
    assert Preview.model_validate_json(seen.model_dump_json()) == seen
    stored = json.loads(json.dumps(seen.model_dump(mode="json")))
    receipt = await call.apply(Preview.model_validate(stored))
    assert Receipt.model_validate_json(receipt.model_dump_json()) == receipt


async def test_what_was_applied_is_not_applied_again(call: ChangeCall, cluster: Cluster) -> None:
    seen = await call.preview()
    await call.apply(seen)
    with pytest.raises(Stale):
        await call.apply(seen)
    assert len(cluster.mutations) == 1
    await cluster.advance(60)
    with pytest.raises(Stale):
        await call.apply(seen)
    assert len(cluster.mutations) == 1


async def test_a_preview_changes_nothing_and_is_deterministic(
    call: ChangeCall, case: Case, cluster: Cluster
) -> None:
    before = cluster.store.version
    seen = await call.preview()
    assert cluster.mutations == []
    again = await call.preview()
    assert again.fingerprint == seen.fingerprint
    if cluster.store.version == before:  # no controller was at work either
        assert again == seen
    assert seen.summary
    assert seen.changes
    assert seen.diff
    assert bool(seen.way_back) is case.way_back
    assert {change.path.split(".")[0] for change in seen.changes} == {"spec"}


async def test_status_updates_leave_the_fingerprint(
    call: ChangeCall, case: Case, cluster: Cluster
) -> None:
    seen = await call.preview()
    cluster.touch_status(case.kind, "shop", case.name, 100)
    assert (await call.preview()).fingerprint == seen.fingerprint
    await call.apply(seen)
    assert len(cluster.mutations) == 1


async def test_what_it_writes_and_every_reason_is_in_the_fingerprint(
    call: ChangeCall, case: Case, cluster: Cluster
) -> None:
    for material, alter in case.materials.items():
        seen = await call.preview()
        alter(cluster)
        await cluster.advance(30)
        with pytest.raises(Stale) as stale:
            await call.apply(seen)
        assert sent(cluster) == 0, material
        assert str(stale.value).endswith("."), material
        assert (await call.preview()).fingerprint != seen.fingerprint, material


async def test_the_way_back_is_foreseen_exactly_and_what_others_wrote_since_is_told(
    call: ChangeCall, case: Case, catalog: Catalog, cluster: Cluster
) -> None:
    seen = await call.preview()
    foreseen = await call.foresee(seen)
    assert cluster.mutations == []
    if not case.way_back:
        assert isinstance(foreseen, NoWayBack)
        return
    assert known_tools()[case.tool].has_rollback
    assert isinstance(foreseen, Preview)
    wish = call.undo(seen)
    assert isinstance(wish, Wish)
    back = catalog.change(wish.tool, wish.arguments)
    receipt = await call.apply(seen)
    await cluster.advance(30)
    cluster.touch_status(case.kind, "shop", case.name, 3)
    now = await back.preview()
    assert foreseen.model_copy(update={"notes": now.notes}) == now
    assert await call.drift(seen, receipt) == Drift("as left")
    writes(case.kind, case.name, "spec.minReadySeconds", 3)(cluster)
    elsewhere = await call.drift(seen, receipt)
    assert elsewhere.outcome == "changed"
    assert "was written again" in elsewhere.reason
    assert elsewhere.differs == ()
    uncounted = Receipt(text=receipt.text)
    assert (await call.drift(seen, uncounted)).outcome == "cannot tell"
    await back.apply(foreseen)
    before = {change.path: change.before for change in seen.changes}
    assert {change.path: change.after for change in foreseen.changes} == before
    taken_back = await call.drift(seen, receipt)
    assert re.search(r"(replicas|image) was changed to \S+ by \S+ at \S+ UTC", taken_back.reason)
    recreated(case.name, case.kind)(cluster)
    assert "made anew" in (await call.drift(seen, receipt)).reason
    cluster.delete(case.kind, "shop", case.name)
    assert "was deleted" in (await call.drift(seen, receipt)).reason


@pytest.mark.parametrize(
    ("edited", "why"),
    [
        (writes("Deployment", "cart", "spec.paused", True), "is paused"),
        (writes("Deployment", "cart", "spec.revisionHistoryLimit", 0), "no earlier revision"),
    ],
    ids=["paused", "no history"],
)
async def test_what_forbids_a_rollback(
    edited: Edit, why: str, catalog: Catalog, cluster: Cluster
) -> None:
    call = catalog.change("k8s_rollout_undo", CART)
    seen = await call.preview()
    edited(cluster)
    await cluster.advance(30)
    with pytest.raises(Refused, match=why):
        await call.preview()
    with pytest.raises(Stale, match=why):
        await call.apply(seen)
    assert sent(cluster) == 0


@pytest.mark.parametrize(
    ("tool", "more"),
    [("k8s_rollout_restart", {}), ("k8s_set_image", {"image": "shop/cart:1.5.0"})],
)
async def test_a_paused_rollout_is_left_alone(
    tool: str, more: JsonObject, catalog: Catalog, cluster: Cluster
) -> None:
    call = catalog.change(tool, {**CART, **more})
    seen = await call.preview()
    writes("Deployment", "cart", "spec.paused", True)(cluster)
    with pytest.raises(Refused, match="is paused: resume its rollout first"):
        await call.preview()
    with pytest.raises(Stale, match="is paused"):
        await call.apply(seen)
    assert sent(cluster) == 0


@pytest.mark.parametrize(
    ("edited", "words"),
    [
        (writes("Deployment", "cart", "spec.replicas", 3), "replicas are 3, not 2"),
        (writes("Deployment", "cart", IMAGE, "shop/cart:1.4.3"), "its pod template changed"),
        (owned("cart"), "its owner is configmap/settings, not none"),
    ],
    ids=["replicas", "template", "owner"],
)
async def test_stale_says_what_changed(
    edited: Edit, words: str, catalog: Catalog, cluster: Cluster
) -> None:
    call = catalog.change("k8s_scale", {**CART, "replicas": 4})
    seen = await call.preview()
    edited(cluster)
    with pytest.raises(Stale) as stale:
        await call.apply(seen)
    assert str(stale.value) == f"deployment/cart is not as it was previewed: {words}."


async def test_a_conflict_is_tried_again_three_times(
    call: ChangeCall, case: Case, cluster: Cluster
) -> None:
    seen = await call.preview()
    cluster.fail("patch", case.path, 409, times=2)
    await call.apply(seen)
    assert (sent(cluster), len(cluster.mutations)) == (3, 1)


async def test_four_conflicts_are_stale(call: ChangeCall, case: Case, cluster: Cluster) -> None:
    seen = await call.preview()
    cluster.fail("patch", case.path, 409, times=4)
    with pytest.raises(Stale):
        await call.apply(seen)
    assert (sent(cluster), cluster.mutations) == (4, [])


async def between(call: ChangeCall, case: Case, cluster: Cluster, edited: Edit) -> Receipt:
    """Apply, while somebody else writes after our read and before our write."""
    seen = await call.preview()
    cluster.delay("patch", case.path, 0.2, times=1)
    applying = asyncio.ensure_future(call.apply(seen))
    while not sent(cluster):  # noqa: ASYNC110 - the stand-in tells nobody of a request
        await asyncio.sleep(0.01)
    edited(cluster)
    return await applying


async def test_a_harmless_write_in_between_is_a_second_try(
    call: ChangeCall, case: Case, cluster: Cluster
) -> None:
    await between(call, case, cluster, writes(case.kind, case.name, "metadata.labels.a", "b"))
    assert (sent(cluster), len(cluster.mutations)) == (2, 1)


async def test_a_write_in_between_that_matters_is_stale(
    call: ChangeCall, case: Case, cluster: Cluster
) -> None:
    with pytest.raises(Stale):
        await between(call, case, cluster, case.other)
    assert (sent(cluster), cluster.mutations) == (1, [])


async def lost(call: ChangeCall, case: Case, cluster: Cluster, statuses: tuple[int, int]) -> None:
    """Lose the answer once before the write was made, once after it."""
    seen = await call.preview()
    for after, status in zip((False, True), statuses, strict=True):
        cluster.fail("patch", case.path, status, after_processing=after)
        with pytest.raises(Unavailable) as away:
            await call.apply(seen)
        assert not away.value.nothing_sent
        assert (sent(cluster), len(cluster.mutations)) == (1 + after, int(after))
        found = await verdict(cluster, call, seen, None)
        assert found.outcome == ("holds" if after else "did not happen"), found.reason


async def test_a_lost_answer_is_unknown_and_never_repeated(
    call: ChangeCall, case: Case, cluster: Cluster
) -> None:
    await lost(call, case, cluster, (0, 500))


async def test_a_server_error_before_and_a_cut_after(catalog: Catalog, cluster: Cluster) -> None:
    case = CASES["scale"]
    await lost(catalog.change(case.tool, case.arguments), case, cluster, (500, 0))


async def test_a_slow_answer_is_unknown(catalog: Catalog, cluster: Cluster) -> None:
    call = catalog.change("k8s_scale", {**CART, "replicas": 4})
    seen = await call.preview()
    cluster.delay("patch", "/deployments/cart", 3, times=1)
    with pytest.raises(Unavailable, match="did not answer within 2 s") as lost:
        await call.apply(seen)
    assert not lost.value.nothing_sent


async def test_a_cluster_that_is_away_was_sent_nothing(call: ChangeCall, cluster: Cluster) -> None:
    seen = await call.preview()
    await cluster.down()
    with pytest.raises(Unavailable) as away:
        await call.apply(seen)
    assert away.value.nothing_sent
    assert str(away.value) == "Cluster demo is away: it refuses connections."


async def test_undo_leads_back(case: Case, catalog: Catalog, cluster: Cluster) -> None:
    before = cluster.get(case.kind, "shop", case.name)
    call = catalog.change(case.tool, case.arguments)
    seen = await call.preview()
    receipt = await call.apply(seen)
    assert (await verdict(cluster, call, seen, receipt)).outcome == "holds"
    wish = call.undo(seen)
    if not case.way_back:
        assert isinstance(wish, NoWayBack)
        assert "cannot be taken back" in wish.reason
        return
    assert isinstance(wish, Wish)
    back = catalog.change(wish.tool, wish.arguments)
    await back.apply(await back.preview())
    after = cluster.get(case.kind, "shop", case.name)
    assert before is not None
    assert after is not None
    assert after["spec"] == before["spec"]


async def test_it_is_refused_without_what_it_needs_and_needs_nothing_else_to_write(
    case: Case, catalog: Catalog, cluster: Cluster
) -> None:
    cluster.allow("eve@corp", Rule(READ))
    call = catalog.change(case.tool, case.arguments, acting=Identity("eve@corp"))
    needs = await call.lacking()
    assert needs
    with pytest.raises(Refused, match="cannot patch resource"):
        await call.preview()
    whats = [f"{one.resource}/{one.sub}" if one.sub else one.resource for one in needs]
    rights = [Rule((one.verb,), (what,)) for one, what in zip(needs, whats, strict=True)]
    cluster.allow("eve@corp", Rule(READ), *rights)
    assert await call.lacking() == ()
    await call.apply(await call.preview())
    assert [one.user for one in cluster.mutations] == ["eve@corp"]


HOSTILE = [
    "--server=http://evil",
    "-n",
    "../../secrets/x",
    "/api/v1/secrets",
    "http://169.254.169.254/",
    "web?dryRun=All",
    "web/scale",
    "web%2Fscale",
    "web\nname: x",
    "web\u202e",
    "web\u200b",
    "wéb",
    "",
    "x" * 300,
    "web; rm -rf /",
    "\ud800",
]


@pytest.mark.parametrize("argument", ["namespace", "name"])
def test_flags_paths_and_urls_are_no_arguments(
    case: Case, catalog: Catalog, cluster: Cluster, argument: str
) -> None:
    for value in HOSTILE:
        with pytest.raises(Refused, match=f"`{argument}`") as refused:
            catalog.change(case.tool, {**case.arguments, argument: value})
        assert str(refused.value).replace("…", "").isascii(), value
        assert "\n" not in str(refused.value), value
    assert cluster.requests == []


async def test_scaling_to_nothing_what_has_traffic_is_dangerous(catalog: Catalog) -> None:
    seen = await catalog.change("k8s_scale", {**CART, "replicas": 0}).preview()
    assert seen.risk is Risk.DANGER
    assert "Service cart sends it traffic: with 0 replicas nothing answers." in seen.warnings
    seen = await catalog.change("k8s_scale", {**CART, "replicas": 1}).preview()
    assert seen.risk is None


@pytest.mark.parametrize(
    ("to_revision", "why"),
    [
        (2, "already runs revision 2"),
        (7, "does not keep revision 7; kept besides the live one: 1"),
    ],
)
async def test_a_named_revision_that_cannot_be(
    to_revision: int, why: str, catalog: Catalog
) -> None:
    call = catalog.change("k8s_rollout_undo", {**CART, "to_revision": to_revision})
    with pytest.raises(Refused, match=why):
        await call.preview()


async def test_a_rollback_skips_revisions_with_the_same_template(
    catalog: Catalog, cluster: Cluster
) -> None:
    """After one rollback revision 1 is 3; going back again is to 2, the template of before."""
    call = catalog.change("k8s_rollout_undo", {**CART, "kind": "deploy"})
    first = await call.preview()
    assert (first.before["revision"], first.before["to_revision"]) == (2, 1)
    await call.apply(first)
    await cluster.advance(30)
    second = await call.preview()
    assert (second.before["revision"], second.before["to_revision"]) == (3, 2)
    assert second.way_back == "roll forward to revision 3"


async def test_a_rollback_notes_the_cause_of_what_it_goes_back_to(
    catalog: Catalog, cluster: Cluster
) -> None:
    """As kubectl does; the card shows it, and its Undo notes the other one again."""
    path = 'metadata.annotations."kubernetes.io/change-cause"'

    def release(number: int, cause: str) -> None:
        cart = cluster.get("Deployment", "shop", "cart")
        assert cart is not None
        cart["metadata"]["annotations"] |= {"kubernetes.io/change-cause": cause}
        cart["spec"]["template"]["spec"]["containers"][0]["image"] = f"shop/cart:1.5.{number}"
        cluster.apply(cart)

    async def caused(call: ChangeCall) -> tuple[object, object]:
        seen = await call.preview()
        foreseen = await call.foresee(seen)
        assert isinstance(foreseen, Preview)
        await call.apply(seen)
        await cluster.advance(30)
        now = await call.preview()  # the way back, as going back again leads there
        assert foreseen.fingerprint == now.fingerprint
        assert foreseen.changes == now.changes
        found = next(one for one in seen.changes if one.path == path)
        return found.before, found.after

    release(1, "a cheaper cart")
    await cluster.advance(30)
    call = catalog.change("k8s_rollout_undo", CART)
    assert await caused(call) == ("a cheaper cart", None)
    assert await caused(call) == (None, "a cheaper cart")
    release(2, "a faster cart")
    await cluster.advance(30)
    assert await caused(call) == ("a faster cart", "a cheaper cart")
    cart = cluster.get("Deployment", "shop", "cart")
    assert cart is not None
    assert cart["metadata"]["annotations"]["kubernetes.io/change-cause"] == "a cheaper cart"


async def test_scaling_to_what_it_already_has(catalog: Catalog) -> None:
    with pytest.raises(Refused, match=r"^deployment/cart in shop already has 2 replicas\.$"):
        await catalog.change("k8s_scale", {**CART, "replicas": 2}).preview()


async def test_the_other_kinds_scale_too(catalog: Catalog, cluster: Cluster) -> None:
    made("ReplicaSet", "apps/v1", "db", deployment("db", "shop/db:1", 1))(cluster)
    await cluster.advance(10)
    arguments: JsonObject = {"namespace": "shop", "kind": "rs", "name": "db", "replicas": 3}
    call = catalog.change("k8s_scale", arguments)
    assert call.target == "demo/shop/replicaset/db"
    seen = await call.preview()
    found = await verdict(cluster, call, seen, await call.apply(seen))
    assert found == Verdict("holds", "3 of 3 pods ready, no restarts for 0.1 s.")
