"""All that a change writes stands on its card, and no secret comes there by another name."""

import json

import pytest
from pydantic import JsonValue

from bot.guard.masking import mask_preview
from bot.sandbox.cluster import Cluster
from bot.sandbox.cluster.kinds import of_kind
from tests.contracts.stage import verdict, writes
from tools import Catalog, ChangeCall, NoWayBack, Preview, Refused, Stale, Wish

_CART = {"namespace": "shop", "kind": "deployment", "name": "cart"}
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_POD = "spec.template.spec"


def patching(
    catalog: Catalog, patch: JsonValue, way: str = "json", place: dict[str, str] = _CART
) -> ChangeCall:
    arguments = {**place, "type": way, "patch": json.dumps(patch)}
    return catalog.change("k8s_patch", {**arguments})


def shown(preview: Preview) -> str:
    masked, _ = mask_preview(preview)
    return masked.model_dump_json()


async def test_what_controllers_write_is_told_when_a_change_writes_it(
    catalog: Catalog, cluster: Cluster
) -> None:
    old = {_LAST_APPLIED: "{}"}
    writes("Deployment", "cart", "metadata.annotations", old)(cluster)
    await cluster.advance(5)
    annotations = {"note": "a", "deployment.kubernetes.io/revision": "9", _LAST_APPLIED: "[]"}
    call = patching(catalog, {"metadata": {"annotations": {**annotations}}}, "merge")
    seen = await call.preview()
    assert len(seen.changes) == 3
    assert f"+    {_LAST_APPLIED}: '[]'" in seen.diff
    call = patching(catalog, {"metadata": {"annotations": {"note": "a"}}}, "merge")
    seen = await call.preview()
    assert [change.path for change in seen.changes] == ["metadata.annotations.note"]
    await call.apply(seen)
    wish = call.undo(seen)
    assert isinstance(wish, Wish)
    back = catalog.change(wish.tool, wish.arguments)
    await back.apply(await back.preview())
    left = cluster.get("Deployment", "shop", "cart")
    assert left is not None
    assert left["metadata"]["annotations"][_LAST_APPLIED] == "{}"  # not the whole map is gone
    assert "note" not in left["metadata"]["annotations"]
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "rates", "annotations": {_LAST_APPLIED: "{}"}},
        "data": {"eur": "1"},
    }
    applied = catalog.change("k8s_apply", {"namespace": "shop", "manifest": json.dumps(manifest)})
    assert [one.path for one in (await applied.preview()).changes] == ["data.eur"]


async def test_a_list_in_another_order_is_told(catalog: Catalog, cluster: Cluster) -> None:
    first = [{"name": name, "image": "shop/cart:1.4.1"} for name in ("fetch", "check")]
    writes("Deployment", "cart", f"{_POD}.initContainers", first)(cluster)
    found = cluster.get("Deployment", "shop", "cart")
    assert found is not None
    turned = [*reversed(found["spec"]["template"]["spec"]["initContainers"])]
    path = "/spec/template/spec/initContainers"
    seen = await patching(catalog, [{"op": "replace", "path": path, "value": turned}]).preview()
    assert [change.path for change in seen.changes] == [f"{_POD}.initContainers"]


@pytest.mark.parametrize("secret", ["hunter2-of-prod", "monkey"])
async def test_a_secret_is_not_shown_by_another_name(
    secret: str, catalog: Catalog, cluster: Cluster
) -> None:
    env = [{"name": "DB_PASSWORD", "value": secret}, {"name": "LEVEL", "value": "info"}]
    writes("Deployment", "cart", f"{_POD}.containers.0.env", env)(cluster)
    place = "/spec/template/spec/containers/0/env"
    for operation in ("copy", "move", "test"):
        one = {"op": operation, "from": f"{place}/0/value", "path": "/metadata/labels/x"}
        with pytest.raises(Refused, match="must only add, replace or remove"):
            await patching(catalog, [{**one}]).preview()
    renamed = await patching(
        catalog, [{"op": "replace", "path": f"{place}/0/name", "value": "OTHER"}]
    ).preview()
    assert secret in renamed.model_dump_json()
    assert secret not in shown(renamed)
    assert "OTHER" in shown(renamed)
    meta: dict[str, JsonValue] = {"name": "rates", "namespace": "shop"}
    data: dict[str, JsonValue] = {"password": secret}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    changed = await patching(
        catalog,
        [{"op": "replace", "path": "/data/password", "value": "x"}],
        place={"namespace": "shop", "kind": "configmap", "name": "rates"},
    ).preview()
    assert secret not in shown(changed)


async def test_a_way_back_that_no_change_could_take_is_not_promised(
    catalog: Catalog, cluster: Cluster
) -> None:
    meta: dict[str, JsonValue] = {"name": "rates", "namespace": "shop"}
    for length, told in ((70_000, ""), (10, "apply what was there")):
        data: dict[str, JsonValue] = {"text": "x" * length}
        cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
        arguments = {"namespace": "shop", "kind": "configmap", "name": "rates"}
        call = catalog.change("k8s_delete", {**arguments})
        seen = await call.preview()
        assert seen.way_back == told
        assert isinstance(call.undo(seen), Wish if told else NoWayBack)
        assert bool(told) is not any("longer than one change may write" in n for n in seen.notes)
    writes("Service", "cart", "metadata.annotations", {"note": "x" * 5000})(cluster)
    arguments = {**_CART, "kind": "service"}
    call = catalog.change("k8s_annotate", {**arguments, "annotations": ["note=short"]})
    assert (await call.preview()).way_back == ""


async def test_what_a_card_shows_or_warns_of_is_in_the_fingerprint_and_pods_are_not(
    catalog: Catalog, cluster: Cluster
) -> None:
    call = patching(catalog, {"spec": {"template": {"spec": {"dnsPolicy": "Default"}}}}, "merge")
    seen = await call.preview()
    writes("Deployment", "cart", "spec.strategy", {"type": "Recreate"})(cluster)
    with pytest.raises(Stale, match="what is to be known of it before changed"):
        await call.apply(seen)
    gone = catalog.change("k8s_delete", {**_CART, "kind": "service"})
    seen = await gone.preview()
    assert "2 pods are behind it" in seen.notes
    writes("Deployment", "cart", "spec.replicas", 3)(cluster)
    await cluster.advance(30)
    assert (await gone.preview()).fingerprint == seen.fingerprint
    writes("Service", "cart", "spec.ports.0.port", 8080)(cluster)  # its way back would be another
    with pytest.raises(Stale):
        await gone.apply(seen)
    assert cluster.mutations == []


async def test_no_hash_that_is_kept_tells_a_short_value_of_a_secret(
    catalog: Catalog, cluster: Cluster
) -> None:
    """Whoever reads the rows would try all numbers of four digits."""
    place = {"namespace": "shop", "kind": "secret", "name": "till"}
    meta: dict[str, JsonValue] = {"name": "till", "namespace": "shop"}
    head: dict[str, JsonValue] = {"apiVersion": "v1", "kind": "Secret", "metadata": meta}
    cluster.apply({**head, "data": {"pin": "NDcxMQ=="}})
    manifest = json.dumps({**head, "data": {"pin": "eA=="}})
    calls = [
        patching(catalog, [{"op": "remove", "path": "/data/pin"}], place=place),
        patching(catalog, {"data": {"pin": None}}, "merge", place),
        catalog.change("k8s_apply", {"namespace": "shop", "manifest": manifest, "force": True}),
        catalog.change("k8s_delete", {**place}),
    ]
    stored = cluster.store.get(of_kind("Secret"), "shop", "till")
    assert stored is not None
    kept = []
    for pin in ("NDcxMQ==", "MDgxNQ=="):
        stored["data"]["pin"] = pin  # nothing else is another one, not even its version
        seen = [await call.preview() for call in calls]
        kept.append([(one.fingerprint, one.before) for one in seen])
    assert kept[0] == kept[1]

    # another version of it is something else, and what was written is recognised
    call = calls[0]
    await call.apply(await call.preview())
    assert (await verdict(cluster, call, seen[0], None)).outcome == "holds"
    cluster.apply({**head, "data": {"pin": "NDcxMQ=="}})
    with pytest.raises(Stale):
        await call.apply(seen[0])
