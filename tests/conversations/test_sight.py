"""Who may see what: every view, for every role, in the channel and out of it."""

import ast
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from bot.agent.control import NAMES
from bot.slack import views
from tests.conversations.test_policy import ruled
from tests.world import World, shown

# bob approves, alice audits and approves, dave looks and asks, carol is the admin, vera only looks,
# otto only asks, ada is nobody; gina is a guest, olga of another organisation
PEOPLE = """
people:
  viewer: [U0DAVE000, U0VERA000]
  operator: [U0DAVE000, U0OTTO000]
  auditor: [U0ALICE00]
  admin: [U0CAROL00]
policy:
  rules:
    - name: web may step
      match: {namespace: shop}
      ask: {grant: {times: 2}, break_glass: {groups: S0000000004}}
"""
SEE = ("dave", "vera", "otto", "carol", "bob", "alice")
SEES = dict.fromkeys(SEE, True) | dict.fromkeys(("ada", "gina", "olga"), False)
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


def word(text: str, where: str = "ops", names: str = "") -> View:
    """A slash word; `names`: the channel that its payload names instead."""
    named = {"channel_id": names} if names else None

    async def say(chat: World, who: str, _card: Any) -> str:
        before = len(chat.slack.ephemerals(who, where))
        await chat.slack.slash(who, where, "/ops", text, named)
        await chat.slack.wait_for(lambda: len(chat.slack.ephemerals(who, where)) > before, 15)
        return shown(chat.slack.ephemerals(who, where)[-1])

    return say


async def _pressed(
    chat: World, who: str, card: Any, then: str = "", *, button: str = "More…"
) -> str:
    before = len(chat.slack.ephemerals(who, "ops"))
    if chat.slack.views(who):
        await chat.slack.close_view(who, everything=True)
    await chat.slack.click(who, "ops", card["ts"], text=button)

    def answered() -> bool:
        return bool(chat.slack.views(who)) or len(chat.slack.ephemerals(who, "ops")) > before

    await chat.slack.wait_for(answered, 15)
    if not chat.slack.views(who):
        return shown(chat.slack.ephemerals(who, "ops")[-1])
    if then:
        await chat.slack.click_view(who, chat.slack.views(who)[-1].id, text=then)
        await chat.slack.wait_for(partial(_on_top, chat, who), 15)
    return str(chat.slack.views(who)[-1].payload)


def _modals() -> set[str]:
    """The functions that make a modal: they say that they return a `View`."""
    return {
        made.name
        for file in Path(views.__path__[0]).glob("*.py")
        for made in ast.parse(file.read_text()).body
        if isinstance(made, ast.FunctionDef)
        and isinstance(made.returns, ast.Name)
        and made.returns.id == "View"
        and not made.name.startswith("_")
    }


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
    "/ops approve": (word("approve ZZZZ"), "Scale `deployment/web`"),  # what is open instead
    "/ops deny": (word("deny ZZZZ"), "Scale `deployment/web`"),
}
# Each modal, and the row that shows it; what is a vote is offered to those who may cast it.
OFFERED = {"The same again…": {"bob", "alice"}, "Break the glass…": {"alice"}}
MAY_DENY = {"bob", "alice", "dave"}  # approvers, and who asked for it
MODALS = {
    "more": "more",
    "reason": "why",
    "edit": "edit",
    "grant": "The same again…",
    "break_glass": "Break the glass…",
    "deny_reason": "Deny",
    # to who may cast that vote, of what stands on the message that he pressed
    **dict.fromkeys(("approve_full", "approve_all", "undo")),
    # a sentence to who pressed something
    **dict.fromkeys(("working", "told")),
}
# What does something, and names what is meant to who does not say it, if he may see that.
NAMING = ("stop", "undo")
# What shows nothing of what was asked and done.
SHOW_NOTHING = {"help", "settle"}  # which repeats the id that was typed, and no more


async def test_each_view_for_each_role(dsn: str, tmp_path: Path) -> None:
    named = {view.removeprefix("/ops ") for view in VIEWS if view.startswith("/ops ")}
    assert {*NAMES} == named | {*NAMING} | SHOW_NOTHING, (
        "a new word is either a view or shows nothing"
    )
    assert _modals() == {*MODALS}, "a new modal has a row"
    assert {*MODALS.values()} - {None} == {"more", "why", "edit", "Deny", *OFFERED}
    async with ruled(dsn, tmp_path, PEOPLE, running="not yet") as chat:
        assert chat.slack.set_group("oncall", ["alice"]) == "S0000000004"
        for name in ("vera", "otto"):
            chat.slack.add_user(name, id=f"U0{name.upper()}000")
        for name in ("vera", "otto", "olga"):
            chat.slack.invite(name, "ops")
        await chat.start()
        thread = await chat.ask("scale deployment/web --replicas 5 -n shop")
        card = await chat.card(thread)
        [row] = await chat.rows("SELECT short_id FROM tool_calls WHERE kind = 'change'")
        why_it = f"why {row['short_id']}"
        for who in SEES:
            await _sees_what_he_may(chat, who, card, why_it)
        for text in NAMING:
            assert "You may not look here" in await word(text)(chat, "ada", card), text
        assert "Guests can neither ask nor approve" in await more(chat, "gina", card)
        assert "Only full members of this workspace" in await more(chat, "olga", card)
        # whoever left the channel opens nothing more from a modal that he still has
        for who in ("dave", "bob", "alice"):
            await more(chat, who, card)
            chat.slack.remove(who, "ops")
        for then in ("Why…", "Edit…", *OFFERED):
            for who in ("dave", "bob", "alice"):
                await _opens_nothing_outside(chat, who, then)
        await _sees_nothing_from_elsewhere(chat, card, why_it)


async def _sees_what_he_may(chat: World, who: str, card: Any, why_it: str) -> None:
    for name, (view, says) in VIEWS.items():
        look = word(why_it) if name == "/ops why" else view
        text = await look(chat, who, card)
        assert (says in text) == SEES[who], (name, who, text)
        if view is more:
            offered = {choice for choice in OFFERED if choice in text}
            assert offered == {one for one, to in OFFERED.items() if who in to}, who
    text = await _pressed(chat, who, card, button="Deny")
    assert ("Deny this change?" in text) == (who in MAY_DENY), (who, text)


async def _sees_nothing_from_elsewhere(chat: World, card: Any, why_it: str) -> None:
    """By a word that names the channel from elsewhere, or is said elsewhere about it."""
    for text, says in (("status", "web"), ("audit", "web"), (why_it, "web may step")):
        for who in ("dave", "bob", "alice"):
            told = await word(text, "general", "C0OPS0000")(chat, who, card)
            assert (says in told) == (who in SEES_OUTSIDE), (text, who, told)
    for text in ("approve ZZZZ", *NAMING):
        told = await word(text, "general", "C0OPS0000")(chat, "bob", card)
        assert "a channel that you are not in" in told, (text, told)
    for text in ("status", why_it):
        assert "web" not in await word(text, "general")(chat, "bob", card)


async def _opens_nothing_outside(chat: World, who: str, then: str) -> None:
    [first, *_] = chat.slack.views(who)
    if then not in str(first.payload):
        return
    await chat.slack.click_view(who, first.id, text=then)
    await chat.slack.wait_for(partial(_on_top, chat, who), 15)
    text = str(chat.slack.views(who)[-1].payload)
    outside = "a channel that you are not in" in text
    assert outside == (who not in SEES_OUTSIDE), (who, then)
    await chat.slack.close_view(who)
