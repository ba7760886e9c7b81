"""The way back: what is no longer exact is said, and what was approved with a rollback rolls back
once, by itself, from exactly what it left.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bot.guard.chronicle import Question, Story, stories
from bot.guard.evidence import heads
from bot.sandbox.cluster import Behaviour
from tests.world import World, buttons, shown, world

SCALE = "scale deployment/web --replicas 5 -n shop"


def writes_replicas(chat: World, number: int, name: str = "web") -> None:
    """As somebody beside us would."""
    found = chat.cluster.get("Deployment", "shop", name)
    assert found is not None
    chat.cluster.apply({**found, "spec": {**found["spec"], "replicas": number}})


async def test_an_undo_says_who_wrote_what_since(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        thread = await chat.ask(SCALE)
        await chat.press("Approve", await chat.card(thread), by="alice")
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        writes_replicas(chat, 6)  # more than its autoscaler's maximum would be set back any moment
        await chat.press("Undo", chat.cards(thread)[0], by="alice")
        back = await chat.card(thread, 2)
        assert "No longer exact: replicas was changed to 6 by setup at" in shown(back)
        assert "from 6 to 3" in shown(back)
        await chat.press("Approve", back, by="bob")
        await chat.slack.wait_for(lambda: chat.replicas() == 3, 10)


CART = "set image deployment/cart shop/cart:9.9.9 -n shop"
RULE = """
policy:
  rules:
    - name: rolls back
      match: {namespace: shop}
      ask: {rollback: {within: 10m}}
"""
MISSING = Behaviour("shop/*:9.*", pullable=False)


@asynccontextmanager
async def ruled(dsn: str, folder: Path, policy: str = RULE, **more: Any) -> AsyncIterator[World]:
    """A world with this policy, where a release 9 cannot be pulled."""
    path = folder / "countersign.yaml"
    path.write_text(policy)
    extra = {"COUNTERSIGN_CONFIG": str(path)}
    async with world(dsn, folder, extra=extra, from_now_on=(MISSING,), **more) as chat:
        yield chat


async def test_what_was_approved_with_a_rollback_rolls_back_by_itself(
    dsn: str, tmp_path: Path
) -> None:
    async with ruled(dsn, tmp_path) as chat:
        was = chat.image("cart")
        thread = await chat.ask(CART)
        card = await chat.card(thread)
        said = shown(card)
        assert (
            "If its verification says within 10 min that it does not work, I roll it back by myself"
            in said
        )
        assert f"+      - image: {was}" in said, "the second diff"
        assert len(await chat.rows("SELECT 1 FROM tool_calls WHERE state = 'proposed'")) == 1
        await chat.press("Approve", card, by="alice")
        await chat.reads(thread, "does not work: .*I am rolling it back, as was approved")
        await chat.reads(thread, "It was rolled back, as was approved with it: done and verified")
        await chat.quiet(thread)
        assert chat.image("cart") == was
        assert len(chat.cluster.mutations) == 2
        [card] = chat.cards(thread)  # nobody is asked
        assert "rolled back by itself, verified" in shown(card)
        assert buttons(card) == []
        rows = await chat.rows(
            "SELECT c.state, d.person, d.digest = c.digest AS bound FROM tool_calls c"
            " LEFT JOIN decisions d ON d.call_id = c.id ORDER BY c.rolls_back NULLS FIRST"
        )
        alice = chat.slack.user_id("alice")
        assert rows == [{"state": "done", "person": alice, "bound": True}] * 2

        # what has no way back says so; what is denied, revised or holds takes its rollback along
        restart = await chat.card(await chat.ask("rollout restart deployment/cart -n shop"))
        assert "It is not rolled back by itself." in shown(restart)
        assert "No way back: A restart" in shown(restart)
        denied = await chat.ask(CART)
        await chat.press("Deny", await chat.card(denied), by="alice")
        await chat.reads(denied, "denied")
        holds = await chat.ask(SCALE)
        await chat.press("Approve", await chat.card(holds), by="alice")
        await chat.reads(holds, "done and verified")
        await chat.quiet(holds)
        assert buttons(chat.cards(holds)[0]) == ["Undo"]
        assert "rolled back" not in shown(chat.cards(holds)[0])
        ended = await chat.rows(
            "SELECT state, error FROM tool_calls WHERE rolls_back IS NOT NULL ORDER BY id"
        )
        assert [tuple(row.values()) for row in ended] == [
            ("done", None),
            ("superseded", "its change was denied"),
            ("superseded", "its change was looked at: holds"),
        ]
        told = await told_by_the_audit(chat)
        assert [one.differs for one in told if one.differs] == []
        # what was not needed is a part of its change's story, with its rows of the chain
        [back] = [one for one in told if one.rolls_back]
        assert back.state == "done"
        [changed] = [one for one in told if one.call == back.undoes]
        assert changed.undone_short == back.short_id != ""
        folded = [(one.state, one.rollback_state, one.rollback_why) for one in told if one.rollback]
        assert folded == [
            ("denied", "superseded", "its change was denied"),
            ("done", "superseded", "its change was looked at: holds"),
        ]
        rows = await chat.rows("SELECT seq FROM audit WHERE call_id IS NOT NULL ORDER BY seq")
        assert sorted(seq for one in told for seq in one.evidence) == [row["seq"] for row in rows]


async def told_by_the_audit(chat: World) -> list[Story]:
    assert chat.parts is not None
    database = chat.parts.database
    [head] = await heads(database)
    return [story async for story in stories(database, head, Question())]


async def sees(chat: World, query: str, *values: object) -> None:
    """Wait until a query finds something."""
    for _ in range(1500):
        if await chat.rows(query, *values):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(query)


@asynccontextmanager
async def before_the_verdict(chat: World, text: str) -> AsyncIterator[str]:
    """A change is approved, ran and failed; its verdict is not stored before this is left."""
    thread = await chat.ask(text)
    card = await chat.card(thread)
    resting = "SELECT 1 FROM runs WHERE thread_ts = %s AND state = 'waiting'"
    await sees(chat, resting, thread)  # it takes that row too
    async with await psycopg.AsyncConnection.connect(chat.dsn) as held:
        await held.execute("SELECT FROM threads WHERE thread_ts = %s FOR UPDATE", (thread,))
        await chat.press("Approve", card, by="alice")
        await sees(
            chat,
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
            " AND query LIKE '%%FROM threads%%FOR NO KEY UPDATE%%'",
        )
        yield thread


async def test_what_keeps_it_from_rolling_back_by_itself_is_said_and_people_are_asked(
    dsn: str, tmp_path: Path
) -> None:
    async with ruled(dsn, tmp_path, running="not yet") as chat:
        frozen = chat.slack.set_group("contractors", ["ada"])
        (tmp_path / "countersign.yaml").write_text(
            f"{RULE}  windows:\n    - {{name: holidays, kind: freeze, match: {{groups: {frozen}}},"
            " from: 2020-01-01T00:00:00Z, until: 2099-01-01T00:00:00Z}\n"
        )
        await chat.start()
        threads = {}
        async with before_the_verdict(chat, CART) as thread:
            threads[thread] = r"deployment/cart was written again \(generation \d+, ours was \d+\)"
            cart = chat.cluster.get("Deployment", "shop", "cart")
            assert cart is not None
            chat.cluster.apply({**cart, "spec": {**cart["spec"], "minReadySeconds": 1}})
        async with before_the_verdict(chat, CART.replace("cart", "web")) as thread:
            threads[thread] = "its 10 min were over"
            await chat.rows(
                "UPDATE tool_calls SET started_at = started_at - interval '10 min'"
                " WHERE thread_ts = %s RETURNING id",
                thread,
            )
            # what is promised is not given up because Slack does not say at once whose wish it was
            chat.slack.change_user("dave", tz="Europe/Paris")
            await asyncio.sleep(0.5)  # until what was known of him is forgotten
            chat.slack.faults.fail("users.info", "error", times=4, code="internal_error")
        await chat.card(thread, 2)
        chat.slack.faults.methods.clear()
        async with before_the_verdict(chat, CART.replace("cart", "checkout")) as thread:
            threads[thread] = "changes rest until 2099-01-01 00:00 UTC"
            chat.slack.set_group("contractors", ["ada", "dave"])
            await asyncio.sleep(0.5)  # until that is known
        for thread, why in threads.items():
            said = f"does not work: .*It was not rolled back by itself: {why}"
            await chat.reads(thread, f"{said}.*This is the way back; it waits for one approval")
            assert "Undo: " in shown(await chat.card(thread, 2))
            await chat.quiet(thread)
            assert re.search(f"not rolled back by itself: {why}", shown(chat.cards(thread)[0]))
        assert len(chat.cluster.mutations) == 3
        first = next(iter(threads))
        await chat.press("Approve", chat.cards(first)[1], by="bob")
        await chat.slack.wait_for(lambda: not chat.image("cart").endswith(":9.9.9"), 10)


BREAKS = """
CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE 'nobody foresaw this'; END $$;
CREATE TRIGGER breaks BEFORE UPDATE ON tool_calls FOR EACH ROW
  WHEN (NEW.rolls_back IS NOT NULL AND NEW.state = 'executing') EXECUTE FUNCTION breaks();
"""


@pytest.mark.crash
async def test_what_is_not_known_is_asked_again_and_then_people_are(
    dsn: str, tmp_path: Path
) -> None:
    async with ruled(dsn, tmp_path) as chat:
        # who approved it is known again a moment later: it rolls back
        async with nobody_knows_who_approved(chat, CART.replace("cart", "web"), times=1) as thread:
            pass
        await chat.reads(thread, "It was rolled back, as was approved with it: done and verified")
        tries = await chat.rows("SELECT attempt FROM tool_calls WHERE rolls_back IS NOT NULL")
        assert tries[0]["attempt"] > 2

        # for too long, or stopped meanwhile: people are asked
        threads = {}
        async with nobody_knows_who_approved(chat, CART, times=999) as thread:
            threads[thread] = "Slack did not say who somebody is who approved it"
        await sees(chat, "SELECT 1 FROM runs WHERE thread_ts = %s AND attempt > 3", thread)
        await chat.rows(
            "UPDATE tool_calls SET verdict = jsonb_set(verdict, '{at}', '\"2026-01-01T00:00:00Z\"')"
            " WHERE thread_ts = %s AND verdict IS NOT NULL RETURNING id",
            thread,
        )
        await chat.reads(thread, threads[thread])
        chat.slack.faults.methods.clear()
        text = CART.replace("cart", "checkout")
        async with nobody_knows_who_approved(chat, text, times=999) as thread:
            threads[thread] = "stopped"
        await sees(chat, "SELECT 1 FROM runs WHERE thread_ts = %s AND attempt > 3", thread)
        await chat.slack.post("dave", "ops", "stop", thread_ts=thread)
        await chat.reads(thread, "not rolled back by itself: stopped")
        chat.slack.faults.methods.clear()

        # the turn breaks before it rolls back
        async with before_the_verdict(chat, CART.replace("cart", "web")) as thread:
            threads[thread] = "I broke before"
            async with await psycopg.AsyncConnection.connect(chat.dsn) as connection:
                await connection.execute(BREAKS)
        await chat.reads(thread, "Something broke")
        for thread, why in threads.items():
            said = f"does not work: .*It was not rolled back by itself: {why}"
            await chat.reads(thread, f"{said}.*This is the way back; it waits for one approval")
            assert "Undo: " in shown(await chat.card(thread, 2))
        assert len(chat.cluster.mutations) == 5


@asynccontextmanager
async def nobody_knows_who_approved(chat: World, text: str, times: int) -> AsyncIterator[str]:
    """As `before_the_verdict`; then Slack does not say who alice is, that many times."""
    async with before_the_verdict(chat, text) as thread:
        chat.slack.change_user("alice", tz="Europe/Paris")
        await asyncio.sleep(0.3)  # until what was known of her is forgotten
        chat.slack.faults.fail("users.info", "error", times=times, code="internal_error")
        yield thread
