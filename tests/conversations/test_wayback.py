"""The way back: what is no longer exact is said, and what was approved with a rollback rolls back
once, by itself, from exactly what it left.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.sandbox.cluster import Behaviour
from tests.world import World, buttons, shown, world

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


CART = "set image deployment/cart shop/cart:9.9.9 -n shop"
RULE = """
policy:
  rules:
    - name: rolls back
      match: {namespace: shop}
      ask: {rollback: {within: 10m}}
"""
MISSING = Behaviour("shop/cart:9.*", pullable=False)


@asynccontextmanager
async def ruled(dsn: str, folder: Path, policy: str = RULE, **more: Any) -> AsyncIterator[World]:
    """A world with this policy, where the release that is asked for cannot be pulled."""
    path = folder / "countersign.yaml"
    path.write_text(policy)
    extra = {"COUNTERSIGN_CONFIG": str(path)}
    async with world(dsn, folder, extra=extra, from_now_on=(MISSING,), **more) as chat:
        yield chat


async def test_what_was_approved_with_a_rollback_rolls_back_by_itself(
    dsn: str, tmp_path: Path
) -> None:
    async with ruled(dsn, tmp_path) as chat:
        was = chat.image("cart")
        thread = await chat.ask(CART)
        card = await chat.card(thread)
        said = shown(card)
        assert "If it does not work within 10 min, I roll it back by myself" in said
        assert re.search(rf"\+ +- image: {was}|\+ +image: {was}", said), "the second diff"
        assert len(await chat.rows("SELECT 1 FROM tool_calls WHERE state = 'proposed'")) == 1
        await chat.press("Approve", card, by="alice")
        await chat.reads(thread, "does not work: .*I am rolling it back, as was approved")
        await chat.reads(thread, "It was rolled back, as was approved with it: done and verified")
        await chat.quiet(thread)
        assert chat.image("cart") == was
        assert len(chat.cluster.mutations) == 2
        cards = chat.cards(thread)
        assert len(cards) == 1, "nobody is asked"
        assert "rolled back by itself, verified" in shown(cards[0])
        assert "More…" not in buttons(cards[0])
        rows = await chat.rows(
            "SELECT c.state, d.person, d.digest = c.digest AS bound FROM tool_calls c"
            " LEFT JOIN decisions d ON d.call_id = c.id ORDER BY c.rolls_back NULLS FIRST"
        )
        alice = chat.slack.user_id("alice")
        assert rows == [{"state": "done", "person": alice, "bound": True}] * 2
