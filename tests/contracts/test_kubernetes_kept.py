"""Workloads that keep their old pods, OnDelete or paused: how changes of their number end."""

import json

import pytest
from pydantic import JsonValue

from bot.sandbox.cluster import Cluster
from tests.contracts.stage import IMAGE, verdict, writes
from tools import Catalog, JsonObject, Lines, Stale, Verdict

_DB: JsonObject = {"namespace": "shop", "kind": "statefulset", "name": "db"}
_CART: JsonObject = {"namespace": "shop", "kind": "deployment", "name": "cart"}


async def ends(catalog: Catalog, cluster: Cluster, tool: str, arguments: JsonObject) -> Verdict:
    """Done, and followed to its verdict."""
    call = catalog.change(tool, arguments)
    seen = await call.preview()
    return await verdict(cluster, call, seen, await call.apply(seen))


async def test_new_pods_that_do_not_come_are_not_said_to_hold(
    catalog: Catalog, cluster: Cluster
) -> None:
    writes("StatefulSet", "db", "spec.updateStrategy", {"type": "OnDelete"})(cluster)
    writes("StatefulSet", "db", IMAGE, "shop/nowhere:broken")(cluster)
    await cluster.advance(20)
    told = await ends(catalog, cluster, "k8s_scale", {**_DB, "replicas": 3})
    assert told == Verdict("failed", "db-2 image shop/nowhere:broken cannot be pulled.")
    patch = json.dumps({"spec": {"replicas": 4}})
    told = await ends(catalog, cluster, "k8s_patch", {**_DB, "patch": patch})
    assert told.outcome == "failed"
    told = await ends(catalog, cluster, "k8s_restart_pod", {"namespace": "shop", "name": "db-0"})
    assert told == Verdict("failed", "db-0 image shop/nowhere:broken cannot be pulled.")


async def test_a_paused_deployment_is_scaled_with_its_old_pods(
    catalog: Catalog, cluster: Cluster
) -> None:
    writes("Deployment", "cart", "spec.paused", True)(cluster)
    writes("Deployment", "cart", IMAGE, "shop/cart:1.4.3")(cluster)
    await cluster.advance(20)
    told = await ends(catalog, cluster, "k8s_scale", {**_CART, "replicas": 3})
    assert told == Verdict("holds", "3 of 3 pods ready, no restarts for 0.1 s.")
    patch = json.dumps({"spec": {"replicas": 2}})
    told = await ends(catalog, cluster, "k8s_patch", {**_CART, "patch": patch})
    assert told == Verdict("holds", "2 of 2 pods ready, no restarts for 0.1 s.")


async def test_whose_pods_they_are_is_what_rules_hear(catalog: Catalog, cluster: Cluster) -> None:
    """Of a pod that is restarted, changed or deleted, by whichever tool, its owners too, of a drain
    those of all that move.
    """
    pod = cluster.pods("shop", "cart")[0]
    name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
    cart = (("replicaset", name.rpartition("-")[0]), ("deployment", "cart"))
    gone: JsonObject = {"namespace": "shop", "kind": "pod", "name": name}

    def manifest(**labels: str) -> JsonObject:
        said = {"name": name, "labels": labels}
        text = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": said})
        return {"namespace": "shop", "manifest": text}

    for call in (
        catalog.change("k8s_restart_pod", {"namespace": "shop", "name": name}),
        catalog.change("k8s_delete", gone),
        catalog.change("k8s_apply", manifest(seen="yes")),
        catalog.change("k8s_delete_applied", manifest(app="cart")),
        catalog.change("k8s_label", {**gone, "labels": ["app=debug"]}),
    ):
        objects = (await call.preview()).objects
        assert tuple((one.kind, one.name) for one in objects) == (("pod", name), *cart)
        assert {one.namespace for one in objects} == {"shop"}
        assert objects[0].labels["app"] == "cart"
    along = (await catalog.change("k8s_drain", {"name": node}).preview()).along
    assert {*cart} <= {(one.kind, one.name) for one in along}


async def test_a_pod_that_its_owner_makes_anew_is_deleted_all_the_same(
    catalog: Catalog, cluster: Cluster
) -> None:
    call = catalog.change("k8s_delete", {"namespace": "shop", "kind": "pod", "name": "db-0"})
    seen = await call.preview()
    assert seen.warnings == ("statefulset/db makes another pod in its place.",)
    receipt = await call.apply(seen)
    await cluster.advance(60)
    told = await verdict(cluster, call, seen, receipt)
    assert told == Verdict("holds", "pod/db-0 is gone; statefulset/db made another by that name.")


async def test_one_pod_or_none_is_said_for_what_it_means(
    catalog: Catalog, cluster: Cluster
) -> None:
    where: JsonObject = {"namespace": "shop", "name": "cart"}
    alone = "One pod is left: nothing answers whenever that is replaced or moved."
    scaled = catalog.change("k8s_scale", {**where, "replicas": 1})
    patched = catalog.change("k8s_patch", {**_CART, "patch": "spec: {replicas: 1}"})
    for call in (scaled, patched):
        assert alone in (await call.preview()).warnings, call.tool.name
    writes("Deployment", "cart", "spec.replicas", 1)(cluster)
    restart = catalog.change("k8s_rollout_restart", where)
    assert (await restart.preview()).warnings == (), "another one starts first"
    rolling: JsonValue = {"maxSurge": 0, "maxUnavailable": 1}
    strategy: JsonObject = {"type": "RollingUpdate", "rollingUpdate": rolling}
    writes("Deployment", "cart", "spec.strategy", strategy)(cluster)
    said = "It has one pod: nothing answers while that is replaced."
    assert said in (await restart.preview()).warnings
    writes("Deployment", "cart", "spec.replicas", 2)(cluster)
    writes("Deployment", "cart", "spec.strategy.rollingUpdate.maxUnavailable", "100%")(cluster)
    said = "All its pods may stop before new ones are ready: nothing answers meanwhile."
    assert said in (await restart.preview()).warnings
    writes("Deployment", "cart", "spec.replicas", 0)(cluster)
    rests = await catalog.change("k8s_autoscale", {**where, "min": 1, "max": 3}).preview()
    said = "It has 0 replicas: an autoscaler rests until it is scaled to at least 1."
    assert said in rests.warnings
    assert "scaled at once" not in " ".join(rests.warnings)


async def test_what_was_changed_while_it_was_paused_is_told_before_it_is_resumed(
    catalog: Catalog, cluster: Cluster
) -> None:
    """By whichever change it is resumed."""
    where: JsonObject = {"namespace": "shop", "name": "cart"}
    resume = catalog.change("k8s_rollout_resume", where)
    writes("Deployment", "cart", "spec.paused", True)(cluster)
    await cluster.advance(5)
    assert not [note for note in (await resume.preview()).notes if "rolls out" in note]
    image = "spec: {template: {spec: {containers: [{name: cart, image: shop/cart}]}}}"
    waiting = await catalog.change("k8s_patch", {**_CART, "patch": image}).preview()
    assert waiting.warnings == ("It is paused: its pods take this up only once it is resumed.",)
    writes("Deployment", "cart", IMAGE, "shop/cart")(cluster)
    await cluster.advance(5)
    status = await catalog.read("k8s_rollout_status", where).run()
    assert isinstance(status, Lines)
    assert status.lines[1] == "no revision yet has its template: shop/cart"
    patch: JsonObject = {**_CART, "patch": "spec: {paused: null}"}
    for call in (resume, catalog.change("k8s_patch", patch)):
        seen = await call.preview()
        told = (
            "It rolls out what its pods do not run yet: containers[cart].image"
            " shop/cart:1.4.2 → shop/cart"
        )
        assert told in seen.notes
        assert "covered by PodDisruptionBudget cart" in " ".join(seen.notes)
        assert "shop/cart has no tag, which means latest" in " ".join(seen.warnings)
    seen = await resume.preview()
    writes("Deployment", "cart", IMAGE, "shop/nowhere:broken")(cluster)
    with pytest.raises(Stale, match="its pod template changed"):
        await resume.apply(seen)


async def test_a_replica_set_replaces_no_pod(catalog: Catalog, cluster: Cluster) -> None:
    names = [one["metadata"]["name"] for one in cluster.objects("ReplicaSet", "shop")]
    name = next(one for one in names if one.startswith("web-"))
    container = {"name": "web", "image": "shop/nowhere:broken"}
    patch = json.dumps({"spec": {"template": {"spec": {"containers": [container]}}}})
    arguments: JsonObject = {"namespace": "shop", "kind": "replicaset", "name": name}
    call = catalog.change("k8s_patch", {**arguments, "patch": patch})
    seen = await call.preview()
    assert "It replaces no pods: only new ones take this up." in seen.warnings
    told = await verdict(cluster, call, seen, await call.apply(seen))
    assert told.outcome != "holds" or "broken" not in told.reason
    await cluster.advance(60)  # its deployment makes another one beside it
    assert cluster.ready("shop", "web")
