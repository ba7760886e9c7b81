"""One person runs it alone because nobody else can be had: only where the rule says so, with a
reason, before everybody's eyes, and with its way back proposed.
"""

from pathlib import Path
from typing import Any

import psycopg

from tests.conversations.test_batches import WEB, proposes
from tests.conversations.test_more import opened
from tests.conversations.test_policy import FROZEN, LEADS, SCALE, ruled
from tests.world import World, shown

ONCALL = "S0000000004"
RULE = f"""
policy:
  rules:
    - name: web needs two
      match: {{namespace: shop}}
      ask:
        approvers: 2
        groups: {LEADS}
        break_glass: {{groups: {ONCALL}}}
"""
WHY = "checkout is down and nobody answers"


BREAKS = """
CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE 'nobody foresaw this'; END $$;
CREATE TRIGGER breaks BEFORE UPDATE ON tool_calls FOR EACH ROW
  WHEN (NEW.verdict->>'outcome' = 'holds' AND OLD.verdict IS NULL) EXECUTE FUNCTION breaks();
"""


def glass(view: Any) -> bool:
    return "Break the glass" in str(view.payload)


async def on_call(chat: World, *people: str) -> None:
    assert chat.slack.set_group("oncall", [*people]) == ONCALL


async def test_who_breaks_the_glass_runs_it_alone_and_all_hear_of_it(
    dsn: str, tmp_path: Path
) -> None:
    watched = f"approvals: {{channel: C0GENERAL}}{RULE}"
    script = proposes({**WEB, "name": "cart", "replicas": 3}, {**WEB, "replicas": 4})
    async with ruled(dsn, tmp_path, watched, script, running="not yet") as chat:
        await on_call(chat, "dave")
        await chat.start()
        thread = await chat.ask(SCALE)
        card = await chat.card(thread)
        # it is not offered to those for whom it could not work
        assert not glass(await opened(chat, "bob", card))
        assert glass(await opened(chat, "dave", card))
        view = await opened(chat, "dave", card, "Break the glass…")
        assert f"<!subteam^{LEADS}>" in str(view.payload)
        assert "on your word alone, at once: two approvals" in str(view.payload)
        # ten characters that say nothing are no reason
        for nothing in ("aaaaaaaaaaaa", "\u200b" * 9 + "ok", ". , ; : ! ? - _"):
            sent = await chat.slack.submit("dave", view.id, {"reason": nothing})
            assert "Say why" in str(sent.response), nothing
        assert chat.cluster.mutations == []

        sent = await chat.slack.submit("dave", view.id, {"reason": WHY})
        assert sent.response == {"response_action": "clear"}
        await chat.slack.wait_for(lambda: chat.replicas() == 5, 20)
        told = shown(await chat.reads(thread, "runs without your approval"))
        assert told.startswith(f"<!subteam^{LEADS}>: ")
        assert WHY in told
        there = chat.slack.app_messages("general")
        assert any("runs without your approval" in shown(m) for m in there)
        # it is done; what takes it back is theirs to decide
        back = await chat.card(thread, 2)
        assert "from 5 to 3" in shown(back)
        asked = chat.slack.user_id("dave")
        assert f"proposed by me, to take back what <@{asked}> asked for" in shown(back)
        assert f"asked by <@{asked}>" in shown(card)
        assert "was not approved by those whom it needs" in chat.thread(thread)
        await chat.slack.wait_for(lambda: "verified" in shown(chat.cards(thread)[0]), 20)
        assert "broke the glass" in shown(chat.cards(thread)[0])
        assert "This is the way back; it waits for two approvals" in chat.thread(thread)
        # who takes it back alone, too, is not the last who was asked
        view = await opened(chat, "dave", back, "Break the glass…")
        await chat.slack.submit("dave", view.id, {"reason": WHY})
        await chat.slack.wait_for(lambda: chat.replicas() == 3, 20)
        forth = await chat.card(thread, 3)
        assert "from 3 to 5" in shown(forth)
        await chat.press("Approve", forth, by="bob")
        await chat.press("Approve", forth, by="ada")
        await chat.slack.wait_for(lambda: chat.replicas() == 5, 20)
        await chat.quiet(thread)
        rows = await chat.rows("SELECT data FROM audit WHERE kind = 'break glass'")
        assert [row["data"]["completes"] for row in rows] == [True, True]
        assert WHY not in str(rows)
        # on a card of two it waits for the other, and that is what is said
        both = await chat.ask("scale both in shop")
        view = await opened(chat, "dave", await chat.card(both), "Break the glass…", more="More 1…")
        assert "alone, as soon as the others on its card are decided: " in str(view.payload)
        await chat.slack.submit("dave", view.id, {"reason": WHY})
        await chat.reads(both, "runs without your approval, as soon as the others on its card are")
        assert chat.replicas("cart") == 2
        await chat.press("Deny 2", chat.cards(both)[0], by="ada")
        denied = await chat.slack.wait_for_view("ada")
        await chat.slack.submit("ada", denied.id, {"reason": "no"})
        await chat.slack.wait_for(lambda: chat.replicas("cart") == 3, 20)
        # its verification breaks: what nobody approved is still theirs to take back
        async with await psycopg.AsyncConnection.connect(chat.dsn) as connection:
            await connection.execute(BREAKS)
        other = await chat.ask("scale deployment/web --replicas 4 -n shop")
        edit = await opened(chat, "ada", await chat.card(other), "Edit…")
        await chat.slack.submit("ada", edit.id, {"argument:replicas": "6"})
        view = await opened(chat, "dave", await chat.card(other, 2), "Break the glass…")
        await chat.slack.submit("dave", view.id, {"reason": WHY})
        taken_back = shown(await chat.card(other, 3))
        assert "from 6 to 5" in taken_back
        # whoever had a part in the change has one in what takes it back
        ada = chat.slack.user_id("ada")
        assert f"to take back what <@{asked}> asked for, edited by <@{ada}>" in taken_back
        assert f"but <@{asked}> and <@{ada}>" in taken_back
        await chat.slack.slash("bob", "ops", "/ops", "status")
        status = shown(await chat.told("bob", "waits: Scale"))
        assert f"proposed by me, to take back what <@{asked}> asked for" in status
        assert "was not approved by those whom it needs" in chat.thread(other)
        assert "Something broke on my side" in chat.thread(other)


async def test_it_lifts_nothing_else(dsn: str, tmp_path: Path) -> None:
    async with ruled(dsn, tmp_path, RULE, running="not yet") as chat:
        await on_call(chat, "dave")
        await chat.start()
        first, second, third = [await chat.ask(SCALE) for _ in range(3)]
        cards = [await chat.card(thread) for thread in (first, second, third)]
        views = [await opened(chat, "dave", card, "Break the glass…") for card in cards[:1]]
        # somebody denied it meanwhile
        await chat.press("Deny", cards[0], by="bob")
        sent = await chat.slack.submit("dave", views[0].id, {"reason": WHY})
        assert "decided already" in str(sent.response)
        # it changed meanwhile: what he saw is not what would run
        view = await opened(chat, "dave", cards[1], "Break the glass…")
        web = chat.cluster.get("Deployment", "shop", "web")
        assert web is not None
        chat.cluster.apply({**web, "spec": {**web["spec"], "replicas": 4}})
        await chat.slack.submit("dave", view.id, {"reason": WHY})
        again = await chat.card(second, 2)
        assert "from 4 to 5" in shown(again)
        assert chat.cluster.mutations == []
        # a freeze began, and he is in that group no more
        view = await opened(chat, "dave", again, "Break the glass…")
        await chat.stop()
        (tmp_path / "countersign.yaml").write_text(FROZEN + RULE.removeprefix("\npolicy:\n"))
        await chat.start()
        await chat.slack.submit("dave", view.id, {"reason": WHY})
        await chat.reads(second, "changes rest until 2099")
        other = await opened(chat, "dave", cards[2])
        await on_call(chat, "alice")
        await chat.slack.click_view("dave", other.id, text="Break the glass…")
        await chat.slack.wait_for(lambda: "not in a group" in str(chat.slack.views("dave")), 10)
        assert chat.cluster.mutations == []
