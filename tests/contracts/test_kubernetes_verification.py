"""How the Kubernetes provider's changes end, as the cluster shows it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from bot.sandbox.cluster import Behaviour, Cluster
from tools import (
    Catalog,
    ChangeCall,
    JsonObject,
    Preview,
    Progress,
    Receipt,
    Stale,
    Verdict,
    open_providers,
)
from tools.kubernetes.cluster import Cluster as Client
from tools.kubernetes.settings import Settings
from tools.kubernetes.verification import Goal, Watch

IMAGES = (
    Behaviour("shop/cart:1.*"),
    Behaviour(
        "shop/cart:2.*", needs={"PAYMENTS_URL": "FATAL missing PAYMENTS_URL"}, crash_seconds=0.5
    ),
    Behaviour("shop/cart:3.*", memory="200Mi", grow_seconds=3.0),
    Behaviour("shop/cart:5.*", memory="200Mi", grow_seconds=12.0),
    Behaviour("shop/cart:4.*", unready="connection refused"),
)
UNDO: JsonObject = {"namespace": "shop", "name": "cart"}


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(virtual=True, behaviours=IMAGES) as cluster:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        yield cluster


@pytest.fixture
async def catalog(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Catalog]:
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    config: JsonObject = {"kubeconfig": str(path), "settle_seconds": 0.2, "timeout_seconds": 1}
    async with open_providers({"kubernetes": config}) as catalog:
        yield catalog


def cart(tag: str, **more: JsonValue) -> dict[str, JsonValue]:
    """The deployment with an image that decides what becomes of it."""
    container: dict[str, JsonValue] = {
        "name": "cart",
        "image": f"shop/cart:{tag}",
        "resources": {"limits": {"memory": "100Mi"}},
        "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "cart"}},
            "template": {
                "metadata": {"labels": {"app": "cart"}},
                "spec": {"containers": [container]},
            },
            **more,
        },
    }


async def history(cluster: Cluster, *tags: str, **more: JsonValue) -> None:
    """Let the deployment have run these images, the last one live."""
    for tag in tags:
        cluster.apply(cart(tag, **more))
        await cluster.advance(40)


async def follow(
    cluster: Cluster,
    call: ChangeCall,
    seen: Preview,
    receipt: Receipt | None,
    meanwhile: Callable[[list[str]], None] = lambda _said: None,
) -> tuple[list[str], Verdict]:
    """What was said and how it ended, while a second passes in ten milliseconds."""

    async def live() -> None:
        while True:
            await cluster.advance(1)
            await asyncio.sleep(0.01)

    said: list[str] = []
    async with asyncio.TaskGroup() as group:
        living = group.create_task(live())
        async for step in call.verify(seen, receipt):
            if isinstance(step, Progress):
                said.append(step.text)
                meanwhile(said)
            else:
                living.cancel()
    assert isinstance(step, Verdict)
    return said, step


async def undo(catalog: Catalog) -> tuple[ChangeCall, Preview, Receipt]:
    call = catalog.change("k8s_rollout_undo", UNDO)
    seen = await call.preview()
    return call, seen, await call.apply(seen)


async def scale(catalog: Catalog, replicas: int) -> tuple[ChangeCall, Preview, Receipt]:
    call = catalog.change("k8s_scale", {**UNDO, "replicas": replicas})
    seen = await call.preview()
    return call, seen, await call.apply(seen)


async def test_a_rollback_heals_a_crash_loop(catalog: Catalog, cluster: Cluster) -> None:
    await history(cluster, "1.0", "2.0")
    said, verdict = await follow(cluster, *await undo(catalog))
    assert verdict == Verdict("holds", "2 of 2 pods ready on 1.0, no restarts for 0.2 s.")
    assert said[-1] == "2 of 2 pods ready on 1.0; watching for restarts for 0.2 s"


async def test_a_crash_is_told_with_exit_code_and_last_line(
    catalog: Catalog, cluster: Cluster
) -> None:
    await history(cluster, "2.0", "1.0")
    _, verdict = await follow(cluster, *await undo(catalog))
    assert verdict.outcome == "failed"
    assert "exits with code 1; its log says: FATAL missing PAYMENTS_URL." in verdict.reason


async def test_an_image_that_cannot_be_pulled(catalog: Catalog, cluster: Cluster) -> None:
    await history(cluster, "9.9", "1.0")
    _, verdict = await follow(cluster, *await undo(catalog))
    assert verdict.outcome == "failed"
    assert "image shop/cart:9.9 cannot be pulled." in verdict.reason


async def test_what_did_not_work_when_it_ran_last_is_warned_of(
    catalog: Catalog, cluster: Cluster
) -> None:
    """Its pods tell, after them what was reported of them, and before both the condition."""
    warned = "Revision {} did not work when it ran last: {}."
    crashed = warned.format(2, "its containers ended again and again (CrashLoopBackOff)")
    await history(cluster, "1.0", "2.0")
    call = catalog.change("k8s_rollout_undo", UNDO)
    seen = await call.preview()
    assert not [said for said in seen.warnings if "did not work" in said]
    foreseen = await call.foresee(seen)
    assert isinstance(foreseen, Preview)
    assert crashed in foreseen.warnings
    await call.apply(seen)
    await cluster.advance(40)
    assert not [pod for pod in cluster.pods("shop", "cart") if "2.0" in json.dumps(pod["spec"])]
    again = await call.preview()
    assert crashed in again.warnings
    assert again.fingerprint == foreseen.fingerprint
    image = catalog.change("k8s_set_image", {**UNDO, "image": "shop/cart:2.0"})
    assert crashed in (await image.preview()).warnings
    await history(cluster, "9.9", "1.1")
    image = catalog.change("k8s_set_image", {**UNDO, "image": "shop/cart:9.9"})
    assert warned.format(4, "an image could not be pulled") in (await image.preview()).warnings
    await history(cluster, "4.0", progressDeadlineSeconds=20)
    seen = await (undo := catalog.change("k8s_rollout_undo", UNDO)).preview()
    foreseen = await undo.foresee(seen)
    assert isinstance(foreseen, Preview)
    late = "its pods were not ready within the deadline (ProgressDeadlineExceeded)"
    assert foreseen.warnings[0] == warned.format(6, late)
    for event in cluster.objects("Event", "shop"):  # as the server does after an hour
        cluster.delete("Event", "shop", event["metadata"]["name"])
    with pytest.raises(Stale, match="whether what it goes back to worked when it ran last changed"):
        await call.apply(again)


async def test_whatever_leads_to_what_did_not_work_warns_of_it(
    catalog: Catalog, cluster: Cluster
) -> None:
    """Not only a rollback and an image."""
    await history(cluster, "1.0", "2.0")
    variable: JsonValue = ["PAYMENTS_URL=https://pay"]
    heals = catalog.change("k8s_set_env", {**UNDO, "env": variable})
    seen = await heals.preview()
    assert not [said for said in seen.warnings if "did not work" in said]
    foreseen = await heals.foresee(seen)
    assert isinstance(foreseen, Preview)
    crashed = (
        "Revision 2 did not work when it ran last: its containers ended again and again"
        " (CrashLoopBackOff)."
    )
    assert crashed in foreseen.warnings
    await heals.apply(seen)
    await cluster.advance(40)
    spec = {"template": {"spec": {"containers": [{"name": "cart", "env": None}]}}}
    patch = json.dumps({"spec": spec})
    for call in (
        catalog.change("k8s_set_env", {**UNDO, "unset": ["PAYMENTS_URL"]}),
        catalog.change("k8s_patch", {**UNDO, "kind": "deployment", "patch": patch}),
    ):
        assert (await call.preview()).warnings.count(crashed) == 1, call.tool.name
    await history(cluster, "3.0")
    grown = catalog.change("k8s_set_resources", {**UNDO, "limits": "memory=300Mi"})
    await grown.apply(await grown.preview())
    await cluster.advance(40)
    small: JsonObject = {"name": "cart", "resources": {"limits": {"memory": "100Mi"}}}
    manifest = {**cart("3.0"), "spec": {"template": {"spec": {"containers": [small]}}}}
    applied: JsonObject = {"namespace": "shop", "manifest": json.dumps(manifest), "force": True}
    for call in (
        catalog.change("k8s_set_resources", {**UNDO, "limits": "memory=100Mi"}),
        catalog.change("k8s_apply", applied),
    ):
        told = " ".join((await call.preview()).warnings)
        assert told.count("Revision 4 did not work when it ran last") == 1, call.tool.name


async def test_too_little_memory(catalog: Catalog, cluster: Cluster) -> None:
    await history(cluster, "3.0", "1.0")
    _, verdict = await follow(cluster, *await undo(catalog))
    assert verdict.outcome == "failed"
    assert "OOMKilled, exit code 137" in verdict.reason


async def test_a_pod_that_no_node_takes(catalog: Catalog, cluster: Cluster) -> None:
    huge = cart("1.0", replicas=0)
    template = huge["spec"]["template"]["spec"]["containers"][0]  # type: ignore[index,call-overload]
    template["resources"] = {"requests": {"cpu": "900"}}  # type: ignore[index,call-overload]
    cluster.apply(huge)
    await cluster.advance(5)
    _, verdict = await follow(cluster, *await scale(catalog, 1))
    assert verdict.outcome == "failed"
    assert "cannot be scheduled: 0/3 nodes are available" in verdict.reason


async def test_a_progress_deadline(catalog: Catalog, cluster: Cluster) -> None:
    await history(cluster, "4.0", "1.0", progressDeadlineSeconds=30)
    _, verdict = await follow(cluster, *await undo(catalog))
    assert verdict.outcome == "failed"
    assert verdict.reason.startswith("deployment/cart exceeded its progress deadline: cart-")
    assert "Unhealthy, Readiness probe failed" in verdict.reason


async def test_scaling_up_down_and_to_nothing(catalog: Catalog, cluster: Cluster) -> None:
    await history(cluster, "1.0")
    for replicas, reason in (
        (4, "4 of 4 pods ready on 1.0, no restarts for 0.2 s."),
        (1, "1 of 1 pod ready on 1.0, no restarts for 0.2 s."),
        (0, "All pods are gone."),
    ):
        _, verdict = await follow(cluster, *await scale(catalog, replicas))
        assert verdict == Verdict("holds", reason)


async def test_ready_again_and_again_does_not_hold(catalog: Catalog, cluster: Cluster) -> None:
    await history(cluster, "5.0", "1.0")
    said, verdict = await follow(cluster, *await undo(catalog))
    assert any("watching for restarts" in line for line in said)
    assert verdict.outcome == "failed"
    assert "OOMKilled" in verdict.reason


async def test_a_restart_while_settling_starts_it_anew() -> None:
    goal = Goal("deployment", "shop", "cart", "", bool, bool, str)
    watch = Watch(Client(Settings(settle_seconds=0.3)), goal, applied=True)
    live = {"spec": {"replicas": 1, "template": {"spec": {}}}}

    def pod(restarts: int) -> dict[str, Any]:
        statuses = [{"name": "cart", "restartCount": restarts}]
        return {"metadata": {"uid": "1"}, "status": {"containerStatuses": statuses}}

    assert isinstance(watch.settle(live, [pod(4)]), Progress)
    await asyncio.sleep(0.2)
    assert isinstance(watch.settle(live, [pod(5)]), Progress)
    await asyncio.sleep(0.2)
    assert isinstance(watch.settle(live, [pod(5)]), Progress)
    await asyncio.sleep(0.2)
    assert watch.settle(live, [pod(5)]) == Verdict(
        "holds", "1 of 1 pod ready, no restarts for 0.3 s."
    )


async def test_not_sent_did_not_happen(catalog: Catalog, cluster: Cluster) -> None:
    await history(cluster, "1.0")
    call = catalog.change("k8s_scale", {**UNDO, "replicas": 3})
    said, verdict = await follow(cluster, call, await call.preview(), None)
    assert said == ["Looking whether it happened"]
    assert verdict.outcome == "did not happen"
    assert verdict.reason == "deployment/cart is as before: replicas are 2, asked for were 3."


async def test_sent_without_an_answer_is_found_out(catalog: Catalog, cluster: Cluster) -> None:
    await history(cluster, "2.0", "1.0", "2.0")
    call, seen, _ = await undo(catalog)
    _, verdict = await follow(cluster, call, seen, None)
    assert verdict.outcome == "holds"


async def test_neither_as_before_nor_as_asked(catalog: Catalog, cluster: Cluster) -> None:
    await history(cluster, "1.0")
    call = catalog.change("k8s_scale", {**UNDO, "replicas": 3})
    seen = await call.preview()
    cluster.apply(cart("1.0", replicas=7))
    _, verdict = await follow(cluster, call, seen, None)
    assert verdict.outcome == "cannot tell"
    assert "replicas are 7, asked for were 3" in verdict.reason


@pytest.mark.parametrize("deed", ["scaled", "rolled out", "deleted"])
async def test_somebody_else_meanwhile(deed: str, catalog: Catalog, cluster: Cluster) -> None:
    await history(cluster, "1.0", "1.1")
    call, seen, receipt = await (undo(catalog) if deed == "rolled out" else scale(catalog, 3))

    def meanwhile(said: list[str]) -> None:
        if len(said) > 1:
            return
        if deed == "deleted":
            cluster.delete("Deployment", "shop", "cart")
        else:
            cluster.apply(cart("1.7", replicas=5))

    _, verdict = await follow(cluster, call, seen, receipt, meanwhile)
    assert verdict.outcome == "cannot tell"
    assert {
        "scaled": "replicas are 5, asked for were 3",
        "rolled out": "it runs shop/cart:1.7",
        "deleted": "deployment/cart is gone",
    }[deed] in verdict.reason


async def test_a_world_that_cannot_be_read(catalog: Catalog, cluster: Cluster) -> None:
    await history(cluster, "1.0", progressDeadlineSeconds=2)
    call, seen, receipt = await scale(catalog, 3)
    down: list[asyncio.Task[None]] = []

    async with asyncio.TaskGroup() as group:

        def meanwhile(_said: list[str]) -> None:
            if not down:
                down.append(group.create_task(cluster.down()))

        said, verdict = await follow(cluster, call, seen, receipt, meanwhile)
    assert any("trying again" in line for line in said)
    assert verdict.outcome == "cannot tell"
    assert "Cluster demo is away" in verdict.reason


async def test_a_short_absence_is_waited_for(catalog: Catalog, cluster: Cluster) -> None:
    await history(cluster, "1.0")
    call, seen, receipt = await scale(catalog, 3)
    cluster.fail("get", "/deployments/cart$", 503, times=3)
    said, verdict = await follow(cluster, call, seen, receipt)
    assert "trying again" in said[0]
    assert verdict.outcome == "holds"
