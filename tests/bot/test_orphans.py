"""A run that is over says "working" nowhere, whoever died or was cut off while it began."""

from bot.core.bus import Bus
from bot.slack.live import Live, progress_key
from bot.slack.orphans import Orphans
from bot.slack.views.blocks import section
from bot.slack.views.data import Message
from tests.bot.test_sender import ORG, World, world

__all__ = ["world"]


async def test_progress_that_nobody_noted_is_found_after_its_run_and_folded(world: World) -> None:
    thread = await world.thread()
    first, second = await world.begin(thread), await world.begin(thread)
    working = Message("working", [section("working")])
    async with world.sending():
        # taken by Slack after its run had ended; whoever posted it has died
        await world.end(thread, first)
        await world.all_said()
        await world.api.post(world.ops, working, thread_ts=thread.ts, key=progress_key(first))
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
