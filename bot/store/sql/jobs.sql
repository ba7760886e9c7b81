-- defer_job --
-- As the library does it, in one statement of the caller's transaction.
SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(
    'default', %(task)s, %(priority)s, %(lock)s, NULL, jsonb_build_object('run_id', %(run_id)s::text), NULL
)::procrastinate_job_to_defer_v1]);

-- rescue_job --
-- Of a worker that `died`, or of our own of which the database never heard how it ended: another one takes it up. Nothing
-- comes back where another process was faster, and has given it to somebody already.
WITH job AS (
    SELECT id, (args->>'run_id')::uuid AS run_id FROM procrastinate_jobs
     WHERE id = %(id)s AND status = 'doing' AND (worker_id IS NULL OR worker_id = %(worker)s) FOR UPDATE),
noted AS (
    UPDATE runs SET lost_workers = lost_workers + 1, late_until = now() + make_interval(secs => %(late)s) WHERE id = (
        SELECT r.id FROM runs r JOIN job ON job.run_id = r.id
         WHERE %(died)s AND r.state = 'working' AND r.ended_at IS NULL FOR NO KEY UPDATE OF r)
    RETURNING id),
-- What it was drawing, Slack may take yet, over what the next one draws: cards of what had begun and was not long over.
held AS MATERIALIZED (
    SELECT c.call_id, c.channel, c.ts FROM noted JOIN tool_calls t ON t.run_id = noted.id JOIN cards c ON c.call_id = t.id
     WHERE (t.state IN ('approved', 'executing')
            OR t.state IN ('done', 'failed', 'unknown') AND (t.verdict IS NULL OR t.ended_at > now() - interval '10 minutes'))
       AND c.ts <> '' AND c.view_id = ''
     ORDER BY c.call_id, c.channel, c.ts FOR NO KEY UPDATE OF c),
doubted AS (
    UPDATE cards c SET drawn = '', whole = false, late_until = now() + make_interval(secs => %(late)s)
      FROM held h WHERE c.call_id = h.call_id AND c.channel = h.channel AND c.ts = h.ts AND c.view_id = ''
    RETURNING c.call_id, c.late_until),
again AS (
    SELECT count(redraw_late(
        t.org, t.channel, t.thread_ts, jsonb_build_object('call', t.id), 0, t.run_id, t.id, d.late_until)) AS n
      FROM (SELECT call_id, max(late_until) AS late_until FROM doubted GROUP BY call_id) d JOIN tool_calls t ON t.id = d.call_id)
SELECT job.id, procrastinate_retry_job_v2(job.id, now(), NULL, NULL, NULL), again.n FROM job, again;
