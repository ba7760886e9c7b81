-- ping --
SELECT 1 AS one;

-- applied_migrations --
SELECT number FROM countersign_migrations;

-- record_event --
-- No row comes back when Slack repeats itself.
INSERT INTO events (org, key, kind, actor) VALUES (%(org)s, %(key)s, %(kind)s, %(actor)s)
ON CONFLICT DO NOTHING RETURNING key;

-- event --
SELECT key, kind FROM events WHERE org = %(org)s AND key = %(key)s;

-- open_thread --
-- The thread's row, locked: whoever holds it gives the next seq.
INSERT INTO threads (org, channel, thread_ts, ours) VALUES (%(org)s, %(channel)s, %(thread_ts)s, %(ours)s)
ON CONFLICT (org, channel, thread_ts) DO UPDATE SET ours = threads.ours OR excluded.ours
RETURNING ours, next_seq;

-- lock_thread --
SELECT next_seq FROM threads
 WHERE org = %(org)s AND channel = %(channel)s AND thread_ts = %(thread_ts)s FOR NO KEY UPDATE;

-- speaks_with_us --
-- Whether a reply without a mention is meant for us.
SELECT t.ours AND EXISTS (
           SELECT FROM messages m JOIN runs r ON r.id = m.run_id
            WHERE coalesce(r.error, '') NOT LIKE 'refused:%%'
              AND m.org = t.org AND m.channel = t.channel AND m.thread_ts = t.thread_ts
              AND m.author = %(author)s AND m.role = 'user') AS yes
  FROM threads t
 WHERE t.org = %(org)s AND t.channel = %(channel)s AND t.thread_ts = %(thread_ts)s;

-- take_request --
SELECT * FROM take_request(
    %(org)s, %(key)s, %(event)s, %(author)s, %(channel)s, %(thread_ts)s, %(ours)s, %(kind)s, %(wish)s, %(id)s, %(ts)s, %(body)s,
    %(lock)s, %(priority)s, %(at)s, %(data)s, %(until_prev)s, %(fed_data)s, %(fed_until_prev)s,
    %(apart)s);

-- append_message --
-- The thread's row is already locked by this transaction.
WITH next AS (
    UPDATE threads SET next_seq = next_seq + 1
     WHERE org = %(org)s AND channel = %(channel)s AND thread_ts = %(thread_ts)s
    RETURNING next_seq - 1 AS seq)
INSERT INTO messages (org, channel, thread_ts, seq, run_id, role, author, ts, body)
SELECT %(org)s, %(channel)s, %(thread_ts)s, seq, %(run_id)s, %(role)s, %(author)s, %(ts)s, %(body)s FROM next;

-- append_messages --
-- Several at once, in order; `messages` is {"all": [bodies, each with its role]}. The thread's row is already locked.
WITH given AS (
    SELECT ordinality - 1 AS place, value AS body FROM jsonb_array_elements(%(messages)s::jsonb->'all') WITH ORDINALITY),
next AS (
    UPDATE threads SET next_seq = next_seq + (SELECT count(*) FROM given)
     WHERE org = %(org)s AND channel = %(channel)s AND thread_ts = %(thread_ts)s
    RETURNING next_seq - (SELECT count(*) FROM given) AS seq)
INSERT INTO messages (org, channel, thread_ts, seq, run_id, role, body)
SELECT %(org)s, %(channel)s, %(thread_ts)s, next.seq + given.place, %(run_id)s, given.body->>'role', given.body - 'role'
  FROM next, given;
