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
    UPDATE runs SET lost_workers = lost_workers + 1 WHERE id = (
        SELECT r.id FROM runs r JOIN job ON job.run_id = r.id
         WHERE %(died)s AND r.state = 'working' AND r.ended_at IS NULL FOR UPDATE OF r SKIP LOCKED))
SELECT id, procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL) FROM job;
