"""What is warned of that is new: images, workloads, and ways in and out of the cluster."""

import json
from typing import Any

import pytest

from bot.sandbox.cluster import Cluster
from tests.contracts.stage import HPA, IMAGE, deployment, made, verdict, writes
from tools import Catalog, Drift, JsonObject, NoWayBack, Stale, Verdict

SHOP: JsonObject = {"namespace": "shop"}
CART: JsonObject = {**SHOP, "kind": "deployment", "name": "cart"}
SERVICE: JsonObject = {**SHOP, "kind": "service", "name": "cart"}


def pods(image: str) -> JsonObject:
    """A patch of what its pods run."""
    containers: JsonObject = {"containers": [{"name": "cart", "image": image}]}
    return {**CART, "patch": json.dumps({"spec": {"template": {"spec": containers}}})}


async def test_an_image_that_never_ran_is_told_by_whatever_brings_it(
    catalog: Catalog, cluster: Cluster
) -> None:
    never = "shop/cart:7 never ran here: none of its kept revisions (2) has it."
    assert never in (await catalog.change("k8s_patch", pods("shop/cart:7")).preview()).warnings
    spec = deployment("cart", "shop/cart:7", 2)
    manifest: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}
    given: JsonObject = {**SHOP, "manifest": json.dumps({**manifest, "metadata": {"name": "cart"}})}
    applied = await catalog.change("k8s_apply", {**given, "force": True}).preview()
    assert applied.warnings.count(never) == 1
    back = await catalog.change("k8s_patch", pods("shop/cart:1.4.1")).preview()
    assert "never ran" not in " ".join(back.warnings)


async def test_what_is_applied_anew_is_looked_at_as_well(
    catalog: Catalog, cluster: Cluster
) -> None:
    made("ResourceQuota", "v1", "small", {"hard": {"pods": "1"}})(cluster)
    about: dict[str, Any] = {"metadata": {"name": "fresh"}}
    task: dict[str, Any] = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "x"}]}
    nightly: dict[str, Any] = {"jobTemplate": {"spec": {"template": {"spec": task}}}}
    for manifest in (
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            **about,
            "spec": deployment("fresh", "x", 1),
        },
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            **about,
            "spec": {"schedule": "0 3 * * *", **nightly},
        },
        {"apiVersion": "v1", "kind": "Pod", **about, "spec": task},
    ):
        given: JsonObject = {**SHOP, "manifest": json.dumps(manifest)}
        seen = await catalog.change("k8s_apply", given).preview()
        told = " ".join(seen.warnings)
        assert "x has no tag, which means latest" in told, manifest["kind"]
        alone = manifest["kind"] == "Deployment"
        assert ("It runs one pod: nothing answers whenever that is" in told) is alone
        assert bool([note for note in seen.cautions if "Quota small" in note]) is alone


async def test_what_is_made_is_followed_though_the_server_fills_more_in(
    catalog: Catalog, cluster: Cluster
) -> None:
    """Within its containers too, which are lists."""

    async def ends(kind: str, version: str, name: str, spec: Any) -> Verdict:
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
        call = catalog.change("k8s_apply", {**SHOP, "manifest": json.dumps(body)})
        seen = await call.preview()
        return await verdict(cluster, call, seen, await call.apply(seen))

    well = await ends("Deployment", "apps/v1", "fresh", deployment("fresh", "shop/web:2.4.0", 2))
    assert well == Verdict("holds", "2 of 2 pods ready on 2.4.0, no restarts for 0.1 s.")
    broken = deployment("bad", "shop/nowhere:broken", 1)
    ill = await ends("Deployment", "apps/v1", "bad", broken)
    assert ill.outcome == "failed"
    assert ill.reason.endswith(" image shop/nowhere:broken cannot be pulled.")
    for image, outcome, told in (
        ("batch:1", "holds", "has run to its end."),
        ("nowhere:broken", "failed", "image shop/nowhere:broken cannot be pulled."),
    ):
        container = {"name": "a", "image": f"shop/{image}"}
        task = {"restartPolicy": "Never", "containers": [container]}
        name = f"once-{outcome}"
        for kind, version, spec in (
            ("Pod", "v1", task),
            ("Job", "batch/v1", {"template": {"spec": task}}),
        ):
            found = await ends(kind, version, name, spec)
            assert found.outcome == outcome, found.reason
            assert found.reason.endswith(told), found.reason
    served = {"containers": [{"name": "a", "image": "shop/web:2.4.0"}]}
    assert await ends("Pod", "v1", "served", served) == Verdict("holds", "pod/served is ready.")
    resting = {**deployment("rests", "shop/web:2.4.0", 2), "paused": True}
    paused = await ends("Deployment", "apps/v1", "rests", resting)
    assert paused == Verdict("holds", "deployment/rests is as asked and stayed so for 0.1 s.")
    late = {"kind": "StorageClass", "apiVersion": "storage.k8s.io/v1", "metadata": {"name": "late"}}
    cluster.apply({**late, "provisioner": "x/y", "volumeBindingMode": "WaitForFirstConsumer"})
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    for given, told in (
        ("late", "persistentvolumeclaim/late is there: it gets its volume once a pod uses it."),
        ("none", "persistentvolumeclaim/none has no volume after"),
    ):
        of = {**claim, "storageClassName": given}
        found = await ends("PersistentVolumeClaim", "v1", given, of)
        assert told in found.reason


async def test_an_apply_that_makes_and_changes_says_why_nothing_takes_it_back(
    catalog: Catalog, cluster: Cluster
) -> None:
    def config(name: str, value: str) -> dict[str, Any]:
        meta = {"namespace": "shop", "name": name}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": value}}

    cluster.apply(config("old", "1"))
    both = "\n---\n".join(json.dumps(config(name, "2")) for name in ("old", "new", "more"))
    given: JsonObject = {"namespace": "shop", "manifest": both, "force": True}
    call = catalog.change("k8s_apply", given)
    why = call.undo(await call.preview())
    assert isinstance(why, NoWayBack)
    gone = "configmap/new, configmap/more"
    assert why.reason == (
        f"No single change deletes {gone} and leads configmap/old back to what was there."
    )


async def test_what_became_of_what_was_applied_or_deleted_is_told(
    catalog: Catalog, cluster: Cluster
) -> None:
    meta = {"namespace": "shop", "name": "rates"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "1"}}
    about: JsonObject = {"namespace": "shop", "manifest": json.dumps(config)}
    call = catalog.change("k8s_apply", about)
    seen = await call.preview()
    receipt = await call.apply(seen)
    assert await call.drift(seen, receipt) == Drift("as left")
    cluster.apply({**config, "data": {"a": "2"}})
    changed = await call.drift(seen, receipt)
    assert changed.differs == ("configmap/rates was changed since",)
    gone = catalog.change("k8s_delete", {"namespace": "shop", "kind": "configmap", "name": "rates"})
    known = await gone.preview()
    left = await gone.apply(known)
    assert await gone.drift(known, left) == Drift("as left")
    assert (await call.drift(seen, receipt)).differs == ("configmap/rates was deleted",)
    cluster.apply(config)
    assert (await gone.drift(known, left)).differs == ("configmap/rates was made anew",)


async def test_ways_in_and_out_are_told_of_a_service(catalog: Catalog, cluster: Cluster) -> None:
    for spec, said in (
        ({"type": "LoadBalancer"}, "As a LoadBalancer it can be reached from outside"),
        ({"type": "NodePort"}, "As a NodePort it can be reached from outside"),
        (
            {"type": "ExternalName", "externalName": "db.example.com"},
            "It is only another name for db.example.com: no pod answers for it.",
        ),
        (
            {"ports": [{"$patch": "replace"}, {"port": 81}]},
            "Its port 80 is taken away: whatever calls it there gets no answer.",
        ),
    ):
        patch: JsonObject = {**SERVICE, "patch": json.dumps({"spec": spec})}
        assert said in " ".join((await catalog.change("k8s_patch", patch).preview()).warnings)
    fresh = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "open"}}
    wide = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    given: JsonObject = {**SHOP, "manifest": json.dumps({**fresh, "spec": wide})}
    seen = await catalog.change("k8s_apply", given).preview()
    assert seen.warnings == ("As a LoadBalancer it can be reached from outside of the cluster.",)
    labelled = await catalog.change("k8s_label", {**SERVICE, "labels": ["a=b"]}).preview()
    assert labelled.warnings == ()


async def test_a_rollback_and_a_restart_are_warned_of_as_any_rollout(
    catalog: Catalog, cluster: Cluster
) -> None:
    where: JsonObject = {**SHOP, "name": "cart"}
    writes("Deployment", "cart", IMAGE, "shop/cart:latest")(cluster)
    await cluster.advance(30)
    latest = "shop/cart:latest is whatever was pushed last: which code runs is decided when"
    pod = cluster.pods("shop", "cart")[0]["metadata"]["name"]
    for call in (
        catalog.change("k8s_rollout_restart", where),
        catalog.change("k8s_restart_pod", {**SHOP, "name": pod}),
    ):
        assert latest in " ".join((await call.preview()).warnings), call.tool.name
    writes("Deployment", "cart", IMAGE, "shop/cart:1.4.3")(cluster)
    writes("Deployment", "cart", "spec.strategy", {"type": "Recreate"})(cluster)
    await cluster.advance(30)
    made("HorizontalPodAutoscaler", "autoscaling/v2", "cart", HPA)(cluster)
    back = catalog.change("k8s_rollout_undo", where)
    seen = await back.preview()
    told = " ".join(seen.warnings)
    assert latest in told
    assert "All its pods stop before new ones start (Recreate)" in told
    assert "HorizontalPodAutoscaler cart may change the number of pods meanwhile" in told
    rolling: dict[str, Any] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    writes("Deployment", "cart", "spec.strategy", rolling)(cluster)
    made("ResourceQuota", "v1", "small", {"hard": {"pods": "1"}})(cluster)
    with pytest.raises(Stale, match="how it replaces its pods changed"):
        await back.apply(seen)
    assert [note for note in (await back.preview()).cautions if note.startswith("Quota small")]
