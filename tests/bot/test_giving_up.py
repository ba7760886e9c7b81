"""Whatever Slack does not take for a day has an end, and somebody hears of it: a person once Slack
takes something again, and whoever runs the bot in any case.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.core.ids import uuid7
from bot.sandbox.slack.faults import FaultKind
from bot.slack.api import Uncertain
from bot.slack.budget import Budget
from bot.store.database import Row
from bot.store.outbox import say
from tests.bot.test_metrics import parsed, value
from tests.bot.test_sender import World, world

__all__ = ["world"]

WAYS: Mapping[str, FaultKind | None] = {
    "http_503": "http_503",
    "html": "html",
    "dropped": "drop_before",
    "token_revoked": None,
}


def shut(world: World, how: str) -> None:
    """From now on, Slack takes nothing."""
    world.budget = Budget(factor=100)  # no try waits for its turn
    if (kind := WAYS[how]) is None:
        world.slack.faults.revoked.add(world.slack.bot_token)
    else:
        world.slack.faults.fail("chat.postMessage", kind, times=10_000)


def reopen(world: World) -> None:
    world.slack.faults.revoked.clear()
    world.slack.faults.methods.clear()


async def a_day_later(world: World) -> None:
    await world.execute("UPDATE outbox SET created_at = now() - interval '25 hours' WHERE is_open")


async def until(world: World, *wanted: tuple[str, str], more: bool = False) -> list[Row]:
    """Wait until the outbox holds these kinds in these states, and no `more`."""
    found: list[Row] = []
    for _ in range(1_000):
        found = await world.rows()
        looked_at = found[: len(wanted)] if more else found
        if [(row["kind"], row["state"]) for row in looked_at] == list(wanted):
            return found
        await asyncio.sleep(0.02)
    raise AssertionError([(row["kind"], row["state"], row["error"]) for row in found])


async def until_tried(world: World, times: int = 2) -> None:
    """Wait until each row that is left was tried so often, and is to be tried again."""
    rows: list[Row] = []
    for _ in range(1_000):
        rows = [row for row in await world.rows() if row["state"] not in {"sent", "failed"}]
        if rows and all((row["state"], row["tries"] >= times) == ("pending", True) for row in rows):
            return
        await asyncio.sleep(0.02)
    raise AssertionError([(row["kind"], row["state"], row["tries"]) for row in rows])


@asynccontextmanager
async def told_to_the_operator(world: World, *kinds: str) -> AsyncIterator[None]:
    """Each row that is given up is logged and counted, once and by its kind."""
    with capture_logs() as log:
        yield
    said: list[Any] = [line for line in log if line["event"] == "unsayable"]
    assert [(line["kind"], line["log_level"]) for line in said] == [(k, "error") for k in kinds]
    found = parsed((await world.metrics.text()).decode())
    for kind in kinds:
        assert value(found, "outbox_failed_total", kind=kind) == kinds.count(kind)


@pytest.mark.parametrize("how", WAYS)
async def test_an_answer_that_slack_takes_never_ends_and_its_run_is_told_so(
    world: World, how: str
) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread, attempt=2)
    await world.live.first_sign(thread, run_id)
    shut(world, how)
    async with told_to_the_operator(world, "answer"), world.sending():
        await world.end(thread, run_id)
        await until_tried(world)  # for less than a day it is only put off
        await a_day_later(world)
        await until(world, ("answer", "failed"), more=True)
        reopen(world)
        await until(world, ("answer", "failed"), ("failure", "sent"), ("fold", "sent"))
    progress, told = world.texts(thread)
    assert progress.startswith("Worked on this")
    why = "token_revoked" if how == "token_revoked" else "uncertain for a day: "
    assert told.startswith(f"⛔ I have an answer, but it could not be shown here: `{why}")
    assert told.endswith("`. Ask again.")


async def test_what_waited_for_a_bot_that_was_away_is_not_given_up_at_its_first_try(
    world: World,
) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread)
    await world.end(thread, run_id)
    await a_day_later(world)
    world.slack.faults.fail("chat.postMessage", "drop_after")
    async with world.sending():
        await until(world, ("answer", "sent"))
    assert len(world.texts(thread)) == 1


@pytest.mark.parametrize("how", ["http_503", "token_revoked"])
async def test_what_says_that_there_is_an_answer_ends_too(world: World, how: str) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread)
    shut(world, how)
    await world.end(thread, run_id)
    await a_day_later(world)
    async with told_to_the_operator(world, "answer", "failure"), world.sending():
        await until(world, ("answer", "failed"), ("failure", "pending"))
        await until_tried(world)
        await a_day_later(world)
        await until(world, ("answer", "failed"), ("failure", "failed"))
        reopen(world)
        # nothing comes after it, and the thread goes on
        await world.say(thread, "after it")
        await until(world, ("answer", "failed"), ("failure", "failed"), ("failure", "sent"))
    assert world.texts(thread) == ["⛔ after it."]


@pytest.mark.parametrize("how", ["http_503", "token_revoked"])
async def test_a_card_that_slack_takes_never_ends_its_call_and_holds_up_nobody(
    world: World, how: str
) -> None:
    thread = await world.thread()
    shut(world, how)
    async with told_to_the_operator(world, "card"), world.sending():
        call_id = await world.card(thread)
        await until_tried(world)
        assert world.undeliverable == []
        await a_day_later(world)
        [card] = await until(world, ("card", "failed"))
        reopen(world)
        await world.say(thread, "after it")
        await until(world, ("card", "failed"), ("failure", "sent"))
    assert world.undeliverable == [(call_id, card["error"])]
    assert world.texts(thread) == ["⛔ after it."]


async def test_a_card_of_several_that_slack_takes_never_ends_all_of_them(world: World) -> None:
    """First as one for each, as the fault may be in only one of them."""
    thread = await world.thread()
    shut(world, "http_503")
    async with told_to_the_operator(world, "card", "card", "card"), world.sending():
        calls = await world.of_calls(thread, "card")
        await until_tried(world)
        await a_day_later(world)
        await until(world, ("card", "failed"), ("card", "pending"), ("card", "pending"))
        assert world.undeliverable == []
        await a_day_later(world)
        await until(world, *[("card", "failed")] * 3)
    assert [call_id for call_id, _ in world.undeliverable] == calls


async def test_a_redraw_that_slack_takes_never_ends_without_a_word(world: World) -> None:
    """This one; a drawing that is in doubt stores another, and cards see to that."""
    thread, call_id = await world.thread(), uuid7()
    world.cards.trouble = [Uncertain("chat.update: HTTP 503")] * 10_000
    async with told_to_the_operator(world, "redraw"), world.sending():
        async with world.database.transaction() as tx:
            await say(tx, thread, "redraw", {"call": str(call_id)})
        await until_tried(world)
        await a_day_later(world)
        await until(world, ("redraw", "failed"))
        tried = len(world.cards.redraws)
        await world.say(thread, "after it")
        await until(world, ("redraw", "failed"), ("failure", "sent"))
    assert len(world.cards.redraws) == tried
    assert world.texts(thread) == ["⛔ after it."]
