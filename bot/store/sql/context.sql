-- thread_now --
-- What decides how much of a thread a run must be told: one row, read before each model call.
SELECT t.ours, t.summary, t.summarised_to,
       EXISTS (SELECT FROM messages m WHERE m.run_id = %(run_id)s AND m.ts = t.thread_ts AND NOT m.body ? 'files') AS asked_in_root,
       EXISTS (SELECT FROM messages m
                WHERE m.org = t.org AND m.channel = t.channel AND m.thread_ts = t.thread_ts
                  AND m.run_id < %(run_id)s) AS earlier
  FROM threads t
 WHERE t.org = %(org)s AND t.channel = %(channel)s AND t.thread_ts = %(thread_ts)s;

-- conversation --
-- Earlier turns as this run may know them, newest first: nothing that was asked after it, and nothing that is in the summary.
-- Whom we refused has no say in what the model reads.
SELECT m.run_id, m.seq, m.role, m.author, m.ts, r.requester, r.contributors @> ARRAY[m.author] AS asked,
       CASE WHEN m.role = 'tool' AND length(m.body->>'content') > %(most)s
            THEN jsonb_set(m.body, '{content}', to_jsonb(left(m.body->>'content', %(most)s) || E'\n(cut: an earlier turn)'))
            ELSE m.body END AS body
  FROM messages m JOIN runs r ON r.id = m.run_id AND coalesce(r.error, '') NOT LIKE 'refused:%%'
 WHERE m.org = %(org)s AND m.channel = %(channel)s AND m.thread_ts = %(thread_ts)s
   AND m.run_id < %(run_id)s AND m.seq > %(after)s
 ORDER BY m.seq DESC
 LIMIT %(limit)s;

-- root_asked --
-- The thread's first message, where it was one to us: the model has it in every turn.
SELECT m.run_id, m.seq, m.role, m.author, m.ts, r.contributors @> ARRAY[m.author] AS asked, m.body
  FROM messages m JOIN runs r ON r.id = m.run_id AND coalesce(r.error, '') NOT LIKE 'refused:%%'
 WHERE m.org = %(org)s AND m.channel = %(channel)s AND m.thread_ts = %(thread_ts)s
   AND m.run_id < %(run_id)s AND m.role = 'user' AND m.ts = %(thread_ts)s
 ORDER BY m.seq
 LIMIT 1;

-- recorded_ts --
-- What of a Slack thread came to us as a request: its words are not read from Slack once more; of one refused, nothing is.
SELECT m.ts, coalesce(r.error, '') LIKE 'refused:%%' AS refused
  FROM messages m JOIN runs r ON r.id = m.run_id
 WHERE m.org = %(org)s AND m.channel = %(channel)s AND m.thread_ts = %(thread_ts)s AND m.role = 'user' AND m.ts IS NOT NULL;

-- to_summarise --
-- Oldest first. With `apart` without what was read: that was with the rights of one, and a summary is for all.
-- Nothing from this run's own first words on: whatever is skipped here is never summarised.
SELECT m.seq, m.role, m.author, r.contributors @> ARRAY[m.author] AS asked,
       CASE WHEN %(apart)s AND m.role = 'tool' THEN jsonb_set(m.body, '{content}', '"(not for the summary)"') ELSE m.body END AS body
  FROM messages m JOIN runs r ON r.id = m.run_id AND coalesce(r.error, '') NOT LIKE 'refused:%%'
 WHERE m.org = %(org)s AND m.channel = %(channel)s AND m.thread_ts = %(thread_ts)s
   AND m.run_id < %(run_id)s AND m.seq > %(after)s AND m.seq <= %(to)s
   AND m.seq < coalesce((SELECT min(o.seq) FROM messages o
                          WHERE o.org = %(org)s AND o.channel = %(channel)s AND o.thread_ts = %(thread_ts)s
                            AND o.run_id >= %(run_id)s AND o.seq > %(after)s), 9223372036854775807)
 ORDER BY m.seq
 LIMIT %(limit)s;

-- store_summary --
-- It only grows: who summarised from an older state than the row's stores nothing.
UPDATE threads SET summary = %(summary)s, summarised_to = %(to)s
 WHERE org = %(org)s AND channel = %(channel)s AND thread_ts = %(thread_ts)s
   AND summarised_to = %(after)s AND %(to)s > %(after)s
RETURNING summarised_to;
