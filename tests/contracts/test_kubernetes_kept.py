"""Workloads that keep their old pods, OnDelete or paused: how changes of their number end."""

import json

from bot.sandbox.cluster import Cluster
from tests.contracts.stage import IMAGE, verdict, writes
from tools import Catalog, JsonObject, Verdict

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
