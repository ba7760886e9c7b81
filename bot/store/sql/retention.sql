-- drop_events --
-- Slack repeats nothing for so long.
DELETE FROM events WHERE (org, key) IN (
    SELECT org, key FROM events WHERE org = %(org)s AND received_at < %(before)s LIMIT %(limit)s);

-- drop_artifacts --
-- Their ids begin with the time they were made at.
DELETE FROM artifacts WHERE id IN (
    SELECT id FROM artifacts WHERE org = %(org)s AND id < %(until)s::uuid ORDER BY id LIMIT %(limit)s);

-- drop_sayings --
-- Long said: their keys are not needed any more, since a closed run is never closed again. The oldest have the least ids.
DELETE FROM outbox WHERE id IN (
    SELECT id FROM (SELECT id, created_at FROM outbox WHERE org = %(org)s AND NOT is_open ORDER BY id LIMIT %(limit)s) oldest
     WHERE created_at < %(before)s);

-- drop_views --
-- Where a modal showed a call: it was closed long ago.
DELETE FROM cards WHERE (call_id, view_id) IN (
    SELECT call_id, view_id FROM cards WHERE org = %(org)s AND view_id <> '' AND at < %(before)s LIMIT %(limit)s);

-- drop_jobs --
-- Those that succeeded go at once. Of the others a run was carried on by another job, or it would be looked for still.
DELETE FROM procrastinate_jobs WHERE id IN (
    SELECT j.id FROM procrastinate_jobs j
     WHERE j.status NOT IN ('todo', 'doing')
       AND NOT EXISTS (SELECT FROM procrastinate_events e WHERE e.job_id = j.id AND e.at >= %(before)s)
     LIMIT %(limit)s);

-- stray_checkpoints --
-- Written by a worker that did not know yet that it had lost its claim, after its run had ended and was swept.
SELECT s.thread_id
  FROM (SELECT thread_id FROM checkpoints UNION SELECT thread_id FROM checkpoint_writes
        UNION SELECT thread_id FROM checkpoint_blobs) s
  JOIN runs r ON r.id = s.thread_id::uuid
 WHERE r.swept AND r.ended_at < now() - interval '60 seconds'
 LIMIT %(limit)s;
