"""`countersign tools`: what one asks on the terminal is what the bot would see, masked alike."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.sandbox.cluster import Cluster
from tests.bot.test_cli import CONFIG, Ended, command

REFUSED, USAGE = 1, 2


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(seed="few", virtual=True) as cluster:
        yield cluster


async def test_reads_run_and_changes_are_only_previewed(cluster: Cluster, tmp_path: Path) -> None:
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig")

    async def tools(*words: str) -> Ended:
        return await command("tools", *words, environment={"KUBECONFIG": str(path)})

    listed = await tools("list")
    assert listed.out.splitlines()[0].split() == ["NAME", "KIND", "RISK", "SUMMARY"]
    assert "k8s_scale " in listed.out
    described = await tools("describe", "k8s_scale")
    assert "0 to 1000" in described.out
    assert "deployment|statefulset|replicaset" in described.out

    pods = await tools("try", "k8s_get", "kind=deploy", "namespace=shop", "--cluster", "demo")
    assert pods.code == 0
    assert "checkout" in pods.out
    assert pods.out.endswith("deployments in namespace shop)\n")
    rows = await tools("try", "k8s_get", "kind=deploy", "namespace=shop", "limit=2", "--json")
    found = json.loads(rows.out)
    assert [set(one) >= {"name", "ready", "up-to-date"} for one in found] == [True, True]
    assert "cut at limit 2" in rows.err
    secret = "kind=secret", "name=checkout-credentials", "namespace=shop"
    for flag in ((), ("--json",)):
        shown = await tools("try", "k8s_get", *secret, *flag)
        assert "‹masked" in shown.out
    assert json.loads(shown.out)[0]["kind"] == "Secret"
    said = await tools("try", "k8s_logs", "name=web", "namespace=shop", "since=1d", "--json")
    assert all(isinstance(line, str) for line in json.loads(said.out))

    before = json.dumps(cluster.get("Deployment", "shop", "web"))
    wanted = ("k8s_scale", "namespace=shop", "name=web", "replicas=5")
    scaled = await tools("try", *wanted)
    assert scaled.code == 0
    assert scaled.out.startswith("Scale `deployment/web` in `shop` from 3 to 5 replicas\n")
    assert "+  replicas: 5" in scaled.out
    assert scaled.out.endswith("(only a preview: nothing was changed)\n")
    data = json.loads((await tools("try", *wanted, "--json")).out)
    assert (data["risk"], data["changes"][0]["after"]) == ("write", 5)
    assert json.dumps(cluster.get("Deployment", "shop", "web")) == before

    for words, code, why in (
        (("k8s_gets",), USAGE, 'There is no tool "k8s_gets". Nearest: k8s_get'),
        (("k8s_get",), USAGE, "`kind` is missing"),
        (("k8s_get", "kind=pods", "limit=many"), USAGE, "`limit` must be a whole number"),
        (("k8s_get", "kinds=pods"), USAGE, "did you mean `kind`?"),
        (("k8s_get", "kind=pods", "kind=deploy"), USAGE, "`kind` is given twice."),
        (("k8s_get", "kind=pods", "--cluster", "dmo"), USAGE, "Did you mean demo?"),
        (("k8s_get", "pods"), USAGE, "NAME=VALUE is expected, not 'pods'"),
        (("k8s_get", "kind=pods", "namespace=shpo"), REFUSED, "Nearest: shop."),
        (("k8s_scale", "namespace=shop", "name=wbe", "replicas=1"), REFUSED, "Nearest: web."),
    ):
        ended = await tools("try", *words)
        assert ended.code == code, ended.err
        assert why in ended.err.splitlines()[-1]
        assert not ended.out


async def test_without_a_cluster_it_says_so(tmp_path: Path) -> None:
    ended = await command("tools", "list")
    assert ended.code == CONFIG
    assert ended.sentence().startswith("No provider is configured: set KUBECONFIG")
    (tmp_path / "away").write_text(
        "{clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}], users: [],"
        " contexts: [{name: c, context: {cluster: c, user: ''}}], current-context: c}"
    )
    environment = {"KUBECONFIG": str(tmp_path / "away")}
    ended = await command("tools", "try", "k8s_get", "kind=pods", environment=environment)
    assert ended.code == REFUSED
    assert ended.sentence() == "Cluster c is away: it refuses connections."
    config = tmp_path / "countersign.yaml"
    config.write_text("tools: {kubernetes: {kubeconfig: 1, contxt: a}}")
    ended = await command("tools", "list", environment={"COUNTERSIGN_CONFIG": str(config)})
    assert ended.code == CONFIG
    assert "contxt" in ended.err
