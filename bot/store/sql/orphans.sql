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
