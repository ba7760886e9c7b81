"""The cluster of the contracts and the catalog that works on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.sandbox.cluster import Cluster
from bot.sandbox.cluster.fate import Behaviour
from bot.sandbox.cluster.images import IMAGES
from tests.contracts.stage import DB, HPA, IMAGE, PDB, WEB, deployment, made, writes
from tools import Catalog, JsonObject, open_providers


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Two deployments: cart with two revisions and a budget, web with an autoscaler; and db and
    agent, a stateful and a daemon set.
    """
    behaviours = (*IMAGES, Behaviour("shop/batch:*", ends_after=5.0))
    async with Cluster(virtual=True, behaviours=behaviours) as cluster:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        for name, image, replicas in (("cart", "shop/cart:1.4.1", 2), ("web", "shop/web:2.4.0", 3)):
            made("Deployment", "apps/v1", name, deployment(name, image, replicas))(cluster)
            selector: JsonObject = {"selector": {"app": name}, "ports": [{"port": 80}]}
            made("Service", "v1", name, selector)(cluster)
        made("PodDisruptionBudget", "policy/v1", "cart", PDB)(cluster)
        made("HorizontalPodAutoscaler", "autoscaling/v2", "web", {**HPA, "scaleTargetRef": WEB})(
            cluster
        )
        made("StatefulSet", "apps/v1", "db", {**deployment("db", "shop/db:1", 2), **DB})(cluster)
        agent = dict(deployment("agent", "shop/agent:1", 0))
        del agent["replicas"]
        made("DaemonSet", "apps/v1", "agent", agent)(cluster)
        await cluster.advance(30)
        writes("Deployment", "cart", IMAGE, "shop/cart:1.4.2")(cluster)
        await cluster.advance(60)
        assert cluster.ready("shop", "cart")
        yield cluster


@pytest.fixture
async def catalog(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Catalog]:
    kubeconfig = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    config: JsonObject = {
        "kubeconfig": str(kubeconfig),
        "settle_seconds": 0.1,
        "timeout_seconds": 2,
    }
    async with open_providers({"kubernetes": config}) as catalog:
        yield catalog
