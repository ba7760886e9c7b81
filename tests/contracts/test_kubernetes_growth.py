"""What is said of a number of replicas that will not stay, or cannot be had."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.cluster import Cluster
from bot.sandbox.cluster.kinds import of_kind
from tools import Catalog, JsonObject, Preview, Progress, Verdict, open_providers

Json = dict[str, Any]
CART: Json = {"namespace": "shop", "name": "cart"}


def made(kind: str, group: str, name: str, spec: Json) -> Json:
    meta: Json = {"name": name, "namespace": "shop"}
    return {"apiVersion": group, "kind": kind, "metadata": meta, "spec": spec}


def deployment(replicas: int) -> Json:
    container: Json = {
        "name": "cart",
        "image": "shop/cart:1.4.2",
        "resources": {"requests": {"cpu": "250m", "memory": "64Mi", "ephemeral-storage": "64Mi"}},
    }
    template: Json = {
        "metadata": {"labels": {"app": "cart"}},
        "spec": {"containers": [container]},
    }
    spec: Json = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "cart"}},
        "template": template,
    }
    return made("Deployment", "apps/v1", "cart", spec)


AUTOSCALER = made(
    "HorizontalPodAutoscaler",
    "autoscaling/v2",
    "cart",
    {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart"},
        "minReplicas": 2,
        "maxReplicas": 6,
    },
)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(virtual=True) as cluster:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        cluster.apply(deployment(3))
        await cluster.advance(20)
        yield cluster


@pytest.fixture
async def catalog(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Catalog]:
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    config: JsonObject = {"kubeconfig": str(path), "settle_seconds": 0.3, "timeout_seconds": 1}
    async with open_providers({"kubernetes": config}) as catalog:
        yield catalog


async def seen(catalog: Catalog, replicas: int) -> Preview:
    return await catalog.change("k8s_scale", {**CART, "replicas": replicas}).preview()


async def test_a_number_outside_an_autoscalers_bounds_is_said_to_be_set_back(
    catalog: Catalog, cluster: Cluster
) -> None:
    cluster.apply(AUTOSCALER)
    named = "HorizontalPodAutoscaler cart"
    above = f"{named} has a maximum of 6: it will set 7 back to 6."
    assert above in (await seen(catalog, 7)).warnings
    below = f"{named} has a minimum of 2: it will set 1 up to 2."
    assert below in (await seen(catalog, 1)).warnings
    within = f"{named} keeps it between 2 and 6 replicas and will set it again."
    assert within in (await seen(catalog, 6)).warnings


async def test_ten_times_as_many_and_more_than_the_quotas_leave(
    catalog: Catalog, cluster: Cluster
) -> None:
    assert (await seen(catalog, 29)).heads_up == ()
    first = await seen(catalog, 31)
    assert first.heads_up == ("That is 10 times as many pods as now.",)
    hard: Json = {"pods": "20", "requests.cpu": "5", "memory": "4Gi", "limits.cpu": "1"}
    cluster.apply(made("ResourceQuota", "v1", "shop", {"hard": hard}))
    await cluster.advance(1)
    told = await seen(catalog, 31)
    end = "it will not get all its pods."
    short = (
        f"Quota shop leaves 17 of 20 pods just now, and 28 more pods need 28: {end}",
        f"Quota shop leaves 4250m of 5 requests.cpu just now, and 28 more pods need 7: {end}",
    )
    assert told.heads_up == (*short, *first.warnings)
    # what is used at the moment is no part of what is approved
    assert told.fingerprint == first.fingerprint
    assert (await seen(catalog, 2)).notes == ("3 of 3 pods ready",)
    # what nobody has counted yet is counted by the pods that there are
    disk: Json = {"hard": {"requests.ephemeral-storage": "1Gi"}}
    cluster.apply(made("ResourceQuota", "v1", "disk", disk))
    needs = "requests.ephemeral-storage just now, and 28 more pods need 1.8Gi"
    assert f"Quota disk leaves 832Mi of 1Gi {needs}: {end}" in (await seen(catalog, 31)).cautions
    # of a quota for some pods only it is neither known nor certain
    cluster.apply(made("ResourceQuota", "v1", "disk", {**disk, "scopes": ["NotTerminating"]}))
    maybe = f"Quota disk is for 1Gi {needs}: it may not get all its pods."
    assert maybe in (await seen(catalog, 31)).cautions
    unknown = "Quota disk is for 1Gi requests.ephemeral-storage, nobody tells how much of that is"
    assert (await seen(catalog, 6)).notes[1].startswith(f"{unknown} used, and 3 more pods need 192")
    assert (await seen(catalog, 4)).notes == ("3 of 3 pods ready",), "too small for a word"


async def test_what_a_container_uses_and_what_no_node_holds_comes_first(
    catalog: Catalog, cluster: Cluster
) -> None:
    """Both are numbers of just now: to beware of, and no part of what is approved."""
    limits: Json = {**CART, "limits": "memory=8Mi", "requests": "memory=4Mi"}
    small = await catalog.change("k8s_set_resources", limits).preview()
    assert small.heads_up[0] == "A pod's cart uses 48Mi memory just now: more than 8Mi."
    huge: Json = {**CART, "requests": "cpu=2000"}
    large = await catalog.change("k8s_set_resources", huge).preview()
    template: Json = {"containers": [{"name": "cart", "resources": {"requests": {"cpu": "2000"}}}]}
    patch = {"spec": {"template": {"spec": template}}}
    given: Json = {**CART, "kind": "deployment", "patch": json.dumps(patch)}
    patched = await catalog.change("k8s_patch", given).preview()
    fresh = {**deployment(2), "metadata": {"name": "fresh"}}
    fresh["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "2000"}}
    made_new: Json = {"namespace": "shop", "manifest": json.dumps(fresh)}
    applied = await catalog.change("k8s_apply", made_new).preview()
    words = "A pod that requests 2000 cpu fits no node even if it were empty: the largest has 4."
    for one in (large, patched, applied):
        assert one.heads_up[0] == words
    for name in [node["metadata"]["name"] for node in cluster.store.objects(of_kind("Node"))]:
        cluster.store.delete(of_kind("Node"), "", name)
    again = await catalog.change("k8s_set_resources", huge).preview()
    assert again.cautions == ()
    assert again.fingerprint == large.fingerprint


@pytest.mark.parametrize("wanted", [7, 5])
async def test_the_verdict_names_the_autoscaler(
    wanted: int, catalog: Catalog, cluster: Cluster
) -> None:
    """Ready for a moment is not enough where an autoscaler is known to take it back."""
    cluster.apply(AUTOSCALER)
    change = catalog.change("k8s_scale", {**CART, "replicas": wanted})
    preview = await change.preview()
    receipt = await change.apply(preview)
    if wanted == 5:  # within its bounds, somebody or the autoscaler sets another number
        cluster.apply(deployment(4))
    said: list[str] = []
    async with asyncio.TaskGroup() as group:
        living = group.create_task(live(cluster))
        async for step in change.verify(preview, receipt):
            if isinstance(step, Progress):
                said.append(step.text)
        living.cancel()
    assert isinstance(step, Verdict)
    assert step.outcome == "cannot tell"
    if wanted == 5:
        assert "replicas are 4, asked for were 5; HorizontalPodAutoscaler cart sets" in step.reason
        return
    assert step.reason == (
        "HorizontalPodAutoscaler cart set 7 back to 6, its maximum. It would do so again:"
        " change its bounds instead."
    )
    assert "though HorizontalPodAutoscaler cart keeps it between 2 and 6" in "\n".join(said)


async def test_what_a_killed_container_wrote_is_told_only_where_it_says_why(
    catalog: Catalog, cluster: Cluster
) -> None:
    """It is killed while it says that all is well: that is no cause."""
    limits: Json = {**CART, "limits": "memory=8Mi", "requests": "memory=4Mi"}
    call = catalog.change("k8s_set_resources", limits)
    preview = await call.preview()
    receipt = await call.apply(preview)
    async with asyncio.TaskGroup() as group:
        living = group.create_task(live(cluster))
        steps = [step async for step in call.verify(preview, receipt)]
        living.cancel()
    verdict = steps[-1]
    assert isinstance(verdict, Verdict)
    assert verdict.outcome == "failed"
    assert "OOMKilled" in verdict.reason
    assert "its log says" not in verdict.reason


async def live(cluster: Cluster) -> None:
    """A second in fifty milliseconds: the autoscaler is later than the settling, and in time."""
    while True:
        await cluster.advance(1)
        await asyncio.sleep(0.05)
