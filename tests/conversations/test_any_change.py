"""Changes of any object, from a manifest in a code block to a command in a container, as typed."""

from pathlib import Path

from tests.world import World, buttons, shown, world

CONFIG = """apiVersion: v1
kind: ConfigMap
metadata: {name: rates}
data: {eur: "1.08"}"""
SECRET = """apiVersion: v1
kind: Secret
metadata: {name: pay}
stringData: {password: "hunter2-correct-horse"}"""


async def test_a_manifest_is_applied_and_a_command_run_as_typed(dsn: str, tmp_path: Path) -> None:
    rules = tmp_path / "countersign.yaml"
    rules.write_text("policy: {limits: {replicas: 20}}\n")
    extra = {"COUNTERSIGN_APPROVERS": "*", "COUNTERSIGN_CONFIG": str(rules)}
    async with world(dsn, tmp_path, extra=extra) as chat:
        thread = await chat.ask(f"apply -n shop\n```\n{SECRET}\n```")
        await chat.reads(thread, "looks like a credential")
        assert "hunter2" not in chat.thread(thread)
        thread = await chat.ask("set env deployment/web LEVEL=debug DB_PASSWORD=hunter2-x7 -n shop")
        await chat.reads(thread, "looks like a credential.*make a Secret of it yourself")

        # what an autoscaler may set is a number of replicas, too
        thread = await chat.ask("autoscale deployment/cart -n shop --min 2 --max 50")
        await chat.reads(thread, "at most 20 replicas are allowed")

        thread = await chat.ask("label node/node-1 rack=7")  # it is in no namespace
        assert "two approvals" in shown(await chat.card(thread))

        thread = await chat.ask(f"apply -n shop\n```\n{CONFIG}\n```")
        card = await chat.card(thread)
        assert "Create `configmap/rates` in `shop`" in shown(card)
        assert "eur" in shown(card)
        assert "Way back: delete configmap/rates" in shown(card)
        await chat.press("Approve", card, by="bob")
        await chat.reads(thread, "verified")
        await chat.quiet(thread)
        assert chat.cluster.get("ConfigMap", "shop", "rates") is not None

        await chat.press("Undo", chat.cards(thread)[0], by="alice")
        back = await chat.card(thread, 2)
        assert "Delete `configmap/rates` in `shop`" in shown(back)
        assert "two approvals" in shown(back)
        assert "still exactly" not in shown(back), "it is as it was left"
        await chat.press("Deny", back, by="bob")

        pod = chat.cluster.pods("shop", "web")[0]["metadata"]["name"]
        thread = await chat.ask(f"exec {pod} -n shop -- env")
        card = await chat.card(thread)
        assert f"Run `env` in `web` of `pod/{pod}` in `shop`" in shown(card)
        assert buttons(card)[0] == "Approve"
        for approver in ("alice", "bob"):
            await chat.press("Approve", card, by=approver)
        done = await chat.reads(thread, "printed")
        assert "PATH" in shown(done)

        # a drain tells live what it waits for: here, that other nodes take pods again
        node = chat.cluster.pods("shop", "cart")[0]["spec"]["nodeName"]
        for other in {"node-1", "node-2", "node-3"} - {node}:
            cordon(chat, other, on=True)
        thread = await chat.ask(f"drain {node}")
        card = await chat.card(thread)
        for approver in ("alice", "bob"):
            await chat.press("Approve", card, by=approver)
        await chat.reads(thread, f"All pods are gone from node/{node}; not ready yet: .*cart")
        for other in {"node-1", "node-2", "node-3"} - {node}:
            cordon(chat, other, on=False)
        await chat.reads(thread, f"verified.*node/{node} is cordoned and empty")


async def test_what_an_apply_made_is_taken_back_in_one_and_made_again(
    dsn: str, tmp_path: Path
) -> None:
    """Each object as long as it is what was applied; deleting them takes two people."""
    extra = {"COUNTERSIGN_APPROVERS": "*"}
    names = ("rates", "limits", "fees")
    manifest = "\n---\n".join(CONFIG.replace("rates", name) for name in names)
    async with world(dsn, tmp_path, extra=extra) as chat:
        thread = await chat.ask(f"apply -n shop\n```\n{manifest}\n```")
        card = await chat.card(thread)
        assert "Apply 3 objects in `shop`" in shown(card)
        assert "Way back: delete configmap/rates, configmap/limits, configmap/fees" in shown(card)
        await chat.press("Approve", card, by="bob")
        await chat.reads(thread, "verified.*All 3 objects are as applied")
        await chat.quiet(thread)
        limits = chat.cluster.get("ConfigMap", "shop", "limits")
        assert limits is not None
        chat.cluster.apply({**limits, "data": {"eur": "2"}})

        await chat.press("Undo", chat.cards(thread)[0], by="alice")
        back = await chat.card(thread, 2)
        assert "Delete 2 applied objects in `shop`" in shown(back)
        assert "two approvals" in shown(back)
        assert "configmap/limits was changed since and stays." in shown(back)
        await chat.press("Approve", back, by="bob")
        assert chat.cluster.get("ConfigMap", "shop", "rates") is not None, "one is not enough"
        await chat.press("Approve", back, by="dave")
        await chat.reads(
            thread, "Undo: Delete 2 applied objects in .*verified: All 2 objects are gone"
        )
        await chat.quiet(thread)
        left = [name for name in names if chat.cluster.get("ConfigMap", "shop", name)]
        assert left == ["limits"]

        await chat.press("Undo", chat.cards(thread)[1], by="alice")
        again = await chat.card(thread, 3)
        assert "Apply 2 objects in `shop`" in shown(again)
        assert "exactly" not in shown(again), "nothing is there, as it was left"
        await chat.press("Approve", again, by="bob")
        await chat.reads(thread, "verified.*All 2 objects are as applied")
        assert all(chat.cluster.get("ConfigMap", "shop", name) for name in names)


def cordon(chat: World, name: str, *, on: bool) -> None:
    """As an administrator would."""
    node = chat.cluster.get("Node", "", name)
    assert node is not None
    node["spec"]["unschedulable"] = on
    chat.cluster.apply({"apiVersion": "v1", "kind": "Node", **node})
