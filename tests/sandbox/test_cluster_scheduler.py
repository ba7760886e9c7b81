"""Where the stand-in cluster places pods, and what it says of those it cannot place."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.sandbox.cluster import Cluster
from bot.sandbox.cluster.manifests import claim, namespace, storage_class

NO_MATCH = "node(s) didn't match Pod's node affinity/selector"


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(virtual=True) as cluster:
        cluster.apply(namespace("shop"))
        yield cluster


def pod(**spec: Any) -> dict[str, Any]:
    containers = [{"name": "app", "image": "app:1", **spec.pop("container", {})}]
    meta = {"name": "app", "namespace": "shop", "labels": {"app": "app"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"containers": containers, **spec},
    }


def required(key: str, operator: str, *values: str) -> dict[str, Any]:
    wanted = {"key": key, "operator": operator, "values": list(values)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def alter(cluster: Cluster, node: str, **spec: Any) -> None:
    found = cluster.get("Node", "", node)
    assert found is not None
    found["spec"] |= spec
    cluster.apply(found)


def complaint(cluster: Cluster) -> str:
    (found,) = cluster.pods("shop", "app")
    assert found["status"]["phase"] == "Pending"
    assert "nodeName" not in found["spec"]
    (condition,) = found["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("PodScheduled", "Unschedulable")
    events = [e for e in cluster.objects("Event", "shop") if e["reason"] == "FailedScheduling"]
    assert [e["message"] for e in events] == [condition["message"]]
    return str(condition["message"])


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"nodeSelector": {"disk": "ssd"}}, NO_MATCH),
        ({"affinity": required("disk", "In", "ssd")}, NO_MATCH),
        ({"affinity": required("kubernetes.io/hostname", "DoesNotExist")}, NO_MATCH),
        ({"affinity": required("cores", "Gt", "4")}, NO_MATCH),
        ({"container": {"resources": {"requests": {"cpu": "900"}}}}, "Insufficient cpu"),
    ],
)
async def test_a_pod_that_no_node_suits_waits_and_says_why(
    cluster: Cluster, spec: dict[str, Any], why: str
) -> None:
    count = len(cluster.objects("Node"))
    cluster.apply(pod(**spec))
    await cluster.advance(20)
    assert complaint(cluster) == f"0/{count} nodes are available: {count} {why}."


async def test_a_label_that_a_pod_waits_for_lets_it_go_there(cluster: Cluster) -> None:
    cluster.apply(pod(nodeSelector={"disk": "ssd"}))
    await cluster.advance(10)
    node = cluster.objects("Node")[-1]
    node["metadata"]["labels"]["disk"] = "ssd"
    cluster.apply(node)
    await cluster.advance(20)
    (found,) = cluster.pods("shop", "app")
    assert found["spec"]["nodeName"] == node["metadata"]["name"]
    assert found["status"]["phase"] == "Running"


async def test_taints_and_cordons_repel_those_that_do_not_bear_them(cluster: Cluster) -> None:
    names = [node["metadata"]["name"] for node in cluster.objects("Node")]
    taint = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}
    alter(cluster, names[0], unschedulable=True)
    for name in names[1:]:
        alter(cluster, name, taints=[taint])
    cluster.apply(pod())
    await cluster.advance(10)
    tainted = f"{len(names) - 1} node(s) had untolerated taint {{dedicated: gpu}}"
    assert complaint(cluster) == (
        f"0/{len(names)} nodes are available: 1 node(s) were unschedulable, {tainted}."
    )
    cluster.delete("Pod", "shop", "app")
    await cluster.advance(40)
    cluster.apply(pod(tolerations=[{"key": "dedicated", "operator": "Exists"}]))
    await cluster.advance(10)
    (found,) = cluster.pods("shop", "app")
    assert found["spec"]["nodeName"] in names[1:]


async def test_a_pod_waits_for_its_claim(cluster: Cluster) -> None:
    count = len(cluster.objects("Node"))
    mounted = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    cluster.apply(pod(volumes=[mounted]))
    await cluster.advance(10)
    missing = 'persistentvolumeclaim "data" not found'
    assert complaint(cluster) == f"0/{count} nodes are available: {missing}."
    cluster.apply(claim("shop", "data", "1Gi", 0))
    await cluster.advance(10)
    (found,) = cluster.pods("shop", "app")
    assert "unbound immediate PersistentVolumeClaims" in str(found["status"]["conditions"])
    cluster.apply(storage_class())
    await cluster.advance(20)
    (found,) = cluster.pods("shop", "app")
    assert found["status"]["phase"] == "Running"
    bound = cluster.get("PersistentVolumeClaim", "shop", "data")
    assert bound is not None
    assert bound["status"]["phase"] == "Bound"


async def test_a_daemon_set_runs_where_its_selector_says_even_when_cordoned(
    cluster: Cluster,
) -> None:
    node = cluster.objects("Node")[-1]
    node["metadata"]["labels"]["disk"] = "ssd"
    node["spec"]["unschedulable"] = True
    cluster.apply(node)
    spec = {"containers": [{"name": "app", "image": "app:1"}], "nodeSelector": {"disk": "ssd"}}
    cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "app", "namespace": "shop"},
            "spec": {
                "selector": {"matchLabels": {"app": "app"}},
                "template": {"metadata": {"labels": {"app": "app"}}, "spec": spec},
            },
        }
    )
    await cluster.advance(20)
    (found,) = cluster.pods("shop", "app")
    assert found["spec"]["nodeName"] == node["metadata"]["name"]
    daemons = cluster.get("DaemonSet", "shop", "app")
    assert daemons is not None
    assert daemons["status"]["desiredNumberScheduled"] == daemons["status"]["numberReady"] == 1
    del node["metadata"]["labels"]["disk"], node["metadata"]["resourceVersion"]
    cluster.apply(node)
    daemons["metadata"]["annotations"] = {"looked": "again"}
    del daemons["metadata"]["resourceVersion"]
    cluster.apply(daemons)
    await cluster.advance(60)
    assert cluster.pods("shop", "app") == []
