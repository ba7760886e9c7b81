"""The official Kubernetes client, over a real socket, against the demo cluster."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import kubernetes
import pytest
import yaml

from bot.sandbox.cluster import Cluster, Rule
from tests.standins.cluster import SeededCluster

HEADERS = {"Authorization": "Bearer admin-token"}
SMALL: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
    {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "checkout-config", "namespace": "shop"},
    },
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "shop/web:2.4.0"}]},
            },
        },
    },
]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with SeededCluster(speed=20) as cluster:
        yield cluster


class Client:
    """The official client of one user; every call in a thread and with a limit."""

    def __init__(self, cluster: Cluster, path: Path, user: str = "admin") -> None:
        cluster.write_kubeconfig(path / f"{user}.yaml", user)
        config = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(str(path / f"{user}.yaml"), client_configuration=config)
        config.retries = False
        self.api = kubernetes.client.ApiClient(config)
        self.core = kubernetes.client.CoreV1Api(self.api)
        self.apps = kubernetes.client.AppsV1Api(self.api)

    async def __call__(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return await asyncio.wait_for(
            asyncio.to_thread(call, *arguments, _request_timeout=5, **named), 10
        )


@pytest.fixture
async def client(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Client]:
    client = Client(cluster, tmp_path)
    yield client
    client.api.close()


def test_the_kubeconfig_is_for_its_owner_only(tmp_path: Path) -> None:
    cluster = Cluster()
    with pytest.raises(RuntimeError, match="not been started"):
        cluster.write_kubeconfig(tmp_path / "kubeconfig")
    with pytest.raises(ValueError, match="no user 'eve'"):
        cluster.rights.token("eve")


async def test_lists_and_reads(cluster: Cluster, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "admin.yaml"
    assert path.stat().st_mode & 0o077 == 0
    assert yaml.safe_load(path.read_text())["clusters"][0]["cluster"]["server"] == cluster.url
    found = await client(client.apps.list_namespaced_deployment, "shop")
    assert [item.metadata.name for item in found.items] == ["cart", "checkout", "web"]
    everywhere = await client(client.core.list_pod_for_all_namespaces)
    assert {pod.metadata.namespace for pod in everywhere.items} == {"shop", "payments"}
    chosen = await client(
        client.core.list_namespaced_pod, "shop", label_selector="app in (web,cart),app!=cart"
    )
    assert len(chosen.items) == 3
    running = await client(
        client.core.list_namespaced_pod, "shop", field_selector="status.phase=Running"
    )
    assert len(running.items) == 10
    node = await client(client.core.read_node, "node-1")
    assert node.status.allocatable["cpu"] == "4"
    version = await client(kubernetes.client.VersionApi(client.api).get_code)
    assert version.git_version == "v1.36.2"
    groups = await client(kubernetes.client.ApisApi(client.api).get_api_versions)
    assert "apps" in [group.name for group in groups.groups]
    resources = await client(client.apps.get_api_resources)
    assert "deployments/scale" in [resource.name for resource in resources.resources]


async def test_logs_of_a_crash(cluster: Cluster, client: Client) -> None:
    crashing = [
        pod["metadata"]["name"]
        for pod in cluster.pods("shop", "checkout")
        if pod["status"]["containerStatuses"][0]["restartCount"]
    ]
    assert len(crashing) == 2
    read = client.core.read_namespaced_pod_log
    text = await client(read, crashing[0], "shop", previous=True, tail_lines=1)
    assert text == "FATAL missing PAYMENTS_URL: no payment provider is configured\n"
    healthy = cluster.pods("shop", "web")[0]["metadata"]["name"]
    lines = (await client(read, healthy, "shop", tail_lines=5, timestamps=True)).splitlines()
    assert len(lines) == 5
    assert lines == sorted(lines)
    short = await client(read, healthy, "shop", limit_bytes=10)
    assert len(short) == 10
    recent = await client(read, healthy, "shop", since_seconds=60)
    assert 0 < len(recent.splitlines()) < 1000
    with pytest.raises(kubernetes.client.ApiException) as refused:
        await client(read, healthy, "shop", container="nope")
    assert refused.value.status == 400


async def test_a_scale_is_tried_then_done(cluster: Cluster, client: Client) -> None:
    patch = client.apps.patch_namespaced_deployment_scale
    tried = await client(patch, "web", "shop", {"spec": {"replicas": 5}}, dry_run="All")
    assert tried.spec.replicas == 5
    assert cluster.mutations == []
    assert cluster.requests[-1].dry_run
    await client(patch, "web", "shop", {"spec": {"replicas": 5}})
    (change,) = cluster.mutations
    assert (change.user, change.verb, change.body) == ("admin", "patch", {"spec": {"replicas": 5}})
    await cluster.until(lambda: cluster.ready("shop", "web"))
    assert len(cluster.pods("shop", "web")) == 5


async def test_a_stale_replacement_is_a_conflict(cluster: Cluster, client: Client) -> None:
    read = client.apps.read_namespaced_deployment
    first, second = await client(read, "web", "shop"), await client(read, "web", "shop")
    first.spec.replicas = 4
    await client(client.apps.replace_namespaced_deployment, "web", "shop", first)
    second.spec.replicas = 2
    with pytest.raises(kubernetes.client.ApiException) as refused:
        await client(client.apps.replace_namespaced_deployment, "web", "shop", second)
    assert refused.value.status == 409
    assert json.loads(refused.value.body)["reason"] == "Conflict"
    after = cluster.get("Deployment", "shop", "web")
    assert after is not None
    assert after["spec"]["replicas"] == 4


async def test_a_new_image_by_strategic_merge_rolls_out(cluster: Cluster, client: Client) -> None:
    container = {"name": "web", "image": "shop/web:2.5.0", "env": [{"name": "A", "value": "1"}]}
    body = {"spec": {"template": {"spec": {"containers": [container]}}}}
    await client(client.apps.patch_namespaced_deployment, "web", "shop", body)
    await cluster.until(lambda: cluster.ready("shop", "web"))
    found = await client(client.apps.read_namespaced_deployment, "web", "shop")
    (made,) = found.spec.template.spec.containers
    assert made.image == "shop/web:2.5.0"
    assert made.readiness_probe.http_get.path == "/healthz"  # merged, not replaced
    assert found.metadata.annotations["deployment.kubernetes.io/revision"] == "3"


async def test_a_watch_follows_and_ends(cluster: Cluster, client: Client) -> None:
    listed = await client(client.core.list_namespaced_pod, "shop", label_selector="app=cart")

    def follow() -> list[tuple[str, str]]:
        stream = kubernetes.watch.Watch().stream(
            client.core.list_namespaced_pod,
            "shop",
            label_selector="app=cart",
            resource_version=listed.metadata.resource_version,
            timeout_seconds=2,
        )
        return [(event["type"], event["object"].metadata.name) for event in stream]

    watching = asyncio.get_running_loop().run_in_executor(None, follow)
    await cluster.until(lambda: any(request.verb == "watch" for request in cluster.requests))
    victim = listed.items[0].metadata.name
    await client(client.core.delete_namespaced_pod, victim, "shop")
    seen = await asyncio.wait_for(watching, 10)
    assert ("MODIFIED", victim) in seen
    assert ("DELETED", victim) in seen
    assert len([kind for kind, name in seen if kind == "ADDED" and name != victim]) == 1


async def test_a_watch_from_too_long_ago_ends_in_an_error(cluster: Cluster) -> None:
    cluster.forget_history()
    url = f"{cluster.url}/api/v1/pods?watch=1&resourceVersion=1"
    async with (
        aiohttp.ClientSession(headers=HEADERS) as session,
        session.get(url, timeout=aiohttp.ClientTimeout(5)) as stream,
    ):
        (line,) = [json.loads(text) async for text in stream.content]
    assert line["type"] == "ERROR"
    assert line["object"]["code"] == 410


async def test_who_may_what(cluster: Cluster, tmp_path: Path) -> None:
    viewer, bot = Client(cluster, tmp_path, "viewer"), Client(cluster, tmp_path, "bot")
    await viewer(viewer.core.list_namespaced_pod, "shop")
    body = {"spec": {"replicas": 1}}
    with pytest.raises(kubernetes.client.ApiException) as refused:
        await viewer(viewer.apps.patch_namespaced_deployment_scale, "web", "shop", body)
    assert refused.value.status == 403
    await bot(bot.apps.patch_namespaced_deployment_scale, "cart", "shop", body)
    cluster.allow("bot", Rule(("get",), ("deployments",), ("shop",)))
    await bot(bot.apps.read_namespaced_deployment, "web", "shop")
    for call in (
        (bot.apps.patch_namespaced_deployment_scale, "cart", "shop", body),
        (bot.apps.read_namespaced_deployment, "api", "payments"),
    ):
        with pytest.raises(kubernetes.client.ApiException) as refused:
            await bot(*call)
        assert refused.value.status == 403
    assert len(cluster.mutations) == 1
    viewer.api.close()
    bot.api.close()


async def test_of_many_that_replace_at_once_one_wins(cluster: Cluster) -> None:
    url = f"{cluster.url}/apis/apps/v1/namespaces/shop/deployments/web"
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        async with session.get(url) as answer:
            body = await answer.json()

        async def replace(replicas: int) -> int:
            mine = {**body, "spec": {**body["spec"], "replicas": replicas}}
            async with session.put(url, json=mine) as answer:
                await answer.read()
                return answer.status

        codes = await asyncio.gather(*(replace(number) for number in range(4, 24)))
    assert sorted(codes) == [200] + [409] * 19
    assert len(cluster.mutations) == 1


async def test_planned_faults_strike(cluster: Cluster) -> None:
    url = f"{cluster.url}/apis/apps/v1/namespaces/shop/deployments/web/scale"
    headers = {**HEADERS, "Content-Type": "application/merge-patch+json"}

    async with aiohttp.ClientSession(headers=headers) as session:

        async def scale(replicas: int) -> int:
            data = json.dumps({"spec": {"replicas": replicas}})
            async with session.patch(url, data=data) as answer:
                await answer.read()
                return answer.status

        cluster.fail("patch", "/web/scale", 503, times=2)
        assert [await scale(4) for _ in range(3)] == [503, 503, 200]
        assert len(cluster.mutations) == 1
        cluster.fail("patch", "/web/scale", 0)
        with pytest.raises(aiohttp.ClientError):
            await scale(5)
        assert len(cluster.mutations) == 1
        cluster.fail("PATCH", "/web/scale", 0, after_processing=True)
        with pytest.raises(aiohttp.ClientError):
            await scale(6)
        assert len(cluster.mutations) == 2
        after = cluster.get("Deployment", "shop", "web")
        assert after is not None
        assert after["spec"]["replicas"] == 6
        cluster.fail("patch", "/web/scale", 500, after_processing=True)
        assert await scale(3) == 500
        assert len(cluster.mutations) == 3
        cluster.delay("patch", "/web/", 0.2, times=1)
        start = time.monotonic()
        await scale(3)
        assert time.monotonic() - start >= 0.2


async def test_the_server_goes_away_and_returns(cluster: Cluster) -> None:
    url = f"{cluster.url}/api/v1/namespaces"
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        watch = await session.get(f"{cluster.url}/api/v1/pods?watch=1")
        await cluster.down()
        with pytest.raises(aiohttp.ClientError):
            await session.get(url)
        with pytest.raises(aiohttp.ClientError):
            async with asyncio.timeout(5):
                await watch.read()
        await cluster.up()
        async with session.get(url) as answer:
            assert answer.status == 200


async def test_status_can_be_touched_alone(cluster: Cluster) -> None:
    before = cluster.get("Deployment", "payments", "api")
    cluster.touch_status("Deployment", "payments", "api", 100)
    after = cluster.get("Deployment", "payments", "api")
    assert before is not None
    assert after is not None
    grown = int(after["metadata"]["resourceVersion"]) - int(before["metadata"]["resourceVersion"])
    assert grown >= 100
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert cluster.mutations == []


HOSTILE: list[dict[str, Any]] = [
    {"containers": [None]},
    {"containers": [{"name": "a", "image": "a", "env": [{"value": "nameless"}]}]},
    {"containers": [{"name": "a", "image": "a", "env": "x"}]},
    {"containers": [{"name": "a", "image": "a", "resources": {"limits": {"memory": "much"}}}]},
    {"containers": [{"name": "a", "image": "a"}, {"name": "a", "image": "a"}]},
    {"containers": []},
    {"containers": [{"image": "a"}]},
    {"containers": [{"name": "a", "image": "a", "ports": [{"name": "http"}]}]},
]


async def test_speed_shortens_waits_begun_before_the_start() -> None:
    async with SeededCluster(speed=300) as cluster:
        settings = cluster.get("ConfigMap", "shop", "checkout-config")
        assert settings is not None
        settings["data"]["PAYMENTS_URL"] = "http://api.payments"
        cluster.apply(settings)
        # Five minutes of back-off and a start take about a second.
        await cluster.until(lambda: cluster.ready("shop", "checkout"), timeout=10)


@pytest.mark.parametrize("spec", HOSTILE)
async def test_a_hostile_template_is_refused_and_harms_nothing(spec: dict[str, Any]) -> None:
    async with Cluster(virtual=True) as cluster:
        body = json.loads(json.dumps(SMALL[2]))
        body["metadata"]["namespace"] = "default"
        url = f"{cluster.url}/apis/apps/v1/namespaces/default/deployments"
        async with aiohttp.ClientSession(headers=HEADERS) as session:
            async with session.post(url, json=body) as answer:
                assert answer.status == 201
            body["metadata"]["name"] = "bad"
            body["spec"]["template"]["spec"] = spec
            async with session.post(url, json=body) as answer:
                assert answer.status in (400, 422), await answer.text()
                assert (await answer.json())["message"]
        await cluster.advance(30)
        assert cluster.ready("default", "web")
        assert cluster.get("Deployment", "default", "bad") is None


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/api/v1/namespaces/shop/widgets", None, 404),
        ("GET", "/api/v1/namespaces/shop/pods?labelSelector=a%20b%20c", None, 400),
        ("GET", "/api/v1/namespaces/shop/pods?fieldSelector=spec.colour%3Dred", None, 400),
        ("GET", "/api/v1/namespaces/shop/pods?limit=-1", None, 400),
        ("GET", "/api/v1/namespaces/shop/pods?limit=1&continue=zzz", None, 400),
        ("POST", "/api/v1/namespaces/shop/configmaps", "{", 400),
        ("POST", "/api/v1/namespaces/shop/configmaps", "[]", 400),
        ("POST", "/api/v1/namespaces/shop/configmaps", '{"metadata": 3}', 400),
        ("POST", "/api/v1/namespaces/shop/configmaps", '{"metadata": {}}', 422),
        ("POST", "/api/v1/namespaces/shop/configmaps", '{"metadata": {"name": "A_b"}}', 422),
        ("POST", "/api/v1/namespaces/none/configmaps", '{"metadata": {"name": "a"}}', 404),
        ("POST", "/apis/apps/v1/namespaces/shop/deployments", '{"metadata": {"name": "a"}}', 422),
        (
            "POST",
            "/api/v1/namespaces/shop/configmaps?dryRun=Some",
            '{"metadata":{"name":"a"}}',
            400,
        ),
        (
            "PUT",
            "/apis/apps/v1/namespaces/shop/deployments/web/scale",
            '{"spec": {"replicas": "x"}}',
            400,
        ),
        ("PUT", "/api/v1/namespaces/shop/pods", "{}", 405),
        ("DELETE", "/api/v1/namespaces/shop/pods/none", None, 404),
        ("PATCH", "/api/v1/namespaces/shop/configmaps/checkout-config", "{}", 415),
    ],
)
async def test_bad_requests_get_one_clear_answer(
    method: str, path: str, body: str | None, code: int
) -> None:
    async with Cluster() as cluster:
        for manifest in SMALL:
            cluster.apply(manifest)
        await answered_badly(cluster, method, path, body, code)


async def answered_badly(
    cluster: Cluster, method: str, path: str, body: str | None, code: int
) -> None:
    """Send one bad request; see that its answer is a Status and that nothing was made."""
    headers = {**HEADERS, "Content-Type": "application/json"}
    version = cluster.store.version
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, cluster.url + path, data=body) as answer,
    ):
        text = await answer.text()
    assert answer.status == code, text
    assert "Traceback" not in text
    if code != 404:
        status = json.loads(text)
        assert (status["kind"], status["code"]) == ("Status", code)
        assert status["message"]
    made = [c for c in cluster.store.since(version) if c.resource.plural == "configmaps"]
    assert made == []


async def test_a_page_can_follow(cluster: Cluster) -> None:
    shown = cluster.snapshot()
    assert json.loads(json.dumps(shown)) == shown
    checkout = next(d for d in shown["workloads"] if d["name"] == "checkout")
    assert (checkout["desired"], checkout["available"], checkout["settled"]) == (4, 3, False)
    assert {pod["status"] for pod in checkout["pods"]} >= {"Running"}
    changes = cluster.subscribe()
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    cluster.touch_status("Deployment", "shop", "web")
    assert (await asyncio.wait_for(waiting, 5)).type == "MODIFIED"
    await changes.aclose()


async def test_events_objects_are_created_and_removed(cluster: Cluster, client: Client) -> None:
    body = {"metadata": {"generateName": "note-"}, "data": {"a": "1"}}
    made = await client(client.core.create_namespaced_config_map, "shop", body)
    name = made.metadata.name
    assert name.startswith("note-")
    patch = [{"op": "add", "path": "/data/b", "value": "2"}, {"op": "remove", "path": "/data/a"}]
    await client(client.core.patch_namespaced_config_map, name, "shop", patch)
    stored = cluster.get("ConfigMap", "shop", name)
    assert stored is not None
    assert stored["data"] == {"b": "2"}
    await client(client.core.delete_namespaced_config_map, name, "shop")
    assert cluster.get("ConfigMap", "shop", name) is None


async def test_applied_fields_belong_to_who_applied_them(cluster: Cluster) -> None:
    url = f"{cluster.url}/api/v1/namespaces/shop/configmaps/notes?fieldManager="
    headers = {**HEADERS, "Content-Type": "application/apply-patch+yaml"}

    async with aiohttp.ClientSession(headers=headers) as session:

        async def apply(who: str, data: dict[str, str]) -> tuple[int, dict[str, Any]]:
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes"}}
            async with session.patch(url + who, data=yaml.safe_dump({**body, "data": data})) as got:
                return got.status, await got.json()

        assert (await apply("one", {"a": "1", "b": "1"}))[0] == 201
        assert (await apply("two", {"c": "2"}))[0] == 200
        code, refused = await apply("two", {"c": "2", "a": "2"})
        assert code == 409
        assert refused["details"]["causes"][0]["field"] == ".data.a"
        code, made = await apply("one", {"a": "1"})
        assert (code, made["data"]) == (200, {"a": "1", "c": "2"})
