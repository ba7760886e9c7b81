"""The Kubernetes provider's describe, events and rollout history against the stand-in cluster."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import JsonValue

from bot.sandbox.cluster import Cluster, Rule
from bot.sandbox.cluster.rights import READ
from tests.standins.cluster import SeededCluster
from tools import Catalog, Finding, Lines, Manifests, NotFound, Refused, Table, open_providers
from tools.kubernetes.cluster import Cluster as Client
from tools.kubernetes.describe_node import node_lines

Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with SeededCluster(virtual=True) as cluster:
        yield cluster


@pytest.fixture
async def catalog(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Catalog]:
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig", "bot")
    async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
        yield catalog


@pytest.fixture
def ask(catalog: Catalog) -> Ask:
    async def ask(tool: str, **arguments: JsonValue) -> Finding:
        return await catalog.read(f"k8s_{tool}", {"namespace": "shop", **arguments}).run()

    return ask


def text_of(finding: Finding) -> str:
    assert isinstance(finding, Lines)
    return "\n".join(finding.lines)


async def test_a_workload_with_all_that_bears_on_it(ask: Ask) -> None:
    text = text_of(await ask("describe", kind="deploy", name="checkout"))
    for part in (
        "replicas: 4 desired, 5 in all, 2 updated, 3 ready, 3 available",
        "strategy: RollingUpdate (maxSurge 25%, maxUnavailable 25%)",
        "container checkout: image shop/checkout:1.9.0",
        "environment API_KEY (from secret/checkout-credentials API_KEY)",
        "condition Progressing is False",
        "ProgressDeadlineExceeded",
        "disruption budget checkout: minAvailable 2; 3 of 5 healthy, 1 may be evicted now",
        ": CrashLoopBackOff, 0/1 ready, 7 restarts, on node-",
        "waiting, CrashLoopBackOff",
        "before that Error, exit code 1",
        "Warning BackOff pod/checkout-",
        "Normal ScalingReplicaSet deployment/checkout: Scaled up replica set",
        "SuccessfulCreate replicaset/checkout-",
    ):
        assert part in text, part
    pods = [line for line in text.splitlines() if line.startswith("pod ")]
    assert len(pods) == 5
    assert ["0/1" in line for line in pods] == [True, True, False, False, False]
    web = text_of(await ask("describe", kind="deployments", name="web"))
    assert "autoscaler web: 2 to 6 replicas, 3 now, 3 desired" in web
    assert "no disruption budget" in web
    assert "checkout" not in web


async def test_a_pod(ask: Ask, cluster: Cluster) -> None:
    crashing = next(
        pod["metadata"]["name"]
        for pod in cluster.pods("shop", "checkout")
        if not pod["status"]["containerStatuses"][0]["ready"]
    )
    text = text_of(await ask("describe", kind="po", name=crashing))
    assert text.startswith(f"pod {crashing}: CrashLoopBackOff, 0/1 ready, 7 restarts")
    assert "checkout (not ready): waiting, CrashLoopBackOff" in text
    assert "owns it" in text
    others = [pod["metadata"]["name"] for pod in cluster.pods("shop", "checkout")]
    others.remove(crashing)
    assert not any(f"pod/{name}" in text for name in others)


async def test_a_pod_that_no_node_takes(ask: Ask, cluster: Cluster) -> None:
    web = cluster.get("Deployment", "shop", "web")
    assert web is not None
    resources = web["spec"]["template"]["spec"]["containers"][0]["resources"]
    resources["requests"]["cpu"] = "90"
    cluster.apply(web)
    await cluster.advance(3)
    text = text_of(await ask("describe", kind="deploy", name="web"))
    assert "on no node" in text
    assert "cannot be scheduled: 0/3 nodes are available: 3 Insufficient cpu." in text
    assert "Warning FailedScheduling" in text


async def test_any_other_kind_is_shown_whole_with_its_events(ask: Ask) -> None:
    found = await ask("describe", kind="hpa", name="web")
    assert isinstance(found, Manifests)
    hpa, events = found.objects
    assert hpa["kind"] == "HorizontalPodAutoscaler"
    assert events == {"events": ["no events"]}


async def test_a_node_is_told_with_what_it_has_and_what_runs_there(
    ask: Ask, cluster: Cluster, catalog: Catalog
) -> None:
    live = cluster.get("Node", "", "node-1")
    assert live is not None
    live["spec"] = {"unschedulable": True, "taints": [{"key": "gpu", "effect": "NoSchedule"}]}
    cluster.apply(live)
    node = await ask("describe", kind="node", name="node-1")
    assert node.note == "node/node-1"
    text = "\n".join(node.lines)
    for said in (
        "cordoned: no new pods come here\ntaint gpu:NoSchedule\n",
        "as it should be: Ready is True",
        "4 for pods, requests ",
        " of at most 110\n",
    ):
        assert said in text
    assert re.search(r"  shop/checkout-\S+: CrashLoopBackOff, not ready, ", text)
    # what is not well has its reason
    full = {"type": "DiskPressure", "status": "True", "reason": "KubeletHasDiskPressure"}
    ill = {
        "metadata": {"name": "n"},
        "status": {"conditions": [full, {"type": "Ready", "status": "Unknown"}]},
    }
    client = cast("Client", catalog.clients["kubernetes/demo"])
    lines = await node_lines(client, ill, datetime.now(UTC))
    assert "condition DiskPressure is True since <unknown>: KubeletHasDiskPressure" in lines
    assert "condition Ready is Unknown since <unknown>: " in lines


async def test_a_kind_that_only_the_cluster_knows(ask: Ask, cluster: Cluster) -> None:
    meta = {"name": "closed", "namespace": "shop"}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": rules}
    cluster.apply({**role, "metadata": meta})
    for kind in ("Role", "roles", "roles.rbac.authorization.k8s.io"):
        found = await ask("describe", kind=kind, name="closed")
        assert isinstance(found, Manifests)
        assert found.objects[0]["rules"] == rules
    asked = [request.path for request in cluster.requests]
    assert asked.count("/apis") == 1, "what a cluster serves is asked once"
    with pytest.raises(NotFound, match=r"no role/close in shop .* Nearest: closed\.$"):
        await ask("describe", kind="role", name="close")


async def test_a_kind_that_nobody_knows(ask: Ask, cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as unknown:
        await ask("describe", kind="networkpolice", name="x")
    assert str(unknown.value).startswith("Cluster demo serves no kind networkpolice. Nearest: netw")
    for kind in ("../pods", "-A", "http://x", "a/b", "a b", "é"):
        with pytest.raises(Refused, match="`kind`"):
            await ask("describe", kind=kind, name="x")
    cluster.fail("*", "/apis/batch/v1$", 503, times=None)
    path = cluster.write_kubeconfig(tmp_path / "again")
    async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
        with pytest.raises(NotFound, match=r"Not answering: batch/v1\."):
            await catalog.read("k8s_describe", {"kind": "workflow", "name": "x"}).run()


async def test_a_secret_is_never_fetched(ask: Ask, cluster: Cluster) -> None:
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "checkout-credentials",
                "namespace": "shop",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"},
            },
            "data": {"API_KEY": "aHVudGVyMg=="},
        }
    )
    found = await ask("describe", kind="secret", name="checkout-credentials")
    assert isinstance(found, Lines)
    assert found.lines[:3] == ("name: checkout-credentials", "type: Opaque", "data: 1")
    assert "hunter2" not in str(found)
    assert found.note.endswith("its content was not read")
    with pytest.raises(NotFound, match="Nearest: checkout-credentials"):
        await ask("describe", kind="secret", name="checkout-credential")
    looked = [one for one in cluster.requests if "/secrets" in one.path]
    assert [one.verb for one in looked] == ["get", "get", "list"]
    # The server answers with names and sizes alone.
    assert all("includeObject" in str(one.query) for one in looked)


async def test_events_once_with_their_count_newest_last(ask: Ask, cluster: Cluster) -> None:
    found = await ask("events", order="time")
    assert isinstance(found, Table)
    assert found.columns[:3] == ("LAST SEEN", "FIRST SEEN", "COUNT")
    backoff = [row for row in found.rows if row[4] == "BackOff"]
    assert [row[2:4] for row in backoff] == [("7", "Warning"), ("7", "Warning")]
    assert found.rows[-1][4] in ("BackOff", "Started", "Created", "Pulled")
    assert "2 of them warnings" in found.note
    twice = cluster.objects("Event", "shop")[0]
    del twice["metadata"]["resourceVersion"], twice["metadata"]["uid"]
    twice["metadata"]["name"] += "-again"
    cluster.apply(twice)
    again = await ask("events")
    assert len(again.rows) == len(found.rows)
    assert sum(int(row[2]) for row in again.rows) == sum(int(row[2]) for row in found.rows) + (
        twice.get("count", 1)
    )


async def test_events_of_one_object_and_only_warnings(ask: Ask, cluster: Cluster) -> None:
    found = await ask("events", kind="deployment", name="checkout")
    kinds = {row[5].partition("/")[0] for row in found.rows}
    assert kinds == {"deployment", "replicaset", "pod"}, "what it runs is part of it"
    assert all("/checkout" in row[5] for row in found.rows)
    warnings = await ask("events", warnings=True)
    assert {row[3] for row in warnings.rows} == {"Warning"}
    assert (await ask("events", warnings=True, kind="deploy")).rows == ()
    newest = await ask("events", limit=2, order="time")
    assert newest.rows == (await ask("events", order="time")).rows[-2:]
    assert "the newest 2 are shown" in newest.note
    everywhere = await ask("events", all_namespaces=True)
    assert everywhere.columns[0] == "NAMESPACE"
    cluster.page_size(1)
    cut = await ask("events")
    assert "only 20 of all events could be read, newer ones may be missing" in cut.note


async def test_why_a_replica_set_makes_no_pod_is_told_of_its_deployment(
    ask: Ask, cluster: Cluster
) -> None:
    """No pod of it names the replica set, as there is none."""
    deployment = cluster.get("Deployment", "shop", "checkout")
    assert deployment is not None
    deployment["spec"] |= {"paused": True}
    cluster.apply(deployment)
    spec = deployment["spec"]
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "controller": True}
    where = {"namespace": "shop", "labels": spec["template"]["metadata"]["labels"]}
    meta = {**where, "ownerReferences": [{**owner, "uid": deployment["metadata"]["uid"]}]}
    cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {**meta, "name": "checkout-none"},
            "spec": {"replicas": 0, "selector": spec["selector"], "template": spec["template"]},
        }
    )
    involved = {"kind": "ReplicaSet", "name": "checkout-none", "namespace": "shop"}
    refused = "Error creating: pods is forbidden: exceeded quota: small"
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "checkout-none.1", "namespace": "shop"},
            "involvedObject": involved,
            "type": "Warning",
            "reason": "FailedCreate",
            "message": refused,
            "lastTimestamp": "2099-01-01T00:00:00Z",
        }
    )
    found = await ask("events", kind="deployment", name="checkout")
    assert isinstance(found, Table)
    assert refused in [row[-1] for row in found.rows]
    told = text_of(await ask("describe", kind="deployment", name="checkout"))
    assert f"Warning FailedCreate replicaset/checkout-none: {refused}" in told


async def test_events_that_may_not_be_seen_hide_nothing_else(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.allow("bot", Rule(READ, ("deployments", "pods", "configmaps")))
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig", "bot")
    async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
        where: dict[str, JsonValue] = {"namespace": "shop", "kind": "deploy", "name": "checkout"}
        text = text_of(await catalog.read("k8s_describe", where).run())
        assert "CrashLoopBackOff" in text
        assert "autoscalers could not be seen" in text
        assert "disruption budgets could not be seen" in text
        assert "events could not be read: Cluster demo does not allow this" in text
        where = {"namespace": "shop", "kind": "cm", "name": "checkout-config"}
        found = await catalog.read("k8s_describe", where).run()
        assert isinstance(found, Manifests)
        assert "events could not be read" in str(found.objects[1])


async def test_the_history_of_a_deployment(ask: Ask, cluster: Cluster) -> None:
    cause = "kubernetes.io/change-cause"
    web = cluster.get("Deployment", "shop", "web")
    assert web is not None
    web["metadata"].setdefault("annotations", {})[cause] = "more memory"
    web["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/web:2.5.0"
    cluster.apply(web)
    await cluster.advance(20)
    found = await ask("rollout_history", name="web")
    assert isinstance(found, Table)
    assert [row[0] for row in found.rows] == ["1", "2", "3 (live)"]
    assert [row[3] for row in found.rows] == [f"shop/web:2.{minor}.0" for minor in (3, 4, 5)]
    assert found.rows[2][4] == "containers[web].image shop/web:2.4.0 → shop/web:2.5.0"
    assert [row[5] for row in found.rows] == ["<none>", "<none>", "more memory"]
    assert found.note == "deployment/web in shop: 3 revisions are kept, at most 10 old ones"
    old = await ask("rollout_history", name="web", revision=2)
    assert isinstance(old, Manifests)
    assert "shop/web:2.4.0" in str(old.objects[0])
    assert old.note == (
        "deployment/web in shop: revision 2; against revision 1 it changed "
        "containers[web].image shop/web:2.3.0 → shop/web:2.4.0"
    )
    with pytest.raises(Refused, match=r"does not keep revision 9; kept: 3, 2, 1\.$"):
        await ask("rollout_history", name="web", revision=9)
    web = cluster.get("Deployment", "shop", "web")  # back to revision 2, as kubectl does it
    assert web is not None
    del web["metadata"]["annotations"][cause]
    web["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/web:2.4.0"
    cluster.apply(web)
    await cluster.advance(20)
    found = await ask("rollout_history", name="web")
    changed = "containers[web].image shop/web:{} → shop/web:{}"
    assert [(row[0], row[4]) for row in found.rows] == [
        ("1", ""),
        ("3", changed.format("2.4.0", "2.5.0")),
        ("4 (live)", changed.format("2.5.0", "2.4.0")),
    ]
    third = await ask("rollout_history", name="web", revision=3)
    assert "; against revision 2 it changed containers[web].image" in third.note
    old = next(
        one
        for one in cluster.objects("ReplicaSet", "shop")
        if one["metadata"]["annotations"].get("deployment.kubernetes.io/revision-history") == "2"
    )
    del old["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"]
    cluster.apply(old)
    third = await ask("rollout_history", name="web", revision=3)
    assert "; what it changed is not known: revision 2 is no longer kept" in third.note


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_the_history_of_the_other_kinds(kind: str, ask: Ask, cluster: Cluster) -> None:
    for number in (1, 2):
        template: dict[str, Any] = {
            "metadata": {"labels": {"app": "db"}},
            "spec": {"containers": [{"name": "db", "image": f"db:{number}"}]},
        }
        spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "db"}}, "template": template}
        if kind == "StatefulSet":
            spec |= {"replicas": 1, "serviceName": "db"}
        meta = {"name": "db", "namespace": "shop"}
        cluster.apply({"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec})
        await cluster.advance(30)
    found = await ask("rollout_history", kind=kind.lower(), name="db")
    assert [(row[0], row[3]) for row in found.rows] == [("1", "db:1"), ("2 (live)", "db:2")]
    first = await ask("rollout_history", kind=kind.lower(), name="db", revision=1)
    assert first.objects[0]["template"]["spec"]["containers"][0]["image"] == "db:1"
    text = text_of(await ask("describe", kind=kind.lower(), name="db"))
    assert "pod db-" in text
    assert "strategy: RollingUpdate (" in text
    status = await ask("rollout_status", kind=kind.lower(), name="db")
    assert status.lines[0].startswith("rollout finished: ")
    assert status.lines[1] == "revision 2: db:2"
    assert status.note == f"{kind.lower()}/db in shop"
    live = cluster.get(kind, "shop", "db")
    assert live is not None
    live["spec"]["updateStrategy"] = {"type": "OnDelete"}
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "db:3"
    cluster.apply(live)
    await cluster.advance(30)
    status = await ask("rollout_status", kind=kind.lower(), name="db")
    assert status.lines[0].startswith("rollout not finished: ")
    assert "OnDelete" in status.lines[2]


async def test_a_history_that_is_cut_is_no_history(ask: Ask, cluster: Cluster) -> None:
    cart = cluster.get("Deployment", "shop", "cart")
    assert cart is not None
    for number in range(22):
        cart["spec"]["template"]["spec"]["containers"][0]["image"] = f"shop/cart:1.4.{number}"
        cart["spec"]["revisionHistoryLimit"] = 30
        cluster.apply(cart)
        await cluster.advance(20)
        cart = cluster.get("Deployment", "shop", "cart")
        assert cart is not None
    assert len((await ask("rollout_history", name="cart")).rows) > 20
    cluster.page_size(1)
    with pytest.raises(Refused, match="too long to be read whole: more than 20 replicasets"):
        await ask("rollout_history", name="cart")
