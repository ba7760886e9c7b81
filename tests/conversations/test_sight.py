"""Who may see what: every view, for every role, in the channel and out of it."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from bot.agent.control import NAMES
from tests.conversations.test_policy import ruled
from tests.world import World, shown

# bob approves, alice audits, dave asks, ada is nobody; gina is a guest
PEOPLE = """
people: {viewer: [U0DAVE000], operator: [U0DAVE000], auditor: [U0ALICE00]}
policy:
  rules:
    - name: web may step
      match: {namespace: shop}
      ask: {grant: {times: 2}, break_glass: {groups: S0000000004}}
"""
SEES = {"dave": True, "bob": True, "alice": True, "ada": False, "gina": False}
# What is opened from within a modal, by who has left the channel since he opened that.
SEES_OUTSIDE = {"alice"}
REFUSED = "may not look here|can neither ask|can't take requests|not in"

View = Callable[[World, str, Any], Awaitable[str]]


async def more(chat: World, who: str, card: Any) -> str:
    return await _pressed(chat, who, card)


async def why(chat: World, who: str, card: Any) -> str:
    return await _pressed(chat, who, card, "Why…")


async def edit(chat: World, who: str, card: Any) -> str:
    return await _pressed(chat, who, card, "Edit…")


def word(text: str) -> View:
    async def say(chat: World, who: str, _card: Any) -> str:
        before = len(chat.slack.ephemerals(who, "ops"))
        await chat.slack.slash(who, "ops", "/ops", text)
        await chat.slack.wait_for(lambda: len(chat.slack.ephemerals(who, "ops")) > before, 15)
        return shown(chat.slack.ephemerals(who, "ops")[-1])

    return say


async def _pressed(chat: World, who: str, card: Any, then: str = "") -> str:
    before = len(chat.slack.ephemerals(who, "ops"))
    if chat.slack.views(who):
        await chat.slack.close_view(who, everything=True)
    await chat.slack.click(who, "ops", card["ts"], text="More…")

    def answered() -> bool:
        return bool(chat.slack.views(who)) or len(chat.slack.ephemerals(who, "ops")) > before

    await chat.slack.wait_for(answered, 15)
    if not chat.slack.views(who):
        return shown(chat.slack.ephemerals(who, "ops")[-1])
    if then:
        await chat.slack.click_view(who, chat.slack.views(who)[-1].id, text=then)
        await chat.slack.wait_for(partial(_on_top, chat, who), 15)
    return str(chat.slack.views(who)[-1].payload)


def _on_top(chat: World, who: str) -> bool:
    return len(chat.slack.views(who)) > 1


# Each view, and what only it shows.
VIEWS: dict[str, tuple[View, str]] = {
    "more": (more, "spec.replicas"),
    "why": (why, "web may step"),
    "edit": (edit, "Replicas"),
    "/ops status": (word("status"), "web"),
    "/ops audit": (word("audit"), "web"),
    "/ops why": (word("why {id}"), "web may step"),
}
# What shows nothing of what was asked and done: it does something, or explains.
SHOW_NOTHING = {"help", "stop", "approve", "deny", "undo"}


async def test_each_view_for_each_role(dsn: str, tmp_path: Path) -> None:
    named = {view.removeprefix("/ops ") for view in VIEWS if view.startswith("/ops ")}
    assert {*NAMES} == named | SHOW_NOTHING, "a new word is either a view or shows nothing"
    async with ruled(dsn, tmp_path, PEOPLE, running="not yet") as chat:
        assert chat.slack.set_group("oncall", ["alice"]) == "S0000000004"
        await chat.start()
        thread = await chat.ask("scale deployment/web --replicas 5 -n shop")
        card = await chat.card(thread)
        [row] = await chat.rows("SELECT short_id FROM tool_calls WHERE kind = 'change'")
        for name, (view, says) in VIEWS.items():
            for who, sees in SEES.items():
                look = word(f"why {row['short_id']}") if name == "/ops why" else view
                text = await look(chat, who, card)
                assert (says in text) == sees, (name, who, text)

        # whoever left the channel opens nothing more from a modal that he still has
        for who in ("dave", "bob", "alice"):
            await more(chat, who, card)
            chat.slack.remove(who, "ops")
        for then in ("Why…", "Edit…", "The same again…", "Break the glass…"):
            for who in ("dave", "bob", "alice"):
                [first, *_] = chat.slack.views(who)
                if then not in str(first.payload):
                    continue
                await chat.slack.click_view(who, first.id, text=then)
                await chat.slack.wait_for(partial(_on_top, chat, who), 15)
                text = str(chat.slack.views(who)[-1].payload)
                outside = "a channel that you are not in" in text
                assert outside == (who not in SEES_OUTSIDE), (who, then)
                await chat.slack.close_view(who)
