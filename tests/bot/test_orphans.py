"""A run that is over says "working" nowhere, whoever died or was cut off while it began."""

from pathlib import Path

from bot.core.bus import Bus
from bot.core.ids import uuid7
from bot.slack.api import SlackApi
from bot.slack.live import Live, progress_key
from bot.slack.orphans import Orphans
from bot.slack.views.blocks import section
from bot.slack.views.data import Message
from tests.bot.test_sender import ORG, World, world
from tests.world import world as chat_world

__all__ = ["world"]

WORKING = Message("working", [section("working")])


async def test_progress_that_nobody_noted_is_found_after_its_run_and_folded(world: World) -> None:
    thread = await world.thread()
    first, second = await world.begin(thread), await world.begin(thread)
    async with world.sending():
        # taken by Slack after its run had ended; whoever posted it has died
        await world.end(thread, first)
        await world.all_said()
        await world.api.post(world.ops, WORKING, thread_ts=thread.ts, key=progress_key(first))
        # refused by Slack, so there is none
        world.slack.faults.fail("chat.postMessage", "error", code="fatal")
        await Live(Bus(), world.database, world.api, world.budget, world.tasks).first_sign(
            thread, second
        )
        await world.end(thread, second)
        await world.all_said()
        await world.execute("UPDATE runs SET progress_at = now()")

        orphans = Orphans(world.database, ORG, world.api, world.budget, rest=0.0)
        await orphans.mend()
        await world.all_said()
        assert not [text for text in world.texts(thread) if "working" in text]
        assert [text[:14] for text in world.texts(thread)].count("Worked on this") == 1

        looked = len(world.slack.calls_of("conversations.replies"))
        await orphans.mend()
        assert len(world.slack.calls_of("conversations.replies")) == looked


async def test_a_bot_that_starts_folds_what_one_that_died_left(dsn: str, tmp_path: Path) -> None:
    async with chat_world(dsn, tmp_path, running="not yet") as chat:
        slack = chat.slack
        thread, run = await slack.post("dave", "ops", "how is web?"), uuid7()
        where = (slack.team_id, slack.channel_id("ops"), thread)
        await chat.rows(
            "INSERT INTO threads (org, channel, thread_ts, ours) VALUES (%s, %s, %s, true)"
            " RETURNING 1",
            *where,
        )
        await chat.rows(
            "INSERT INTO runs (org, channel, thread_ts, id, kind, requester, contributors, attempt,"
            " state, progress_at, ended_at) VALUES (%s, %s, %s, %s, 'turn', 'U1', '{U1}', 1,"
            " 'done', now() - interval '3 minutes', now() - interval '2 minutes') RETURNING 1",
            *where,
            run,
        )
        async with SlackApi.open(slack.bot_token, slack.api_url) as dead:
            await dead.post(where[1], WORKING, thread_ts=thread, key=progress_key(run))
        await chat.start()
        await chat.reads(thread, "^Worked on this")
        assert "working" not in chat.thread(thread)
