"""People act on the cluster as themselves: with their rights, and never with the bot's."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.commands.rbac import role_of_people
from bot.core.values import Person, Standing
from bot.guard.identities import WhoUnknown, acting_as
from bot.identity_file import Identities
from bot.sandbox.cluster import Rule
from bot.sandbox.cluster.rights import BOT, READ
from tests.conversations.test_steer import recorded, requests, said_to, say
from tests.standins.model import calls, held, says
from tests.world import World, shown, world
from tools import Refused

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
    for manifest in yaml.safe_load_all(role_of_people(Identities.model_validate(given))):
        chat.cluster.apply(manifest)


@asynccontextmanager
async def mapped(
    dsn: str,
    folder: Path,
    script: Any = None,
    *,
    names: Mapping[str, str] = MAP,
    may: Sequence[Rule] = (),
    **more: object,
) -> AsyncIterator[World]:
    """A bot whose account may nothing (or `may`) but act as these; alice may only look."""
    extra = {"COUNTERSIGN_CONFIG": str(folder / "countersign.yaml")}
    async with world(dsn, folder, script, extra=extra, running="not yet") as chat:
        chat.cluster.allow(ACCOUNT, *may)
        for name in MAP.values():
            chat.cluster.allow(name, *(BOT if name != "alice@corp" else (Rule(READ),)))
        chat.cluster.write_kubeconfig(folder / "kubeconfig", ACCOUNT)
        settings(chat, names, **more)
        await chat.start()
        yield chat


def actors(chat: World, since: int = 0) -> set[str]:
    """As whom the cluster was asked for objects; what it serves at all is anybody's."""
    about = [one for one in chat.cluster.requests[since:] if "/namespaces/" in one.path]
    return {one.user for one in about}


def reviews(chat: World) -> list[Any]:
    return [one for one in chat.cluster.requests if one.path.endswith("accessreviews")]


def lose(chat: World, name: str, number: int) -> None:
    """Takes almost all rights from somebody as the cluster hears that many access reviews."""
    if len(reviews(chat)) == number:
        chat.cluster.allow(name, Rule(READ))


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
        chat.slack.set_group("sre", ["alice", "bob", "ada"])
        await chat.press("Approve", card, by="ada")
        await chat.told("ada", "You are nobody on the clusters, so your approval does not count")
        chat.cluster.fail("POST", "accessreviews", 503)
        await chat.press("Approve", card, by="bob")
        await chat.told("bob", "did not say whether you may do this yourself")
        short = re.search(r"approve ([A-Z0-9]{4})", shown(card))
        assert short is not None
        await chat.slack.slash("bob", "ops", "/ops", f"why {short[1]}")
        await chat.told("bob", "On the cluster it runs as `dave@corp`")
        # what he may is asked once more before the deed
        chat.cluster._api.listeners.append(partial(lose, chat, "bob@corp", len(reviews(chat)) + 2))
        await chat.press("Approve", card, by="bob")
        await chat.card(thread, 2)
        assert "somebody who approved it no longer may" in chat.thread(thread)
        assert chat.cluster.mutations == []
        chat.cluster._api.listeners.clear()
        chat.cluster.allow("bob@corp", *BOT)
        await chat.press("Approve", chat.cards(thread)[1], by="bob")
        await chat.slack.wait_for(lambda: chat.replicas() == 5, 20)
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        # dry runs, the look before it, the deed and its verification
        assert actors(chat, began) == {"dave@corp"}
        assert {one.user for one in chat.cluster.mutations} == {"dave@corp"}
        answered = [one for one in chat.cluster.requests[began:] if one.status != 503]
        assert {one.user for one in answered} == {
            "alice@corp",
            "bob@corp",
            "dave@corp",
        }
        read = await chat.rows("SELECT data->>'acting' AS acting FROM audit WHERE kind = 'read'")
        assert {row["acting"] for row in read} == {"dave@corp"}

        # who is nobody there cannot complete a card, and it says so
        chat.slack.set_group("sre", ["ada"])
        await chat.slack.settled()
        other = await chat.ask("scale deployment/web --replicas 6 -n shop")
        alone = await chat.card(other)
        assert "(nobody is left who could, so it cannot be completed: add approvers)" in shown(
            alone
        )
        await chat.press("Deny", alone, by="dave")
        await chat.quiet(other)
        chat.slack.set_group("sre", ["alice", "bob", "ada"])
        await chat.slack.settled()

        # the way back is taken as who presses it: another identity, another digest
        await chat.press("Undo", chat.cards(thread)[1], by="bob")
        back = await chat.card(thread, 3)
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
    # bob is known by his confirmed address, for which there is no role
    given: dict[str, Any] = {"names": {"dave": "dave@corp"}, "mail_domains": ["t0acme000.example"]}
    given["may"] = [Rule(("impersonate",), ("users",))]
    async with mapped(dsn, tmp_path, script, **given) as chat:
        chat.cluster.allow("bob@t0acme000.example", Rule(READ))
        thread = await chat.ask("how is web?")
        await requests(chat, 1)
        await say(chat, "bob", thread, "and api?")
        await say(chat, "dave", thread, "its pods, I mean")
        await recorded(chat, 3)
        # fed to it before there was a map: his words are no part of it, and he is told
        await chat.rows(
            "WITH next AS (UPDATE threads SET next_seq = next_seq + 1 RETURNING *)"
            " INSERT INTO messages (org, channel, thread_ts, seq, run_id, role, author, ts, body)"
            " SELECT n.org, n.channel, n.thread_ts, n.next_seq - 1, r.id, 'user', %s, '9.9', %s"
            " FROM next n, (SELECT id FROM runs ORDER BY id LIMIT 1) r RETURNING 1",
            chat.slack.user_id("bob"),
            '{"content": "scale it to nothing"}',
        )
        gate.set()
        await chat.slack.wait_for(lambda: chat.thread(thread).count("Fine.") == 2, 20)
        await chat.quiet(thread)
        assert "say it again for a turn of yours" in chat.thread(thread)
        runs = await chat.rows("SELECT requester, contributors FROM runs ORDER BY id")
        dave, bob = chat.slack.user_id("dave"), chat.slack.user_id("bob")
        assert [(run["requester"], run["contributors"]) for run in runs] == [
            (dave, [dave]),
            (bob, [bob]),
        ]
        assert "its pods, I mean" in said_to((await requests(chat, 2))[1])
        reads = await chat.rows("SELECT acting FROM tool_calls ORDER BY id")
        assert [row["acting"] for row in reads] == ["dave@corp", "bob@t0acme000.example"]
        # what was read with dave's rights is not told to a turn of bob's
        told = (await requests(chat, 3))[2]["messages"]
        assert [m["content"] for m in told if m["role"] == "tool"] == [
            "(read with the rights of who asked then; look yourself if you need it)"
        ]


def test_who_somebody_is_and_who_is_nobody() -> None:
    identities = Identities(
        users={"U0A": "alice@corp", "U0C": "carol@corp.example"},
        mail_domains=("corp.example",),
        groups={"U0B": ("sre",)},
    )

    def who(user: str, mail: str = "", standing: Standing = Standing.MEMBER) -> str:
        return str(acting_as(identities, Person(user, standing, mail=mail)))

    assert who("U0A", "other@corp.example") == "alice@corp", "what is spelt out wins"
    assert who("U0B", "b@Corp.example") == "b@Corp.example sre"
    for mail in (
        "",
        "b@evil.example",
        "b@sub.corp.example",
        "b@corp.example.evil",
        "b c@corp.example",
        "system:admin@corp.example",
        "Carol@corp.example",  # another account's: one person could ask and approve
    ):
        with pytest.raises(Refused, match="nobody on the clusters"):
            who("U0B", mail)
    for standing in (Standing.GUEST, Standing.OUTSIDER, Standing.BOT, Standing.GONE):
        with pytest.raises(Refused, match="Only full members"):
            who("U0A", "", standing)
    with pytest.raises(WhoUnknown):
        who("U0A", "", Standing.UNKNOWN)
    assert acting_as(None, Person("U0A", Standing.MEMBER)) is None
