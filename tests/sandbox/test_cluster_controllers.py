"""Under virtual time the demo cluster's controllers do what the real ones do."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.sandbox.cluster import Behaviour, Change, Cluster
from bot.sandbox.cluster.fate import behaviour_of
from bot.sandbox.cluster.images import IMAGES as SEEDED
from bot.sandbox.cluster.status import ApiError

Json = dict[str, Any]
IMAGES = (
    Behaviour("app:1", pull_seconds=0.5, ready_seconds=2.0),
    Behaviour("app:2", pull_seconds=0.5, ready_seconds=2.0),
    Behaviour("app:broken", needs={"TOKEN": "FATAL missing TOKEN"}, exit_code=3),
    Behaviour("app:hungry", memory="300Mi"),
    Behaviour("app:deaf", unready="HTTP probe failed with statuscode: 503"),
    Behaviour("app:slow", ready_seconds=40.0),
)
REVISION = "deployment.kubernetes.io/revision"


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(virtual=True, behaviours=IMAGES) as cluster:
        yield cluster


def deployment(image: str = "app:1", replicas: int = 4, **spec: Any) -> Json:
    """Return a manifest of the deployment `app`."""
    container = {"name": "app", "image": image, **spec.pop("container", {})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "app", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "app"}},
            "template": {
                "metadata": {"labels": {"app": "app"}},
                "spec": {"containers": [container]},
            },
            **spec,
        },
    }


def current(cluster: Cluster) -> Json:
    """Return the deployment as it is."""
    found = cluster.get("Deployment", "default", "app")
    assert found is not None
    return found


def condition(cluster: Cluster, name: str) -> tuple[str, str]:
    """Return status and reason of one of the deployment's conditions."""
    found = {c["type"]: c for c in current(cluster)["status"]["conditions"]}[name]
    return found["status"], found["reason"]


def events(cluster: Cluster, reason: str) -> list[Json]:
    """Return the events with a reason."""
    return [event for event in cluster.objects("Event") if event["reason"] == reason]


def images(cluster: Cluster) -> list[str]:
    """Return the images of the pods that stay."""
    return sorted(
        pod["spec"]["containers"][0]["image"]
        for pod in cluster.pods("default", "app")
        if "deletionTimestamp" not in pod["metadata"]
    )


@pytest.mark.parametrize(
    ("surge", "unavailable", "most", "least"),
    [("25%", "25%", 5, 3), (2, 0, 6, 4), (0, 1, 4, 3), ("100%", "50%", 8, 2)],
)
async def test_a_rolling_update_stays_within_its_bounds(
    cluster: Cluster, surge: int | str, unavailable: int | str, most: int, least: int
) -> None:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    cluster.apply(deployment(strategy=strategy))
    await cluster.advance(10)
    assert cluster.ready("default", "app")
    counts: list[tuple[int, int]] = []

    def note(_: Change) -> None:
        pods = [
            p for p in cluster.pods("default", "app") if "deletionTimestamp" not in p["metadata"]
        ]
        ready = [p for p in pods if p["status"].get("containerStatuses", [{}])[0].get("ready")]
        counts.append((len(pods), len(ready)))

    ignore = cluster.store.listen(note)
    cluster.apply(deployment("app:2", strategy=strategy))
    await cluster.advance(60)
    ignore()
    assert images(cluster) == ["app:2"] * 4
    assert cluster.ready("default", "app")
    assert max(total for total, _ in counts) <= most
    assert min(ready for _, ready in counts) >= least
    assert max(total for total, _ in counts) == most or min(ready for _, ready in counts) == least


async def test_recreate_stops_all_before_it_starts_any(cluster: Cluster) -> None:
    strategy = {"type": "Recreate"}
    cluster.apply(deployment(replicas=2, strategy=strategy))
    await cluster.advance(10)
    mixed: list[set[str]] = []
    ignore = cluster.store.listen(
        lambda _: mixed.append(
            {p["spec"]["containers"][0]["image"] for p in cluster.pods("default", "app")}
        )
    )
    cluster.apply(deployment("app:2", 2, strategy=strategy))
    await cluster.advance(30)
    ignore()
    assert {"app:1", "app:2"} not in mixed
    assert images(cluster) == ["app:2", "app:2"]
    assert cluster.ready("default", "app")


async def test_a_template_that_returns_reuses_its_replica_set(cluster: Cluster) -> None:
    for image in ("app:1", "app:2"):
        cluster.apply(deployment(image))
        await cluster.advance(30)
    before = {rs["metadata"]["uid"] for rs in cluster.objects("ReplicaSet")}
    assert current(cluster)["metadata"]["annotations"][REVISION] == "2"
    cluster.apply(deployment("app:1"))
    await cluster.advance(30)
    assert {rs["metadata"]["uid"] for rs in cluster.objects("ReplicaSet")} == before
    assert current(cluster)["metadata"]["annotations"][REVISION] == "3"
    numbers = {
        rs["spec"]["template"]["spec"]["containers"][0]["image"]: (
            rs["metadata"]["annotations"][REVISION],
            rs["spec"]["replicas"],
        )
        for rs in cluster.objects("ReplicaSet")
    }
    assert numbers == {"app:1": ("3", 4), "app:2": ("2", 0)}
    assert images(cluster) == ["app:1"] * 4


async def test_old_revisions_are_kept_up_to_the_limit(cluster: Cluster) -> None:
    for number in range(6):
        manifest = deployment(replicas=1, revisionHistoryLimit=2)
        notes = {"note": str(number)}
        manifest["spec"]["template"]["metadata"]["annotations"] = notes
        cluster.apply(manifest)
        await cluster.advance(30)
    revisions = {rs["metadata"]["annotations"][REVISION] for rs in cluster.objects("ReplicaSet")}
    assert revisions == {"4", "5", "6"}


async def test_a_scaled_deployment_keeps_its_revision(cluster: Cluster) -> None:
    cluster.apply(deployment(replicas=2))
    await cluster.advance(10)
    cluster.apply(deployment(replicas=5))
    await cluster.advance(10)
    assert len(images(cluster)) == 5
    cluster.apply(deployment(replicas=1))
    await cluster.advance(10)
    assert len(cluster.pods("default", "app")) == 1
    assert current(cluster)["metadata"]["annotations"][REVISION] == "1"
    assert current(cluster)["metadata"]["generation"] == 3
    messages = [event["message"] for event in events(cluster, "ScalingReplicaSet")]
    assert any(message.endswith("from 5 to 1") for message in messages)


async def test_zero_and_back(cluster: Cluster) -> None:
    for replicas in (2, 0, 3):
        cluster.apply(deployment(replicas=replicas))
        await cluster.advance(10)
        assert len(cluster.pods("default", "app")) == replicas
        assert cluster.ready("default", "app")


async def test_a_paused_deployment_scales_but_does_not_roll(cluster: Cluster) -> None:
    cluster.apply(deployment(replicas=2))
    await cluster.advance(10)
    cluster.apply(deployment("app:2", 3, paused=True))
    await cluster.advance(20)
    assert images(cluster) == ["app:1"] * 3
    assert condition(cluster, "Progressing") == ("Unknown", "DeploymentPaused")
    cluster.apply(deployment("app:2", 3))
    await cluster.advance(40)
    assert images(cluster) == ["app:2"] * 3
    assert condition(cluster, "Progressing") == ("True", "NewReplicaSetAvailable")


async def test_scaling_in_the_middle_of_a_rollout_is_shared_out(cluster: Cluster) -> None:
    cluster.apply(deployment(replicas=10))
    await cluster.advance(10)
    cluster.apply(deployment("app:broken", 10))
    await cluster.advance(30)
    cluster.apply(deployment("app:broken", 20))
    await cluster.advance(30)
    sizes = {
        rs["spec"]["template"]["spec"]["containers"][0]["image"]: rs["spec"]["replicas"]
        for rs in cluster.objects("ReplicaSet")
    }
    assert sum(sizes.values()) == 25  # 20 and a quarter more
    assert sizes["app:1"] > 10
    assert sizes["app:broken"] > 5


async def test_a_crash_loop_backs_off_and_tells_of_it(cluster: Cluster) -> None:
    cluster.apply(deployment("app:broken", 1))
    waits: list[str] = []
    for _ in range(400):
        await cluster.advance(1)
        (pod,) = cluster.pods("default", "app")
        waiting = pod["status"].get("containerStatuses", [{}])[0].get("state", {}).get("waiting")
        if waiting and waiting["reason"] == "CrashLoopBackOff":
            wait = waiting["message"].partition(" restarting")[0]
            waits += [wait] if wait not in waits else []
    assert (
        waits
        == [f"back-off {seconds}" for seconds in ("10s", "20s", "40s", "1m20s", "2m40s", "5m0s")][
            : len(waits)
        ]
    )
    assert len(waits) >= 4
    (pod,) = cluster.pods("default", "app")
    (status,) = pod["status"]["containerStatuses"]
    assert status["restartCount"] >= 4
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert status["lastState"]["terminated"]["reason"] == "Error"
    name = pod["metadata"]["name"]
    assert "FATAL missing TOKEN" in cluster.log("default", name)
    assert "FATAL missing TOKEN" in cluster.log("default", name, previous=True)
    (backing,) = events(cluster, "BackOff")
    assert backing["count"] >= 4
    assert backing["type"] == "Warning"


async def test_a_changed_configuration_changes_fate_and_log(cluster: Cluster) -> None:
    source = {"envFrom": [{"configMapRef": {"name": "settings"}}]}
    cluster.apply(deployment("app:broken", 1, container=source))
    await cluster.advance(5)
    (pod,) = cluster.pods("default", "app")
    waiting = pod["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting == {
        "reason": "CreateContainerConfigError",
        "message": 'configmap "settings" not found',
    }
    settings: Json = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "default"},
        "data": {},
    }
    cluster.apply(settings)
    await cluster.advance(20)
    name = pod["metadata"]["name"]
    assert "FATAL missing TOKEN" in cluster.log("default", name)
    cluster.apply({**settings, "data": {"TOKEN": "t"}})
    await cluster.advance(30)
    assert "FATAL" not in cluster.log("default", name)
    assert "listening on :8080" in cluster.log("default", name)
    assert "FATAL" in cluster.log("default", name, previous=True)
    assert cluster.ready("default", "app")


async def test_too_little_memory_kills(cluster: Cluster) -> None:
    limits = {"resources": {"limits": {"memory": "200Mi"}}}
    cluster.apply(deployment("app:hungry", 1, container=limits))
    await cluster.advance(25)
    (pod,) = cluster.pods("default", "app")
    last = pod["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (137, "OOMKilled")
    limits["resources"]["limits"]["memory"] = "1Gi"
    cluster.apply(deployment("app:hungry", 1, container=limits))
    await cluster.advance(30)
    assert cluster.ready("default", "app")


async def test_an_image_that_is_not_there(cluster: Cluster) -> None:
    cluster.apply(deployment("app:unknown", 1))
    reasons: list[str] = []
    for _ in range(20):
        await cluster.advance(0.5)
        (pod,) = cluster.pods("default", "app")
        waiting = (
            pod["status"].get("containerStatuses", [{}])[0].get("state", {}).get("waiting", {})
        )
        if waiting.get("reason") not in (None, *reasons[-1:]):
            reasons.append(waiting["reason"])
    assert reasons[:3] == ["ContainerCreating", "ErrImagePull", "ImagePullBackOff"]
    with pytest.raises(ApiError, match="trying and failing to pull image") as refused:
        cluster.log("default", pod["metadata"]["name"])
    assert refused.value.code == 400
    assert events(cluster, "Failed")[0]["type"] == "Warning"


@pytest.mark.parametrize(
    ("image", "there"),
    [
        ("shop/web:2.5.0", True),
        ("shop/web:2.5.0-rc.1", True),
        ("shop/web:nope", False),
        ("shop/web:2.nope", False),
        ("shop/web:2.5.0-nope", False),
        ("shop/web:3.0.0", False),  # the seed knows the repository, and no such version
        (f"shop/web@sha256:{'a' * 64}", True),
        ("nginx", True),
        ("nginx:1.27-alpine3.19", True),
        ("registry.example:5000/team/tool:v2-1a2b3c4", True),
        ("nginx:nope", False),
    ],
)
def test_which_images_there_are(image: str, there: bool) -> None:
    assert behaviour_of(image, SEEDED).pullable is there


async def test_a_failing_readiness_probe(cluster: Cluster) -> None:
    probe = {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 5}
    cluster.apply(deployment("app:deaf", 1, container={"readinessProbe": probe}))
    await cluster.advance(60)
    (pod,) = cluster.pods("default", "app")
    (status,) = pod["status"]["containerStatuses"]
    assert (status["ready"], status["restartCount"]) == (False, 0)
    (unhealthy,) = events(cluster, "Unhealthy")
    assert unhealthy["message"] == "Readiness probe failed: HTTP probe failed with statuscode: 503"
    assert unhealthy["count"] >= 10
    assert condition(cluster, "Available") == ("False", "MinimumReplicasUnavailable")


async def test_the_deadline_is_judged_on_time_and_forgiven(cluster: Cluster) -> None:
    cluster.apply(deployment("app:slow", 1, progressDeadlineSeconds=20))
    await cluster.advance(19)
    assert condition(cluster, "Progressing")[0] == "True"
    await cluster.advance(3)
    assert condition(cluster, "Progressing") == ("False", "ProgressDeadlineExceeded")
    await cluster.advance(30)
    assert condition(cluster, "Progressing") == ("True", "NewReplicaSetAvailable")


async def test_ready_is_available_only_after_a_while(cluster: Cluster) -> None:
    cluster.apply(deployment(replicas=1, minReadySeconds=30))
    await cluster.advance(15)
    counted = current(cluster)["status"]
    assert (counted["readyReplicas"], counted.get("availableReplicas", 0)) == (1, 0)
    await cluster.advance(30)
    assert current(cluster)["status"]["availableReplicas"] == 1


async def test_what_no_node_can_hold_stays_pending(cluster: Cluster) -> None:
    requests = {"resources": {"requests": {"cpu": "3"}}}
    cluster.apply(deployment(replicas=4, container=requests))
    await cluster.advance(10)
    phases = sorted(pod["status"]["phase"] for pod in cluster.pods("default", "app"))
    assert phases == ["Pending", "Running", "Running", "Running"]
    (failed,) = events(cluster, "FailedScheduling")
    assert failed["message"] == "0/3 nodes are available: 3 Insufficient cpu."
    cluster.apply(deployment(replicas=3, container=requests))
    await cluster.advance(10)
    assert cluster.ready("default", "app")


async def test_a_deleted_pod_is_replaced_and_ends_after_a_while(cluster: Cluster) -> None:
    cluster.apply(deployment(replicas=2))
    await cluster.advance(10)
    victim = cluster.pods("default", "app")[0]["metadata"]["name"]
    cluster.delete("Pod", "default", victim)
    await cluster.advance(0.1)
    going = cluster.get("Pod", "default", victim)
    assert going is not None
    assert "deletionTimestamp" in going["metadata"]
    assert len(cluster.pods("default", "app")) == 3
    await cluster.advance(10)
    assert cluster.get("Pod", "default", victim) is None
    assert cluster.ready("default", "app")
    assert events(cluster, "Killing")[0]["involvedObject"]["name"] == victim


async def test_what_a_deployment_made_goes_with_it(cluster: Cluster) -> None:
    cluster.apply(deployment())
    await cluster.advance(10)
    cluster.delete("Deployment", "default", "app")
    await cluster.advance(10)
    assert cluster.objects("ReplicaSet") == []
    assert cluster.objects("Pod") == []


async def test_a_namespace_goes_with_all_it_holds(cluster: Cluster) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "brief"}})
    manifest = deployment()
    manifest["metadata"]["namespace"] = "brief"
    cluster.apply(manifest)
    await cluster.advance(10)
    cluster.delete("Namespace", "", "brief")
    with pytest.raises(ApiError, match="being terminated"):
        cluster.apply({**manifest, "metadata": {"name": "late", "namespace": "brief"}})
    await cluster.advance(10)
    assert cluster.get("Namespace", "", "brief") is None
    assert [p for p in cluster.objects("Pod") if p["metadata"]["namespace"] == "brief"] == []


async def test_an_autoscaler_pulls_replicas_back_within_bounds(cluster: Cluster) -> None:
    cluster.apply(deployment(replicas=3))
    cluster.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "app", "namespace": "default"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
                "minReplicas": 2,
                "maxReplicas": 4,
            },
        }
    )
    await cluster.advance(20)
    assert current(cluster)["spec"]["replicas"] == 3
    cluster.apply(deployment(replicas=9))
    await cluster.advance(5)
    assert current(cluster)["spec"]["replicas"] == 9
    await cluster.advance(15)
    assert current(cluster)["spec"]["replicas"] == 4
    assert events(cluster, "SuccessfulRescale")


async def test_the_seed_is_stuck_and_an_undo_mends_it() -> None:
    async with Cluster(seed="few", virtual=True) as cluster:
        stuck = cluster.get("Deployment", "shop", "checkout")
        assert stuck is not None
        assert stuck["metadata"]["annotations"][REVISION] == "7"
        counted = stuck["status"]
        assert (counted["replicas"], counted["updatedReplicas"], counted["availableReplicas"]) == (
            5,
            2,
            3,
        )
        for namespace, name in (
            ("shop", "web"),
            ("shop", "cart"),
            ("payments", "api"),
            ("payments", "worker"),
        ):
            assert cluster.ready(namespace, name), name
        sets = {
            rs["metadata"]["annotations"][REVISION]: rs
            for rs in cluster.objects("ReplicaSet", "shop")
            if rs["metadata"]["name"].startswith("checkout-")
        }
        assert sorted(sets) == ["1", "2", "3", "4", "5", "6", "7"]
        wanted = sets["6"]["spec"]["template"]
        wanted["metadata"]["labels"].pop("pod-template-hash")
        stuck["spec"]["template"] = wanted
        cluster.apply(stuck)
        await cluster.advance(10)
        assert cluster.ready("shop", "checkout")
        healed = cluster.get("Deployment", "shop", "checkout")
        assert healed is not None
        assert healed["metadata"]["annotations"][REVISION] == "8"
        restarts = [
            pod["status"]["containerStatuses"][0]["restartCount"]
            for pod in cluster.pods("shop", "checkout")
        ]
        assert restarts == [0, 0, 0, 0]


async def test_the_seed_heals_by_its_configuration_too() -> None:
    async with Cluster(seed="few", virtual=True) as cluster:
        settings = cluster.get("ConfigMap", "shop", "checkout-config")
        assert settings is not None
        settings["data"]["PAYMENTS_URL"] = "http://api.payments"
        cluster.apply(settings)
        await cluster.advance(310)  # the longest back-off
        assert cluster.ready("shop", "checkout")


async def test_the_same_number_gives_the_same_cluster() -> None:
    async def history() -> list[tuple[str, str, str]]:
        async with Cluster(virtual=True, behaviours=IMAGES, random=7) as cluster:
            cluster.apply(deployment())
            await cluster.advance(30)
            cluster.apply(deployment("app:2"))
            await cluster.advance(30)
            return [
                (change.type, change.object["metadata"]["name"], change.object["metadata"]["uid"])
                for change in cluster.store.since(1)
            ]

    assert await history() == await history()


async def test_a_controller_that_breaks_is_not_silent() -> None:
    wrong = Behaviour("app:1", memory="much")
    limits = {"resources": {"limits": {"memory": "1Gi"}}}

    async def use() -> None:
        async with Cluster(speed=50, behaviours=(wrong,)) as cluster:
            cluster.apply(deployment(replicas=1, container=limits))
            await cluster.until(lambda: cluster.ready("default", "app"), timeout=5)

    with pytest.raises(ExceptionGroup) as failed:
        await use()
    assert failed.group_contains(ValueError, match="not a quantity")


async def test_a_port_that_is_taken_is_said_plainly(cluster: Cluster) -> None:
    second = Cluster(port=int(cluster.url.rpartition(":")[2]))
    with pytest.raises(OSError, match="address already in use"):
        await second.__aenter__()


async def test_a_quota_is_counted_and_refuses_what_is_beyond(cluster: Cluster) -> None:
    hard = {"pods": "3", "requests.cpu": "2", "limits.memory": "1Gi", "services": "5"}
    about = {"name": "team", "namespace": "default"}
    cluster.apply(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": about, "spec": {"hard": hard}}
    )
    amounts = {"requests": {"cpu": "250m"}, "limits": {"memory": "128Mi"}}
    cluster.apply(deployment(container={"resources": amounts}))
    await cluster.advance(20)
    quota = cluster.get("ResourceQuota", "default", "team") or {}
    used = {"pods": "3", "requests.cpu": "750m", "limits.memory": "384Mi"}
    assert quota["status"] == {"hard": hard, "used": used}
    assert condition(cluster, "ReplicaFailure") == ("True", "FailedCreate")
    name = cluster.objects("ReplicaSet", "default")[0]["metadata"]["name"]
    over = "exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3"
    said = f'Error creating: pods "{name}-" is forbidden: {over}'
    assert {event["message"] for event in events(cluster, "FailedCreate")} == {said}
    cluster.apply({**quota, "spec": {"hard": {**hard, "pods": "9"}}})
    await cluster.advance(20)
    assert len(images(cluster)) == 4, "it is tried again"
    types = {one["type"] for one in current(cluster)["status"]["conditions"]}
    assert types == {"Available", "Progressing"}
