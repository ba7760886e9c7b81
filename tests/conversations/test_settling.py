"""Nobody can find out what came of a change: a person who may approve it says so, by name, once."""

import re
from pathlib import Path
from typing import Any

from bot.guard.forgetting import Wanted, forget
from bot.store.database import Database
from tests.conversations.test_break_glass import RULE, WHY, on_call
from tests.conversations.test_more import opened
from tests.conversations.test_policy import ruled
from tests.world import World, buttons, shown
from tools import sha256_of

ONE = RULE.replace("approvers: 2", "approvers: 1")


async def doubted(chat: World, replicas: int, *, glass: bool = False) -> tuple[str, Any, str]:
    """A change whose request got no answer, and then somebody else wrote: its thread, its card and
    its id.
    """
    thread = await chat.ask(f"scale deployment/cart --replicas {replicas} -n shop")
    card = await chat.card(thread)
    chat.cluster.fail("patch", "/deployments/cart", 0, spares_dry_runs=True)
    if glass:
        [named] = await chat.rows("SELECT short_id FROM tool_calls WHERE state = 'proposed'")
        await say(chat, "bob", f"settle {named['short_id']} done", "it waits for a decision")
        view = await opened(chat, "dave", card, "Break the glass…")
        await chat.slack.submit("dave", view.id, {"reason": WHY})
    else:
        await chat.press("Approve", card, by="bob")
    await chat.reads(thread, "I am looking at what is there")
    [named] = await chat.rows("SELECT short_id FROM tool_calls WHERE state = 'unknown'")
    await say(chat, "bob", f"settle {named['short_id']} failed", "I am still looking")
    cart = chat.cluster.get("Deployment", "shop", "cart")
    assert cart is not None
    chat.cluster.apply({**cart, "spec": {**cart["spec"], "replicas": replicas + 2}})
    await chat.reads(thread, "it may or may not have happened.*I looked: .*replicas are")
    await chat.reads(thread, "I looked and cannot tell")
    return thread, chat.cards(thread)[0], named["short_id"]


async def say(chat: World, who: str, words: str, answer: str) -> None:
    await chat.slack.slash(who, "ops", "/ops", words)
    await chat.told(who, answer)


async def test_who_may_approve_it_says_what_came_of_it(dsn: str, tmp_path: Path) -> None:
    async with ruled(dsn, tmp_path, ONE, running="not yet") as chat:
        await on_call(chat, "dave")
        await chat.start()
        thread, card, name = await doubted(chat, 5, glass=True)
        said = f"says what happened: `/ops settle {name} done` or `failed`"
        assert re.search(f"<!subteam.*{said}", chat.thread(thread))
        await say(chat, "dave", f"settle {name}", f"`settle {name} done`")
        await say(chat, "dave", f"settle {name} done", "not among those")
        await chat.press("It happened", card, by="bob")
        await chat.reads(thread, "✅ settled by .*: it happened. It was “")
        # one person had run it alone: those who would have been asked decide on its way back
        assert "was not approved by those whom it needs" in shown(
            await chat.reads(thread, "This is the way back")
        )

        thread, card, name = await doubted(chat, 4)
        await say(chat, "ada", f"settle {name} done I saw it in the log", "Settled: ")
        await chat.reads(thread, "settled by .*: it happened \\(“I saw it in the log”\\)")
        await chat.reads(thread, "Its card has the Undo")
        await chat.slack.wait_for(lambda: buttons(chat.cards(thread)[0]) == ["Undo"], 20)
        await say(chat, "bob", f"settle {name} failed", "There is nothing to settle: it is done")

        thread, card, name = await doubted(chat, 9)
        await chat.press("It did not", card, by="ada")
        await chat.reads(thread, "⛔ settled by .*: it did not happen. I did not run it again")
        await chat.slack.wait_for(lambda: buttons(chat.cards(thread)[0]) == [], 20)
        await say(chat, "ada", f"audit {name}", "settled by .*: it did not happen")
        rows = await chat.rows(
            "SELECT c.state, d.vote, a.data FROM tool_calls c JOIN decisions d ON d.call_id = c.id"
            " AND d.vote LIKE 'settle%%' JOIN audit a ON a.call_id = c.id AND a.kind = d.vote"
            " AND a.actor = d.person AND a.data->>'digest' = c.digest ORDER BY c.id"
        )
        assert [(row["state"], row["vote"]) for row in rows] == [
            ("done", "settle done"),
            ("done", "settle done"),
            ("failed", "settle failed"),
        ]
        assert "in the log" not in str(rows)
        # the chain holds what shows the words to who has them, and nothing that finds them again
        words = "SELECT reason, salt FROM decisions WHERE reason LIKE 'I saw%%'"
        [kept] = await chat.rows(words)
        told = {"text": kept["reason"], "salt": kept["salt"]}
        assert rows[1]["data"]["reason_sha256"] == sha256_of(told)
        [asked] = await chat.rows(
            "SELECT m.body, a.data FROM messages m JOIN audit a ON a.kind = 'request'"
            " WHERE m.body->>'content' LIKE '%%--replicas 9%%' AND a.actor = m.author"
            " AND m.run_id = a.run_id"
        )
        told = {"text": asked["body"]["content"], "salt": asked["body"]["salt"]}
        assert asked["data"]["text_sha256"] == sha256_of(told)
        async with Database(dsn).open() as database:
            for who in ("ada", "dave"):
                wanted = Wanted(chat.slack.user_id(who), force=True)
                await forget(database, "T0ACME000", wanted)
        assert await chat.rows(words) == []
        left = await chat.rows("SELECT body::text AS said FROM messages")
        left += await chat.rows("SELECT salt AS said FROM decisions WHERE reason = ''")
        assert not [row for row in left if kept["salt"] in row["said"]]
        assert not [row for row in left if asked["body"]["salt"] in row["said"]]
        assert chat.cluster.mutations == [], "it was never sent again"
