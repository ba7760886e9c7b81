"""The audit says since when which rules hold."""

import asyncio
from pathlib import Path

from pydantic import JsonValue

from bot.guard.configured import note
from bot.settings import read
from bot.store.database import Database
from tests.conversations.test_grants import RULE
from tests.conversations.test_policy import ruled
from tests.world import World

ORG, URL = "T0ACME000", "postgresql://countersign@db/countersign"


async def rows(database: Database) -> list[dict[str, object]]:
    """What the audit says of it."""
    async with database.statement() as tx:
        found = await tx.connection.execute(b"SELECT kind, actor, data FROM audit ORDER BY seq")
        return await found.fetchall()


async def test_each_change_is_said_once_with_the_names_of_its_parts(database: Database) -> None:
    first: dict[str, JsonValue] = {"policy": {"rules": []}, "approvers": ["U0ADA"]}
    second: dict[str, JsonValue] = {**first, "policy": {"rules": ["deny all"]}, "people": {}}

    async def starts(parts: dict[str, JsonValue], many: int = 1) -> list[list[str]]:
        return sorted(await asyncio.gather(*(note(database, ORG, parts, "1") for _ in range(many))))

    assert await starts(first, 2) == [[], ["approvers", "policy"]], "the first one says all"
    assert await starts(first) == [[]]
    assert await starts(second, 4) == [[], [], [], ["people", "policy"]]
    assert await starts(first) == [["people", "policy"]]
    said = await rows(database)
    assert [row["kind"] for row in said] == ["configured"] * 3
    data = said[1]["data"]
    assert isinstance(data, dict)
    assert data["changed"] == ["people", "policy"]
    assert sorted(data["sha256"]) == ["approvers", "people", "policy"]
    assert data["version"] == "1"
    assert "deny all" not in str(said)


async def test_another_version_is_said_though_nothing_was_set_otherwise(
    database: Database,
) -> None:
    """What nobody set is as the version has it."""
    for version in ("1", "1", "2", "2", "1"):
        assert await note(database, ORG, {}, version) == []
    said = [row["data"] for row in await rows(database)]
    assert said == [{"changed": [], "sha256": {}, "version": one} for one in ("1", "2", "1")]


def test_another_cluster_is_another_configuration_and_a_default_is_none() -> None:
    given = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "DATABASE_URL": URL}
    plain = read(given).governing()
    assert plain == {}, "what nobody set is no part of it: another version knows more of that"
    other = read(
        {**given, "KUBECONFIG": "/production", "COUNTERSIGN_APPROVERS": "U0ADA"}
    ).governing()
    assert other == {"kubeconfig": "/production", "approvers": ["U0ADA"]}
    assert "xoxb" not in str(other)


async def test_a_start_under_another_policy_is_in_the_audit(dsn: str, tmp_path: Path) -> None:
    async def changes(chat: World) -> list[list[str]]:
        found = await chat.rows("SELECT data FROM audit WHERE kind = 'configured' ORDER BY seq")
        return [row["data"]["changed"] for row in found]

    async with ruled(dsn, tmp_path, RULE) as chat:
        await chat.stop()
        await chat.start()
        [first] = await changes(chat)
        assert {"policy", "approvers", "kubeconfig"} <= {*first}
        await chat.stop()
        (tmp_path / "countersign.yaml").write_text(RULE.replace("max: 6", "max: 7"))
        await chat.start()
        assert await changes(chat) == [first, ["policy"]]
