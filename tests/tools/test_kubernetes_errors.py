"""What the Kubernetes provider says when the cluster, or its kubeconfig, is not as it should be."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from bot.sandbox.cluster import Cluster, Rule
from tools import (
    Catalog,
    Finding,
    JsonObject,
    NotFound,
    Refused,
    Table,
    Unavailable,
    open_providers,
)

Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(virtual=True) as cluster:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        yield cluster


@pytest.fixture
async def catalog(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Catalog]:
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    config: JsonObject = {"kubeconfig": str(path), "timeout_seconds": 2}
    async with open_providers({"kubernetes": config}) as catalog:
        yield catalog


@pytest.fixture
def ask(catalog: Catalog) -> Ask:
    async def ask(tool: str, **arguments: JsonValue) -> Finding:
        return await catalog.read(f"k8s_{tool}", arguments).run()

    return ask


async def test_the_cluster_says_no(cluster: Cluster, tmp_path: Path) -> None:
    cluster.allow("bot", Rule(("get",), ("nodes",)))
    path = cluster.write_kubeconfig(tmp_path / "bot", "bot")
    async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
        call = catalog.read("k8s_get", {"kind": "pods", "namespace": "shop"})
        with pytest.raises(Refused) as refused:
            await call.run()
    assert str(refused.value).startswith(
        'Cluster demo does not allow this: pods is forbidden: User "bot" cannot list resource'
    )
    path.write_text(path.read_text().replace("token: ", "token: wrong"))
    async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
        with pytest.raises(Refused, match=r"does not accept our credentials \(401\): renew them"):
            await catalog.read("k8s_get", {"kind": "pods"}).run()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "the connection broke before it answered"),
        (429, "is overloaded"),
        (500, "failed with 500"),
        (503, "failed with 503"),
        (504, "failed with 504"),
    ],
)
async def test_the_cluster_has_a_bad_day(
    status: int, words: str, ask: Ask, cluster: Cluster
) -> None:
    cluster.fail("list", "/pods", status, times=5)
    with pytest.raises(Unavailable, match=words) as bad:
        await ask("get", kind="pods", namespace="shop")
    assert "<" not in str(bad.value)
    assert "\n" not in str(bad.value)


async def test_an_idle_connection_that_was_closed_is_not_noticed(
    ask: Ask, cluster: Cluster
) -> None:
    cluster.fail("list", "/pods", 0, times=1)
    assert isinstance(await ask("get", kind="pods", namespace="shop"), Table)


async def test_a_cluster_that_comes_back(ask: Ask, catalog: Catalog, cluster: Cluster) -> None:
    client = catalog.clients["kubernetes/demo"]
    await client.check()
    await cluster.down()
    with pytest.raises(Unavailable, match="Cluster demo is away: it refuses connections"):
        await client.check()
    await cluster.up()
    assert isinstance(await ask("get", kind="pods", namespace="shop"), Table)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no kubeconfig at"),
        ("", "cannot be used"),
        ("{", "cannot be used"),
        ("[1, 2]", "cannot be used"),
        ("just words", "cannot be used"),
        ("apiVersion: v1\nkind: Config\n", "cannot be used"),
        ("current-context: x\ncontexts: []\nclusters: []\nusers: []\n", "cannot be used"),
    ],
    ids=["missing", "empty", "broken", "list", "text", "no contexts", "no such context"],
)
async def test_a_kubeconfig_that_cannot_be_used_does_not_stop_the_opening(
    content: str | None, words: str, cluster: Cluster, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
        call = catalog.read("k8s_get", {"kind": "pods", "namespace": "shop"})
        with pytest.raises(Unavailable, match=words) as away:
            await call.run()
        assert str(path) in str(away.value)
        assert "\n" not in str(away.value)
        cluster.write_kubeconfig(path)  # mended while the bot runs
        assert isinstance(await call.run(), Table)


async def test_a_list_is_read_page_by_page(ask: Ask, cluster: Cluster) -> None:
    for number in range(21):
        meta: JsonObject = {"name": f"settings-{number:02}", "namespace": "shop"}
        cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    cluster.page_size(2)
    found = await ask("get", kind="configmaps", namespace="shop")
    assert [row[0] for row in found.rows] == [f"settings-{number:02}" for number in range(21)]
    assert found.note == "21 configmaps in namespace shop"
    found = await ask("get", kind="configmaps", namespace="shop", limit=5)
    assert len(found.rows) == 5
    assert found.note.endswith("cut at limit 5, there are more")


async def test_a_server_that_gives_one_at_a_time_is_not_read_for_ever(
    ask: Ask, cluster: Cluster
) -> None:
    for number in range(21):
        meta: JsonObject = {"name": f"settings-{number:02}", "namespace": "shop"}
        cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    cluster.page_size(1)
    found = await ask("get", kind="configmaps", namespace="shop")
    assert len(found.rows) == 20
    expected = "20 configmaps in namespace shop; not all could be read, there are more"
    assert found.note == expected


async def test_a_list_whose_next_page_is_forgotten_is_cut(ask: Ask, cluster: Cluster) -> None:
    cluster.page_size(1)
    cluster.delay("list", "/nodes", 0.1)
    asking = asyncio.ensure_future(ask("get", kind="nodes"))
    await cluster.until(lambda: any("/nodes" in one.path for one in cluster.requests))
    await asyncio.sleep(0.15)  # the first page is out, the second is on its way
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    cluster.forget_history()
    found = await asking
    assert 0 < len(found.rows) < 3
    assert found.note.endswith("not all could be read, there are more")


async def test_a_context_that_does_not_exist(cluster: Cluster, tmp_path: Path) -> None:
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    config: JsonObject = {"kubeconfig": str(path), "context": "prod"}
    with pytest.raises(ValueError, match=r"has no context prod; known: demo$"):
        async with open_providers({"kubernetes": config}):
            pass


async def test_what_answers_is_no_cluster(tmp_path: Path, cluster: Cluster) -> None:
    config = cluster.kubeconfig()
    config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
        with pytest.raises(Unavailable, match="it refuses connections"):
            await catalog.read("k8s_get", {"kind": "pods"}).run()


async def test_a_proxy_is_not_asked_for_what_is_here(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
        assert await catalog.read("k8s_get", {"kind": "pods"}).run()


async def test_what_the_cluster_lacks_is_said(ask: Ask, cluster: Cluster) -> None:
    # metrics-server makes no tables of its own: the list is one all the same
    usage = await ask("get", kind="nodes.metrics.k8s.io")
    assert usage.columns[0] == "NAME"
    cluster.fail("get", "/metrics.k8s.io/v1beta1/", 503, times=None)
    with pytest.raises(Unavailable, match="metrics-server did not answer"):
        await ask("top_nodes")
    cluster.fail("get", "/readyz", 500, times=None)
    info = await ask("cluster_info")
    assert "its API is not ready: Cluster demo failed with 500" in info.lines[0]


async def test_who_measures_nothing_is_told_what_would(ask: Ask, cluster: Cluster) -> None:
    cluster.fail("get", "/metrics.k8s.io/v1beta1/", 404, times=None)
    with pytest.raises(NotFound, match=r"serves no metrics\.k8s\.io, which metrics-server does"):
        await ask("top_pods", namespace="shop")
