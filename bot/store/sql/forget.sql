-- open_runs_of --
-- Those that have not ended and that somebody had a part in: their checkpoints hold his words.
SELECT r.id, r.channel, r.thread_ts, r.state, r.created_at FROM runs r
 WHERE r.org = %(org)s AND r.ended_at IS NULL AND r.created_at < %(before)s
   AND (r.requester = %(person)s OR r.contributors @> ARRAY[%(person)s::text]
        OR EXISTS (SELECT FROM messages m WHERE m.run_id = r.id AND m.author = %(person)s))
 ORDER BY r.id;

-- runs_with_words --
-- The next runs by their ids, which begin with the time they were made at. `own`: all of it goes, and `said`: only what the
-- person said there; without a person, all of every run goes. Both false: nothing is left, or it has not ended.
WITH slice AS (
    SELECT r.id, r.requester, r.wish, r.swept, r.ended_at FROM runs r
     WHERE r.org = %(org)s AND r.id > %(after)s::uuid AND r.id < %(until)s::uuid
     ORDER BY r.id LIMIT %(limit)s)
SELECT s.id, s.swept, s.ended_at < now() - interval '60 seconds' AS settled,
       s.ended_at IS NOT NULL AND (%(person)s::text IS NULL OR s.requester = %(person)s)
       AND (s.wish IS NOT NULL OR NOT s.swept
            OR EXISTS (SELECT FROM messages m
                        WHERE m.run_id = s.id
                          AND (m.role <> 'user' OR (m.author = %(person)s OR %(person)s::text IS NULL) AND m.body <> %(removed)s))
            OR EXISTS (SELECT FROM tool_calls c WHERE c.run_id = s.id AND (c.result IS NOT NULL OR c.model_says <> ''))
            OR EXISTS (SELECT FROM artifacts a WHERE a.run_id = s.id)) AS own,
       s.ended_at IS NOT NULL AND s.requester = %(person)s AS his,
       s.ended_at IS NOT NULL AND %(person)s::text IS NOT NULL AND s.requester <> %(person)s
       AND EXISTS (SELECT FROM messages m
                    WHERE m.run_id = s.id AND m.role = 'user' AND m.author = %(person)s AND m.body <> %(removed)s) AS said
  FROM slice s ORDER BY s.id;

-- forget_summaries --
-- They retell what was said; a next one is made of what is left. The threads' rows come first in every order of locks.
UPDATE threads t SET summary = NULL, summarised_to = 0
  FROM (SELECT DISTINCT org, channel, thread_ts FROM runs WHERE id = ANY(%(runs)s::uuid[])) r
 WHERE t.org = r.org AND t.channel = r.channel AND t.thread_ts = r.thread_ts AND t.summary IS NOT NULL;

-- outdate_summaries --
-- Of threads without one: a first one under way has read the words, and must find that it is too late (see store_summary).
UPDATE threads t SET summarised_to = CASE WHEN t.summarised_to = 0 THEN -1 ELSE 0 END
  FROM (SELECT DISTINCT org, channel, thread_ts FROM runs WHERE id = ANY(%(runs)s::uuid[])) r
 WHERE t.org = r.org AND t.channel = r.channel AND t.thread_ts = r.thread_ts AND t.summary IS NULL;

-- forget_messages --
-- The rows stay: who spoke to us in a thread, and what of it was a request and is not read from Slack once more.
UPDATE messages SET body = %(removed)s
 WHERE run_id = ANY(%(runs)s::uuid[]) AND role = 'user' AND (%(person)s::text IS NULL OR author = %(person)s)
   AND body <> %(removed)s;

-- forget_answers --
DELETE FROM messages WHERE run_id = ANY(%(runs)s::uuid[]) AND role <> 'user';

-- forget_results --
UPDATE tool_calls SET result = NULL, model_says = '', artifact = NULL
 WHERE run_id = ANY(%(runs)s::uuid[]) AND (result IS NOT NULL OR model_says <> '');

-- forget_wishes --
UPDATE runs SET wish = NULL WHERE id = ANY(%(runs)s::uuid[]) AND wish IS NOT NULL;

-- forget_artifacts --
DELETE FROM artifacts WHERE run_id = ANY(%(runs)s::uuid[]);

-- forget_sayings_in --
DELETE FROM outbox WHERE run_id = ANY(%(runs)s::uuid[]) AND state IN ('sent', 'failed');

-- sayings_waiting_of --
-- What is still to be said is not taken back.
SELECT count(*) AS rows FROM outbox o JOIN runs r ON r.id = o.run_id
 WHERE o.is_open AND r.org = %(org)s AND r.requester = %(person)s AND r.ended_at IS NOT NULL AND r.created_at < %(before)s;

-- forget_reasons_of --
-- The next ones by their ids. A denial's reason stands at the vote and at the call. With the salt goes what the audit's hash
-- could be compared with.
WITH slice AS (
    SELECT id FROM decisions
     WHERE org = %(org)s AND person = %(person)s AND reason <> '' AND reason <> %(instead)s AND at < %(before)s AND id > %(after)s::uuid
     ORDER BY id LIMIT %(limit)s),
gone AS (
    UPDATE decisions d SET reason = %(instead)s, salt = '' FROM slice WHERE d.id = slice.id
    RETURNING d.call_id, d.vote),
emptied AS (
    UPDATE tool_calls c SET error = %(instead)s FROM gone WHERE c.id = gone.call_id AND gone.vote = 'deny' AND c.state = 'denied')
SELECT (SELECT count(*) FROM gone) AS reasons, (SELECT id FROM slice ORDER BY id DESC LIMIT 1) AS last;

-- forget_reasons_in --
WITH gone AS (
    UPDATE decisions d SET reason = %(instead)s, salt = '' FROM tool_calls c
     WHERE c.id = d.call_id AND c.run_id = ANY(%(runs)s::uuid[]) AND d.reason <> '' AND d.reason <> %(instead)s
    RETURNING d.call_id, d.vote),
emptied AS (
    UPDATE tool_calls c SET error = %(instead)s FROM gone WHERE c.id = gone.call_id AND gone.vote = 'deny' AND c.state = 'denied')
SELECT count(*) AS reasons FROM gone;

-- audit_rows_with_words --
-- Written before the audit kept only the hash of what was asked; its chain covers them.
SELECT count(*) AS rows FROM audit
 WHERE org = %(org)s AND actor = %(person)s
   AND (kind = 'request' AND data ? 'text' OR kind IN ('approve', 'deny', 'break glass') AND data->>'reason' <> '');
