"""A database after a long time: 10,000 threads, 200,000 runs, 1,000,000 messages, and all that
belongs to them, with 2,000 cards that wait for people.
"""

import psycopg

THREADS, RUNS, OPEN = 10_000, 200_000, 2_000
CHANNEL, THREAD_TS = "C7", "1700000007.000100"
"""One thread among them; it has twenty runs, none of them open."""

# Made a minute apart, the last of them now. Ids begin with the time, as uuid7 does.
_WORDS = """
CREATE FUNCTION pg_temp.made(n bigint) RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT timestamptz '2026-01-01 00:00Z' + n * interval '1 minute' $$;
CREATE FUNCTION pg_temp.id(n bigint, kind int) RETURNS uuid LANGUAGE sql STABLE AS
$$ SELECT (lpad(to_hex((extract(epoch FROM pg_temp.made(n)) * 1000)::bigint), 12, '0') || '7000800' || kind
           || lpad(to_hex(n), 12, '0'))::uuid $$;
CREATE FUNCTION pg_temp.channel(n bigint) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'C' || n % 10000 % 50 $$;
CREATE FUNCTION pg_temp.thread(n bigint) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT '17' || lpad((n % 10000)::text, 8, '0') || '.000100' $$;
"""  # noqa: E501 -- as a table

_ROWS = f"""
INSERT INTO threads (org, channel, thread_ts, ours, next_seq)
SELECT 'T1', pg_temp.channel(n), pg_temp.thread(n), true, 101 FROM generate_series(0, {THREADS - 1}) n;

INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors, state, created_at, started_at, ended_at, swept)
SELECT pg_temp.id(n, 0), 'T1', pg_temp.channel(n), pg_temp.thread(n), 'turn', 'U' || n % 100, ARRAY['U' || n % 100],
       CASE WHEN n < {RUNS - OPEN} THEN 'done' ELSE 'waiting' END, pg_temp.made(n), pg_temp.made(n),
       CASE WHEN n < {RUNS - OPEN} THEN pg_temp.made(n) END, n < {RUNS - OPEN}
  FROM generate_series(0, {RUNS - 1}) n;

INSERT INTO messages (org, channel, thread_ts, seq, run_id, role, author, ts, body, created_at)
SELECT 'T1', pg_temp.channel(n), pg_temp.thread(n), n / {THREADS} * 5 + m + 1, pg_temp.id(n, 0),
       (ARRAY['user', 'assistant', 'tool', 'tool', 'assistant'])[m + 1], CASE WHEN m = 0 THEN 'U' || n % 100 ELSE '' END,
       CASE WHEN m = 0 THEN '17' || lpad(n::text, 8, '0') || '.000100' END,
       jsonb_build_object('content', repeat('how does it look? ', 5)), pg_temp.made(n)
  FROM generate_series(0, {RUNS - 1}) n, generate_series(0, 4) m;

INSERT INTO tool_calls (id, org, channel, thread_ts, run_id, reply, ordinal, model_call_id, kind, tool, arguments, target, risk,
                        requester, contributors, acting, state, public_id, short_id, digest, quorum, preview, policy, policy_input,
                        expires_at, verdict, result, created_at, ended_at)
SELECT pg_temp.id(n, 1), 'T1', pg_temp.channel(n), pg_temp.thread(n), pg_temp.id(n, 0), 0, 0, 'a',
       CASE WHEN change THEN 'change' ELSE 'read' END, CASE WHEN change THEN 'k8s_scale' ELSE 'k8s_get' END,
       jsonb_build_object('name', 'web', 'replicas', n), 'demo/shop/deployment/web', CASE WHEN change THEN 'write' ELSE 'read' END,
       'U' || n % 100, ARRAY['U' || n % 100], 'bot', CASE WHEN n < {RUNS - OPEN} THEN 'done' ELSE 'proposed' END,
       CASE WHEN change THEN 'call_' || n END, CASE WHEN change THEN 'S' || n % 50000 END, CASE WHEN change THEN 'd' END,
       CASE WHEN change THEN 1 END, CASE WHEN change THEN '{{"summary": "Scale web"}}'::jsonb END, '{{}}', '{{}}',
       CASE WHEN change THEN CASE WHEN n < {RUNS - OPEN} THEN pg_temp.made(n) ELSE now() + interval '1 hour' END END,
       CASE WHEN change AND n < {RUNS - OPEN} THEN '{{"outcome": "holds"}}'::jsonb END, repeat('a result ', 20), pg_temp.made(n),
       CASE WHEN n < {RUNS - OPEN} THEN pg_temp.made(n) END
  FROM (SELECT n, n % 4 = 0 OR n >= {RUNS - OPEN} AS change FROM generate_series(0, {RUNS - 1}) n) n;

INSERT INTO decisions (id, org, call_id, digest, person, vote, at)
SELECT id, org, id, 'd', 'U7', 'approve', created_at FROM tool_calls WHERE kind = 'change' AND state = 'done';

INSERT INTO cards (org, call_id, channel, ts)
SELECT org, id, channel, thread_ts || id FROM tool_calls WHERE kind = 'change';

INSERT INTO outbox (org, channel, thread_ts, kind, data, key, lane, run_id, state, created_at)
SELECT org, channel, thread_ts, 'answer', '{{}}', 'answer:' || id, 1, id, 'sent', created_at FROM runs;
INSERT INTO outbox (org, channel, thread_ts, kind, data, key, lane, run_id)
SELECT org, channel, thread_ts, 'card', '{{}}', 'card:' || id, 0, id FROM runs WHERE ended_at IS NULL ORDER BY id LIMIT 200;

INSERT INTO events (org, key, kind, received_at)
SELECT org, channel || ':' || id, 'message', created_at FROM runs;

INSERT INTO model_calls (id, org, run_id, attempt, model, input_tokens, output_tokens, cost, milliseconds, at)
SELECT pg_temp.id(n, m), 'T1', pg_temp.id(n, 0), 1, 'openai/test', 5000, 100, 0.01, 900, pg_temp.made(n)
  FROM generate_series(0, {RUNS - 1}) n, generate_series(0, 1) m;

INSERT INTO audit (org, seq, at, kind, actor, run_id, call_id, data, prev, hash)
SELECT 'T1', n * 2 + m + 1, pg_temp.made(n), (ARRAY['request', 'read'])[m + 1], 'U' || n % 100, pg_temp.id(n, 0),
       CASE WHEN m = 1 THEN pg_temp.id(n, 1) END, '{{"kind": "turn"}}', md5(n::text), md5(n::text)
  FROM generate_series(0, {RUNS - 1}) n, generate_series(0, 1) m;
INSERT INTO audit_head (org, seq, hash) VALUES ('T1', {RUNS * 2}, 'h');

INSERT INTO artifacts (id, org, channel, thread_ts, run_id, title, content, created_at)
SELECT id, org, channel, thread_ts, id, 'k8s_logs', repeat('a line ', 50), created_at FROM runs WHERE swept AND id::text LIKE '%0';

INSERT INTO grants (id, org, channel, thread_ts, call_id, tool, target, arguments, vary, requester, contributors, acting,
                    schema_hash, policy, provenance, warnings, approver, times, until, revoked_at)
SELECT id, org, channel, thread_ts, id, tool, target, arguments, '{{}}', requester, contributors, 'bot', 's', '{{}}', '{{}}', '[]',
       'U7', 3, created_at, CASE WHEN thread_ts <> '{THREAD_TS}' THEN created_at END FROM tool_calls WHERE kind = 'change' AND state = 'done' LIMIT 5000;

INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args, status)
SELECT 'default', 'turn', 'T1:' || thread_ts, jsonb_build_object('run_id', id), 'todo' FROM runs WHERE ended_at IS NULL LIMIT 200;
"""  # noqa: E501, S608 -- as a table, of our own numbers


async def fill(dsn: str) -> None:
    """Put all of it in; triggers and foreign keys are not asked."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(_WORDS.encode(), prepare=False)
        for statement in _ROWS.split(";\n"):
            if statement.strip():
                await connection.execute(statement.encode())
        await connection.execute("VACUUM (ANALYZE)")
