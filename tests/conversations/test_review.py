"""What a demanding reader found: each of these was wrong once."""

import asyncio
from pathlib import Path

import psycopg

from tests.conversations.test_batches import CART, proposes
from tests.conversations.test_steer import WEB
from tests.standins.model import calls, says
from tests.world import buttons, world

SCALE = "scale deployment/web --replicas 5 -n shop"


async def test_a_crash_makes_no_old_approval_fresh_again(dsn: str, tmp_path: Path) -> None:
    script = proposes({**WEB, "replicas": 5}, {**CART, "replicas": 3})
    extra = {"COUNTERSIGN_SETTLE_SECONDS": "2"}
    async with world(dsn, tmp_path, script, running="process", extra=extra) as chat:
        thread = await chat.ask("scale both")
        await chat.press("Approve all (2)", await chat.card(thread), by="bob")
        await chat.slack.wait_for(lambda: len(chat.cluster.mutations) == 1, 10)
        await chat.kill()
        # an hour passes
        await chat.rows(
            "UPDATE tool_calls SET approved_at = approved_at - interval '1 hour',"
            " start_by = start_by - interval '1 hour' RETURNING id"
        )
        await chat.spawn()
        await chat.card(thread, 2, timeout=30)
        assert len(chat.cluster.mutations) == 1


async def test_what_is_found_stale_inside_its_apply_is_proposed_anew(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, proposes({**WEB, "replicas": 5})) as chat:
        thread = await chat.ask("scale")
        card = await chat.card(thread)
        chat.cluster.delay("get", "deployments", 0.5)
        await chat.press("Approve", card, by="bob")
        async with asyncio.timeout(10):
            while not await chat.rows("SELECT 1 FROM tool_calls WHERE state = 'executing'"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        web = chat.cluster.get("Deployment", "shop", "web")
        assert web is not None
        chat.cluster.apply({**web, "spec": {**web["spec"], "replicas": 4}})
        assert "Approve" in buttons(await chat.card(thread, 2))
        assert chat.cluster.mutations == []


async def test_a_call_that_cannot_be_read_ends_alone(dsn: str, tmp_path: Path) -> None:
    script = [calls(("k8s_scale", {**WEB, "replicas": 5})), says("I see.")]
    async with world(dsn, tmp_path, script, running="process") as chat:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as database:
            await database.execute(
                "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " UPDATE tool_calls SET preview = '{}' WHERE id = NEW.call_id; RETURN NULL; END $$"
            )
            await database.execute(
                "CREATE TRIGGER spoil AFTER INSERT ON outbox FOR EACH ROW"
                " WHEN (NEW.kind = 'card') EXECUTE FUNCTION spoil()"
            )
        await chat.ask("scale")
        async with asyncio.timeout(15):
            while not await chat.rows("SELECT 1 FROM tool_calls WHERE state = 'expired'"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert chat.process is not None
        assert chat.process.returncode is None


async def test_asking_again_while_the_cluster_is_away_uses_nothing_up(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path) as chat:
        thread = await chat.ask(SCALE, by="alice")
        await chat.card(thread)
        await chat.rows(
            "UPDATE tool_calls SET expires_at = now() - interval '1 minute' RETURNING id"
        )
        await chat.reads(thread, "Scale .*: [Ee]xpired")
        await chat.quiet(thread)
        await chat.cluster.down()
        await chat.press("Ask again", chat.cards(thread)[0], by="dave")
        await chat.reads(thread, "[Rr]efused")
        await chat.quiet(thread)
        await chat.cluster.up()
        assert buttons(chat.cards(thread)[0]) == ["Ask again"]
        await chat.press("Ask again", chat.cards(thread)[0], by="dave")
        assert "Approve" in buttons(await chat.card(thread, 2))
