"""Slack that is slow, and what nobody foresaw: no word is lost without being said so, none is done
twice.
"""

import asyncio
import re
from pathlib import Path

import pytest

from bot.sandbox.slack import Settings as SlackSettings
from bot.store.database import Database
from tests.conversations.test_commands import (
    PATIENT,
    SCALE,
    heard,
    ops,
    root,
    roots,
    short_id,
    votes,
)
from tests.world import Gate, World, shown, world

SLOW = 2.6  # seconds: longer than an ack may take
STILL = "I am still at it"


async def test_a_word_counts_however_slowly_slack_says_whose_it_is(
    dsn: str, tmp_path: Path
) -> None:
    retrying = SlackSettings(ack_seconds=2, retry_delays=(0.2,), delivery="round_robin")
    async with world(dsn, tmp_path, slack=retrying) as chat:
        first = await chat.ask(SCALE)
        await chat.card(first)
        name = await short_id(chat)
        second = await chat.ask(SCALE.replace("5", "6"))
        await chat.card(second)
        chat.slack.faults.fail("users.info", "slow", times=50, seconds=1.8)
        await asyncio.gather(
            chat.ask(f"approve {name}", by="bob"),
            chat.slack.mention("alice", "ops", "stop", second),
        )
        await until_voted(chat, "U0BOB0000")
        chat.slack.faults.methods.clear()
        await chat.reads(second, "Withdrawn: stopped", timeout=8)
        await chat.reads(first, "done and verified", timeout=8)
        assert len(chat.cluster.mutations) == 1
        assert len(await votes(chat)) == 1
        assert len(chat.slack.ephemerals("bob", "ops")) == 1


async def until_voted(chat: World, who: str) -> None:
    """Wait until somebody's vote, and no other, is recorded."""
    async with asyncio.timeout(8):
        while [person for person, _, _ in await votes(chat)] != [who]:  # noqa: ASYNC110 -- in a database
            await asyncio.sleep(0.05)


async def test_a_slash_command_that_takes_longer_is_told_so_and_done_once(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        thread = await chat.ask(SCALE)
        await chat.card(thread)
        name = await short_id(chat)
        chat.slack.faults.fail("users.info", "slow", times=50, seconds=SLOW)
        chat.slack.faults.fail("chat.postMessage", "slow", seconds=SLOW)
        await asyncio.gather(
            ops(chat, f"approve {name}", by="bob"), ops(chat, "get pods -n shop", by="dave")
        )
        assert STILL in await heard(chat, "bob", 1)
        assert STILL in await heard(chat, "dave", 1)
        await until_voted(chat, "U0BOB0000")
        chat.slack.faults.methods.clear()
        await chat.reads(await root(chat), r"\d+ reads?\b", timeout=8)
        await chat.reads(thread, "done and verified", timeout=8)
        assert "Approved" in await heard(chat, "bob", 2)
        assert len(roots(chat)) == len(chat.cluster.mutations) == 1
        assert len(chat.slack.ephemerals("dave", "ops")) == 1


async def test_a_slash_command_that_is_lost_late_is_said_to_be(dsn: str, tmp_path: Path) -> None:
    async with Gate(dsn).serve() as gate, world(gate.dsn, tmp_path, slack=PATIENT) as chat:
        chat.slack.faults.fail("chat.postMessage", "slow", seconds=SLOW)
        await ops(chat, "get pods -n shop")
        assert STILL in await heard(chat, "dave", 1)
        gate.shut()
        await chat.told("dave", "could not record this command", timeout=10)
        gate.reopen()
        await chat.slack.wait_for(lambda: not roots(chat), 5)


@pytest.mark.crash
async def test_what_nobody_foresaw_is_acked_and_told_with_a_reference(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        card = await chat.card(await chat.ask(SCALE))
        await chat.slack.click("alice", "ops", card["ts"], text="Deny")
        view = await chat.slack.wait_for_view("alice")
        async with Database(dsn).open() as database, database.relaxed() as tx:
            await tx.connection.execute("ALTER TABLE events RENAME TO elsewhere")
        broke = "Something broke on my side. Please quote `[0-9a-f]{8}` to whoever runs me"
        await chat.ask("get pods -n shop", by="dave")
        await chat.told("dave", broke, timeout=5)
        await ops(chat, "get pods -n shop", by="ada")
        await chat.told("ada", broke, timeout=5)
        await chat.slack.click("bob", "ops", card["ts"], text="Approve")
        await chat.told("bob", broke, timeout=5)
        sent = await chat.slack.submit("alice", view.id, {})
        assert "Something broke" in str(sent.response)
        async with Database(dsn).open() as database, database.relaxed() as tx:
            await tx.connection.execute("ALTER TABLE elsewhere RENAME TO events")
        assert await votes(chat) == []
        assert len(chat.slack.ephemerals("dave", "ops")) == 1, "Slack did not send it again"


async def test_status_does_not_wait_for_names(dsn: str, tmp_path: Path) -> None:
    extra = {"COUNTERSIGN_APPROVERS": "U0ALICE00,U0BOB0000"}
    async with world(dsn, tmp_path, slack=PATIENT, extra=extra) as chat:
        thread = await chat.ask(SCALE)
        await chat.card(thread)
        chat.slack.faults.fail("users.info", "slow", times=50, seconds=5)
        await chat.slack.mention("dave", "ops", "status", thread)
        said = await chat.reads(thread, "somebody", timeout=4.5)
        assert re.search(r"Database: \d+\.\d MB; most of it: ", shown(said))
        chat.slack.faults.methods.clear()
