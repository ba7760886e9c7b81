"""People act on the cluster as themselves: with their rights, and never with the bot's."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from bot.commands.rbac import role
from bot.identity_file import Identities
from bot.sandbox.cluster import Rule
from bot.sandbox.cluster.rights import BOT, READ
from tests.conversations.test_steer import recorded, requests, said_to, say
from tests.standins.model import calls, held, says
from tests.world import World, shown, world

ACCOUNT = "system:serviceaccount:countersign:countersign"
SCALE = "scale deployment/web --replicas 5 -n shop"
MAP = {"dave": "dave@corp", "bob": "bob@corp", "alice": "alice@corp"}
PODS = ("k8s_get", {"kind": "pods", "namespace": "shop"})


def settings(chat: World, names: Mapping[str, str], **more: object) -> None:
    """The map as the settings file has it, and the role that the bot gets for it."""
    users = {chat.slack.user_id(who): name for who, name in names.items()}
    given = {"users": users, **more}
    path = chat.folder / "countersign.yaml"
    path.write_text(yaml.safe_dump({"identities": given}))
    for manifest in yaml.safe_load_all(role(Identities.model_validate(given))):
        chat.cluster.apply(manifest)


@asynccontextmanager
async def mapped(
    dsn: str, folder: Path, script: Any = None, **more: object
) -> AsyncIterator[World]:
    """A bot that may do nothing itself but act as people; alice may only look."""
    extra = {"COUNTERSIGN_CONFIG": str(folder / "countersign.yaml")}
    async with world(dsn, folder, script, extra=extra, running="not yet") as chat:
        chat.cluster.allow(ACCOUNT)
        for name in MAP.values():
            chat.cluster.allow(name, *(BOT if name != "alice@corp" else (Rule(READ),)))
        chat.cluster.write_kubeconfig(folder / "kubeconfig", ACCOUNT)
        settings(chat, MAP, **more)
        await chat.start()
        yield chat


def actors(chat: World, since: int = 0) -> set[str]:
    """As whom the cluster was asked for objects; what it serves at all is anybody's."""
    about = [one for one in chat.cluster.requests[since:] if "/namespaces/" in one.path]
    return {one.user for one in about}


async def test_each_acts_as_himself_and_who_is_not_mapped_as_nobody(
    dsn: str, tmp_path: Path
) -> None:
    async with mapped(dsn, tmp_path) as chat:
        # who is not in the map gets nothing, and hears who can change that
        began = len(chat.cluster.requests)
        thread = await chat.ask("get pods -n shop", by="ada")
        await chat.reads(thread, "nobody on the clusters: whoever runs me has to add you")
        await chat.quiet(thread)
        thread = await chat.ask(SCALE, by="ada")
        await chat.reads(thread, "nobody on the clusters")
        assert chat.cluster.requests[began:] == []

        thread = await chat.ask("get pods -n shop")
        await chat.reads(thread, "web-")
        assert actors(chat, began) == {"dave@corp"}
        # the cluster is asked before anybody sees a card
        thread = await chat.ask(SCALE, by="alice")
        await chat.reads(thread, "alice@corp may not patch deployments/scale")
        assert chat.cards(thread) == []

        began = len(chat.cluster.requests)
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        assert "runs as `dave@corp`" in shown(card)
        assert {one.user for one in chat.cluster.requests[began:]} == {"dave@corp"}
        # who may not do it himself cannot approve it, nor who is nobody there
        await chat.press("Approve", card, by="alice")
        await chat.told("alice", "would not let you do this yourself")
        assert chat.cluster.mutations == []
        await chat.press("Approve", card, by="bob")
        await chat.slack.wait_for(lambda: chat.replicas() == 5, 20)
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        # dry runs, the look before it, the deed and its verification
        assert actors(chat, began) == {"dave@corp"}
        assert {one.user for one in chat.cluster.mutations} == {"dave@corp"}
        assert {one.user for one in chat.cluster.requests[began:]} == {
            "alice@corp",
            "bob@corp",
            "dave@corp",
        }

        # the way back is taken as who presses it: another identity, another digest
        await chat.press("Undo", chat.cards(thread)[0], by="bob")
        back = await chat.card(thread, 2)
        assert "runs as `bob@corp`" in shown(back)
        forth = await chat.ask(SCALE.replace("5", "3"))
        await chat.card(forth)
        rows = await chat.rows(
            "SELECT acting, digest, preview->>'fingerprint' AS seen FROM tool_calls"
            " WHERE state = 'proposed' ORDER BY id"
        )
        assert [row["acting"] for row in rows] == ["bob@corp", "dave@corp"]
        assert rows[0]["seen"] == rows[1]["seen"]
        assert rows[0]["digest"] != rows[1]["digest"]
        audit = await chat.rows("SELECT actor FROM audit WHERE kind IN ('executing', 'verified')")
        assert [row["actor"] for row in audit] == ["dave@corp", "dave@corp"]

        # he is somebody else since: what was approved is not what would run
        await chat.stop()
        chat.cluster.allow("david@corp", *BOT)
        settings(chat, {**MAP, "dave": "david@corp"}, approvers_checked=False)
        await chat.start()
        await chat.press("Approve", chat.cards(forth)[0], by="alice")
        new = await chat.card(forth, 2)
        assert "it would run as david@corp now, not as dave@corp" in chat.thread(forth)
        assert "runs as `david@corp`" in shown(new)
        assert chat.replicas() == 5
        # and those who approve are not asked for any more
        await chat.press("Approve", new, by="alice")
        await chat.slack.wait_for(lambda: chat.replicas() == 3, 20)
        assert chat.cluster.mutations[-1].user == "david@corp"


async def test_another_ones_words_start_a_turn_of_his_own(dsn: str, tmp_path: Path) -> None:
    gate = asyncio.Event()

    script = [held(calls(PODS), gate), says("Fine."), calls(PODS), says("Fine.")]
    async with mapped(dsn, tmp_path, script) as chat:
        thread = await chat.ask("how is web?")
        await requests(chat, 1)
        await say(chat, "bob", thread, "and api?")
        await say(chat, "dave", thread, "its pods, I mean")
        await recorded(chat, 3)
        gate.set()
        await chat.slack.wait_for(lambda: chat.thread(thread).count("Fine.") == 2, 20)
        await chat.quiet(thread)
        runs = await chat.rows("SELECT requester, contributors FROM runs ORDER BY id")
        dave, bob = chat.slack.user_id("dave"), chat.slack.user_id("bob")
        assert [(run["requester"], run["contributors"]) for run in runs] == [
            (dave, [dave]),
            (bob, [bob]),
        ]
        assert "its pods, I mean" in said_to((await requests(chat, 2))[1])
        reads = await chat.rows("SELECT acting FROM tool_calls ORDER BY id")
        assert [row["acting"] for row in reads] == ["dave@corp", "bob@corp"]
