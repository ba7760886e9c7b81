"""What people, channels and the workspace may spend in a day: counted from the rows of its runs."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from bot.core.ids import uuid7
from bot.guard.allowance import Allowance, Daily, DailyLimits
from bot.guard.records import Run
from bot.store.database import Database

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MORNING = datetime(2026, 11, 25, 0, 0, 1, tzinfo=UTC)
YESTERDAY = datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC)


def id_at(when: datetime) -> UUID:
    """An id as one made then."""
    return UUID(int=int(when.timestamp() * 1000) << 80 | uuid7().int & ((1 << 80) - 1))


async def run_of(
    database: Database, person: str, channel: str = "C1", org: str = "T1", wish: str = ""
) -> Run:
    """A run that somebody asked for."""
    run_id = uuid7()
    async with database.relaxed() as tx:
        await tx.connection.execute(
            "INSERT INTO threads (org, channel, thread_ts, ours) VALUES (%s, %s, '1.0', true)"
            " ON CONFLICT DO NOTHING",
            (org, channel),
        )
        await tx.connection.execute(
            "INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors, wish)"
            " VALUES (%s, %s, %s, '1.0', %s, %s, ARRAY[%s], %s::jsonb)",
            (
                run_id,
                org,
                channel,
                "command" if wish else "turn",
                person,
                person,
                wish or None,
            ),
        )
        row = await tx.one("run", id=run_id)
    assert row is not None
    return Run.of(row)


async def spend(
    database: Database, run: Run, tokens: int, cost: str | None = None, at: datetime = MORNING
) -> None:
    """A model call of a run."""
    async with database.relaxed() as tx:
        await tx.run(
            "note_model_call",
            id=id_at(at),
            org=run.thread.org,
            run_id=run.id,
            attempt=1,
            model="openai/test",
            input_tokens=tokens - 10,
            cached_tokens=0,
            output_tokens=10,
            cost=cost,
            milliseconds=1,
            error=None,
            instead_of=None,
        )


def allowance(database: Database, now: datetime = NOON, **limits: Daily) -> Allowance:
    return Allowance(database, DailyLimits(**limits), now=lambda: now)


async def test_a_person_who_used_his_day_is_told_kindly_and_others_go_on(
    database: Database,
) -> None:
    mine = await run_of(database, "U1")
    other = await run_of(database, "U2")
    limits = allowance(database, person=Daily(tokens=200_000))
    await spend(database, mine, 199_999)
    assert await limits.why_not(mine) is None
    await spend(database, mine, 10)
    assert await limits.why_not(mine) == (
        "You have used today's 200k tokens; it starts again at 00:00 UTC, in 12 h. "
        "Commands still work and cost nothing: `get pods -n shop`."
    )
    assert await limits.why_not(other) is None


async def test_a_channel_and_the_workspace_have_their_own(database: Database) -> None:
    here = await run_of(database, "U1", "C1")
    there = await run_of(database, "U1", "C2")
    elsewhere = await run_of(database, "U3", "C1", org="T2")
    await spend(database, here, 1_500, "0.75")
    channel = allowance(database, channel=Daily(tokens=1_500))
    assert (await channel.why_not(here) or "").startswith(
        "This channel has used today's 1.5k tokens"
    )
    assert await channel.why_not(there) is None
    assert await channel.why_not(elsewhere) is None
    day = allowance(database, workspace=Daily(cost=Decimal("0.75")))
    assert (await day.why_not(there) or "").startswith("This workspace has used today's $0.75;")
    assert await day.why_not(elsewhere) is None


async def test_a_day_begins_at_midnight_utc(database: Database) -> None:
    run = await run_of(database, "U1")
    await spend(database, run, 5_000, at=YESTERDAY)
    assert await allowance(database, person=Daily(tokens=5_000)).why_not(run) is None
    before = YESTERDAY.replace(hour=23, minute=20, second=0)
    told = await allowance(database, before, person=Daily(tokens=5_000)).why_not(run)
    assert "at 00:00 UTC, in 40 min." in (told or "")


async def test_commands_are_never_refused(database: Database) -> None:
    run = await run_of(database, "U1")
    command = await run_of(database, "U1", wish='{"tool": "k8s_get", "arguments": {}}')
    await spend(database, run, 5_000)
    limits = allowance(database, person=Daily(tokens=1), workspace=Daily(tokens=1))
    assert await limits.why_not(run) is not None
    assert await limits.why_not(command) is None


async def test_calls_without_a_price_count_tokens_and_no_dollars(database: Database) -> None:
    run = await run_of(database, "U1")
    await spend(database, run, 5_000, None)
    assert await allowance(database, person=Daily(cost=Decimal("0.01"))).why_not(run) is None
    assert await allowance(database, person=Daily(tokens=5_000)).why_not(run) is not None
    assert await allowance(database).why_not(run) is None


@pytest.mark.parametrize(
    ("tokens", "words"),
    [(200_000, "200k"), (1_500_000, "1.5M"), (2_000_000, "2M"), (1_234, "1,234"), (900, "900")],
)
async def test_round_numbers_are_short(database: Database, tokens: int, words: str) -> None:
    run = await run_of(database, "U1")
    await spend(database, run, tokens)
    told = await allowance(database, person=Daily(tokens=tokens)).why_not(run)
    assert f"today's {words} tokens" in (told or "")


async def test_a_bill_says_what_is_known(database: Database) -> None:
    run = await run_of(database, "U1")

    async def bill() -> tuple[int, int, Decimal | None, str | None]:
        async with database.relaxed() as tx:
            row = await tx.one("bill", run_id=run.id)
        assert row is not None
        return row["model_calls"], row["tokens"], row["cost"], row["answered_by"]

    assert await bill() == (0, 0, None, None)
    await spend(database, run, 100, "0.25")
    await spend(database, run, 100, "0.25")
    assert await bill() == (2, 200, Decimal("0.50"), None)
    async with database.relaxed() as tx:
        await tx.connection.execute("UPDATE model_calls SET instead_of = 'openai/first'")
    assert await bill() == (2, 200, Decimal("0.50"), "openai/test")
    await spend(database, run, 100, None)
    assert (await bill())[2] is None
