"""Two clusters in one kubeconfig, spoken of by name."""

import re
from pathlib import Path

import yaml

from bot.sandbox.cluster import Cluster
from tests.world import shown, world

CONFIG = """
tools: {kubernetes: {contexts: {demo: one, prod: two}}}
policy:
  channels:
    C0GENERAL: {clusters: prod, namespaces: [shop, "team-*"]}
    C0PARTNER: {cluster: demo, namespaces: shop, tools: k8s_get, shared: true}
"""


async def test_each_cluster_is_asked_and_changed_by_its_name(dsn: str, tmp_path: Path) -> None:
    config = tmp_path / "countersign.yaml"
    config.write_text(CONFIG)
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
        # one look at both: each row says whose it is
        thread = await chat.ask("get deployments -n shop --cluster '*'")
        both_said = shown(await chat.reads(thread, "CLUSTER"))
        assert re.search(r"demo +web +3/3", both_said)
        assert re.search(r"prod +web +5/5", both_said)
        thread = await chat.ask("status")
        said = shown(await chat.reads(thread, "prod"))
        assert "demo" in said

        # a channel is about one of them: that is meant there, and nothing else is seen from there
        thread = await chat.ask("get deployments -n shop", where="general")
        assert "5/5" in shown(await chat.reads(thread, "checkout", "general"))
        for text, why in (
            ("get deployments -n shop --cluster demo", "about the cluster prod"),
            ("get pods -n payments", r"about the namespace shop or team-\*, not payments"),
            ("get pods --all-namespaces", "not what lies in none or several"),
            ("get nodes -n shop", "not what lies in none or several"),
            ("scale deployment/ledger --replicas 2 -n payments", "about the namespace shop"),
        ):
            thread = await chat.ask(text, where="general")
            await chat.reads(thread, why, "general")
        await chat.reads(await chat.ask("events -n shop", where="general"), "BackOff", "general")
        # nor is more seen by asking several at once: each is permitted by itself
        thread = await chat.ask("get deployments -n shop --cluster demo,prod", where="general")
        said = shown(await chat.reads(thread, "CLUSTER", "general"))
        assert re.search(r"prod +web +5/5", said)
        assert re.search(r"demo +The policy does not allow this read: .*about the cluster", said)
        assert not re.search(r"demo +web", said)
        # why it was refused can be asked, and the audit of the day has it
        [found] = re.findall(r"`/ops why ([A-Z0-9]{4})` says how that was decided", said)
        await chat.slack.slash("dave", "general", "/ops", f"why {found}")
        told = shown(await chat.told("dave", f"`{found}` k8s_get ", "general"))
        assert "is denied (" in told
        await chat.slack.slash("dave", "general", "/ops", "audit")
        told = shown(await chat.told("dave", "The policy refused", "general"))
        assert f"why {found}" in told
        # nor is it told what lies elsewhere
        thread = await chat.ask("get deployment ledgers -n shop", where="general")
        said = shown(await chat.reads(thread, "There is no deployment", "general"))
        assert "elsewhere" not in said
        # one that others read too is worked in as far as the operator listed it, for ours alone
        thread = await chat.ask("get deployments -n shop", by="alice", where="partners")
        await chat.reads(thread, "checkout", "partners")
        thread = await chat.ask("scale deployment/web --replicas 4 -n shop", "alice", "partners")
        await chat.reads(thread, "only k8s_get may be used", "partners")
