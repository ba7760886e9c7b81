"""One connection, many people: each with his own rights, and nothing of what another has read."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from bot.sandbox.cluster import Cluster, Rule
from bot.sandbox.cluster.rights import BOT, READ
from tests.standins.cluster import SeededCluster
from tools import Access, Catalog, Identity, JsonObject, Refused, open_providers
from tools.kubernetes.cluster import Cluster as Client

ALICE, BOB = Identity("alice@corp"), Identity("bob@corp", ("sre", "dev"))
PODS = {"kind": "pods", "namespace": "shop"}


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with SeededCluster(virtual=True) as cluster:
        cluster.allow("bot", Rule(("impersonate",), ("users", "groups")))
        cluster.allow("alice@corp", *BOT)
        cluster.allow("bob@corp")
        yield cluster


@pytest.fixture
async def catalog(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Catalog]:
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig", "bot")
    async with open_providers({"kubernetes": {"kubeconfig": str(path)}}) as catalog:
        yield catalog


def own(catalog: Catalog) -> Client:
    return cast("Client", catalog.clients["kubernetes/demo"])


async def test_each_request_says_as_whom(cluster: Cluster, catalog: Catalog) -> None:
    assert await catalog.read("k8s_get", PODS, acting=ALICE).run()
    assert {one.user for one in cluster.requests} == {"alice@corp"}
    with pytest.raises(Refused, match='User "bob@corp" cannot list'):
        await catalog.read("k8s_get", PODS, acting=BOB).run()
    with pytest.raises(Refused, match='User "bot" cannot list'):
        await catalog.read("k8s_get", PODS).run()
    # what a group may, its people may
    about = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "look"}}
    rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": [*READ]}
    cluster.apply({**about, "kind": "ClusterRole", "rules": [rule]})
    look = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "look"}
    group = [{"kind": "Group", "name": "dev"}]
    cluster.apply({**about, "kind": "ClusterRoleBinding", "subjects": group, "roleRef": look})
    assert await catalog.read("k8s_get", PODS, acting=BOB).run()
    # as somebody whom the bot may not be
    cluster.allow("bot")
    with pytest.raises(Refused, match='User "bot" cannot impersonate resource "users"'):
        await catalog.read("k8s_get", PODS, acting=ALICE).run()


async def test_what_one_has_read_is_no_others(cluster: Cluster, catalog: Catalog) -> None:
    for who in (ALICE, ALICE, Identity("carol@corp"), ALICE):
        with pytest.raises(Refused, match="serves no kind"):
            await catalog.read("k8s_get", {"kind": "gadgets"}, acting=who).run()
    asked = [one.user for one in cluster.requests if one.path == "/apis"]
    assert asked == ["alice@corp", "carol@corp"]
    client = own(catalog)
    assert client.acting_as(ALICE) is client.acting_as(ALICE)
    assert client.acting_as(ALICE) is not client.acting_as(BOB)
    assert await client.acting_as(ALICE).connected() is await client.connected()
    for number in range(300):
        client.acting_as(Identity(f"u{number}"))
    assert len(client._others) == 200


async def test_an_access_review_is_asked_as_him(cluster: Cluster, catalog: Catalog) -> None:
    wanted: JsonObject = {"namespace": "shop", "name": "web", "replicas": 5}
    patch = Access("patch", "apps", "deployments", "scale", "shop", "web")
    assert await catalog.change("k8s_scale", wanted, acting=BOB).lacking() == (patch,)
    assert await catalog.change("k8s_scale", wanted, acting=ALICE).lacking() == ()
    bobs, *_ = [one for one in cluster.requests if one.path.endswith("selfsubjectaccessreviews")]
    assert bobs.user == "bob@corp"
    assert bobs.body["spec"]["resourceAttributes"] == {
        "verb": "patch",
        "group": "apps",
        "resource": "deployments",
        "subresource": "scale",
        "namespace": "shop",
        "name": "web",
    }
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"}
    manifest = json.dumps({**role, "metadata": {"name": "admins"}})
    bound = catalog.change("k8s_apply", {"namespace": "shop", "manifest": manifest}, acting=BOB)
    assert [str(one) for one in await bound.lacking()] == ["patch rolebindings"]
    # of the bot itself nothing is asked: its preview meets the same refusals
    assert await catalog.change("k8s_scale", wanted).lacking() == ()
    assert cluster.mutations == []


def test_an_identity_is_stored_as_one_line() -> None:
    for one in (ALICE, BOB):
        assert Identity.of(str(one)) == one
    assert str(BOB) == "bob@corp sre dev"
