"""What is particular to setting an image, restarting, and the warnings of disruption budgets."""

import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from bot.sandbox.cluster import Behaviour, Cluster, Rule
from bot.sandbox.cluster.rights import READ
from tests.contracts.stage import HPA, made
from tests.contracts.stage import WEB as TARGET
from tests.contracts.test_kubernetes_verification import follow
from tools import Catalog, JsonObject, NoWayBack, Refused, Stale, Wish, open_providers

IMAGES = (
    Behaviour("shop/db:1.*"),
    Behaviour("shop/db:2.*", needs={"DSN": "FATAL no DSN"}, crash_seconds=0.5),
)
DIGEST = "sha256:" + "0123456789abcdef" * 4
WEB: JsonObject = {"namespace": "shop", "name": "web"}


def manifest(kind: str, name: str, images: dict[str, str], **spec: JsonValue) -> dict[str, Any]:
    """A workload with containers by name; one named init-… is an init container."""
    listed = [{"name": key, "image": image} for key, image in images.items()]
    pod: dict[str, Any] = {"containers": [c for c in listed if c["name"][:4] != "init"]}
    if init := [c for c in listed if c["name"][:4] == "init"]:
        pod["initContainers"] = init
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
            **spec,
        },
    }


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(virtual=True, behaviours=IMAGES) as cluster:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        cluster.apply(manifest("Deployment", "web", {"web": "shop/web:1"}, replicas=4))
        db = manifest("StatefulSet", "db", {"db": "shop/db:1.0"}, replicas=2, serviceName="db")
        cluster.apply(db)
        cluster.apply(manifest("DaemonSet", "agent", {"agent": "shop/db:1.0"}))
        await cluster.advance(30)
        yield cluster


@pytest.fixture
async def catalog(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Catalog]:
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    config: JsonObject = {"kubeconfig": str(path), "settle_seconds": 0.2, "timeout_seconds": 2}
    async with open_providers({"kubernetes": config}) as catalog:
        yield catalog


def budget(name: str, **spec: JsonValue) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
    }


# --- which container --------------------------------------------------------------------------


async def test_with_several_containers_the_error_names_them(
    catalog: Catalog, cluster: Cluster
) -> None:
    images = {"web": "shop/web:1", "proxy": "proxy:1", "init-db": "shop/migrate:1"}
    cluster.apply(manifest("Deployment", "web", images, replicas=4))
    await cluster.advance(30)
    wanted: JsonObject = {**WEB, "image": "shop/web:2"}
    with pytest.raises(Refused) as several:
        await catalog.change("k8s_set_image", wanted).preview()
    assert str(several.value) == (
        "`container` is missing: deployment/web has several: web, proxy; init containers: init-db."
    )
    with pytest.raises(Refused, match="has no container wbe, only web, proxy; init containers"):
        await catalog.change("k8s_set_image", {**wanted, "container": "wbe"}).preview()
    for container, place in (("proxy", "containers"), ("init-db", "initContainers")):
        call = catalog.change("k8s_set_image", {**wanted, "container": container})
        seen = await call.preview()
        (changed,) = seen.changes
        assert changed.path == f"spec.template.spec.{place}[{container}].image"
        assert (changed.before, changed.after) == (images[container], "shop/web:2")
        back = call.undo(seen)
        assert isinstance(back, Wish)
        assert back.arguments == {
            **WEB,
            "kind": "deployment",
            "image": images[container],
            "container": container,
            "cluster": "demo",
        }


async def test_containers_that_changed_places_are_stale(catalog: Catalog, cluster: Cluster) -> None:
    images = {"web": "shop/web:1", "proxy": "proxy:1"}
    cluster.apply(manifest("Deployment", "web", images, replicas=4))
    call = catalog.change("k8s_set_image", {**WEB, "image": "shop/web:2", "container": "web"})
    await cluster.advance(30)
    seen = await call.preview()
    swapped = dict(reversed(list(images.items())))
    cluster.apply(manifest("Deployment", "web", swapped, replicas=4))
    with pytest.raises(Stale, match="its pod template changed"):
        await call.apply(seen)
    assert cluster.mutations == []


# --- which image ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "image",
    [
        "web",
        "shop/web:2",
        "registry.example:5000/shop/web:v1.2.3-rc.1_x",
        f"ghcr.io/shop/web@{DIGEST}",
        f"shop/web:2@{DIGEST}",
        "localhost/web",
    ],
)
async def test_an_image_is_written_as_given(image: str, catalog: Catalog) -> None:
    seen = await catalog.change("k8s_set_image", {**WEB, "image": f" {image} "}).preview()
    assert seen.changes[0].after == image
    assert seen.way_back == "set the image back to shop/web:1"


@pytest.mark.parametrize(
    "image",
    [
        "",
        "--image=x",
        "-x",
        "http://evil/x",
        "https://evil",
        "../web",
        "/etc/passwd",
        "shop/Web:1",
        "shop/web:",
        "shop/web:a b",
        "shop/web\n:1",
        "shop//web",
        "shop/web@sha256:12",
        "shop/web;rm",
        "shop/wеb:1",
        "x" * 600,
    ],
)
def test_what_is_no_image_is_refused(image: str, catalog: Catalog, cluster: Cluster) -> None:
    with pytest.raises(Refused, match="`image` must be an image such as") as refused:
        catalog.change("k8s_set_image", {**WEB, "image": image})
    assert "\n" not in str(refused.value)
    assert cluster.requests == []


async def test_the_same_image_is_refused(catalog: Catalog, cluster: Cluster) -> None:
    with pytest.raises(Refused) as same:
        await catalog.change("k8s_set_image", {**WEB, "image": "shop/web:1"}).preview()
    assert str(same.value) == "deployment/web in shop already runs shop/web:1 in web."
    call = catalog.change("k8s_set_image", {**WEB, "image": "shop/web:2"})
    seen = await call.preview()
    await call.apply(seen)
    with pytest.raises(Stale, match="already runs shop/web:2"):
        await call.apply(seen)
    assert len(cluster.mutations) == 1


async def test_what_a_colleague_would_say_of_an_image(catalog: Catalog, cluster: Cluster) -> None:
    async def warnings(image: str) -> str:
        seen = await catalog.change("k8s_set_image", {**WEB, "image": image}).preview()
        return "\n".join(seen.warnings)

    assert "shop/web has no tag, which means latest" in await warnings("shop/web")
    assert "shop/web:latest is whatever was pushed last" in await warnings("shop/web:latest")
    new = "never ran here: none of its kept revisions (1) has it.\nNo PodDisruptionBudget."
    assert await warnings("shop/web:2") == f"shop/web:2 {new}"
    assert await warnings(f"shop/web@{DIGEST}") == f"shop/web@{DIGEST} {new}"
    assert "another repository: shop/web → evil/web" in await warnings("evil/web:1")
    cluster.apply(manifest("Deployment", "web", {"web": "shop/web"}, replicas=4))
    assert "going back to it may not be what runs now" in await warnings("shop/web:2")
    recreate: JsonObject = {"type": "Recreate"}
    images = {"web": "shop/web:1"}
    cluster.apply(manifest("Deployment", "web", images, replicas=4, strategy=dict(recreate)))
    assert "All its pods stop before new ones start" in await warnings("shop/web:2")
    cluster.apply(manifest("Deployment", "web", images, replicas=0))
    scaler: JsonObject = {**HPA, "scaleTargetRef": {**TARGET}}
    made("HorizontalPodAutoscaler", "autoscaling/v2", "web", scaler)(cluster)
    assert "It has 0 replicas" in await warnings("shop/web:2")
    assert "HorizontalPodAutoscaler" not in await warnings("shop/web:2"), "it rests at 0"


# --- restarts ---------------------------------------------------------------------------------


async def test_a_restart_is_the_same_whenever_it_is_previewed(
    catalog: Catalog, cluster: Cluster
) -> None:
    call = catalog.change("k8s_rollout_restart", WEB)
    stored = catalog.change("k8s_rollout_restart", call.arguments)
    assert stored.arguments == call.arguments
    seen = await call.preview()
    assert await stored.preview() == seen
    assert isinstance(call.undo(seen), NoWayBack)
    await call.apply(seen)
    with pytest.raises(Stale, match=f"was already restarted at {call.arguments['at']}"):
        await stored.apply(seen)
    assert len(cluster.mutations) == 1
    with pytest.raises(Refused, match="`at` must be"):
        catalog.change("k8s_rollout_restart", {**WEB, "at": "now"})


@pytest.mark.parametrize(
    ("kind", "name", "pods"), [("deployment", "web", 4), ("sts", "db", 2), ("ds", "agent", 3)]
)
async def test_a_restart_replaces_every_pod(
    kind: str, name: str, pods: int, catalog: Catalog, cluster: Cluster
) -> None:
    before = {pod["metadata"]["uid"] for pod in cluster.pods("shop", name)}
    call = catalog.change("k8s_rollout_restart", {"namespace": "shop", "kind": kind, "name": name})
    seen = await call.preview()
    said, verdict = await follow(cluster, call, seen, await call.apply(seen))
    assert verdict.outcome == "holds", verdict.reason
    assert verdict.reason.startswith(f"{pods} of {pods} pods ready on 1")
    after = {pod["metadata"]["uid"] for pod in cluster.pods("shop", name)}
    assert len(after) == pods
    assert not before & after
    assert any(f"of {pods} pods ready" in line for line in said)


async def test_a_restart_that_would_do_nothing(catalog: Catalog, cluster: Cluster) -> None:
    db = cluster.get("StatefulSet", "shop", "db")
    assert db is not None
    cluster.apply({**db, "spec": {**db["spec"], "updateStrategy": {"type": "OnDelete"}}})
    where: JsonObject = {"namespace": "shop", "kind": "sts", "name": "db"}
    with pytest.raises(Refused, match=r"only when they are deleted \(OnDelete\)"):
        await catalog.change("k8s_rollout_restart", where).preview()
    call = catalog.change("k8s_set_image", {**where, "image": "shop/db:1.1"})
    seen = await call.preview()
    assert "Its pods take this up only when somebody deletes them (OnDelete)." in seen.warnings
    _, verdict = await follow(cluster, call, seen, await call.apply(seen))
    assert verdict.outcome == "holds"
    assert "its pods follow as they are deleted" in verdict.reason


# --- how it ends ------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), [("sts", "db"), ("ds", "agent")])
async def test_an_image_that_crashes(
    kind: str, name: str, catalog: Catalog, cluster: Cluster
) -> None:
    where: JsonObject = {"namespace": "shop", "kind": kind, "name": name, "image": "shop/db:2.0"}
    call = catalog.change("k8s_set_image", where)
    seen = await call.preview()
    _, verdict = await follow(cluster, call, seen, await call.apply(seen))
    assert verdict.outcome == "failed"
    assert "exits with code 1; its log says: FATAL no DSN." in verdict.reason


async def test_a_partition_is_as_far_as_it_goes(catalog: Catalog, cluster: Cluster) -> None:
    db = cluster.get("StatefulSet", "shop", "db")
    assert db is not None
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    cluster.apply({**db, "spec": {**db["spec"], "updateStrategy": rolling}})
    where: JsonObject = {"namespace": "shop", "kind": "sts", "name": "db", "image": "shop/db:1.1"}
    call = catalog.change("k8s_set_image", where)
    seen = await call.preview()
    assert "Only pods from number 1 on take this up (partition 1)." in seen.warnings
    _, verdict = await follow(cluster, call, seen, await call.apply(seen))
    assert verdict.outcome == "holds", verdict.reason
    running = [pod["spec"]["containers"][0]["image"] for pod in cluster.pods("shop", "db")]
    assert sorted(running) == ["shop/db:1.0", "shop/db:1.1"]


async def test_without_a_right_to_see_revisions_the_counts_tell(
    cluster: Cluster, tmp_path: Path
) -> None:
    writes = Rule(("patch",), ("daemonsets",))
    cluster.allow("bot", writes, Rule(READ, ("daemonsets", "pods")))
    path = cluster.write_kubeconfig(tmp_path / "bot", "bot")
    config: JsonObject = {"kubeconfig": str(path), "settle_seconds": 0.1}
    async with open_providers({"kubernetes": config}) as catalog:
        where: JsonObject = {"namespace": "shop", "kind": "ds", "name": "agent"}
        call = catalog.change("k8s_rollout_restart", where)
        seen = await call.preview()
        assert "It cannot be told whether a PodDisruptionBudget covers its pods." in seen.warnings
        _, verdict = await follow(cluster, call, seen, await call.apply(seen))
    assert verdict.outcome == "holds", verdict.reason


# --- disruption budgets -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "replicas", "said"),
    [
        ({"minAvailable": 2}, 3, ""),
        ({"minAvailable": 2}, 2, "2 available: with 2 pods none can be evicted"),
        ({"minAvailable": "50%"}, 3, ""),
        ({"minAvailable": "50%"}, 1, "50% available: with 1 pod none can be evicted"),
        ({"minAvailable": "100%"}, 3, "100% available: with 3 pods none can be evicted"),
        ({"minAvailable": "51%"}, 2, "51% available: with 2 pods none can be evicted"),
        ({"minAvailable": "0%"}, 1, ""),
        ({"maxUnavailable": 1}, 1, ""),
        ({"maxUnavailable": "30%"}, 1, ""),
        ({"maxUnavailable": 0}, 3, "at most 0 unavailable: with 3 pods none can be evicted"),
        ({"maxUnavailable": "0%"}, 3, "at most 0% unavailable: with 3 pods none can be evicted"),
        ({"minAvailable": 1}, 0, ""),
    ],
)
async def test_a_budget_that_leaves_nothing_to_evict(
    spec: dict[str, JsonValue], replicas: int, said: str, catalog: Catalog, cluster: Cluster
) -> None:
    cluster.apply(budget("web", **copy.deepcopy(spec)))
    seen = await catalog.change("k8s_scale", {**WEB, "replicas": replicas}).preview()
    warned = [line for line in seen.warnings if "PodDisruptionBudget web asks for" in line]
    assert len(warned) == bool(said)
    assert said in "".join(warned)
    assert bool(said) is (replicas > 0 and await allowed(cluster, replicas) == 0)


async def allowed(cluster: Cluster, replicas: int) -> int:
    """How many disruptions the budget's own controller allows with so many pods."""
    web = cluster.get("Deployment", "shop", "web")
    assert web is not None
    cluster.apply({**web, "spec": {**web["spec"], "replicas": replicas}})
    await cluster.advance(60)
    pdb = cluster.get("PodDisruptionBudget", "shop", "web")
    assert pdb is not None
    return int(pdb["status"]["disruptionsAllowed"])


async def test_two_budgets_over_the_same_pods(catalog: Catalog, cluster: Cluster) -> None:
    cluster.apply(budget("web", minAvailable=1))
    cluster.apply(budget("web-2", maxUnavailable=1))
    seen = await catalog.change("k8s_scale", {**WEB, "replicas": 3}).preview()
    assert (
        "PodDisruptionBudgets web and web-2 cover the same pods: none can be evicted."
        in seen.warnings
    )


async def test_a_list_that_is_cut_is_not_known(catalog: Catalog, cluster: Cluster) -> None:
    """21 budgets, of which the server gives one at a time: the last is never seen."""
    for number in range(21):
        cluster.apply(budget(f"web-{number:02}", minAvailable=1))
    whole = await catalog.change("k8s_scale", {**WEB, "replicas": 3}).preview()
    assert any("cover the same pods" in line for line in whole.warnings)
    cluster.page_size(1)
    seen = await catalog.change("k8s_scale", {**WEB, "replicas": 3}).preview()
    assert "It cannot be told whether a PodDisruptionBudget covers its pods." in seen.warnings
    assert not any("cover the same pods" in line for line in seen.warnings)
    assert seen.fingerprint != whole.fingerprint
    rolled = await catalog.change("k8s_set_image", {**WEB, "image": "shop/web:2"}).preview()
    assert "It cannot be told whether a PodDisruptionBudget covers its pods." in rolled.warnings
    assert "No PodDisruptionBudget." not in rolled.warnings


async def test_pods_that_cannot_all_be_seen_are_not_said_to_hold(
    catalog: Catalog, cluster: Cluster
) -> None:
    call = catalog.change("k8s_scale", {**WEB, "replicas": 30})
    seen = await call.preview()
    receipt = await call.apply(seen)
    cluster.page_size(1)
    _, verdict = await follow(cluster, call, seen, receipt)
    assert verdict.outcome == "cannot tell"
    assert "more pods than can be followed" in verdict.reason
