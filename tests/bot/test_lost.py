"""What became of something of which we heard no end: recorded, or shut out for good."""

from pathlib import Path

import psycopg
import pytest

from bot.core.errors import DatabaseAway
from bot.guard.lost import Became, became
from bot.guard.votes import Click
from bot.store.database import Database
from tests.conversations.test_commands import SCALE
from tests.world import Gate, World, world

ORG = "T0ACME000"


async def clicked(chat: World, key: str, by: str) -> Click:
    """A press on the card of a change that waits."""
    thread = await chat.ask(SCALE)
    card = await chat.card(thread)
    await chat.quiet(thread)
    [row] = await chat.rows("SELECT public_id FROM tool_calls WHERE thread_ts = %s", thread)
    where = {"channel": chat.slack.channel_id("ops"), "ts": card["ts"]}
    return Click(ORG, key, chat.slack.user_id(by), row["public_id"], **where)


async def test_what_is_shut_out_never_comes(dsn: str, tmp_path: Path) -> None:
    async with world(dsn, tmp_path) as chat:
        assert chat.parts is not None
        click = await clicked(chat, "K1", by="bob")
        for _ in range(2):
            assert await became(chat.parts.database, ORG, "K1", None) == Became.SHUT_OUT
        late = await chat.parts.votes.vote(click, "approve")
        assert late.code == "duplicate"
        assert await chat.rows("SELECT 1 FROM decisions") == []
        assert [row["state"] for row in await chat.rows("SELECT state FROM tool_calls")] == [
            "proposed"
        ]


@pytest.mark.parametrize(
    ("by", "code", "came"),
    [("bob", "approved", Became.RECORDED), ("ada", "not_an_approver", Became.REFUSED)],
)
async def test_what_was_heard_is_told_apart_by_whether_it_counts(
    dsn: str, tmp_path: Path, by: str, code: str, came: Became
) -> None:
    async with world(dsn, tmp_path) as chat:
        assert chat.parts is not None
        click = await clicked(chat, "K1", by)
        assert (await chat.parts.votes.vote(click, "approve")).code == code
        assert await became(chat.parts.database, ORG, "K1", None) == came


async def test_what_a_transaction_still_holds_is_not_known_until_its_end(
    dsn: str, database: Database
) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as other:
        row = b"INSERT INTO events (org, key, kind, actor) VALUES (%s, 'K1', 'vote:approve', 'U')"
        await other.execute(row, [ORG])
        assert await became(database, ORG, "K1", None, 0.3) == Became.UNKNOWN
        await other.commit()
    assert await became(database, ORG, "K1", None) == Became.RECORDED


@pytest.mark.parametrize(
    ("nothing_done", "came"), [(True, Became.SHUT_OUT), (False, Became.UNKNOWN)]
)
async def test_without_a_database_only_what_never_left_us_is_known(
    dsn: str, nothing_done: bool, came: Became
) -> None:
    async with Gate(dsn).serve() as gate, Database(gate.dsn).open() as database:
        gate.shut()
        error = DatabaseAway("The database did not answer.", nothing_done=nothing_done)
        assert await became(database, ORG, "K1", error, 0.5) == came
