"""Each of the page's faults, as somebody switches it on there, with a bot behind it that does a
whole change meanwhile: it runs once, and the thread ends in a true statement.
"""

import asyncio
from pathlib import Path

import pytest

from bot.sandbox.slack import Settings as SlackSettings
from bot.sandbox.slack.switches import _OFFERS, _Offer
from tests.conversations.test_commands import SCALE
from tests.world import World, buttons, shown, world

pytestmark = [pytest.mark.long, pytest.mark.timeout(150)]

# as in the demo, but that Slack repeats sooner what was not acknowledged
SLACK = SlackSettings(delivery="round_robin", retry_delays=(2.0, 10.0, 30.0))
ON = 6.0  # seconds for which a switch stays on
AFTER_THE_CARD = {"delete", "revoked"}  # with no card, or nobody who may ask, nothing is to be seen


@pytest.mark.parametrize("offer", _OFFERS, ids=lambda offer: offer.name)
async def test_a_change_comes_to_its_end_through_it(
    dsn: str, tmp_path: Path, offer: _Offer
) -> None:
    async with world(dsn, tmp_path, slack=SLACK) as chat, asyncio.TaskGroup() as group:
        control = chat.slack.control

        async def befalls() -> None:
            await control._switches.act(offer.wish)
            if offer.off:
                await asyncio.sleep(ON)
                await control._switches.act(offer.off)

        async def asks() -> str:
            thread = await chat.ask(SCALE)
            await chat.card(thread, timeout=60)
            return thread

        if offer.name in AFTER_THE_CARD:
            thread = await asks()
            befallen = group.create_task(befalls())
        else:
            befallen = group.create_task(befalls())
            await asyncio.sleep(0.1)
            thread = await asks()
        await _approved(chat, thread)
        await befallen
        await chat.reads(thread, "done and verified", timeout=60)
        await chat.quiet(thread, timeout=60)
        texts = [shown(one) for one in chat.slack.app_messages("ops", thread)]
        assert sum("done and verified" in text for text in texts) == 1, texts
        assert not any("⏳" in text for text in texts), texts
        assert len(chat.cluster.mutations) == 1
        assert not any("Approve" in buttons(one) for one in chat.cards(thread))


async def _approved(chat: World, thread: str) -> None:
    """Somebody presses, and again while nothing comes of it."""
    async with asyncio.timeout(60):
        while not chat.cluster.mutations:
            waiting = [one for one in chat.cards(thread) if "Approve" in buttons(one)]
            if waiting and chat.slack.hub.sockets:
                await chat.slack.click("bob", "ops", waiting[-1]["ts"], text="Approve")
            await asyncio.sleep(2)
