"""What Slack takes after we gave it up, over what was drawn since, does not stay: the thread ends
with what is true. And a card that stands away from its thread shows it too.
"""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from bot.commands import redraw
from bot.sandbox.slack.faults import Hold
from bot.slack.api import SlackApi, Uncertain
from bot.slack.budget import Lane
from bot.slack.cards import Cards
from bot.slack.views.blocks import section
from bot.slack.views.data import Message
from tests.conversations.test_commands import PATIENT, SCALE
from tests.conversations.test_delivery import edits_of
from tests.standins.model import Json, Turn, says
from tests.standins.model import held as gated
from tests.world import World, buttons, shown, world

DOUBTED = "SELECT 1 FROM cards WHERE drawn = '' AND NOT whole AND late_until > now()"
REDRAW = (
    "SELECT say_redraw(org, channel, thread_ts, jsonb_build_object('call', id), 0, run_id, id, 0)"
    " FROM tool_calls"
)
CERTAIN = "SELECT 1 FROM cards WHERE drawn <> '' AND late_until IS NULL"


async def there(chat: World, query: str, seconds: float = 30) -> None:
    """Wait until there is such a row."""
    async with asyncio.timeout(seconds):
        while not await chat.rows(query):  # noqa: ASYNC110 -- in a database
            await asyncio.sleep(0.05)


async def long_in_doubt(chat: World) -> None:
    """The doubt lasts until it `may_end`: what Slack takes late comes before that."""
    await _put_off(chat, "now() + interval '1 h'")


async def may_end(chat: World) -> None:
    """Slack can take nothing earlier any more."""
    await _put_off(chat, "now()")
    await chat.rows("SELECT pg_notify('countersign_outbox', '')")


async def _put_off(chat: World, until: str) -> None:
    waiting = {"cards": "late_until", "runs": "late_until", "outbox": "not_before"}
    for table, column in waiting.items():
        query = f"UPDATE {table} SET {column} = {until} WHERE {column} > now() RETURNING 1"  # noqa: S608
        await chat.rows(query)


async def drawn_live(chat: World, card: Json) -> Hold:
    """A drawing of a card that no row of the outbox asked for, under way until it is let go."""
    while True:
        held = chat.slack.faults.hold("chat.update", ts=card["ts"])
        await held.met(30)
        if not await chat.rows("SELECT 1 FROM outbox WHERE state = 'sending'"):
            return held
        held.let_go()


def pressable(chat: World, thread: str) -> str:
    """The buttons of all that we said there."""
    return str([buttons(one) for one in chat.slack.app_messages("ops", thread)])


async def nothing_left(chat: World) -> None:
    """All is said, also what waited until Slack can take nothing earlier any more."""
    await there(chat, "SELECT WHERE NOT EXISTS (SELECT FROM outbox WHERE is_open)")


async def test_a_card_that_is_drawn_late_over_what_became_of_it_is_drawn_again(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        assert chat.parts is not None
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        await chat.quiet(thread)
        [row] = await chat.rows("UPDATE cards SET drawn = 'older' RETURNING call_id")
        held = chat.slack.faults.hold("chat.update", ts=card["ts"])
        cards = cast("Cards", chat.parts.sender._cards)
        with pytest.raises(Uncertain):
            await cards.redraw(row["call_id"], lane=Lane.PROGRESS)
        assert await chat.rows(DOUBTED)
        await long_in_doubt(chat)

        await chat.press("Approve", card, by="bob")
        await chat.reads(thread, "done and verified")
        # it was drawn meanwhile, and is not believed: Slack has not taken the first one yet
        await chat.slack.wait_for(lambda: "Undo" in buttons(chat.cards(thread)[0]), 10)
        held.let_go()
        await chat.slack.wait_for(lambda: "Approve" in buttons(chat.cards(thread)[0]), 10)
        await may_end(chat)
        await chat.slack.wait_for(lambda: "Undo" in buttons(chat.cards(thread)[0]), 20)
        await there(chat, CERTAIN)
        await nothing_left(chat)
        assert "Undo" in buttons(chat.cards(thread)[0])


async def test_a_card_that_a_process_drew_as_it_was_killed_is_drawn_again_later(
    dsn: str, tmp_path: Path
) -> None:
    """Slack may take the dead one's edit after the next one's."""
    async with world(dsn, tmp_path, slack=PATIENT, running="process") as chat:
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        await chat.quiet(thread)
        await chat.rows("UPDATE cards SET drawn = 'older' RETURNING call_id")
        held = chat.slack.faults.hold("chat.update", ts=card["ts"])
        await chat.rows(REDRAW)
        await held.met()
        await chat.kill()
        await chat.start()
        await chat.press("Deny", card, by="bob")
        await chat.slack.wait_for(lambda: "Deny" not in buttons(chat.cards(thread)[0]), 15)
        await there(chat, DOUBTED)  # where the dead one's claim has run out
        await long_in_doubt(chat)
        held.let_go()
        await chat.slack.wait_for(lambda: "Deny" in buttons(chat.cards(thread)[0]), 10)
        await may_end(chat)
        await there(chat, CERTAIN)
        await nothing_left(chat)
        assert "Deny" not in buttons(chat.cards(thread)[0])


@pytest.mark.long
async def test_a_card_that_slack_takes_no_edit_of_has_few_redraws_that_wait(
    dsn: str, tmp_path: Path
) -> None:
    """However long that goes on; and once it takes them again, it is drawn, and that is all."""
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        await nothing_left(chat)
        await chat.rows("UPDATE cards SET drawn = 'older' RETURNING 1")
        chat.slack.faults.fail("chat.update", "http_503", times=99)
        await chat.rows(REDRAW)
        for tried in range(1, 6):
            await there(
                chat,
                f"SELECT 1 FROM outbox WHERE is_open AND tries >= {tried}",  # noqa: S608
            )
            assert len(await chat.rows("SELECT 1 FROM outbox WHERE is_open")) <= 2
            await may_end(chat)
        chat.slack.faults.methods.clear()
        before = len(edits_of(chat, card))
        await there(chat, CERTAIN, 60)
        await may_end(chat)
        await nothing_left(chat)
        assert 1 <= len(edits_of(chat, card)) - before <= 3


async def test_progress_that_is_drawn_late_over_the_fold_is_folded_again(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        held = chat.slack.faults.hold("chat.update")
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        await held.met()
        await chat.press("Approve", card, by="bob")
        await chat.reads(thread, "done and verified")
        await there(chat, "SELECT 1 FROM runs WHERE late_until > now()")
        await chat.slack.wait_for(lambda: "Stop" not in pressable(chat, thread), 10)
        held.let_go()
        await chat.slack.wait_for(lambda: "waiting for a decision" in chat.thread(thread), 10)
        await nothing_left(chat)
        assert "waiting for a decision" not in chat.thread(thread)
        assert "Stop" not in pressable(chat, thread)


async def test_progress_that_a_process_drew_as_it_was_killed_is_folded_again(
    dsn: str, tmp_path: Path
) -> None:
    """Whoever takes up a lost run knows that its progress may yet be drawn over."""
    answered = asyncio.Event()

    def script(_: Json) -> Turn:
        return gated(says("All is well."), answered)

    async with world(dsn, tmp_path, script, slack=PATIENT, running="process") as chat:
        held = chat.slack.faults.hold("chat.update")
        thread = await chat.ask("how is web?")
        await held.met()
        await chat.kill()
        await chat.start()
        await there(chat, "SELECT 1 FROM runs WHERE lost_workers = 1 AND late_until > now()")
        await long_in_doubt(chat)
        answered.set()
        await chat.reads(thread, "All is well")
        await chat.slack.wait_for(lambda: "Stop" not in pressable(chat, thread), 10)
        held.let_go()
        await chat.slack.wait_for(lambda: "Stop" in pressable(chat, thread), 10)
        await may_end(chat)
        await nothing_left(chat)
        assert "Stop" not in pressable(chat, thread)


@pytest.mark.parametrize("sign", ["before its card", "after its card"])
async def test_a_run_that_waits_says_so_though_its_process_was_killed_before_it_did(
    dsn: str, tmp_path: Path, sign: str
) -> None:
    """People may take half an hour, in which it would say that it works."""
    async with world(dsn, tmp_path, slack=PATIENT, running="process") as chat:
        held = chat.slack.faults.hold("chat.update")
        slow = chat.slack.faults.hold("chat.postMessage")
        if sign == "before its card":
            slow.let_go()
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        slow.let_go()
        await held.met()
        await chat.kill()
        assert "waiting for a decision" not in chat.thread(thread)
        await chat.start()
        await chat.reads(thread, "waiting for a decision: “scale deployment/web", timeout=30)
        held.let_go()
        await chat.press("Deny", card, by="bob")
        await chat.slack.wait_for(lambda: "waiting" not in chat.thread(thread), 20)


@pytest.mark.crash
async def test_a_card_that_a_run_drew_as_its_process_was_killed_is_drawn_again(
    dsn: str, tmp_path: Path
) -> None:
    """How far it came is drawn without a row of the outbox: the lost run alone tells of it."""
    async with world(dsn, tmp_path, slack=PATIENT, running="process", speed=0.3) as chat:
        thread = await chat.ask(SCALE.replace("5", "9"))
        card = await chat.card(thread)
        await chat.press("Approve", card, by="bob")
        held = await drawn_live(chat, card)
        await chat.kill()
        await chat.start()
        await there(chat, DOUBTED)
        await long_in_doubt(chat)
        await chat.reads(thread, "done and verified", timeout=60)
        await chat.slack.wait_for(lambda: "Undo" in buttons(chat.cards(thread)[0]), 20)
        held.let_go()
        await chat.slack.wait_for(lambda: "Undo" not in buttons(chat.cards(thread)[0]), 10)
        await may_end(chat)
        await there(chat, CERTAIN)
        await nothing_left(chat)
        assert "Undo" in buttons(chat.cards(thread)[0])


def _announcing(tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "announcing.yaml"
    config.write_text("approvals: {channel: C0GENERAL}\n")
    return {"COUNTERSIGN_CONFIG": str(config)}


async def test_a_card_that_is_over_before_it_is_announced_shows_that_there_too(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, slack=PATIENT, extra=_announcing(tmp_path)) as chat:
        chat.slack.faults.fail("chat.postMessage", "slow", seconds=5, channel="C0GENERAL")
        thread = await chat.ask(SCALE)
        await chat.press("Approve", await chat.card(thread), by="bob")
        await chat.reads(thread, "done and verified")
        assert chat.slack.app_messages("general") == []
        await chat.slack.wait_for(lambda: bool(chat.slack.app_messages("general")), 20)
        await nothing_left(chat)
        [there] = chat.slack.app_messages("general")
        assert buttons(there) == buttons(chat.cards(thread)[0])
        assert "Approve" not in buttons(there)


async def test_a_card_whose_announcement_slack_did_not_confirm_is_decided_there(
    dsn: str, tmp_path: Path
) -> None:
    def announced(chat: World) -> list[dict[str, Any]]:
        return chat.slack.app_messages("general")

    async with world(dsn, tmp_path, slack=PATIENT, extra=_announcing(tmp_path)) as chat:
        chat.slack.faults.fail("chat.postMessage", "drop_after", channel="C0GENERAL")
        thread = await chat.ask(SCALE)
        await chat.slack.wait_for(lambda: bool(announced(chat)), 20)
        await nothing_left(chat)
        await chat.slack.click("bob", "general", announced(chat)[0]["ts"], text="Approve")
        await chat.reads(thread, "done and verified")
        await nothing_left(chat)
        [there] = announced(chat)
        assert "needs one approval" not in shown(there)
        assert "Approve" not in buttons(there)


async def test_after_a_restore_what_is_open_is_drawn_anew(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Slack shows what came after the backup, of which the database knows nothing."""
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        await nothing_left(chat)
        await chat.stop()
        async with SlackApi.open(chat.slack.bot_token, chat.slack.api_url) as api:
            after = Message("done and verified", [section("*done and verified*")])
            await api.update("C0OPS0000", card["ts"], after)
        assert buttons(chat.slack.app_messages("ops", thread)[-1]) == []

        assert await redraw.run(dsn) == 0
        assert capsys.readouterr().out.endswith("1 card will be drawn anew.\n")
        await chat.start()
        await chat.slack.wait_for(
            lambda: "Approve" in buttons(chat.slack.app_messages("ops", thread)[-1]), 10
        )
        await chat.press("Approve", chat.cards(thread)[0], by="bob")
        await chat.reads(thread, "done and verified")
