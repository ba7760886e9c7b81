"""What is asked for by an id, or of one person, is found by an index however much there is."""

from uuid import UUID, uuid4

import pytest

from bot.guard import chronicle, forgetting
from bot.guard.chronicle import Question
from bot.guard.forgetting import Wanted
from bot.store.database import STATEMENTS, Database, Row

MANY = 10_000
FIRST = UUID(int=0)
RUN = UUID(int=7 << 80)
# Each fiftieth vote gives a reason; of each run of 100 calls two may have the same short id.
FILLED = f"""
INSERT INTO threads (org, channel, thread_ts, ours) VALUES ('T1', 'C1', '1.0', true);
INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors, state, created_at, ended_at)
SELECT ('00000000-0007-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'T1', 'C1', '1.0', 'turn',
       CASE WHEN n = 0 THEN 'U1' ELSE 'U2' END, ARRAY['U1'], 'done', '2026-01-01', '2026-01-01'
  FROM generate_series(0, {MANY // 10 - 1}) n;
INSERT INTO tool_calls (id, org, channel, thread_ts, run_id, reply, ordinal, model_call_id, kind, tool, arguments,
                        target, risk, requester, contributors, acting, state, public_id, short_id, quorum, digest, error,
                        expires_at)
SELECT ('00000000-0008-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'T1', 'C1', '1.0',
       ('00000000-0007-0000-0000-' || lpad((n / 10)::text, 12, '0'))::uuid, 0, n, '', 'change', 'k8s_scale', '{{}}',
       'demo/web', 'write', 'U1', ARRAY['U1'], 'bot', 'denied', 'call_' || n, 'S' || n % 5000, 1, 'd', 'why', now()
  FROM generate_series(0, {MANY - 1}) n;
INSERT INTO decisions (id, org, call_id, digest, person, vote, reason)
SELECT id, org, id, 'd', CASE WHEN ordinal % 25 = 0 THEN 'U1' ELSE 'U2' END, 'deny', CASE WHEN ordinal % 25 = 0 THEN 'why' ELSE '' END
  FROM tool_calls;
INSERT INTO outbox (org, channel, thread_ts, kind, data, lane, run_id, state)
SELECT org, channel, thread_ts, 'answer', '{{}}', 1, run_id, 'sent' FROM tool_calls;
ANALYZE tool_calls, decisions, outbox, runs;
"""  # noqa: E501, S608 -- as a table, of our own numbers


async def filled(database: Database) -> None:
    async with database.transaction() as tx:
        for statement in FILLED.split(";\n"):
            if statement.strip():
                await tx.connection.execute(statement.encode())


async def plan(database: Database, name: str, **given: object) -> str:
    async with database.transaction() as tx:
        query = f"EXPLAIN {STATEMENTS[name]}".encode()
        cursor = await tx.connection.execute(query, given)
        rows: list[Row] = await cursor.fetchall()
        return "\n".join(str(row["QUERY PLAN"]) for row in rows)


@pytest.fixture
async def large(database: Database) -> Database:
    await filled(database)
    return database


async def test_one_call_among_many_is_found_and_told_by_its_ids(large: Database) -> None:
    found = await plan(large, "calls_named", org="T1", call="S77")
    assert "tool_calls_public_id" in found
    assert "tool_calls_short" in found
    assert "Seq Scan" not in found
    one = {"org": "T1", "after": FIRST, "until": UUID(int=8 << 80), "limit": 500}
    found = await plan(large, "story_calls", **one, **vars(Question(call="S77")))
    assert "Seq Scan on tool_calls c" not in found
    for call, numbers in (("S77", [5077, 77]), ("call_77", [77]), ("S9999", []), ("call_x", [])):
        stories, more = await chronicle.newest(large, "T1", Question(call=call), 10)
        assert [story.call for story in stories] == [f"call_{number}" for number in numbers]
        assert more == 0
    elsewhere = Question(call="S77", channel="C2")
    assert await chronicle.newest(large, "T1", elsewhere, 10) == ([], 0)


async def test_one_persons_words_among_many_are_found_and_go_in_batches(large: Database) -> None:
    found = await plan(large, "forget_sayings_in", runs=[RUN, uuid4()])
    assert "outbox_of_run" in found
    him = {"org": "T1", "person": "U1", "before": "2100-01-01", "after": FIRST, "limit": 200}
    him["instead"] = "(gone)"
    found = await plan(large, "forget_reasons_of", **him)
    assert "decisions_with_reasons" in found
    assert "Seq Scan" not in found
    rehearsed = await forgetting.forget(large, "T1", Wanted("U1", rehearse=True))
    assert (rehearsed.counts["reasons"], rehearsed.counts["sayings"]) == (400, 10)
    removed = await forgetting.forget(large, "T1", Wanted("U1"))
    assert removed.counts == rehearsed.counts
    assert not +(await forgetting.forget(large, "T1", Wanted("U1"))).counts
    async with large.transaction() as tx:
        left = await tx.connection.execute(
            "SELECT (SELECT count(*) FROM decisions"
            "         WHERE reason NOT IN ('', '(reason removed)')) AS reasons,"
            " (SELECT count(*) FROM tool_calls WHERE error = '(reason removed)') AS emptied,"
            " (SELECT count(*) FROM outbox) AS sayings"
        )
        assert await left.fetchall() == [{"reasons": 0, "emptied": 400, "sayings": MANY - 10}]
