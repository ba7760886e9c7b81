"""`countersign tools`: what one asks on the terminal is what the bot would see, masked alike."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.guard.terminal import CannotTry, Tried, terminal
from bot.sandbox.cluster import Cluster
from tests.bot.test_cli import CONFIG, Ended, command
from tests.standins.cluster import SeededCluster
from tests.world import ROOT

REFUSED, USAGE = 1, 2
_TIMES = re.compile(r"(?:\d{4}-\d\d-\d\dT?)?\s?\d\d:\d\d(?::\d\d)?Z")  # all that may differ
PATCH = ("k8s_patch", "namespace=shop", "kind=deployment", "name=web")
SCALE = ("k8s_scale", "namespace=shop", "name=web", "replicas=5")


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with SeededCluster(virtual=True) as cluster:
        yield cluster


async def test_the_command_reads_previews_and_says_how_it_ended(
    cluster: Cluster, tmp_path: Path
) -> None:
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig")

    async def tools(*words: str) -> Ended:
        return await command("tools", *words, environment={"KUBECONFIG": str(path)})

    listed = await tools("list")
    assert listed.out.splitlines()[0].split() == ["NAME", "KIND", "RISK", "SUMMARY"]
    assert "k8s_scale " in listed.out
    rows = await tools("try", "k8s_get", "kind=deploy", "limit=2", "--json", "namespace=shop")
    assert rows.code == 0
    assert len(json.loads(rows.out)) == 2
    assert "cut at limit 2" in rows.err
    hostile = "\x9b31m, \u202e and \x1b]0;x\x07"
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "hostile", "namespace": "shop"},
            "data": {"a": hostile},
        }
    )
    shown = await tools("try", "k8s_get", "kind=cm", "name=hostile", "namespace=shop", "--json")
    assert json.loads(shown.out)[0]["data"]["a"] == hostile
    assert all(letter.isprintable() or letter == "\n" for letter in shown.out)
    looks = [await tools("try", "k8s_diagnose", "namespace=shop", "--json") for _ in range(2)]
    assert {"healthy", "findings", "notices", "not_checked"} <= set(json.loads(looks[0].out))
    assert json.loads(looks[0].out)["findings"]
    assert _TIMES.sub("T", looks[0].out).encode() == _TIMES.sub("T", looks[1].out).encode()
    before = json.dumps(cluster.get("Deployment", "shop", "web"))
    scaled = await tools("try", *SCALE, "--cluster", "demo")
    assert scaled.code == 0
    assert scaled.out.startswith("Scale `deployment/web` in `shop` from 3 to 5 replicas\n")
    assert scaled.out.endswith("(only a preview: nothing was changed)\n")
    assert json.dumps(cluster.get("Deployment", "shop", "web")) == before
    for words, code, why in (
        (("k8s_get", "pods"), USAGE, "NAME=VALUE is expected, not 'pods'"),
        (("k8s_get", "kind=pods", "limit=many"), USAGE, "`limit` must be a whole number"),
        (("k8s_get", "kind=pods", "namespace=shpo"), REFUSED, "Nearest: shop."),
    ):
        ended = await tools("try", *words)
        assert ended.code == code, ended.err
        assert why in ended.err.splitlines()[-1]
        assert not ended.out


async def test_what_is_tried_is_masked_and_typed(cluster: Cluster, tmp_path: Path) -> None:
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    async with terminal({"kubernetes": {"kubeconfig": str(path)}}) as tools:

        async def tried(name: str, *words: str) -> Tried:
            return await tools.tried(name, [word.split("=", 1) for word in words])  # type: ignore[misc]

        described = tools.described("k8s_scale").text
        assert "0 to 1000" in described
        assert "deployment|statefulset|replicaset" in described
        table = await tried("k8s_get", "kind=deploy", "namespace=shop")
        assert table.text.endswith("deployments in namespace shop)")
        assert isinstance(table.data, list)
        assert all({"name", "ready", "up-to-date"} <= set(one) for one in table.data)  # type: ignore[arg-type]
        secret = await tried(
            "k8s_get", "kind=secret", "name=checkout-credentials", "namespace=shop"
        )
        assert "‹masked" in secret.text
        assert "‹masked" in str(secret.data)
        whole = await tried("k8s_get", "kind=deploy", "namespace=shop", "output=json")
        assert isinstance(whole.data, dict)
        assert whole.data["kind"] == "List"
        several = await tried("k8s_get", "kind=svc,po,service,secret", "namespace=shop")
        assert isinstance(several.data, dict)
        assert list(several.data) == ["service", "pod", "secret"]
        assert "CLUSTER-IP" in several.text.splitlines()[0]
        assert "\n\nNAME" in several.text
        objects = await tried(
            "k8s_get", "kind=deploy,secret", "name=checkout-credentials", "namespace=shop"
        )
        assert (
            "deployment: There is no deployment/checkout-credentials"
            in objects.text.splitlines()[0]
        )
        path_found = await tried(
            "k8s_get", "kind=deploy", "namespace=shop", "output=jsonpath={.items[0].kind}"
        )
        assert path_found.data == "Deployment"
        said = await tried("k8s_logs", "name=web", "namespace=shop", "since=1d", "init=yes")
        assert isinstance(said.data, list)
        scaled = await tried(*SCALE)
        assert "+  replicas: 5" in scaled.text
        assert isinstance(scaled.data, dict)
        assert (scaled.data["risk"], scaled.data["target"]) == ("write", "demo/shop/deployment/web")

        drained = await tried("k8s_drain", "name=node-1", "delete_emptydir_data=yes")
        assert re.search(r"\n  shop/pod/\S+: on node-1 → nothing\n", drained.text)
        assert "\nPodDisruptionBudget shop/" in drained.text
        assert "\nWay back: uncordon it" in drained.text

        for words, is_usage, why in (
            (
                ("k8s_exec", "name=x", "namespace=shop", 'command=["sh", "-c", "cat /etc/passwd"]'),
                False,
                "That command is not allowed. Allowed are: ",
            ),
            (
                (
                    "k8s_set_env",
                    "name=web",
                    "namespace=shop",
                    f'env=["DB_POOL_SIZE=40", "API_TOKEN=ghp_{"a1B2" * 9}"]',
                ),
                True,
                "env looks like a credential; none may stand on a card. Make a Secret of it",
            ),
            (("k8s_gets",), True, 'There is no tool "k8s_gets". Nearest: k8s_get'),
            (("k8s_get",), True, "`kind` is missing"),
            (
                ("k8s_get", "kind=po", "namespace=shop", "output=jsonpath={.a"),
                True,
                "cannot be read",
            ),
            (("k8s_get", "kind=po", "namespace=shop", "sort={"), True, "`sort` is a path that"),
            ((*PATCH, "patch={}"), True, "`patch` must be an object with the fields"),
            ((*PATCH, "patch=spec: {replica: 2}"), False, '(422): unknown field "spec.replica".'),
            (("k8s_diagnose", "kind=pod"), True, "`kind` and `name` go together"),
            (("k8s_get", "kind=,"), True, "`kind` takes one to 8 kinds"),
            (
                ("k8s_get", "kind=po,svc", "name=wbe", "namespace=shop"),
                False,
                "There is no pod/wbe",
            ),
            (("k8s_get", "kinds=pods"), True, "did you mean `kind`?"),
            (("k8s_get", "kind=pods", "kind=deploy"), True, "`kind` is given twice."),
            (("k8s_get", "kind=pods", "cluster=dmo"), True, "Did you mean demo?"),
            (("k8s_scale", "namespace=shop", "name=wbe", "replicas=1"), False, "Nearest: web."),
        ):
            with pytest.raises(CannotTry) as refused:
                await tried(*words)
            assert refused.value.is_usage is is_usage
            assert why in str(refused.value)


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


async def test_it_starts_without_what_only_the_bot_needs() -> None:
    """Real time is not measured: what would take it is not loaded."""
    heavy = ("langgraph", "litellm", "slack_sdk", "psycopg", "openai", "procrastinate")
    code = (
        "import sys; from bot.commands import parser; parser(['tools']); import tools.kubernetes;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert out.decode().strip() == "[]"
