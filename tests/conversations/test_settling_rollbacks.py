"""A rollback of which nobody can find out whether it happened: it has no id of its own on the card,
so it is settled by its change's.
"""

from pathlib import Path

from tests.conversations.test_settling import say
from tests.conversations.test_wayback import CART, before_the_verdict, ruled, sees


async def test_an_unknown_rollback_is_settled_by_its_changes_id(dsn: str, tmp_path: Path) -> None:
    async with ruled(dsn, tmp_path) as chat:
        async with before_the_verdict(chat, CART) as thread:
            # the rollback's request gets no answer, and then somebody else writes
            chat.cluster.fail("patch", "/deployments/cart", 0, spares_dry_runs=True)
        await sees(
            chat, "SELECT 1 FROM tool_calls WHERE rolls_back IS NOT NULL AND state = 'unknown'"
        )
        [named] = await chat.rows("SELECT short_id FROM tool_calls WHERE rolls_back IS NULL")
        name = named["short_id"]
        await say(chat, "bob", f"settle {name} done", "I am still looking")
        cart = chat.cluster.get("Deployment", "shop", "cart")
        assert cart is not None
        cart["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/cart:8.8.8"
        chat.cluster.apply(cart)
        await chat.reads(thread, f"while rolling it back.*`/ops settle {name} done` or `failed`")

        await say(chat, "dave", f"settle {name} failed", "not among those")
        await say(chat, "ada", f"settle {name} failed", "not among those")
        await say(chat, "bob", f"settle {name} failed it has 8.8.8", "Settled: ")
        await chat.reads(thread, "settled by .*: it did not happen \\(“it has 8.8.8”\\)")
        await say(chat, "alice", f"settle {name} done", "There is nothing to settle: it is done")
        rows = await chat.rows(
            "SELECT c.rolls_back IS NOT NULL AS back, c.state, d.vote, d.digest = c.digest AS bound"
            " FROM tool_calls c LEFT JOIN decisions d ON d.call_id = c.id AND d.vote <> 'approve'"
            " ORDER BY c.rolls_back NULLS FIRST"
        )
        assert [tuple(row.values()) for row in rows] == [
            (False, "done", None, None),
            (True, "failed", "settle failed", True),
        ]
        assert len(chat.cluster.mutations) == 1, "the rollback was never sent again"
