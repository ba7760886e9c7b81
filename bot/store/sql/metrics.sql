-- figures_now --
-- All that /metrics reads of the database when it is asked. Every part has an index or a table that stays small.
SELECT (SELECT count(*) FROM tool_calls WHERE state = 'proposed') AS open_calls,
       o.pending AS outbox_pending, o.oldest AS outbox_oldest,
       j.waiting AS jobs_waiting, j.doing AS jobs_doing, j.stalled AS jobs_stalled
  FROM (SELECT count(*) AS pending, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest
          FROM outbox WHERE is_open) o,
       (SELECT count(*) FILTER (WHERE p.status = 'todo') AS waiting,
               count(*) FILTER (WHERE p.status = 'doing') AS doing,
               count(*) FILTER (WHERE p.status = 'doing'
                                  AND coalesce(w.last_heartbeat, '-infinity') < now() - interval '5 seconds') AS stalled
          FROM procrastinate_jobs p LEFT JOIN procrastinate_workers w ON w.id = p.worker_id
         WHERE p.status IN ('todo', 'doing')) j;

-- figures_of_runs --
SELECT id, kind, state, coalesce(error, '') LIKE 'refused:%%' AS refused, stopped_by IS NOT NULL AS stopped,
       extract(epoch FROM ended_at - created_at)::float8 AS seconds, worked,
       CASE WHEN progress_ts <> '' THEN extract(epoch FROM progress_at - created_at)::float8 END AS first_sign
  FROM runs WHERE id = ANY(%(runs)s);

-- figures_of_model_calls --
SELECT id, run_id, model, input_tokens, cached_tokens, output_tokens, cost::float8 AS cost, milliseconds,
       error IS NOT NULL AND error <> 'stopped' AS failed
  FROM model_calls WHERE run_id = ANY(%(runs)s) ORDER BY id;

-- figures_of_calls --
SELECT tool, kind, state, count(*) AS number FROM tool_calls WHERE run_id = ANY(%(runs)s) GROUP BY tool, kind, state;

-- figures_of_decisions --
SELECT d.vote, count(*) AS number FROM tool_calls c JOIN decisions d ON d.call_id = c.id
 WHERE c.run_id = ANY(%(runs)s) GROUP BY d.vote;

-- figures_of_refused_votes --
SELECT a.data->>'why' AS why, count(*) AS number FROM tool_calls c JOIN audit a ON a.call_id = c.id
 WHERE c.run_id = ANY(%(runs)s) AND a.kind = 'vote refused' GROUP BY 1;

-- figures_of_starts --
-- From the last decision that a reply's changes waited for to the first of them that began.
WITH begun AS (
    SELECT run_id, reply, min(started_at) AS at FROM tool_calls
     WHERE run_id = ANY(%(runs)s) AND kind = 'change' AND started_at IS NOT NULL GROUP BY run_id, reply)
SELECT extract(epoch FROM b.at - max(d.at))::float8 AS seconds
  FROM begun b JOIN tool_calls c USING (run_id, reply) JOIN decisions d ON d.call_id = c.id AND d.at <= b.at
 GROUP BY b.run_id, b.reply, b.at;
