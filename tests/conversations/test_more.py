"""More on an open card: all of it, why it is asked, and Edit, which is a request of who edits."""

import re
from functools import partial
from pathlib import Path
from typing import Any

from bot.sandbox.slack import Settings as SlackSettings
from tests.standins.model import calls, says
from tests.world import World, buttons, shown, world

WEB = {"namespace": "shop", "kind": "deployment", "name": "web"}
PATIENT = SlackSettings(ack_seconds=3, delivery="round_robin")  # not scaled
SCRIPT = (calls(("k8s_scale", {**WEB, "replicas": 5})), says("It is as it is."))


def inputs(view: Any) -> dict[str, Any]:
    """The inputs of a form by what they are called."""
    blocks = view.payload["blocks"]
    return {b["label"]["text"]: b["element"] for b in blocks if b["type"] == "input"}


async def opened(chat: World, by: str, card: Any, *presses: str, more: str = "More…") -> Any:
    """The modal that is on top after pressing More and these in it."""

    def deeper(than: int) -> bool:
        return len(chat.slack.views(by)) > than

    if chat.slack.views(by):
        await chat.slack.close_view(by, everything=True)
    await chat.slack.click(by, "ops", card["ts"], text=more)
    for number, press in enumerate(presses, 1):
        view = await chat.slack.wait_for_view(by, timeout=30)
        await chat.slack.click_view(by, view.id, text=press)
        await chat.slack.wait_for(partial(deeper, number), 10)
    return await chat.slack.wait_for_view(by, timeout=30)


async def test_an_edit_is_a_new_card_and_the_editor_has_a_part_in_it(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, SCRIPT, slack=PATIENT) as chat:
        thread = await chat.ask("scale web to 5")
        card = await chat.card(thread)

        more = await opened(chat, "bob", card)
        assert "from 3 to 5" in str(more.payload)
        why = await opened(chat, "alice", card, "Why…")
        assert "a change needs one" in str(why.payload)

        late = await opened(chat, "alice", card, "Edit…")

        # the form: what it is about stays, the rest is as the tool's schema says
        edit = await opened(chat, "bob", card, "Edit…")
        assert set(inputs(edit)) == {"Replicas"}
        assert inputs(edit)["Replicas"] == {
            "type": "number_input",
            "action_id": "value",
            "is_decimal_allowed": False,
            "min_value": "0",
            "max_value": "1000",
            "initial_value": "5",
        }
        # the same is said to be the same, where it stands
        await chat.slack.submit("bob", edit.id, {})
        assert "Nothing differs" in str(edit.errors)
        assert len(chat.cards(thread)) == 1

        sent = await chat.slack.submit("bob", edit.id, {"argument:replicas": "4"})
        assert sent.response == {"response_action": "clear"}
        new = await chat.card(thread, 2)
        assert "from 3 to 4" in shown(new)
        await chat.slack.wait_for(lambda: buttons(chat.cards(thread)[0]) == [], 10)
        old = chat.cards(thread)[0]
        dave, bob = (f"<@{chat.slack.user_id(who)}>" for who in ("dave", "bob"))
        assert f"edited by {bob}" in shown(old)
        assert f"asked by {dave}, edited by {bob}" in shown(new)
        first, second = await chat.rows("SELECT short_id FROM tool_calls ORDER BY id")
        await chat.slack.slash("alice", "ops", "/ops", f"why {first['short_id']}")
        newer = (
            rf"edited by {bob} [^·]*, nothing was changed · the newer one is `{second['short_id']}`"
        )
        await chat.told("alice", f"Since: {newer}")

        # he chose what it does, so his approval does not count; somebody else's does
        await chat.press("Approve", new, by="bob")
        await chat.told("bob", "somebody other than you: you edited it")
        assert chat.cluster.mutations == []
        await chat.press("Approve", new, by="alice")
        await chat.slack.wait_for(lambda: chat.replicas() == 4, 15)
        await chat.quiet(thread)
        rows = await chat.rows("SELECT policy_input->'provenance' AS p FROM tool_calls ORDER BY id")
        assert rows[-1]["p"]["replicas"] == "person"

        # the audit tells both, in their order, with both names
        await chat.slack.slash("alice", "ops", "/ops", "audit")
        told = shown(await chat.told("alice", "Two changes on"))
        assert re.search(
            rf"asked by {dave} <[^>]*>, edited by {bob} .*asked by {dave} .*{newer}",
            told,
            re.DOTALL,
        ), told
        chain = await chat.rows(
            "SELECT kind FROM audit WHERE kind IN ('proposed', 'revised') ORDER BY seq"
        )
        assert [row["kind"] for row in chain] == ["proposed", "revised", "proposed"]

        # a form of before is none of now
        await chat.slack.submit("alice", late.id, {"argument:replicas": "9"})
        assert "replaced by a newer one" in str(late.errors)
        assert len(chat.cards(thread)) == 2


async def test_what_a_tool_does_not_take_is_said_at_the_field(dsn: str, tmp_path: Path) -> None:
    image = ("k8s_set_image", {**WEB, "container": "web", "image": "shop/web:2.5.0"})
    async with world(dsn, tmp_path, (calls(image), says("Well.")), slack=PATIENT) as chat:
        thread = await chat.ask("set web to 2.5.0")
        card = await chat.card(thread)
        edit = await opened(chat, "bob", card, "Edit…")
        for value, why in (("not an image", "`image`"), ("x:AKIAIOSFODNN7EXAMPLE", "credential")):
            sent = await chat.slack.submit("bob", edit.id, {"argument:image": value})
            assert sent.response is not None
            assert sent.response["response_action"] == "errors"
            assert set(sent.response["errors"]) == {"argument:image"}
            assert why in sent.response["errors"]["argument:image"]
        assert len(chat.cards(thread)) == 1
