"""A run that a later version of the bot carried is left to that; where none is there, it ends."""

import asyncio
from pathlib import Path

from tests.conversations.test_commands import PATIENT, SCALE
from tests.world import buttons, world


async def test_a_run_of_a_later_version_is_left_to_it_and_ends_where_none_comes(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, slack=PATIENT) as chat:
        first = await chat.ask(SCALE)
        card = await chat.card(first)
        await chat.quiet(first)
        await chat.rows("UPDATE runs SET version = version + 1 RETURNING id")
        await chat.press("Approve", card, by="bob")
        async with asyncio.timeout(20):
            left = "SELECT 1 FROM runs WHERE left_since IS NOT NULL"
            while not await chat.rows(left):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert chat.cluster.mutations == []
        # the later one is there
        await chat.rows("UPDATE runs SET version = version - 1 RETURNING id")
        await chat.reads(first, "done and verified")
        await chat.quiet(first)
        assert len(chat.cluster.mutations) == 1
        assert (await chat.rows("SELECT left_since FROM runs")) == [{"left_since": None}]

        second = await chat.ask(SCALE.replace("5", "4"))
        card = await chat.card(second)
        await chat.quiet(second)
        await chat.rows(
            "UPDATE runs SET version = version + 1, left_since = now() - interval '6 minutes'"
            " WHERE ended_at IS NULL RETURNING id"
        )
        await chat.press("Approve", card, by="bob")
        await chat.reads(second, "A later version of me began this.* Nothing more was done")
        await chat.quiet(second)
        assert len(chat.cluster.mutations) == 1
        assert "Approve" not in buttons(chat.cards(second)[-1])
