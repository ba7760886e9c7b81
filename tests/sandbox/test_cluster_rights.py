"""Who may do what in the demo cluster: roles, impersonation, reviews; and what it measures."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from bot.sandbox.cluster import Cluster, Rule, protobuf
from bot.sandbox.cluster.status import ApiError
from tests.standins.cluster import SeededCluster

RBAC = Path(__file__).parents[2] / "deploy" / "rbac"
ACCOUNT = "system:serviceaccount:countersign:countersign"
REVIEWS = "/apis/authorization.k8s.io/v1"


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with SeededCluster(virtual=True) as cluster:
        for file in ("reader.yaml", "operator.yaml"):
            for manifest in yaml.safe_load_all((RBAC / file).read_text()):
                cluster.apply(manifest)
        cluster.allow(ACCOUNT)
        cluster.allow("eve")
        yield cluster


async def ask(
    cluster: Cluster, path: str, user: str = "admin", body: object = None, **headers: str
) -> tuple[int, Any]:
    """Status and JSON of one request; a `_` in a header's name is a dash."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given.setdefault("Authorization", f"Bearer {user}-token")
    data = body if isinstance(body, bytes) else None
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            "GET" if body is None else "POST",
            cluster.url + path,
            json=None if data else body,
            data=data,
            headers=given,
        ) as answer,
    ):
        return answer.status, json.loads(await answer.text())


async def may(
    cluster: Cluster, user: str, verb: str, resource: str, group: str = "", **headers: str
) -> bool:
    """What an access review says."""
    what, _, below = resource.partition("/")
    wish = {"verb": verb, "resource": what, "subresource": below, "group": group}
    spec = {"resourceAttributes": wish | {"namespace": "shop"}}
    path = f"{REVIEWS}/selfsubjectaccessreviews"
    status, answer = await ask(cluster, path, user, {"spec": spec}, **headers)
    assert status == 201, answer
    return bool(answer["status"]["allowed"])


async def test_an_account_may_what_the_roles_bound_to_it_say(cluster: Cluster) -> None:
    for verb, resource, group, expected in (
        ("list", "pods", "", True),
        ("get", "pods/log", "", True),
        ("patch", "deployments/scale", "apps", True),
        ("list", "secrets", "", False),
        ("update", "deployments", "apps", False),
        ("list", "pods", "apps", False),  # of another group
    ):
        assert await may(cluster, ACCOUNT, verb, resource, group) is expected, (verb, resource)
        assert await may(cluster, "eve", verb, resource, group) is False
    status, _ = await ask(cluster, "/api/v1/namespaces/shop/pods", ACCOUNT)
    assert status == 200
    status, refusal = await ask(cluster, "/api/v1/namespaces/shop/secrets", ACCOUNT)
    assert status == 403
    assert refusal["message"] == (
        f'secrets is forbidden: User "{ACCOUNT}" cannot list resource "secrets" '
        'in API group "" in the namespace "shop"'
    )


async def test_a_role_counts_in_its_namespace_and_for_its_names(cluster: Cluster) -> None:
    meta = {"name": "some", "namespace": "shop"}
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    cluster.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": meta,
            "rules": [rule | {"resourceNames": ["checkout-config"]}],
        }
    )
    cluster.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some"},
            "subjects": [{"kind": "Group", "name": "readers"}],
        }
    )
    path = "/api/v1/namespaces/shop/configmaps"
    as_reader = {"Impersonate_User": "eve", "Impersonate_Group": "readers"}
    assert (await ask(cluster, f"{path}/checkout-config", **as_reader))[0] == 200
    assert (await ask(cluster, f"{path}/other", **as_reader))[0] == 403
    assert (await ask(cluster, path, **as_reader))[0] == 403, "a list names none"
    elsewhere = f"{path.replace('shop', 'payments')}/checkout-config"
    assert (await ask(cluster, elsewhere, **as_reader))[0] == 403
    assert (await ask(cluster, f"{path}/checkout-config", Impersonate_User="eve"))[0] == 403


async def test_acting_as_somebody_needs_the_right_to(cluster: Cluster) -> None:
    path = "/api/v1/namespaces/shop/pods"
    status, refusal = await ask(cluster, path, "bot", Impersonate_User="admin")
    assert status == 403
    assert 'User "bot" cannot impersonate resource "users"' in refusal["message"]
    status, refusal = await ask(
        cluster, path, "bot", Impersonate_User="eve", Impersonate_Group="system:masters"
    )
    assert status == 403
    status, _ = await ask(cluster, path, Impersonate_Group="system:masters")
    assert status == 400, "groups of nobody"
    assert await may(cluster, "admin", "list", "pods", Impersonate_User="eve") is False
    assert await may(cluster, "admin", "list", "pods", Impersonate_User=ACCOUNT) is True
    status, whoami = await ask(
        cluster,
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        body={},
        Impersonate_User=ACCOUNT,
    )
    assert status == 201
    assert whoami["status"]["userInfo"] == {
        "username": ACCOUNT,
        "groups": [
            "system:serviceaccounts",
            "system:serviceaccounts:countersign",
            "system:authenticated",
        ],
    }


async def test_a_uid_and_extras_of_somebody_need_the_right_too(cluster: Cluster) -> None:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    cluster.allow("actor", Rule(("impersonate",), ("users",)))
    extra = {"Impersonate_Extra_scopes": "x"}
    wishes = (({"Impersonate_Uid": "7"}, "uids"), (extra, "userextras/scopes"))
    for wish, what in wishes:
        status, refusal = await ask(cluster, path, "actor", {}, Impersonate_User="eve", **wish)
        assert status == 403
        assert (
            f'cannot impersonate resource "{what}" in API group "authentication.k8s.io"'
            in refusal["message"]
        )
        assert (await ask(cluster, path, body={}, **wish))[0] == 400, f"{what} of nobody"
    status, whoami = await ask(
        cluster, path, body={}, Impersonate_User="eve", Impersonate_Uid="7", **extra
    )
    assert status == 201
    told = whoami["status"]["userInfo"]
    assert (told["uid"], told["extra"]) == ("7", {"scopes": ["x"]})


async def test_reviews_of_others_and_of_all_rules(cluster: Cluster) -> None:
    wish = {"verb": "list", "resource": "pods", "namespace": "shop"}
    path = f"{REVIEWS}/subjectaccessreviews"
    status, answer = await ask(
        cluster, path, body={"spec": {"user": ACCOUNT, "resourceAttributes": wish}}
    )
    assert (status, answer["status"]["allowed"]) == (201, True)
    status, _ = await ask(cluster, path, "eve", {"spec": {"user": ACCOUNT}})
    assert status == 403
    status, _ = await ask(cluster, path, body={"spec": {"resourceAttributes": wish}})
    assert status == 422
    status, answer = await ask(
        cluster, f"{REVIEWS}/selfsubjectrulesreviews", ACCOUNT, {"spec": {"namespace": "shop"}}
    )
    rules = answer["status"]["resourceRules"]
    assert any("pods" in rule["resources"] and "list" in rule["verbs"] for rule in rules)
    assert not any("secrets" in rule["resources"] for rule in rules)


async def test_what_kubectl_sends_as_protobuf_is_read(cluster: Cluster) -> None:
    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    def message(kind: str, raw: bytes) -> bytes:
        about = field(1, b"authorization.k8s.io/v1") + field(2, kind.encode())
        return b"k8s\0" + field(1, about) + field(2, raw)

    wish = field(1, b"shop") + field(2, b"list") + field(5, b"pods")
    body = message("SelfSubjectAccessReview", field(2, field(1, wish)))
    for user, allowed in ((ACCOUNT, True), ("eve", False)):
        status, answer = await ask(
            cluster,
            f"{REVIEWS}/selfsubjectaccessreviews",
            user,
            body,
            Content_Type=protobuf.TYPE,
        )
        assert (status, answer["status"]["allowed"]) == (201, allowed)
    for bad in (b"", b"k8s\0", b"k8s\0\xff", body[:-3], message("Deployment", b"")):
        with pytest.raises(ApiError):
            protobuf.read(bad)


async def test_a_password_in_the_address_is_a_token(cluster: Cluster) -> None:
    path = "/api/v1/namespaces/shop/pods"
    given = base64.b64encode(b"admin:admin-token").decode()
    assert (await ask(cluster, path, Authorization=f"Basic {given}"))[0] == 200
    assert (await ask(cluster, path, Authorization="Basic ~"))[0] == 401
    assert (await ask(cluster, path, Authorization="Bearer nobody-token"))[0] == 401


async def test_usage_is_measured_for_who_may_see_it(cluster: Cluster) -> None:
    await cluster.advance(60)
    status, found = await ask(cluster, "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods")
    assert status == 200
    names = {item["metadata"]["name"] for item in found["items"]}
    assert {name.partition("-")[0] for name in names} >= {"web", "cart"}
    (usage,) = (item["containers"][0]["usage"] for item in found["items"][:1])
    assert usage["cpu"].endswith("n")
    assert usage["memory"].endswith("Ki")
    path = "/apis/metrics.k8s.io/v1beta1/nodes/node-1"
    assert (await ask(cluster, path))[0] == 200
    assert (await ask(cluster, path, "eve"))[0] == 403
    assert (await ask(cluster, path.replace("node-1", "node-9")))[0] == 404


async def test_the_schema_says_what_every_kind_holds(cluster: Cluster) -> None:
    _, index = await ask(cluster, "/openapi/v3")
    for place in index["paths"]:
        status, document = await ask(cluster, f"/openapi/v3/{place}")
        assert status == 200
        known = set(document["components"]["schemas"])
        used = set(json.dumps(document).split('"#/components/schemas/')[1:])
        assert {one.partition('"')[0] for one in used} <= known
    _, apps = await ask(cluster, "/openapi/v3/apis/apps/v1")
    replicas = apps["components"]["schemas"]["V1DeploymentSpec"]["properties"]["replicas"]
    assert replicas["type"] == "integer"
    assert "Number of desired pods" in replicas["description"]


async def test_what_is_only_tried_removes_nothing_and_a_budget_is_counted_at_once(
    cluster: Cluster,
) -> None:
    path = f"{cluster.url}/api/v1/namespaces/shop/pods"
    headers = {"Authorization": "Bearer admin-token"}
    pods = [pod["metadata"]["name"] for pod in cluster.pods("shop", "checkout")]
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.delete(path, json={"dryRun": ["All"]}) as answer:
            assert answer.status == 200
        assert not any(
            "deletionTimestamp" in p["metadata"] for p in cluster.pods("shop", "checkout")
        )
        ready = [name for name in pods if _is_ready(cluster, name)]

        async def evict(name: str) -> int:
            async with session.post(f"{path}/{name}/eviction", json={}) as answer:
                return answer.status

        # three are ready and two must stay
        found = await asyncio.gather(*(evict(name) for name in ready))
        assert sorted(found) == [201, 429, 429]


def _is_ready(cluster: Cluster, name: str) -> bool:
    pod = cluster.get("Pod", "shop", name) or {}
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])


def test_a_secret_is_kept_coded_whatever_it_was_given_as() -> None:
    cluster = Cluster(virtual=True)
    meta = {"name": "s", "namespace": "shop"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    made = cluster.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"a": "b"}}
    )
    assert made["data"] == {"a": "Yg=="}
    assert "stringData" not in made


async def test_a_log_is_followed_until_its_container_ends() -> None:
    async with Cluster(seed="few", speed=50) as cluster:
        (pod, *_) = cluster.pods("shop", "cart")
        name = pod["metadata"]["name"]
        url = f"{cluster.url}/api/v1/namespaces/shop/pods/{name}/log?follow=true&tailLines=1"
        headers = {"Authorization": "Bearer admin-token"}
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
            async with asyncio.timeout(10):
                lines = [await answer.content.readline() for _ in range(4)]
                assert len(set(lines)) == 4, "each line once"
                cluster.delete("Deployment", "shop", "cart")
                await answer.content.read()  # it ends


async def test_who_follows_a_log_may_hang_up(caplog: pytest.LogCaptureFixture) -> None:
    async with Cluster(seed="few", virtual=True) as cluster:
        (pod, *_) = cluster.pods("shop", "cart")
        name = pod["metadata"]["name"]
        url = f"{cluster.url}/api/v1/namespaces/shop/pods/{name}/log?follow=true&tailLines=1"
        headers = {"Authorization": "Bearer admin-token"}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with asyncio.timeout(10), session.get(url) as answer:
                await answer.content.readline()
                answer.close()
            await asyncio.sleep(1)  # longer than between two looks; nothing is written meanwhile
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
