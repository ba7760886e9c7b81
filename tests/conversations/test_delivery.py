"""What becomes of messages that Slack takes no more: a deleted card comes again, a click draws its
card although edits are limited, who is out of reach in his channel is told so; and a bad day on
which everything goes wrong at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from bot.guard.house import load_call
from bot.sandbox.slack import Settings as SlackSettings
from bot.sandbox.slack.faults import MethodFault
from bot.slack.budget import Lane
from bot.store.database import Database
from bot.store.outbox import redrawing
from tests.conversations.test_commands import PATIENT, SCALE, votes
from tests.world import Json, World, buttons, shown, world


async def test_a_deleted_card_comes_again_and_a_click_draws_it_without_any_edit(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        thread = await chat.ask(SCALE)
        first = await chat.card(thread)
        await chat.quiet(thread)
        chat.slack.state.user("carol").is_admin = True
        await chat.slack.delete("carol", "ops", first["ts"])
        again = await chat.card(thread)
        assert again["ts"] != first["ts"]
        assert buttons(again) == buttons(first)
        # no edit goes through: what the click decided is shown all the same
        chat.slack.faults.fail("chat.update", "ratelimited", times=100, seconds=3)
        await chat.press("Approve", again, by="bob")
        await chat.slack.wait_for(lambda: "approved by" in shown(chat.cards(thread)[-1]), 2)
        assert "Approve" not in buttons(chat.cards(thread)[-1])
        # and deleted in the middle of it, unheard, what came of it is told on another one
        chat.slack.faults.mute = True
        await chat.slack.delete("carol", "ops", again["ts"])
        await chat.slack.wait_for(lambda: chat.slack.envelopes[-1].outcome != "waiting", 5)
        chat.slack.faults.mute = False
        chat.slack.faults.methods.clear()
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        told = [one for one in chat.slack.app_messages("ops", thread) if "Undo" in buttons(one)]
        assert len(told) == 1
        assert len(await votes(chat)) == len(chat.cluster.mutations) == 1


async def test_where_slack_takes_no_redraw_of_a_card_the_thread_says_what_became_of_it(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        await chat.quiet(thread)
        chat.slack.faults.fail("chat.update", "error", times=100, code="msg_blocks_too_long")
        await chat.press("Approve", card, by="bob")
        told = (
            r"shows an older state: .* \(`msg_blocks_too_long`\)\. What became of it: ✅ verified"
        )
        await chat.reads(thread, told)
        await chat.quiet(thread)
        texts = [shown(one) for one in chat.slack.app_messages("ops", thread)]
        assert sum("✅ verified" in text and "older state" in text for text in texts) == 1
        assert len(chat.cluster.mutations) == 1


async def test_who_is_out_of_reach_in_his_channel_is_told_so_in_private(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        await chat.press("Approve", card, by="bob")
        chat.slack.change_channel("ops", archived=True)
        direct = chat.slack.state.direct("dave").id
        await chat.slack.wait_for(lambda: bool(chat.slack.app_messages(direct)), 30)
        await chat.quiet(thread)
        [told] = chat.slack.app_messages(direct)
        assert "it is archived (`is_archived`)" in shown(told)
        assert "web" not in shown(told)
        assert len(chat.cluster.mutations) == 1


async def test_on_a_bad_day_everything_is_done_once_and_said_once(dsn: str, tmp_path: Path) -> None:
    slack = SlackSettings(ack_seconds=1, retry_delays=(0.3, 1.0, 2.0), delivery="round_robin")
    async with world(dsn, tmp_path, slack=slack) as chat:
        faults = chat.slack.faults
        faults.rate_limits = faults.swap_frames = faults.message_before_mention = True
        faults.lose_acks, faults.duplicate_events, faults.duplicate_interactions = 3, 2, 1
        faults.delay_frames = 0.05
        faults.fail("chat.postMessage", "drop_after")
        faults.fail("chat.postMessage", "html")
        faults.fail("chat.postMessage", "http_503")
        faults.fail("chat.postMessage", "drop_after")
        faults.fail("chat.update", "drop_before")
        faults.fail("chat.update", "ratelimited", seconds=1)
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        await chat.quiet(thread)
        await chat.press("Approve", card, by="bob")
        await chat.slack.disconnect("warning")
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        await chat.slack.settled(20)
        await chat.quiet(thread)

        assert not faults.lose_acks
        assert len(chat.cards(thread)) == len(await votes(chat)) == len(chat.cluster.mutations) == 1
        assert len(await chat.rows("SELECT 1 FROM runs")) == 1
        said = [shown(one) for one in chat.slack.app_messages("ops", thread)]
        assert sum("done and verified" in one for one in said) == 1
        assert not any("⏳" in one for one in said)


@pytest.mark.parametrize(
    ("shown_now", "late", "noted", "redraws"),
    [
        ("what we saw", None, {"drawn": "ours", "whole": True, "late": None}, []),
        # another process drew the same
        ("ours", None, {"drawn": "ours", "whole": True, "late": None}, []),
        # nobody knows which Slack took last
        ("another's", None, {"drawn": "", "whole": False, "late": None}, [True]),
        # Slack could take an earlier one until just now, or can yet
        ("", -1, {"drawn": "ours", "whole": True, "late": None}, []),
        ("", 60, {"drawn": "", "whole": False, "late": True}, [False]),
    ],
)
async def test_what_is_known_of_a_message_once_it_was_drawn(
    dsn: str, tmp_path: Path, shown_now: str, late: int | None, noted: Json, redraws: list[bool]
) -> None:
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        thread = await chat.ask(SCALE)
        await chat.card(thread)
        await chat.quiet(thread)
        await chat.stop()
        await chat.rows("DELETE FROM outbox WHERE kind = 'redraw' RETURNING 1")
        [at] = await chat.rows(
            "UPDATE cards SET drawn = %s, late_until = now() + make_interval(secs => %s)"
            " RETURNING org, channel, ts, call_id, now() AS read_at",
            *(shown_now, late),
        )
        given: Json = {"began": ["what we saw", ""], "drawn": "ours", "cut": []}
        given |= redrawing(at["call_id"])
        async with Database(dsn).open() as database, database.statement() as tx:
            await tx.all("mark_drawn", **at, **given)
        shows = "SELECT drawn, whole, late_until > now() AS late FROM cards"
        assert await chat.rows(shows) == [noted]
        found = await chat.rows(
            "SELECT call_id, not_before <= now() + interval '2 s' AS now FROM outbox"
            " WHERE kind = 'redraw'"
        )
        assert found == [{"call_id": at["call_id"], "now": now} for now in redraws]


async def test_a_drawing_of_which_slack_said_nothing_is_not_believed(
    dsn: str, tmp_path: Path
) -> None:
    """It may be taken after later ones."""
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        assert chat.parts is not None
        thread = await chat.ask(SCALE)
        await chat.card(thread)
        await chat.quiet(thread)
        await chat.slack.wait_for(lambda: "chat.update" in str(chat.slack.calls[-1:]), 5)
        [card] = await chat.rows("UPDATE cards SET drawn = 'older' RETURNING call_id")
        chat.slack.faults.fail("chat.update", "http_503")
        chat.parts.house.tell(await load_call(chat.parts.database, card["call_id"]))
        for _ in range(1_000):
            rows = await chat.rows("SELECT drawn, whole FROM cards")
            if rows != [{"drawn": "older", "whole": True}]:
                break
            await asyncio.sleep(0.01)
        assert rows == [{"drawn": "", "whole": False}]
        [again] = await chat.rows(
            "SELECT call_id, not_before > now() + interval '5 seconds' AS later FROM outbox"
            " WHERE kind = 'redraw' AND state = 'pending'"
        )
        assert again == {"call_id": card["call_id"], "later": True}


async def test_a_card_that_another_process_drew_meanwhile_is_drawn_once_more(
    dsn: str, tmp_path: Path
) -> None:
    """One that stood still may overwrite with old news what others drew since."""
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        await chat.quiet(thread)

        def edits(*, of_the_card: bool = True) -> int:
            return sum(
                call.method == "chat.update" and (call.args["ts"] == card["ts"]) is of_the_card
                for call in chat.slack.calls
            )

        async def holds(is_so: Callable[[], Awaitable[bool]]) -> bool:
            for _ in range(1_000):
                if await is_so():
                    return True
                await asyncio.sleep(0.01)
            return False

        async def shows_that_it_waits() -> bool:
            return edits(of_the_card=False) > 0

        async def is_drawing() -> bool:
            return not chat.slack.faults.methods["chat.update"]

        async def is_known() -> bool:
            return await chat.rows("SELECT drawn FROM cards") == [{"drawn": drawn}]

        assert await holds(shows_that_it_waits)  # the only other edit, which the fault would meet
        ((drawn, call_id),) = [
            (row["drawn"], row["call_id"])
            for row in await chat.rows("SELECT drawn, call_id FROM cards")
        ]
        await chat.rows("UPDATE cards SET drawn = 'older' RETURNING 1")
        before = edits()
        chat.slack.faults.fail("chat.update", "slow", seconds=3)
        assert chat.parts is not None
        chat.parts.house.tell(await load_call(chat.parts.database, call_id))
        assert await holds(is_drawing)
        await chat.rows("UPDATE cards SET drawn = 'what another drew' RETURNING 1")
        assert await holds(is_known)
        assert edits() - before == 2


def edits_of(chat: World, card: Json) -> list[Json]:
    """What a card was edited to, as often as Slack took it."""
    calls = chat.slack.calls_of("chat.update")
    return [call.args for call in calls if call.status == 200 and call.args["ts"] == card["ts"]]


@pytest.mark.parametrize("how", ["taken", "used up", "broken"])
async def test_a_click_that_is_not_drawn_through_its_own_address_is_drawn_by_an_edit(
    dsn: str, tmp_path: Path, how: str
) -> None:
    slack = replace(PATIENT, response_url_uses=0) if how == "used up" else PATIENT
    async with world(dsn, tmp_path, slack=slack) as chat:
        thread = await chat.ask("scale deployment/cart --replicas 0 -n shop")  # needs two
        card = await chat.card(thread)
        await chat.quiet(thread)
        faults = chat.slack.faults
        # the outbox may be faster: it has to wait
        faults.methods["chat.update"] = [MethodFault("ratelimited", seconds=2, ts=card["ts"])]
        if how == "broken":
            faults.fail("response_url", "http_500")
        await chat.press("Approve", card, by="alice")
        await chat.reads(thread, "So far approved by")
        for _ in range(1_000):
            drawn = await chat.rows("SELECT state FROM outbox WHERE kind = 'redraw' ORDER BY id")
            if drawn and drawn[0]["state"] == "sent":
                break
            await asyncio.sleep(0.02)
        assert len(edits_of(chat, card)) == (0 if how == "taken" else 1)
        assert not faults.methods.get("response_url"), "nobody asked there"
        assert "Approve" in buttons(chat.cards(thread)[0])


async def becomes(chat: World, call_id: UUID, summary: str) -> None:
    """A call changes, and whoever shows it hears of that."""
    assert chat.parts is not None
    await chat.rows(
        "UPDATE tool_calls SET preview = preview || jsonb_build_object('summary', %s::text)"
        " WHERE id = %s RETURNING 1",
        *(summary, call_id),
    )
    chat.parts.house.tell(await load_call(chat.parts.database, call_id))


@pytest.mark.long
@pytest.mark.parametrize("short_by", ["our count", "Slack's word"])
async def test_a_card_skips_states_while_edits_are_short_but_not_the_last_one(
    dsn: str, tmp_path: Path, short_by: str
) -> None:
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        assert chat.parts is not None
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        await chat.quiet(thread)
        [row] = await chat.rows("SELECT call_id FROM cards")
        budget, ours = chat.parts.sender._budget, short_by == "our count"
        limit = MethodFault("ratelimited", times=100, ts=card["ts"])
        chat.slack.faults.methods["chat.update"] = [] if ours else [limit]
        for number in range(1, 31):
            while ours and budget.wait("chat.update", 1) <= 0:
                await budget.take("chat.update", Lane.CARD)
            await becomes(chat, row["call_id"], f"State {number}")
            await asyncio.sleep(0.02)
        assert edits_of(chat, card) == []  # what is left is for what must be drawn
        if not ours:  # the drawing of the last one is refused, and no other state follows
            async with asyncio.timeout(20):
                tried = limit.times
                while limit.times == tried:  # noqa: ASYNC110 -- over the wire
                    await asyncio.sleep(0.05)
            chat.slack.faults.methods.clear()
        await chat.reads(thread, r"State 30\b")
        assert len(edits_of(chat, card)) <= 2
        await becomes(chat, row["call_id"], "State 31")  # between two drawings
        await chat.reads(thread, r"State 31\b")
        assert ours or 1 <= 100 - limit.times <= 3, "Slack was not asked, or for every state"
