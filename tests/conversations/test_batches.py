"""Several changes of one reply: one card, one decision for each, in order, each looked at anew."""

import asyncio
from pathlib import Path

from bot.guard.votes import Typed
from bot.sandbox.cluster import Behaviour
from tests.standins.model import Json, Turn, calls, says
from tests.world import World, buttons, shown, world

WEB = {"namespace": "shop", "kind": "deployment", "name": "web"}
CART = {**WEB, "name": "cart"}


def proposes(*changes: Json, tool: str = "k8s_scale") -> "Script":
    """A model that proposes these in one reply, then says what came of each."""
    return Script([(change.pop("tool", tool), change) for change in map(dict, changes)])


class Script:
    """Answers by what the request holds, so that a card that is asked again changes nothing."""

    def __init__(self, wishes: list[tuple[str, Json]]) -> None:
        self.wishes = wishes

    def __call__(self, request: Json) -> Turn:
        results = [m["content"] for m in request["messages"] if m["role"] == "tool"]
        return says(" / ".join(results)) if results else calls(*self.wishes)


async def until_gone(chat: World, thread: str, button: str) -> None:
    """Wait until the card does not have this button any more."""
    await chat.slack.wait_for(lambda: button not in buttons(chat.cards(thread)[0]), 5)


async def states(chat: World) -> list[str]:
    """Of every call, in order; those that were replaced are left out."""
    rows = await chat.rows(
        "SELECT state FROM tool_calls WHERE kind = 'change' AND superseded_by IS NULL"
        " ORDER BY reply, ordinal"
    )
    return [row["state"] for row in rows]


async def test_one_card_shows_all_and_one_button_approves_all(dsn: str, tmp_path: Path) -> None:
    script = proposes({**WEB, "replicas": 5}, {**CART, "replicas": 3})
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale both")
        card = await chat.card(thread)
        text = shown(card)
        assert "Two changes, in this order" in text
        assert text.index("from 3 to 5") < text.index("from 2 to 3")
        assert text.count("`spec.replicas`") == 2
        assert buttons(card) == [
            *("Approve 1", "Deny 1", "More 1…"),
            *("Approve 2", "Deny 2", "More 2…"),
            "Approve all (2)",
        ]
        await chat.press("Approve all (2)", card, by="bob")
        await chat.reads(thread, "done and verified.* / done and verified")
        await chat.quiet(thread)
        assert (chat.replicas(), chat.replicas("cart")) == (5, 3)
        assert len(chat.cards(thread)) == 1
        # one vote for each, by one click
        votes = await chat.rows("SELECT call_id, person, vote FROM decisions")
        assert len({row["call_id"] for row in votes}) == len(votes) == 2
        clicks = await chat.rows("SELECT 1 FROM events WHERE kind = 'vote:approve'")
        assert len(clicks) == 1
        assert buttons(chat.cards(thread)[0]) == ["Undo 1", "Undo 2"]
        assert "Approve all" not in shown(chat.cards(thread)[0])


async def test_each_can_be_decided_alone_and_nothing_starts_before_the_last(
    dsn: str, tmp_path: Path
) -> None:
    script = proposes({**WEB, "replicas": 5}, {**CART, "replicas": 3})
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale both")
        await chat.press("Deny 1", await chat.card(thread), by="alice")
        view = await chat.slack.wait_for_view("alice")
        await chat.slack.submit("alice", view.id, {"reason": "not today"})
        await chat.slack.wait_for(lambda: "not today" in chat.thread(thread), 5)
        assert buttons(chat.cards(thread)[0]) == ["Approve 2", "Deny 2", "More 2…"]
        assert chat.cluster.mutations == []
        await chat.press("Approve 2", chat.cards(thread)[0], by="bob")
        await chat.reads(thread, "denied by .*not today.* / done and verified")
        assert (chat.replicas(), chat.replicas("cart")) == (3, 3)


async def test_approve_all_counts_only_what_this_person_may_approve(
    dsn: str, tmp_path: Path
) -> None:
    # to zero is a danger: two, neither of whom asked
    script = proposes({**WEB, "replicas": 5}, {**CART, "replicas": 0})
    async with world(dsn, tmp_path, script, extra={"COUNTERSIGN_CONFIG": ""}) as chat:
        (tmp_path / "self.yaml").write_text("self_approval: true\n")
        await chat.stop()
        chat.extra = {"COUNTERSIGN_CONFIG": str(tmp_path / "self.yaml")}
        await chat.start()
        thread = await chat.ask("scale both", by="alice")
        card = await chat.card(thread)
        await chat.press("Approve all (2)", card, by="alice")
        told = await chat.told("alice", "Recorded for 1 of 2")
        assert "to 0" in shown(told)
        assert "from 3 to 5" not in shown(told)
        await chat.slack.wait_for(lambda: "Approve 1" not in buttons(chat.cards(thread)[0]), 5)
        assert [row["vote"] for row in await chat.rows("SELECT vote FROM decisions")] == ["approve"]
        chat.slack.set_group("sre", ["alice", "bob", "ada"])
        for who in ("bob", "ada"):
            await chat.press("Approve 2", chat.cards(thread)[0], by=who)
        await chat.reads(thread, "done and verified.* / done and verified")
        assert (chat.replicas(), chat.replicas("cart")) == (5, 0)


async def test_who_may_approve_nothing_of_it_is_told_why_and_nothing_is_recorded(
    dsn: str, tmp_path: Path
) -> None:
    script = proposes({**WEB, "replicas": 5}, {**CART, "replicas": 3})
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale both")
        card = await chat.card(thread)
        await chat.press("Approve all (2)", card, by="dave")
        await chat.told("dave", "not among those|other than you")
        await chat.slack.click(
            "bob", "ops", card["ts"], text="Approve all (2)", value="AAAAAAAAAAAAAAAA"
        )
        await chat.told("bob", "do not know this card")
        assert await chat.rows("SELECT 1 FROM decisions") == []
        assert await states(chat) == ["proposed", "proposed"]


async def test_two_who_approve_all_at_once_make_one_execution_of_each(
    dsn: str, tmp_path: Path
) -> None:
    script = proposes({**WEB, "replicas": 0}, {**CART, "replicas": 0})
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("stop both")
        card = await chat.card(thread)
        await asyncio.gather(
            *(
                chat.slack.click(who, "ops", card["ts"], text="Approve all (2)")
                for who in ("alice", "bob")
            )
        )
        await chat.reads(thread, "done and verified.* / done and verified")
        assert len(chat.cluster.mutations) == 2
        assert len(await chat.rows("SELECT 1 FROM decisions")) == 4


async def test_a_dependent_change_is_looked_at_again_and_asked_again_where_it_differs(
    dsn: str, tmp_path: Path
) -> None:
    script = proposes({**WEB, "replicas": 5}, {**CART, "replicas": 3}, {**WEB, "replicas": 6})
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale in steps")
        card = await chat.card(thread)
        assert "after 1" in shown(card)
        assert "you are asked again" in shown(card)
        await chat.press("Approve all (3)", card, by="bob")
        again = await chat.card(thread, 2)
        assert "from 5 to 6" in shown(again)
        assert "is done, and it looks different since" in chat.thread(thread)
        assert (chat.replicas(), chat.replicas("cart")) == (5, 3)
        await chat.press("Approve", again, by="alice")
        await chat.reads(thread, "done and verified.* / done and verified.* / done and verified")
        assert chat.replicas() == 6


async def test_what_depends_on_a_denied_change_does_not_run_and_the_others_do(
    dsn: str, tmp_path: Path
) -> None:
    script = proposes({**WEB, "replicas": 5}, {**WEB, "replicas": 6}, {**CART, "replicas": 3})
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale in steps")
        card = await chat.card(thread)
        await chat.press("Approve 2", card, by="bob")
        await chat.press("Deny 1", chat.cards(thread)[0], by="alice")
        view = await chat.slack.wait_for_view("alice")
        await chat.slack.submit("alice", view.id, {})
        await chat.press("Approve 3", chat.cards(thread)[0], by="bob")
        await chat.reads(thread, "denied.* / superseded: it was to come after .* / done and verif")
        assert (chat.replicas(), chat.replicas("cart")) == (3, 3)
        assert len(chat.cards(thread)) == 1


async def test_after_a_failure_in_the_middle_the_rest_is_asked_anew_on_one_card(
    dsn: str, tmp_path: Path
) -> None:
    crashes = Behaviour("shop/checkout:1.8.*", needs={"NOWHERE": "FATAL still broken"})
    undo = {**WEB, "name": "checkout", "tool": "k8s_rollout_undo"}
    script = proposes({**WEB, "replicas": 5}, undo, {**CART, "replicas": 3}, {**WEB, "replicas": 6})
    async with world(dsn, tmp_path, script, from_now_on=(crashes,)) as chat:
        thread = await chat.ask("all of it")
        card = await chat.card(thread)
        await chat.press("Approve all (4)", card, by="bob")
        again = await chat.card(thread, 2, timeout=40)
        assert "The rest was not run: an earlier change did not end well" in chat.thread(thread)
        text = shown(again)
        assert "from 2 to 3" in text
        assert "from 5 to 6" in text  # previewed as the world is now
        assert buttons(again)[-1] == "Approve all (2)"
        assert (chat.replicas(), chat.replicas("cart")) == (5, 2)
        await chat.press("Approve all (2)", again, by="alice")
        await chat.reads(thread, "verified.* / done, but it does not work.* / done.* / done and")
        assert (chat.replicas(), chat.replicas("cart")) == (6, 3)
        assert len(chat.cluster.mutations) == 4


async def test_a_change_found_stale_holds_the_later_ones_and_all_are_asked_together(
    dsn: str, tmp_path: Path
) -> None:
    script = proposes({**WEB, "replicas": 5}, {**CART, "replicas": 3})
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale both")
        card = await chat.card(thread)
        web = chat.cluster.get("Deployment", "shop", "web")
        assert web is not None
        chat.cluster.apply({**web, "spec": {**web["spec"], "replicas": 4}})
        await chat.press("Approve all (2)", card, by="bob")
        again = await chat.card(thread, 2)
        assert "from 4 to 5" in shown(again)
        assert "from 2 to 3" in shown(again)
        assert chat.cluster.mutations == []
        await chat.press("Approve all (2)", again, by="bob")
        await chat.reads(thread, "done and verified.* / done and verified")
        assert (chat.replicas(), chat.replicas("cart")) == (5, 3)


async def test_more_changes_than_a_card_takes_are_sent_back_to_the_model(
    dsn: str, tmp_path: Path
) -> None:
    names = ["web", "cart", "checkout"]
    many = [{**WEB, "name": names[n % 3], "replicas": 6 + n} for n in range(24)]
    async with world(dsn, tmp_path, proposes(*many)) as chat:
        thread = await chat.ask("scale a lot")
        card = await chat.card(thread)
        assert "10 changes, in this order" in shown(card)
        assert shown(card).count("spec.replicas") >= 10
        assert "Approve all (10)" in buttons(card)
        assert len(await chat.rows("SELECT 1 FROM tool_calls WHERE kind = 'change'")) == 10
        for number in range(1, 11):
            at = chat.cards(thread)[0]["ts"]
            await chat.slack.click("bob", "ops", at, text=f"Deny {number}")
            view = await chat.slack.wait_for_view("bob")
            await chat.slack.submit("bob", view.id, {})
            await until_gone(chat, thread, f"Approve {number}")
            if not buttons(chat.cards(thread)[0]):
                break
        await chat.reads(thread, "One reply may propose 10 changes at most")
        assert chat.cluster.mutations == []


async def test_the_same_change_twice_in_a_reply_is_asked_once(dsn: str, tmp_path: Path) -> None:
    script = proposes({**WEB, "replicas": 5}, {**WEB, "replicas": 5})
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("twice")
        card = await chat.card(thread)
        assert buttons(card) == ["Approve", "Deny", "More…"]
        await chat.press("Approve", card, by="bob")
        await chat.reads(thread, "proposes exactly this already")
        assert len(chat.cluster.mutations) == 1


async def test_a_card_that_slack_refuses_is_shown_call_by_call(dsn: str, tmp_path: Path) -> None:
    script = proposes({**WEB, "replicas": 5}, {**CART, "replicas": 3})
    async with world(dsn, tmp_path, script, running="not yet") as chat:
        # the first sign, then the card of both, then that of the second alone
        chat.slack.faults.fail("chat.postMessage", "slow", times=1, seconds=0)
        chat.slack.faults.fail("chat.postMessage", "error", times=1, code="invalid_blocks")
        chat.slack.faults.fail("chat.postMessage", "slow", times=1, seconds=0)
        chat.slack.faults.fail("chat.postMessage", "error", times=1, code="invalid_blocks")
        await chat.start()
        thread = await chat.ask("scale both")
        card = await chat.card(thread)
        assert buttons(card) == ["Approve", "Deny", "More…"]
        await chat.press("Approve", card, by="bob")
        expired = "expired: Slack could not show its card .invalid_blocks."
        await chat.reads(thread, f"done and verified.* / {expired}")
        assert (chat.replicas(), chat.replicas("cart")) == (5, 2)


async def test_a_restart_in_the_middle_of_a_batch_goes_on_with_the_next(
    dsn: str, tmp_path: Path
) -> None:
    script = proposes({**WEB, "replicas": 5}, {**CART, "replicas": 3})
    settle = {"COUNTERSIGN_SETTLE_SECONDS": "1.5"}
    async with world(dsn, tmp_path, script, running="process", extra=settle) as chat:
        thread = await chat.ask("scale both")
        await chat.press("Approve all (2)", await chat.card(thread), by="bob")
        await chat.slack.wait_for(lambda: len(chat.cluster.mutations) == 1, 10)
        await chat.kill()
        await chat.spawn()
        await chat.reads(thread, "done and verified.* / done and verified", timeout=30)
        assert (chat.replicas(), chat.replicas("cart")) == (5, 3)
        assert len(chat.cluster.mutations) == 2


async def test_what_is_too_long_to_see_is_approved_together_in_a_modal(
    dsn: str, tmp_path: Path
) -> None:
    undo = {**WEB, "tool": "k8s_rollout_undo"}
    script = proposes(undo, {**undo, "name": "cart"})
    async with world(dsn, tmp_path, script) as chat:
        for name in ("web", "cart"):
            found = chat.cluster.get("Deployment", "shop", name)
            assert found is not None
            template = found["spec"]["template"]
            template["metadata"]["annotations"] = {f"note-{n}": "x" * 90 for n in range(80)}
            chat.cluster.apply(found)
        thread = await chat.ask("roll both back")
        card = await chat.card(thread)
        # every changed path is on the card, its values are not
        assert shown(card).count("`spec.template.metadata.annotations`") == 2
        assert "note-9:" not in shown(card)
        assert {"More 1…", "More 2…"} <= set(buttons(card))
        await chat.press("More 1…", card, by="dave")
        only_to_read = await chat.slack.wait_for_view("dave")
        assert "submit" not in only_to_read.payload
        assert "x" * 90 in str(only_to_read.payload)
        # an approval that is typed is none of what was not in sight
        [row] = await chat.rows(
            "SELECT short_id FROM tool_calls WHERE ordinal = 0 AND kind = 'change'"
        )
        assert chat.parts is not None
        typed = Typed(
            "T0ACME000", "k1", chat.slack.user_id("bob"), card_channel(chat), row["short_id"]
        )
        assert (await chat.parts.votes.vote_typed(typed, "approve")).code == "open_the_card"
        await chat.press("Approve all (2)", card, by="bob")
        view = await chat.slack.wait_for_view("bob")
        assert str(view.payload).count("note-9:") == 2
        assert await chat.rows("SELECT 1 FROM decisions") == []
        await chat.slack.submit("bob", view.id, {})
        await chat.reads(thread, "done and verified.* / done and verified")
        assert len(chat.cluster.mutations) == 2


def card_channel(chat: World) -> str:
    """The id of the channel where people talk."""
    return chat.slack.channel_id("ops")
