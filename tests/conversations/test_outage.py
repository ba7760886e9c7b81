"""After Slack could reach nobody for longer than it tries: what was said where a run is open is
read, and done once; what else was said is lost, and the README says so.
"""

import asyncio
from pathlib import Path

import pytest

from bot.sandbox.slack.faults import Hold
from bot.slack.hearing import Rhythm
from tests.conversations.test_commands import PATIENT, SCALE, short_id, votes
from tests.world import World, world

LONG_AGO = "UPDATE listeners SET heard_at = heard_at - interval '20 minutes' RETURNING process"
DEAD = (
    "INSERT INTO listeners (org, process, sockets, at)"
    " VALUES (%s, 1, 2, now() - interval '3 days') RETURNING 1"
)
# as what came in as soon as Slack was back: it says nothing of what had not
HEARD_SINCE = (
    "UPDATE messages SET ts = '9999999999.000000' WHERE role = 'user' AND thread_ts = %s"
    " RETURNING 1"
)
ENDED_BEFORE = (
    "UPDATE runs SET ended_at = ended_at - interval '1 hour' WHERE ended_at IS NOT NULL RETURNING 1"
)


async def cut_off(chat: World) -> None:
    """No socket, none to be had, and that is noted."""
    await noted(chat, 2)
    chat.slack.faults.link_disabled = True
    await chat.slack.abort_sockets()
    await noted(chat, 0)


async def noted(chat: World, sockets: int) -> None:
    """Wait until the bot has noted how many sockets it holds."""
    await there(chat, f"SELECT 1 FROM listeners WHERE sockets = {sockets}")  # noqa: S608 -- a number


async def there(chat: World, query: str) -> None:
    """Wait until there is such a row."""
    async with asyncio.timeout(15):
        while not await chat.rows(query):  # noqa: ASYNC110 -- in a database
            await asyncio.sleep(0.05)


async def test_what_was_said_in_a_long_outage_is_heard_where_a_run_is_open(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        thread = await chat.ask(SCALE)
        await chat.card(thread)
        other = await chat.ask("get deployments -n shop", by="alice")
        await chat.reads(other, "checkout")
        await chat.quiet(thread)
        await cut_off(chat)
        approve = f"<@{chat.slack.bot_user_id}> approve {await short_id(chat)}"
        said = [
            await chat.slack.post("carol", "ops", "is anybody there?", thread),
            await chat.slack.post("dave", "ops", "get pods -n shop", thread),
            await chat.slack.post("bob", "ops", approve, thread),
            await chat.slack.post("alice", "ops", "get pods -n shop", other),
        ]
        assert await chat.rows(ENDED_BEFORE)
        assert await chat.rows(DEAD, chat.slack.team_id)
        assert await chat.rows(HEARD_SINCE, thread)
        assert await chat.rows(LONG_AGO)
        chat.slack.faults.link_disabled = False
        await chat.reads(thread, "done and verified")
        await there(chat, "SELECT WHERE NOT EXISTS (SELECT FROM listeners WHERE process = 1)")
        await chat.reads(thread, "web-")
        await chat.quiet(thread)

        assert [person for person, _, _ in await votes(chat)] == ["U0BOB0000"]
        assert len(chat.cluster.mutations) == 1
        # heard in the order in which they were said; nothing where no run was open
        heard = await chat.rows("SELECT key FROM events ORDER BY received_at")
        keys = [str(row["key"]).partition(":")[2] for row in heard]
        assert [ts for ts in keys if ts in said] == said[1:3]
        # Slack's own late try, or another outage, finds them done
        await chat.slack.redeliver(
            next(one for one in chat.slack.envelopes if one.event.get("ts") == said[1])
        )
        await cut_off(chat)
        assert await chat.rows(LONG_AGO)
        chat.slack.faults.link_disabled = False
        await there(chat, "SELECT 1 FROM listeners WHERE heard_at > now() - interval '1 min'")
        await chat.quiet(thread)
        assert len(await chat.rows("SELECT 1 FROM runs")) == 3
        assert len(await votes(chat)) == 1


@pytest.mark.parametrize("again", ["between two tries", "while it is read"])
async def test_who_speaks_in_a_second_outage_before_the_first_is_made_good_is_heard(
    dsn: str, tmp_path: Path, again: str
) -> None:
    """Slack went away again: what was read of the first one may have gone on since."""
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        assert chat.parts is not None
        chat.parts.hearing._rhythm = Rhythm(beat=0.5, patience=3.0)
        first = await chat.ask(SCALE)
        await chat.card(first)
        for _ in range(3):  # between the two: it takes a while until all are read
            await chat.reads(await chat.ask("get deployments -n shop"), "checkout")
        second = await chat.ask("scale deployment/cart --replicas 4 -n shop")
        await chat.card(second)
        await chat.quiet(first)
        rows = await chat.rows("SELECT short_id FROM tool_calls WHERE thread_ts = %s", second)

        await cut_off(chat)
        assert await chat.rows(LONG_AGO)
        before = len(chat.slack.calls_of("conversations.replies"))
        # the second thread, which is newer, is read; the next one not yet
        chat.slack.faults.fail("conversations.replies", "slow", seconds=0)
        if again == "while it is read":
            held = chat.slack.faults.hold("conversations.replies")
        else:
            held = Hold()
            chat.slack.faults.fail("conversations.replies", "http_503", times=99)
        chat.slack.faults.link_disabled = False
        await chat.slack.wait_for(
            lambda: len(chat.slack.calls_of("conversations.replies")) >= before + 2, 20
        )
        chat.slack.faults.link_disabled = True
        await chat.slack.abort_sockets()
        await noted(chat, 0)
        approve = f"<@{chat.slack.bot_user_id}> approve {rows[0]['short_id']}"
        await chat.slack.post("bob", "ops", approve, second)
        held.let_go()
        await asyncio.sleep(4)
        assert not await chat.rows(
            "SELECT 1 FROM listeners WHERE heard_at > now() - '1 min'::interval"
        )
        chat.slack.faults.methods.clear()
        chat.slack.faults.link_disabled = False
        await chat.reads(second, "done and verified")
        await there(chat, "SELECT 1 FROM listeners WHERE heard_at > now() - interval '1 min'")
