"""A card's time: who is called, reminded once, its end, Ask again, and where else it is shown."""

import asyncio
import re
from pathlib import Path

import pytest

from bot.guard.short_ids import short_id
from bot.guard.votes import Answer, Typed, Vote
from tests.standins.model import Json, Turn, calls, says
from tests.world import World, buttons, shown, world

WEB = {"namespace": "shop", "kind": "deployment", "name": "web"}
CART = {**WEB, "name": "cart"}
SCALE = "scale deployment/web --replicas 5 -n shop"
EARLIER = "UPDATE tool_calls SET created_at = created_at - {0}, expires_at = expires_at - {0}"
SRE = "<!subteam^S0SRE0000>"


def scales_both(request: Json) -> Turn:
    """Propose two changes in one reply, then say what came of them."""
    results = [m["content"] for m in request["messages"] if m["role"] == "tool"]
    if results:
        return says(" / ".join(results))
    return calls(("k8s_scale", {**WEB, "replicas": 5}), ("k8s_scale", {**CART, "replicas": 4}))


async def pass_time(chat: World, minutes: int) -> None:
    """As if the open cards had been posted so much earlier."""
    await chat.rows(EARLIER.format(f"interval '{minutes} minutes'") + " RETURNING id")


def reminders(chat: World, thread: str) -> int:
    """How many there are in a thread."""
    return sum("still to decide" in shown(m) for m in chat.slack.app_messages("ops", thread))


async def typed(chat: World, vote: Vote, short_id: str, by: str, where: str = "ops") -> Answer:
    """What the guard makes of a decision in words."""
    assert chat.parts is not None
    key = f"typed:{vote}:{by}:{asyncio.get_running_loop().time()}"
    asked = Typed("T0ACME000", key, chat.slack.user_id(by), chat.slack.channel_id(where), short_id)
    return await chat.parts.votes.vote_typed(asked, vote)


async def test_who_may_approve_is_called_once_and_reminded_once(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        thread = await chat.ask(SCALE)
        await chat.card(thread)
        [posted] = [c for c in chat.slack.calls_of("chat.postMessage") if "approve" in str(c.args)]
        assert posted.args["text"].endswith(f"\n{SRE}")
        await pass_time(chat, 14)
        await asyncio.sleep(2.5)
        assert "still to decide" not in chat.thread(thread)
        await pass_time(chat, 2)
        reminder = await chat.reads(thread, "still to decide until")
        assert f"{SRE}: the card is above" in shown(reminder)
        await chat.stop()
        await chat.start()  # it was said already, whoever asks
        await asyncio.sleep(2.5)
        assert reminders(chat, thread) == 1
        redraws = chat.slack.calls_of("chat.update")
        assert not any(str(c.args.get("text")).endswith(SRE) for c in redraws)


async def test_nobody_is_reminded_of_what_was_decided(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, scales_both) as chat:
        thread = await chat.ask("scale both")
        card = await chat.card(thread)
        await chat.press("Approve 1", card, by="bob")
        await pass_time(chat, 16)
        reminder = await chat.reads(thread, "still to decide until")
        assert "cart" in shown(reminder)
        assert "web" not in shown(reminder)
        await chat.press("Approve 2", chat.cards(thread)[0], by="bob")
        await chat.reads(thread, "done and verified.* / done and verified")
        assert reminders(chat, thread) == 1


async def test_whoever_asked_is_not_called_and_many_are_counted(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, running="not yet") as chat:
        others = [chat.slack.add_user(f"person{n}") for n in range(7)]
        dave = chat.slack.user_id("dave")
        chat.extra = {"COUNTERSIGN_APPROVERS": ",".join([dave, *others])}
        await chat.start()
        await chat.card(await chat.ask(SCALE, by="dave"))
        [posted] = [c for c in chat.slack.calls_of("chat.postMessage") if "approve" in str(c.args)]
        called = posted.args["text"].rpartition("\n")[2]
        assert called.startswith(f"<@{others[0]}>")
        assert called.endswith("and 2 more")
        assert dave not in called


async def test_an_expired_card_offers_to_ask_again_and_the_clicker_is_who_asks(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path) as chat:
        thread = await chat.ask(SCALE, by="alice")
        await chat.card(thread)
        await pass_time(chat, 31)
        await chat.reads(thread, "Scale .*: expired")
        await chat.quiet(thread)
        old = chat.cards(thread)[0]
        assert buttons(old) == ["Ask again"]
        web = chat.cluster.get("Deployment", "shop", "web")
        assert web is not None
        chat.cluster.apply({**web, "spec": {**web["spec"], "replicas": 4}})
        chat.slack.invite("gina", "ops")
        await chat.press("Ask again", old, by="gina")
        await chat.told("gina", "can't take requests")
        await asyncio.gather(*(chat.press("Ask again", old, by=who) for who in ("bob", "dave")))
        again = await chat.card(thread, 2)
        assert "from 4 to 5" in shown(again)  # previewed now
        await chat.slack.wait_for(lambda: buttons(chat.cards(thread)[0]) == [], 5)
        [row] = await chat.rows(
            "SELECT requester, contributors FROM tool_calls WHERE state = 'proposed'"
        )
        assert row["requester"] in {chat.slack.user_id("bob"), chat.slack.user_id("dave")}
        # whoever chose what it does is a contributor still
        assert chat.slack.user_id("alice") in row["contributors"]
        await chat.press("Approve", again, by="alice")
        await chat.told("alice", "somebody other than you")
        chat.slack.set_group("sre", ["alice", "bob", "ada"])
        await chat.press("Approve", again, by="ada")
        await chat.reads(thread, "done and verified")
        assert chat.replicas() == 5
        assert len(chat.cards(thread)) == 2


async def test_a_batch_expires_and_each_can_be_asked_again(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, scales_both) as chat:
        thread = await chat.ask("scale both")
        await chat.card(thread)
        await pass_time(chat, 31)
        await chat.reads(thread, "expired: .* / expired: ")
        await chat.quiet(thread)
        assert buttons(chat.cards(thread)[0]) == ["Ask again 1", "Ask again 2"]
        await chat.press("Ask again 2", chat.cards(thread)[0], by="dave")
        again = await chat.card(thread, 2)
        assert "from 2 to 4" in shown(again)
        await chat.slack.wait_for(lambda: buttons(chat.cards(thread)[0]) == ["Ask again 1"], 5)


async def test_a_card_is_shown_in_the_approvals_channel_and_works_there(
    dsn: str, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text("approvals: {channel: C0GENERAL}\n")
    extra = {"COUNTERSIGN_CONFIG": str(tmp_path / "c.yaml")}
    async with world(dsn, tmp_path, extra=extra) as chat:
        thread = await chat.ask(SCALE)
        await chat.card(thread)
        await chat.slack.wait_for(lambda: bool(chat.slack.app_messages("general")), 5)
        [there] = chat.slack.app_messages("general")
        assert buttons(there) == ["Approve", "Deny", "More…"]
        assert f"/archives/{chat.slack.channel_id('ops')}/p{thread.replace('.', '')}" in shown(
            there
        )
        assert "Or type" not in shown(there)
        await chat.press("Approve", there, by="bob", where="general")
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        assert len(chat.cluster.mutations) == 1
        assert buttons(chat.cards(thread)[0]) == ["Undo"]
        assert "verified" in shown(chat.slack.app_messages("general")[0])


@pytest.mark.parametrize("channel", ["C0PARTNER", "C0RANDOM0", "C0NOWHERE"])
async def test_an_approvals_channel_that_cannot_be_used_hurts_nothing(
    dsn: str, tmp_path: Path, channel: str
) -> None:
    async with world(dsn, tmp_path, running="not yet") as chat:
        if channel == "C0PARTNER":
            channel = chat.slack.channel_id("partners")  # another organisation reads it
        (tmp_path / "c.yaml").write_text(f"approvals: {{channel: {channel}}}\n")
        chat.extra = {"COUNTERSIGN_CONFIG": str(tmp_path / "c.yaml")}
        await chat.start()
        thread = await chat.ask(SCALE)
        await chat.press("Approve", await chat.card(thread), by="bob")
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        assert chat.slack.app_messages("partners") == []
        assert chat.slack.app_messages("random") == []


async def test_a_typed_decision_counts_like_a_click(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        [row] = await chat.rows("SELECT short_id FROM tool_calls")
        name = row["short_id"]
        assert f"approve {name}" in shown(card)
        await chat.slack.settled()
        assert (await typed(chat, "approve", "ZZZZ", "bob")).code == "unknown_card"
        assert (await typed(chat, "approve", name, "bob", "general")).code == "unknown_card"
        assert (await typed(chat, "approve", name, "dave")).code == "not_an_approver"
        assert (await typed(chat, "approve", name, "gina")).code == "guest"
        assert await chat.rows("SELECT 1 FROM decisions") == []
        assert (await typed(chat, "approve", name.lower(), "bob")).code == "approved"
        await chat.reads(thread, "done and verified")
        assert (await typed(chat, "deny", name, "alice")).code == "decided"
        audit = await chat.rows(
            "SELECT kind FROM audit WHERE actor = %s", chat.slack.user_id("bob")
        )
        assert [one["kind"] for one in audit] == ["approve"]


async def test_what_people_type_is_new_with_each_preview(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        web = chat.cluster.get("Deployment", "shop", "web")
        assert web is not None
        chat.cluster.apply({**web, "spec": {**web["spec"], "replicas": 4}})
        await chat.press("Approve", card, by="bob")
        await chat.card(thread, 2)
        first, second = await chat.rows("SELECT short_id, state FROM tool_calls ORDER BY id")
        assert first["short_id"] != second["short_id"]
        assert (await typed(chat, "approve", first["short_id"], "bob")).code == "superseded"
        assert (await typed(chat, "deny", second["short_id"], "bob")).code == "denied"
        await chat.reads(thread, "denied by")
        assert chat.cluster.mutations == []


async def test_a_refused_wish_is_answered_with_a_sentence(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        thread = await chat.ask("scale deployment/nowhere --replicas 5 -n shop")
        answer = await chat.reads(thread, "[Rr]efused")
        assert shown(answer).startswith("Refused: ")


def test_what_people_type_is_never_a_word_and_easy_to_read() -> None:
    made = [short_id() for _ in range(2_000)]
    assert len(set(made)) > 1_900
    for one in made:
        assert re.fullmatch(r"[A-Z2-9]{4}", one)
        assert not one.isalpha()
        assert not one.isdigit()
        assert not set(one) & set("0O1IL2Z5S8B")
