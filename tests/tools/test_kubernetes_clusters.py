"""Several clusters from one kubeconfig: which one is asked, and what when one is away."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import pytest
import yaml
from pydantic import JsonValue

from bot.sandbox.cluster import Cluster
from tools import (
    Finding,
    JsonObject,
    Lines,
    Manifests,
    Refused,
    Report,
    Table,
    Unavailable,
    Wish,
    gathered,
    open_providers,
)

ARN = "arn:aws:eks:eu-west-1:123456789012:cluster/prod"
WEB: dict[str, JsonValue] = {"namespace": "shop", "name": "web"}


def joined(answers: Sequence[tuple[str, Finding | str]]) -> Finding:
    """What the clusters found, of one kind."""
    return gathered([("", one) for one in answers], "cluster")


def workload(image: str) -> JsonObject:
    """A deployment of one pod."""
    container: dict[str, JsonValue] = {"name": "web", "image": image}
    labels: dict[str, JsonValue] = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


@pytest.fixture
async def clusters() -> AsyncIterator[Mapping[str, Cluster]]:
    """Two, alike but for the version of their web."""
    async with AsyncExitStack() as stack:
        found = {}
        for number, name in enumerate(("staging", ARN)):
            cluster = await stack.enter_async_context(Cluster(virtual=True))
            cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
            cluster.apply(dict(workload(f"shop/web:{number}")))
            await cluster.advance(20)
            found[name] = cluster
        yield found


@pytest.fixture
def kubeconfig(clusters: Mapping[str, Cluster], tmp_path: Path) -> Path:
    """One file with a context for each."""
    whole: dict[str, list[JsonValue]] = {"clusters": [], "users": [], "contexts": []}
    for name, cluster in clusters.items():
        one = cluster.kubeconfig()
        whole["clusters"].append({**one["clusters"][0], "name": name})
        whole["users"].append({**one["users"][0], "name": name})
        whole["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    path = tmp_path / "kubeconfig"
    head = {"apiVersion": "v1", "kind": "Config", "current-context": "staging"}
    path.write_text(yaml.safe_dump({**head, **whole}))
    return path


def settings(kubeconfig: Path, contexts: JsonValue, **more: JsonValue) -> dict[str, JsonObject]:
    return {"kubernetes": {"kubeconfig": str(kubeconfig), "contexts": contexts, **more}}


async def test_a_read_and_a_change_go_to_the_cluster_that_is_named(
    clusters: Mapping[str, Cluster], kubeconfig: Path
) -> None:
    called: JsonValue = {"prod": ARN, "staging": "staging"}
    async with open_providers(settings(kubeconfig, called)) as catalog:
        assert list(catalog.clients) == ["kubernetes/prod", "kubernetes/staging"]
        for name, image in (("prod", "shop/web:1"), ("staging", "shop/web:0")):
            listing: JsonObject = {"kind": "deploy", "namespace": "shop", "cluster": name}
            found = await catalog.read("k8s_get", listing).run()
            assert isinstance(found, Table)
            assert found.rows[0][5] == image
        call = catalog.change("k8s_set_image", {**WEB, "image": "shop/web:7", "cluster": "prod"})
        assert call.target == "prod/shop/deployment/web"
        seen = await call.preview()
        await call.apply(seen)
        wish = call.undo(seen)
        assert isinstance(wish, Wish)
        assert wish.arguments["cluster"] == "prod"
    assert len(clusters[ARN].mutations) == 1
    assert clusters["staging"].mutations == []


async def test_which_cluster_must_be_said(kubeconfig: Path) -> None:
    names = ["staging", ARN]
    async with open_providers(settings(kubeconfig, cast("JsonValue", names))) as catalog:
        for tool in catalog.tools.values():
            assert "cluster" in str(tool.schema["required"]), tool.name
        with pytest.raises(Refused) as missing:
            catalog.read("k8s_get", {"kind": "pods"})
        assert str(missing.value) == f"`cluster` is missing: it must be one of staging, {ARN}."
        with pytest.raises(Refused, match="Did you mean staging"):
            catalog.change("k8s_rollout_restart", {**WEB, "cluster": "stagin"})


async def test_one_context_needs_no_naming(kubeconfig: Path) -> None:
    async with open_providers(settings(kubeconfig, {"prod": ARN})) as catalog:
        call = catalog.read("k8s_get", {"kind": "pods", "namespace": "shop"})
        assert call.client == "prod"
        assert isinstance(await call.run(), Table)


async def test_one_that_is_away_does_not_stop_the_others(
    clusters: Mapping[str, Cluster], kubeconfig: Path
) -> None:
    await clusters[ARN].down()
    called: JsonValue = {"prod": ARN, "staging": "staging"}
    async with open_providers(settings(kubeconfig, called)) as catalog:
        listing: JsonObject = {"kind": "pods", "namespace": "shop"}
        assert await catalog.read("k8s_get", {**listing, "cluster": "staging"}).run()
        with pytest.raises(Unavailable, match="Cluster prod is away: it refuses connections"):
            await catalog.read("k8s_get", {**listing, "cluster": "prod"}).run()
        with pytest.raises(Unavailable, match="Cluster prod is away"):
            await catalog.clients["kubernetes/prod"].check()
        await catalog.clients["kubernetes/staging"].check()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"contexts": ["staging", "prd", "dev"]},
            f"kubernetes: the kubeconfig KUBECONFIG has no context prd, dev; known: staging, {ARN}",
        ),
        (
            {"contexts": {"prod": "prd"}},
            f"kubernetes: the kubeconfig KUBECONFIG has no context prd; known: staging, {ARN}",
        ),
        (
            {"context": "prd"},
            f"kubernetes: the kubeconfig KUBECONFIG has no context prd; known: staging, {ARN}",
        ),
        (
            {"contexts": ["staging", "staging"]},
            "kubernetes: Value error, `contexts` names staging twice",
        ),
        (
            {"contexts": ["staging"], "context": "staging"},
            "kubernetes: Value error, `contexts` does not go with `context` or `in_cluster`",
        ),
    ],
)
async def test_a_mistake_is_one_sentence_at_the_start(
    given: JsonObject, said: str, kubeconfig: Path
) -> None:
    config: JsonObject = {"kubeconfig": str(kubeconfig), **given}
    with pytest.raises(ValueError, match="kubernetes") as wrong:
        async with open_providers({"kubernetes": config}):
            pass
    assert str(wrong.value) == said.replace("KUBECONFIG", str(kubeconfig))


async def test_a_kubeconfig_that_is_not_there_yet_stops_nothing(
    kubeconfig: Path, tmp_path: Path
) -> None:
    later = tmp_path / "later"
    async with open_providers(settings(later, {"prod": ARN, "staging": "staging"})) as catalog:
        call = catalog.read("k8s_get", {"kind": "pods", "namespace": "shop", "cluster": "prod"})
        with pytest.raises(Unavailable, match="There is no kubeconfig at"):
            await call.run()
        kubeconfig.rename(later)
        assert isinstance(await call.run(), Table)


async def test_one_read_across_clusters(clusters: Mapping[str, Cluster], kubeconfig: Path) -> None:
    called: JsonValue = {"prod": ARN, "staging": "staging"}
    async with open_providers(settings(kubeconfig, called)) as catalog:
        read, change = catalog.tools["k8s_get"].schema, catalog.tools["k8s_scale"].schema
        assert cast("JsonObject", read["properties"])["cluster"] == {
            "type": "string",
            "enum": ["prod", "staging", "*"],
            "description": 'Which cluster; "*": each.',
        }
        assert "*" not in str(cast("JsonObject", change["properties"])["cluster"])
        listing: JsonObject = {"kind": "deploy", "namespace": "shop"}
        assert len(catalog.reads("k8s_get", {**listing, "cluster": "prod"})) == 1
        for meant in ("*", "prod, staging"):
            calls = catalog.reads("k8s_get", {**listing, "cluster": meant})
            assert [call.client for call in calls] == ["prod", "staging"]
        answers = [(call.client, await call.run()) for call in calls]
        table = joined(answers)
        assert isinstance(table, Table)
        assert table.columns[:3] == ("CLUSTER", "NAME", "READY")
        assert [(row[0], row[6]) for row in table.rows] == [
            ("prod", "shop/web:1"),
            ("staging", "shop/web:0"),
        ]
        assert table.note == (
            "prod: 1 deployment in namespace shop; staging: 1 deployment in namespace shop"
        )
        with pytest.raises(Refused, match="Did you mean staging"):
            catalog.reads("k8s_get", {**listing, "cluster": "prod,stagin"})
        with pytest.raises(Refused, match="must be one of prod, staging"):
            catalog.change("k8s_scale", {**WEB, "replicas": 1, "cluster": "*"})


def test_one_that_is_away_is_a_line() -> None:
    away = "Cluster b is away."
    table = joined([("a", Table(("NAME",), (("web",),), "1 pod")), ("b", away)])
    assert table == Table(("CLUSTER", "NAME"), (("a", "web"), ("b", away)), "a: 1 pod")
    lines = joined([("a", Lines(("one", "two"))), ("b", away)])
    assert lines == Lines(("a | one", "a | two", f"b | {away}"))
    report = joined([("a", Report(("well",), {"healthy": True}))])
    assert report == Report(("a | well",), {"a": {"healthy": True}})
    with pytest.raises(Refused, match="a: x b: y"):
        joined([("a", "x"), ("b", "y")])
    with pytest.raises(Refused, match="Whole objects are shown of one cluster at a time"):
        joined([("a", Manifests(({},)))])
