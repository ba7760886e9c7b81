"""How the Kubernetes client lives with changing credentials, throttling, restarts and budgets."""

import asyncio
import json
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import JsonValue

from bot.sandbox.cluster import Cluster
from tests.standins.cluster import SeededCluster
from tools import Catalog, JsonObject, Refused, Table, Unavailable, open_providers
from tools.kubernetes.pace import Pace


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(virtual=True) as cluster:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        yield cluster


@pytest.fixture
async def shop() -> AsyncIterator[Cluster]:
    """One with something to scale in it."""
    async with SeededCluster(virtual=True) as cluster:
        yield cluster


@asynccontextmanager
async def opened(path: Path, **settings: JsonValue) -> AsyncIterator[Catalog]:
    config: JsonObject = {"kubeconfig": str(path), "timeout_seconds": 3, **settings}
    async with open_providers({"kubernetes": config}) as catalog:
        yield catalog


async def pods(catalog: Catalog) -> object:
    return await catalog.read("k8s_get", {"kind": "pods", "namespace": "shop"}).run()


def signing_in_with(program: Path, cluster: Cluster, path: Path) -> None:
    """A kubeconfig whose credentials a program fetches."""
    config = cluster.kubeconfig("bot")
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program)}}
    config["users"][0]["user"] = user
    path.write_text(json.dumps(config))


def program(path: Path, token: Path, runs: Path) -> Path:
    """A credential plugin; it says no time at which its token runs out."""
    path.write_text(
        f"#!{sys.executable} -S\nimport json\n"
        f"open({str(runs)!r}, 'a').write('x')\n"
        f"token = open({str(token)!r}).read()\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1',"
        " 'kind': 'ExecCredential', 'status': {'token': token}}))\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


async def test_a_rotated_token_is_fetched_anew_once(cluster: Cluster, tmp_path: Path) -> None:
    token, runs, path = tmp_path / "token", tmp_path / "runs", tmp_path / "kubeconfig"
    token.write_text(cluster.rights.token("bot"))
    signing_in_with(program(tmp_path / "sign-in", token, runs), cluster, path)
    async with opened(path) as catalog:
        assert isinstance(await pods(catalog), Table)
        cluster.rotate_token("bot")
        token.write_text(cluster.rights.token("bot"))
        found = await asyncio.gather(*(pods(catalog) for _ in range(5)))  # all are turned away
        assert all(isinstance(one, Table) for one in found)
        assert runs.read_text() == "xx"
        cluster.rotate_token("bot")  # and nobody gives us the new one
        with pytest.raises(Refused, match=r"does not accept our credentials \(401\)"):
            await pods(catalog)
        with pytest.raises(Refused, match=r"does not accept our credentials \(401\)"):
            await pods(catalog)
        assert runs.read_text() == "xxx"  # one that was never accepted is not asked for at once


async def test_a_change_that_was_turned_away_with_401_is_sent_again(
    shop: Cluster, tmp_path: Path
) -> None:
    """What was answered so was not done: it runs once."""
    token, path = tmp_path / "token", tmp_path / "kubeconfig"
    token.write_text(shop.rights.token("bot"))
    signing_in_with(program(tmp_path / "sign-in", token, tmp_path / "runs"), shop, path)
    async with opened(path) as catalog:
        arguments: JsonObject = {"namespace": "shop", "name": "web", "replicas": 4}
        change = catalog.change("k8s_scale", arguments)
        seen = await change.preview()
        shop.rotate_token("bot")
        token.write_text(shop.rights.token("bot"))
        await change.apply(seen)
    sent = [one for one in shop.requests if one.verb == "patch" and not one.dry_run]
    assert [one.status for one in sent][-1] == 200
    assert [one.status for one in sent].count(200) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "there is no such program here"), ("#!/bin/sh\nexit 1\n", "it gave no credentials")],
)
async def test_a_credential_program_that_does_not_work_is_named(
    text: str | None, why: str, cluster: Cluster, tmp_path: Path
) -> None:
    path, missing = tmp_path / "kubeconfig", tmp_path / "sign-in"
    if text is not None:
        missing.write_text(text)
        missing.chmod(0o755)
    signing_in_with(missing, cluster, path)
    async with opened(path) as catalog:
        with pytest.raises(Unavailable, match=f"signs in with the program .*sign-in: {why}"):
            await pods(catalog)


@pytest.mark.parametrize("status", [429, 503, 504])
async def test_a_look_waits_for_a_cluster_that_is_busy_or_restarts(
    status: int, cluster: Cluster, tmp_path: Path
) -> None:
    async with opened(cluster.write_kubeconfig(tmp_path / "kubeconfig", "bot")) as catalog:
        cluster.fail("list", "/pods", status, times=1)
        assert isinstance(await pods(catalog), Table)


async def test_a_change_is_never_sent_again_of_itself(shop: Cluster, tmp_path: Path) -> None:
    async with opened(shop.write_kubeconfig(tmp_path / "kubeconfig", "bot")) as catalog:
        arguments: JsonObject = {"namespace": "shop", "name": "web", "replicas": 4}
        change = catalog.change("k8s_scale", arguments)
        seen = await change.preview()
        shop.fail("patch", "/scale", 503, times=1)
        with pytest.raises(Unavailable, match="failed with 503"):
            await change.apply(seen)
    sent = [one for one in shop.requests if one.verb == "patch" and not one.dry_run]
    assert len(sent) == 1


async def test_no_crowd_of_questions_uses_more_than_the_budget(
    cluster: Cluster, tmp_path: Path
) -> None:
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig", "bot")
    async with opened(path, qps=0.1, burst=5) as catalog:
        before = len(cluster.requests)
        answers = await asyncio.gather(*(pods(catalog) for _ in range(20)), return_exceptions=True)
        assert len(cluster.requests) - before <= 5
    refused = [str(one) for one in answers if isinstance(one, Unavailable)]
    assert len(refused) >= 15
    assert refused[0].startswith("Too much is asked of cluster demo at once")


def test_the_pace_is_the_average_and_the_burst() -> None:
    pace = Pace(qps=10, burst=3)
    waits = [pace.wait(100.0, 10) for _ in range(5)]
    assert waits == pytest.approx([0, 0, 0, 0.1, 0.2])
    assert pace.wait(100.0, 0.25) is None  # and takes no turn
    assert pace.wait(100.0, 1) == pytest.approx(0.3)
    assert pace.wait(200.0, 0) == 0


async def test_an_answer_that_is_too_large_is_not_kept(cluster: Cluster, tmp_path: Path) -> None:
    for number in range(3):
        meta: JsonObject = {"name": f"big-{number}", "namespace": "shop"}
        data = {"text": "x" * 500_000}
        cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig", "bot")
    async with opened(path, most_bytes=1_000_000) as catalog:
        call = catalog.read("k8s_get", {"kind": "configmaps", "namespace": "shop"})
        with pytest.raises(Refused, match="answered with more than 1 MB: ask for less"):
            await call.run()
