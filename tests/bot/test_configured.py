"""The audit says since when which rules hold."""

import asyncio
from pathlib import Path

from pydantic import JsonValue

from bot.guard.configured import note
from bot.store.database import Database
from tests.conversations.test_grants import RULE
from tests.conversations.test_policy import ruled
from tests.world import World

ORG = "T0ACME000"


async def rows(database: Database) -> list[dict[str, object]]:
    """What the audit says of it."""
    async with database.statement() as tx:
        found = await tx.connection.execute(b"SELECT kind, actor, data FROM audit ORDER BY seq")
        return await found.fetchall()


async def test_a_changed_part_is_named_once_and_the_first_start_is_no_change(
    database: Database,
) -> None:
    first: dict[str, JsonValue] = {"policy": {"rules": []}, "approvers": ["U1"]}
    second: dict[str, JsonValue] = {**first, "policy": {"rules": ["deny all"]}, "people": {}}
    assert await note(database, ORG, first) == []
    assert await note(database, ORG, first) == []
    found = await asyncio.gather(*(note(database, ORG, second) for _ in range(4)))
    assert sorted(found) == [[], [], [], ["people", "policy"]], "of several at once, one says it"
    assert await note(database, ORG, first) == ["people", "policy"]
    said = await rows(database)
    assert [row["kind"] for row in said] == ["configured", "configured"]
    data = said[0]["data"]
    assert isinstance(data, dict)
    assert data["changed"] == ["people", "policy"]
    assert sorted(data["sha256"]) == ["approvers", "people", "policy"]
    assert "deny all" not in str(said), "a hash shows it to whoever has it"


async def test_a_start_under_another_policy_is_in_the_audit(dsn: str, tmp_path: Path) -> None:
    async def changes(chat: World) -> list[list[str]]:
        found = await chat.rows("SELECT data FROM audit WHERE kind = 'configured' ORDER BY seq")
        return [row["data"]["changed"] for row in found]

    async with ruled(dsn, tmp_path, RULE) as chat:
        await chat.stop()
        await chat.start()
        assert await changes(chat) == []
        await chat.stop()
        (tmp_path / "countersign.yaml").write_text(RULE.replace("max: 6", "max: 7"))
        await chat.start()
        assert await changes(chat) == [["policy"]]
