"""Volumes, connection pools, liveness and usage: fates that follow from the configuration."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.sandbox.cluster import Behaviour, Cluster
from bot.sandbox.cluster.manifests import storage_class

Json = dict[str, Any]
MEBI = 2**20
IMAGES = (
    Behaviour("store:1", data="/data", data_rate="1Mi", work_lines=("INFO kept {n}",)),
    Behaviour("pool:1", pool="POOL", pool_needs=10, work_lines=("INFO order={n}",)),
    Behaviour("stuck:1", unlive_after=60.0, unlive="HTTP probe failed with statuscode: 500"),
    Behaviour("busy:1", memory="100Mi", grow_seconds=100, cpu_idle="10m", cpu_per_request=2.0),
    Behaviour("private:1", pullable=False, pull_error="denied"),
)
PROBE = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5}


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(virtual=True, behaviours=IMAGES) as cluster:
        yield cluster


def pod(image: str, **container: Any) -> Json:
    """Return a manifest of the pod `app`."""
    spec: Json = {"containers": [{"name": "app", "image": image, **container}]}
    if image == "store:1":
        spec["volumes"] = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
        spec["containers"][0]["volumeMounts"] = [{"name": "d", "mountPath": "/data"}]
    meta = {"name": "app", "namespace": "default", "labels": {"app": "app"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def claim(size: str) -> Json:
    """Return a manifest of the claim `data`, which holds 4 MiB already."""
    notes = {"demo/used-bytes": str(4 * MEBI)}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default", "annotations": notes},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def container(cluster: Cluster) -> Json:
    """Return the status of the pod's container."""
    found: Json = cluster.pods("default", "app")[0]["status"]["containerStatuses"][0]
    return found


def messages(cluster: Cluster, reason: str) -> list[tuple[str, int]]:
    """Return what events with a reason say, and how often."""
    return [(e["message"], e["count"]) for e in cluster.objects("Event") if e["reason"] == reason]


async def test_a_full_volume_ends_it_and_room_mends_it(cluster: Cluster) -> None:
    cluster.apply(storage_class())
    cluster.apply(claim("64Mi"))
    cluster.apply(pod("store:1"))
    await cluster.advance(31)
    used, capacity = cluster.claim_usage("default", "data") or (0, 0)
    assert capacity == 64 * MEBI
    assert 32 * MEBI < used < 36 * MEBI
    await cluster.advance(60)
    assert cluster.claim_usage("default", "data") == (64 * MEBI, 64 * MEBI)
    assert container(cluster)["lastState"]["terminated"]["exitCode"] == 1
    assert container(cluster)["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    log = cluster.log("default", "app", previous=True)
    assert "FATAL could not write /data/data: No space left on device" in log
    grown = cluster.get("PersistentVolumeClaim", "default", "data")
    assert grown is not None
    grown["spec"]["resources"]["requests"]["storage"] = "1Gi"
    cluster.apply(grown)
    await cluster.advance(100)
    assert container(cluster)["ready"]


@pytest.mark.parametrize(("size", "well"), [("2", False), ("10", True)])
async def test_a_small_pool_lets_requests_wait(cluster: Cluster, size: str, well: bool) -> None:
    cluster.apply(pod("pool:1", env=[{"name": "POOL", "value": size}], readinessProbe=PROBE))
    ready: set[bool] = set()
    await cluster.advance(10)
    assert container(cluster)["ready"]
    ignore = cluster.store.listen(lambda _: ready.add(container(cluster)["ready"]))
    await cluster.advance(60)
    ignore()
    log = cluster.log("default", "app")
    assert ("ERROR connection pool exhausted: 2 of 2 in use, waited 5000 ms" in log) is not well
    assert (ready == {True, False}) is not well
    assert container(cluster)["restartCount"] == 0
    (found,) = messages(cluster, "Unhealthy") or [("", 0)]
    assert found[0].startswith("Readiness probe failed: Get") is not well


async def test_a_failing_liveness_probe_restarts_it(cluster: Cluster) -> None:
    cluster.apply(pod("stuck:1", livenessProbe=PROBE))
    await cluster.advance(80)
    assert container(cluster)["restartCount"] == 1
    assert container(cluster)["lastState"]["terminated"]["exitCode"] == 137
    finding = "Liveness probe failed: HTTP probe failed with statuscode: 500"
    assert messages(cluster, "Unhealthy") == [(finding, 3)]
    killing = messages(cluster, "Killing")
    assert killing == [("Container app failed liveness probe, will be restarted", 1)]


async def test_without_a_liveness_probe_nothing_notices(cluster: Cluster) -> None:
    cluster.apply(pod("stuck:1"))
    await cluster.advance(200)
    assert container(cluster)["restartCount"] == 0


async def test_usage_follows_load_and_age_and_stays_under_the_limit(cluster: Cluster) -> None:
    assert cluster.usage("default", "app") is None
    cluster.apply(pod("busy:1", resources={"limits": {"cpu": "200m", "memory": "1Gi"}}))
    await cluster.advance(10)
    cpu, young = cluster.usage("default", "app") or (0, 0)
    cluster._kubelet.load_of = lambda *about: 20.0 if about == ("default", "app") else 0.0
    await cluster.advance(200)
    loaded, old = cluster.usage("default", "app") or (0, 0)
    cluster._kubelet.load_of = lambda *_: 1000.0
    most, _ = cluster.usage("default", "app") or (0, 0)
    assert (cpu, loaded, most) == (10, 50, 200)
    assert young < old == 100 * MEBI


async def test_a_refused_pull_says_why(cluster: Cluster) -> None:
    cluster.apply(pod("private:1"))
    await cluster.advance(2)
    failed = [text for text, _ in messages(cluster, "Failed")]
    assert any("insufficient_scope: authorization failed" in text for text in failed)
