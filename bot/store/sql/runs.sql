-- run --
SELECT *, extract(epoch FROM late_until - now()) AS late_for FROM runs WHERE id = %(id)s;

-- claim_run --
-- Raises the attempt: every later write of an earlier worker misses its row.
-- A run that finds another one waiting for people is a side turn of it. One that a later version carried is left to that,
-- until nobody of it has come for minutes.
UPDATE runs r SET attempt = r.attempt + 1, state = 'working', started_at = coalesce(r.started_at, now()),
       version = greatest(r.version, %(version)s),
       left_since = CASE WHEN r.version > %(version)s THEN r.left_since END,
       parent_run_id = coalesce(r.parent_run_id, (
           SELECT w.id FROM runs w
            WHERE w.org = r.org AND w.channel = r.channel AND w.thread_ts = r.thread_ts
              AND w.id < r.id AND w.ended_at IS NULL AND w.state = 'waiting'
            ORDER BY w.id DESC LIMIT 1))
 WHERE r.id = %(id)s AND r.state IN ('queued', 'working', 'waiting')
   AND (r.version <= %(version)s OR r.left_since < now() - make_interval(secs => %(patience)s))
RETURNING r.*;

-- leave_run --
-- Nothing comes back where it has ended, or is not of a later version.
UPDATE runs SET left_since = coalesce(left_since, now())
 WHERE id = %(id)s AND ended_at IS NULL AND version > %(version)s
RETURNING id;

-- listen --
-- What people said to a run since `heard`, whether somebody stopped it, whether anything of other runs waits for people,
-- and whether another run was decided and waits for nothing but the thread.
SELECT r.stopped_by, r.attempt = %(attempt)s AND r.ended_at IS NULL AS claimed,
       coalesce((SELECT jsonb_agg(jsonb_build_object('seq', m.seq, 'author', m.author, 'ts', m.ts, 'content', m.body->>'content')
                                  ORDER BY m.seq)
                   FROM messages m WHERE m.run_id = r.id AND m.role = 'user' AND m.seq > %(heard)s), '[]') AS said,
       EXISTS (SELECT FROM tool_calls c
                WHERE c.org = r.org AND c.channel = r.channel AND c.thread_ts = r.thread_ts
                  AND c.state = 'proposed' AND c.run_id <> r.id) AS others_wait,
       EXISTS (SELECT FROM runs w
                WHERE w.org = r.org AND w.channel = r.channel AND w.thread_ts = r.thread_ts AND w.id <> r.id
                  AND w.state = 'waiting' AND w.ended_at IS NULL
                  AND NOT EXISTS (SELECT FROM tool_calls c WHERE c.run_id = w.id AND c.state = 'proposed')) AS decided
  FROM runs r WHERE r.id = %(id)s;

-- unheard --
-- Words, or a stop of which nobody told the process that carries the run.
SELECT EXISTS (SELECT FROM messages WHERE run_id = %(run_id)s AND role = 'user' AND seq > %(heard)s)
       OR EXISTS (SELECT FROM runs WHERE id = %(run_id)s AND stopped_by IS NOT NULL) AS yes;

-- note_heard --
-- Nothing comes back when the claim is lost.
UPDATE runs SET heard_seq = greatest(heard_seq, %(heard)s), contributors = %(contributors)s
 WHERE id = %(id)s AND attempt = %(attempt)s AND ended_at IS NULL
RETURNING id;

-- stopped_run --
SELECT stopped_by FROM runs WHERE id = %(id)s;

-- hand_on --
-- They go to the run that answers them.
UPDATE messages SET run_id = %(next)s
 WHERE run_id = %(run_id)s AND role = 'user' AND seq > %(heard)s AND author <> %(not_of)s
RETURNING author, seq;

-- insert_next_run --
-- Its own first message counts as heard, as in any run.
INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors, heard_seq)
VALUES (%(id)s, %(org)s, %(channel)s, %(thread_ts)s, 'turn', %(requester)s, ARRAY[%(requester)s], %(heard_seq)s);

-- to_hand_on --
SELECT author, seq FROM messages
 WHERE run_id = %(run_id)s AND role = 'user' AND seq > %(heard)s AND author <> %(not_of)s
 ORDER BY seq LIMIT 1;

-- add_contributor --
UPDATE runs SET contributors = contributors || %(person)s::text
 WHERE id = %(id)s AND NOT contributors @> ARRAY[%(person)s::text];

-- set_contributors --
-- Of a run that is made in this transaction.
UPDATE runs SET contributors = %(contributors)s::text[] WHERE id = %(id)s;

-- lock_run --
-- Not against whoever only refers to it, as every insert of an outbox row does: he may hold what we take next.
SELECT * FROM runs WHERE id = %(id)s FOR NO KEY UPDATE;

-- rest_run --
-- Nothing to do until people decide; unless they already have, and its resume job waits for our lock.
UPDATE runs SET state = 'waiting', worked = worked + %(worked)s, lost_workers = 0
 WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'working';

-- close_run --
UPDATE runs SET state = %(state)s, error = %(error)s, ended_at = now(), worked = worked + %(worked)s
 WHERE id = %(id)s AND attempt = %(attempt)s AND ended_at IS NULL
RETURNING id;

-- intend_progress --
-- Somebody is about to post it: who finds this, and no message, looks for one in the thread.
UPDATE runs SET progress_at = now()
 WHERE id = %(id)s AND progress_ts IS NULL AND ended_at IS NULL
RETURNING id;

-- note_progress --
-- The one progress message; not of a run that ended meanwhile.
UPDATE runs SET progress_ts = %(ts)s, progress_at = now()
 WHERE id = %(id)s AND progress_ts IS NULL AND ended_at IS NULL
RETURNING id;

-- doubt_progress --
UPDATE runs SET late_until = now() + make_interval(secs => %(after)s) WHERE id = %(id)s;

-- history --
-- The conversation as this run may know it: nothing that was said after it.
-- Whom we refused has no say in what the model reads.
SELECT m.run_id, m.seq, m.role, m.author,
       CASE WHEN m.role = 'tool' AND m.run_id <> %(run_id)s AND length(m.body->>'content') > %(most)s
            THEN jsonb_set(m.body, '{content}', to_jsonb(left(m.body->>'content', %(most)s) || E'\n(cut: an earlier turn)'))
            ELSE m.body END AS body
  FROM messages m JOIN runs r ON r.id = m.run_id AND coalesce(r.error, '') NOT LIKE 'refused:%%'
 WHERE m.org = %(org)s AND m.channel = %(channel)s AND m.thread_ts = %(thread_ts)s AND m.run_id <= %(run_id)s
 ORDER BY (m.run_id = %(run_id)s) DESC, m.seq DESC
 LIMIT %(limit)s;

-- runs_to_sweep --
SELECT id FROM runs WHERE NOT swept AND ended_at < now() - make_interval(secs => %(after)s)
 ORDER BY ended_at LIMIT 200;

-- mark_swept --
UPDATE runs SET swept = true WHERE id = ANY(%(ids)s);

-- sweep_checkpoints --
DELETE FROM checkpoints WHERE thread_id = ANY(%(threads)s);

-- sweep_checkpoint_blobs --
DELETE FROM checkpoint_blobs WHERE thread_id = ANY(%(threads)s);

-- sweep_checkpoint_writes --
DELETE FROM checkpoint_writes WHERE thread_id = ANY(%(threads)s);

-- spent --
SELECT count(*) AS model_calls, coalesce(sum(input_tokens + output_tokens), 0) AS tokens,
       coalesce(sum(cost), 0) AS cost, max(model) AS model
  FROM model_calls WHERE run_id = %(run_id)s;

-- insert_artifact --
INSERT INTO artifacts (id, org, channel, thread_ts, run_id, title, content)
VALUES (%(id)s, %(org)s, %(channel)s, %(thread_ts)s, %(run_id)s, %(title)s, %(content)s);

-- artifact_of_command --
-- A command is one call, so it has at most one result that was too long to show.
SELECT content FROM artifacts WHERE run_id = %(run_id)s
 LIMIT 1;

-- artifact_of_thread --
-- Where people act as themselves, only what was read as the one who searches.
SELECT a.id, a.title, a.content FROM artifacts a
 WHERE a.org = %(org)s AND a.channel = %(channel)s AND a.thread_ts = %(thread_ts)s AND a.id::text LIKE %(prefix)s || '%%'
   AND (%(acting)s::text IS NULL
        OR EXISTS (SELECT FROM tool_calls c WHERE c.run_id = a.run_id AND c.artifact = a.id AND c.acting = %(acting)s))
 LIMIT 2;

-- supersede_open_calls --
-- The run ends without them: nobody could execute them any more.
UPDATE tool_calls SET state = 'superseded', ended_at = now(), error = %(error)s
 WHERE run_id = %(run_id)s AND state IN ('proposed', 'standby', 'approved')
RETURNING id, undoes;

-- unjudged_calls --
-- Begun, and nobody has said yet how it ended.
SELECT id, state, attempt FROM tool_calls
 WHERE run_id = %(run_id)s AND kind = 'change' AND verdict IS NULL AND state IN ('executing', 'done', 'unknown');

-- lost_runs --
-- Not ended, nothing to wait for, and no job that would carry them on.
SELECT r.id, r.org, r.channel, r.thread_ts FROM runs r
 WHERE r.ended_at IS NULL AND r.org = %(org)s
   AND (r.state <> 'waiting' OR NOT EXISTS (SELECT FROM tool_calls c WHERE c.run_id = r.id AND c.state = 'proposed'))
   AND NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.status IN ('todo', 'doing') AND j.args->>'run_id' = r.id::text)
 LIMIT 50;

-- foreign_rows --
SELECT org FROM threads WHERE org <> %(org)s LIMIT 1;

-- count_calls --
SELECT count(*) FILTER (WHERE kind = 'read' AND state = 'done') AS reads,
       count(*) FILTER (WHERE kind = 'change' AND state = 'done') AS changes
  FROM tool_calls WHERE run_id = %(run_id)s;
