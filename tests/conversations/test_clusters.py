"""Two clusters in one kubeconfig, spoken of by name."""

from pathlib import Path

import yaml

from bot.sandbox.cluster import Cluster
from tests.world import shown, world


async def test_each_cluster_is_asked_and_changed_by_its_name(dsn: str, tmp_path: Path) -> None:
    config = tmp_path / "countersign.yaml"
    config.write_text("tools: {kubernetes: {contexts: {demo: one, prod: two}}}\n")
    extra = {"COUNTERSIGN_CONFIG": str(config)}
    async with (
        Cluster(seed=True, speed=20) as other,
        world(dsn, tmp_path, extra=extra, running="not yet") as chat,
    ):
        both: dict[str, object] = {"apiVersion": "v1", "kind": "Config", "current-context": "one"}
        both |= {"clusters": [], "users": [], "contexts": []}
        for name, cluster in (("one", chat.cluster), ("two", other)):
            given = cluster.kubeconfig()
            for key in ("clusters", "users"):
                both[key] = [*both[key], {**given[key][0], "name": name}]  # type: ignore[misc]
            context = {"name": name, "context": {"cluster": name, "user": name}}
            both["contexts"] = [*both["contexts"], context]  # type: ignore[misc]
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(both))
        await chat.start()

        thread = await chat.ask("get deployments -n shop")
        await chat.reads(thread, "demo, prod")
        thread = await chat.ask("scale deployment/web --replicas 5 -n shop --cluster prod")
        card = await chat.card(thread)
        assert "prod/shop/deployment/web" in shown(card)
        await chat.press("Approve", card, by="bob")
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        assert chat.cluster.mutations == []
        found = other.get("Deployment", "shop", "web")
        assert found is not None
        assert found["spec"]["replicas"] == 5
        thread = await chat.ask("status")
        said = shown(await chat.reads(thread, "prod"))
        assert "demo" in said
