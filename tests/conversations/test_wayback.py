"""The way back: what is no longer exact is said, and what was approved with a rollback rolls back
once, by itself, from exactly what it left.
"""

from pathlib import Path

from tests.world import World, shown, world

SCALE = "scale deployment/web --replicas 5 -n shop"


def writes_replicas(chat: World, number: int, name: str = "web") -> None:
    """As somebody beside us would."""
    found = chat.cluster.get("Deployment", "shop", name)
    assert found is not None
    chat.cluster.apply({**found, "spec": {**found["spec"], "replicas": number}})


async def test_an_undo_says_who_wrote_what_since(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        thread = await chat.ask(SCALE)
        await chat.press("Approve", await chat.card(thread), by="alice")
        await chat.reads(thread, "done and verified")
        await chat.quiet(thread)
        writes_replicas(chat, 7)
        await chat.press("Undo", chat.cards(thread)[0], by="alice")
        back = await chat.card(thread, 2)
        assert "No longer exact: replicas was changed to 7 by setup at" in shown(back)
        assert "from 7 to 3" in shown(back)
        await chat.press("Approve", back, by="bob")
        await chat.slack.wait_for(lambda: chat.replicas() == 3, 10)
