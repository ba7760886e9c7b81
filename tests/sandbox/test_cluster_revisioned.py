"""The stand-in cluster's stateful sets and daemon sets, page sizes and bare tables."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.sandbox.cluster import Behaviour, Cluster

BROKEN = Behaviour("db:9", needs={"DSN": "FATAL no DSN"}, crash_seconds=0.5)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(virtual=True, behaviours=(Behaviour("db:[1-8]"), BROKEN)) as cluster:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        yield cluster


def workload(kind: str, image: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": "db"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "db", "image": image}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def stateful(image: str, replicas: int = 3, **spec: Any) -> dict[str, Any]:
    return workload("StatefulSet", image, replicas=replicas, serviceName="db", **spec)


def images(cluster: Cluster) -> dict[str, str]:
    pods = cluster.pods("shop", "db")
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in pods}


def status(cluster: Cluster, kind: str) -> dict[str, Any]:
    found = cluster.get(kind, "shop", "db")
    assert found is not None
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    return dict(found["status"])


async def test_a_stateful_set_makes_its_pods_one_after_the_other(cluster: Cluster) -> None:
    cluster.apply(stateful("db:1"))
    seen = []
    for _ in range(60):
        await cluster.advance(0.5)
        if (names := sorted(images(cluster))) not in seen:
            seen.append(names)
    assert seen[-3:] == [["db-0"], ["db-0", "db-1"], ["db-0", "db-1", "db-2"]]
    found = status(cluster, "StatefulSet")
    assert (found["replicas"], found["readyReplicas"], found["updatedReplicas"]) == (3, 3, 3)
    assert found["currentRevision"] == found["updateRevision"]


async def test_it_replaces_them_from_the_last_one_on(cluster: Cluster) -> None:
    cluster.apply(stateful("db:1"))
    await cluster.advance(30)
    cluster.apply(stateful("db:2"))
    seen: list[list[str]] = []
    for _ in range(100):
        await cluster.advance(0.5)
        new = sorted(name for name, image in images(cluster).items() if image == "db:2")
        if not seen or seen[-1] != new:
            seen.append(new)
    assert seen == [[], ["db-2"], ["db-1", "db-2"], ["db-0", "db-1", "db-2"]]
    revisions = cluster.objects("ControllerRevision", "shop")
    assert sorted(one["revision"] for one in revisions) == [1, 2]
    names = {one["metadata"]["name"] for one in revisions}
    labels = {
        p["metadata"]["labels"]["controller-revision-hash"] for p in cluster.pods("shop", "db")
    }
    assert labels <= names


async def test_a_broken_pod_holds_the_others_back(cluster: Cluster) -> None:
    cluster.apply(stateful("db:1"))
    await cluster.advance(30)
    cluster.apply(stateful("db:9"))
    await cluster.advance(120)
    assert images(cluster) == {"db-0": "db:1", "db-1": "db:1", "db-2": "db:9"}
    found = status(cluster, "StatefulSet")
    assert (found["readyReplicas"], found["updatedReplicas"]) == (2, 1)
    assert found["currentRevision"] != found["updateRevision"]


async def test_partition_and_scaling(cluster: Cluster) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    cluster.apply(stateful("db:1", updateStrategy=rolling))
    await cluster.advance(30)
    cluster.apply(stateful("db:2", updateStrategy=rolling))
    await cluster.advance(60)
    assert images(cluster) == {"db-0": "db:1", "db-1": "db:1", "db-2": "db:2"}
    cluster.apply(stateful("db:2", replicas=1, updateStrategy=rolling))
    await cluster.advance(60)
    assert list(images(cluster)) == ["db-0"]


async def test_going_back_takes_the_old_revision_up_again(cluster: Cluster) -> None:
    for image in ("db:1", "db:2", "db:1"):
        cluster.apply(workload("DaemonSet", image))
        await cluster.advance(60)
    revisions = cluster.objects("ControllerRevision", "shop")
    assert sorted(one["revision"] for one in revisions) == [2, 3]


async def test_a_daemon_set_is_on_every_node_and_replaced_one_by_one(cluster: Cluster) -> None:
    cluster.apply(workload("DaemonSet", "db:1"))
    await cluster.advance(20)
    nodes = {pod["spec"]["nodeName"] for pod in cluster.pods("shop", "db")}
    assert nodes == {"node-1", "node-2", "node-3"}
    cluster.apply(workload("DaemonSet", "db:2"))
    least = 3
    for _ in range(100):
        await cluster.advance(0.5)
        least = min(least, status(cluster, "DaemonSet")["numberAvailable"])
    assert least == 2
    assert set(images(cluster).values()) == {"db:2"}
    assert {pod["spec"]["nodeName"] for pod in cluster.pods("shop", "db")} == nodes
    found = status(cluster, "DaemonSet")
    assert (found["updatedNumberScheduled"], found["numberReady"]) == (3, 3)


async def test_on_delete_waits_for_the_pods_to_go(cluster: Cluster) -> None:
    by_hand = {"type": "OnDelete"}
    cluster.apply(stateful("db:1", replicas=2, updateStrategy=by_hand))
    await cluster.advance(30)
    cluster.apply(stateful("db:2", replicas=2, updateStrategy=by_hand))
    await cluster.advance(30)
    assert set(images(cluster).values()) == {"db:1"}
    cluster.delete("Pod", "shop", "db-1")
    await cluster.advance(30)
    assert images(cluster) == {"db-0": "db:1", "db-1": "db:2"}


async def test_what_it_made_goes_with_it(cluster: Cluster) -> None:
    cluster.apply(stateful("db:1"))
    await cluster.advance(30)
    cluster.delete("StatefulSet", "shop", "db")
    await cluster.advance(60)
    assert images(cluster) == {}
    assert cluster.objects("ControllerRevision", "shop") == []


def fetch(cluster: Cluster, path: str, accept: str = "application/json") -> dict[str, Any]:
    """GET a path as the administrator."""
    headers = {"Authorization": f"Bearer {cluster.rights.token('admin')}", "Accept": accept}
    request = urllib.request.Request(cluster.url + path, headers=headers)  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


async def test_a_server_may_give_less_than_asked_for(cluster: Cluster) -> None:
    cluster.page_size(2)
    path, names, token = "/api/v1/nodes?limit=500", [], ""
    while True:
        page = await asyncio.to_thread(fetch, cluster, path + token)
        names.append([node["metadata"]["name"] for node in page["items"]])
        if not page["metadata"].get("continue"):
            break
        token = f"&continue={page['metadata']['continue']}"
    assert names == [["node-1", "node-2"], ["node-3"]]
    cluster.page_size(None)
    assert len((await asyncio.to_thread(fetch, cluster, path))["items"]) == 3


async def test_a_table_of_secrets_holds_no_value(cluster: Cluster) -> None:
    meta = {"name": "key", "namespace": "shop"}
    data = {"password": "aHVudGVyMg=="}
    cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    path = "/api/v1/namespaces/shop/secrets/key"
    whole = await asyncio.to_thread(fetch, cluster, path, table)
    assert whole["rows"][0]["object"]["metadata"]["name"] == "key"
    bare = await asyncio.to_thread(fetch, cluster, f"{path}?includeObject=None", table)
    assert bare["rows"][0]["cells"][:3] == ["key", "Opaque", 1]
    assert bare["rows"][0]["object"] is None
    assert "aHVudGVyMg==" not in json.dumps([whole, bare])
