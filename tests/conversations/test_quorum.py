"""Two who may approve, at once, in every order: one arrow, one execution, no vote lost."""

import asyncio
from pathlib import Path

from tests.standins.model import Json, Turn, calls, says
from tests.world import shown, world

TO_ZERO = ("k8s_scale", {"namespace": "shop", "kind": "deployment", "name": "cart", "replicas": 0})


def proposes(request: Json) -> Turn:
    """Propose what needs two, then say what came of it."""
    results = [m["content"] for m in request["messages"] if m["role"] == "tool"]
    return says(f"It says: {results[-1]}") if results else calls(TO_ZERO)


async def test_danger_needs_two_and_neither_may_have_asked(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        thread = await chat.ask("stop cart", by="dave")
        card = await chat.card(thread)
        assert "needs 2 approvals" in shown(card) or "needs two approvals" in shown(card)
        await chat.press("Approve", card, by="alice")
        await asyncio.sleep(0.3)
        assert chat.cluster.mutations == []
        await chat.press("Approve", card, by="alice")  # one person is one vote
        await chat.told("alice", r"You have approved already; one more approval is needed\.")
        [call] = await chat.rows("SELECT short_id FROM tool_calls WHERE state = 'proposed'")
        await chat.slack.slash("alice", "ops", "/ops", f"approve {call['short_id']}")
        await chat.told("alice", "You have approved already; one more approval is needed: ")
        assert chat.cluster.mutations == []
        # she lost the role: it is somebody else's turn, and the card does not count her
        chat.slack.set_group("sre", ["bob", "ada"])
        await chat.press("Approve", card, by="bob")
        alice, bob = (chat.slack.user_id(one) for one in ("alice", "bob"))
        said = shown(await chat.reads(thread, f"So far approved by <@{bob}> [^@]*; one more"))
        assert f"The approval of <@{alice}>, who may give none any more, does not count" in said
        await chat.slack.slash("ada", "ops", "/ops", "status")
        await chat.told("ada", r"needs two approvals \(1 given\)")
        assert chat.cluster.mutations == []
        await chat.press("Approve", card, by="ada")
        await chat.reads(thread, "It says: done and verified")
        assert chat.replicas("cart") == 0
        assert len(chat.cluster.mutations) == 1


async def test_two_votes_at_once_are_both_counted(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        for number in range(5):
            thread = await chat.ask("stop cart", by="dave")
            card = await chat.card(thread)
            await asyncio.gather(
                chat.press("Approve", card, by="alice"), chat.press("Approve", card, by="bob")
            )
            await chat.reads(thread, "It says: done and verified|already")
            if number == 0:
                assert len(chat.cluster.mutations) == 1
            await chat.quiet(thread)
            cart = chat.cluster.get("Deployment", "shop", "cart")
            assert cart is not None
            chat.cluster.apply({**cart, "spec": {**cart["spec"], "replicas": 2}})
        states = await chat.rows("SELECT state FROM tool_calls WHERE kind = 'change'")
        assert {row["state"] for row in states} == {"done"}
        assert len(states) == 5
        assert len(chat.cluster.mutations) == 5


async def test_an_approval_and_a_denial_at_once_end_in_one_of_them(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        chat.slack.set_group("sre", ["alice", "bob", "ada"])
        thread = await chat.ask("stop cart", by="dave")
        card = await chat.card(thread)
        await chat.slack.click("ada", "ops", card["ts"], text="Deny")
        view = await chat.slack.wait_for_view("ada")
        await chat.press("Approve", card, by="alice")
        await asyncio.gather(
            chat.press("Approve", card, by="bob"), chat.slack.submit("ada", view.id, {})
        )
        await chat.reads(thread, "It says: (done|denied)")
        await chat.quiet(thread)
        rows = await chat.rows("SELECT state FROM tool_calls WHERE kind = 'change'")
        assert len(rows) == 1
        executed = len(chat.cluster.mutations)
        assert (rows[0]["state"], executed) in {("done", 1), ("denied", 0)}
