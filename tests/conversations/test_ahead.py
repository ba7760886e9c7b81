"""What was approved is looked at while the vote is still being written down, and no more is made
of that than of any other look.
"""

import asyncio
from pathlib import Path

import psycopg

from tests.conversations.test_safety import asked, proposes
from tests.world import Json, World, buttons, shown, world


def dry_runs(chat: World) -> int:
    """How often it was asked what the change would do."""
    return sum(one.dry_run for one in chat.cluster.requests)


async def clicked_while_held(chat: World, card: Json, meanwhile: str = "") -> None:
    """Bob approves; his vote cannot be stored before the look is done, and `meanwhile` happens."""
    before = dry_runs(chat)
    async with await psycopg.AsyncConnection.connect(chat.dsn) as held:
        await held.execute("SELECT 1 FROM runs FOR UPDATE")
        click = asyncio.create_task(chat.press("Approve", card, by="bob"))
        await chat.slack.wait_for(lambda: dry_runs(chat) > before, 10)
        assert await chat.rows("SELECT 1 FROM decisions") == []
        if meanwhile:
            web = chat.cluster.get("Deployment", "shop", "web")
            assert web is not None
            chat.cluster.apply({**web, "spec": {**web["spec"], "replicas": int(meanwhile)}})
        await held.rollback()
    await click


async def test_the_look_for_a_deed_goes_along_with_its_last_vote(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        thread, card = await asked(chat)
        before = dry_runs(chat)
        await clicked_while_held(chat, card)
        await chat.reads(thread, "done and verified")
        assert len(chat.cluster.mutations) == 1
        assert dry_runs(chat) == before + 1, "one look served the deed"


async def test_what_changes_after_that_look_is_not_overwritten(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        thread, card = await asked(chat)
        await clicked_while_held(chat, card, meanwhile="4")
        again = await chat.card(thread, 2)
        assert "from 4 to 5" in shown(again)
        assert buttons(again) == ["Approve", "Deny", "More…"]
        assert chat.replicas() == 4
        assert chat.cluster.mutations == []


async def test_a_vote_that_decides_nothing_looks_at_nothing(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path, proposes) as chat:
        _, card = await asked(chat)
        before = dry_runs(chat)
        chat.slack.invite("ada", "ops")
        await chat.press("Approve", card, by="ada")
        await chat.told("ada", "not among those")
        assert dry_runs(chat) == before
