-- unsettled_progress --
-- Runs that are over, and whose progress message somebody meant to post and did not note. Ids begin with the time.
SELECT id, channel, thread_ts, progress_at FROM runs
 WHERE org = %(org)s AND id > %(since)s AND progress_at IS NOT NULL AND progress_ts IS NULL
   AND ended_at < now() - make_interval(secs => %(rest)s)
 ORDER BY id DESC LIMIT %(limit)s;

-- settle_progress --
-- It was looked for: it stands at `ts`, or nowhere.
UPDATE runs SET progress_ts = %(ts)s, progress_at = CASE WHEN %(ts)s::text IS NULL THEN NULL ELSE progress_at END
 WHERE id = %(id)s AND progress_ts IS NULL;

-- unsaid_waits --
-- Runs that wait for people, of whose progress message nobody noted that it says so since there is something to decide:
-- whoever was about to draw it has died, or could not.
SELECT r.id, r.channel, r.thread_ts,
       (SELECT m.body->>'content' FROM messages m
         WHERE m.org = r.org AND m.channel = r.channel AND m.thread_ts = r.thread_ts AND m.run_id = r.id AND m.role = 'user'
         ORDER BY m.seq LIMIT 1) AS words
  FROM runs r
 WHERE r.org = %(org)s AND r.ended_at IS NULL AND r.state = 'waiting' AND r.progress_at IS NOT NULL
   AND EXISTS (SELECT FROM tool_calls c
                WHERE c.run_id = r.id AND c.state = 'proposed' AND c.created_at > coalesce(r.waits_said_at, '-infinity')
                  AND c.created_at < now() - make_interval(secs => %(rest)s))
 ORDER BY r.id LIMIT %(limit)s;

-- note_waiting --
-- Its progress message says that it waits; or there is none.
UPDATE runs SET waits_said_at = now() WHERE id = %(id)s AND state = 'waiting';
