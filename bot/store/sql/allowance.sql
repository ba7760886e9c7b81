-- note_model_call --
INSERT INTO model_calls (id, org, run_id, attempt, model, input_tokens, cached_tokens, output_tokens, cost, milliseconds, error,
                         instead_of)
VALUES (%(id)s, %(org)s, %(run_id)s, %(attempt)s, %(model)s, %(input_tokens)s, %(cached_tokens)s, %(output_tokens)s,
        %(cost)s, %(milliseconds)s, %(error)s, %(instead_of)s);

-- bill --
-- What a run has cost, for the line below its answer or failure. No sum where a part of it has no known price;
-- `answered_by` only when the last answer is another model's than the one configured first.
SELECT count(*) AS model_calls, coalesce(sum(input_tokens + output_tokens), 0) AS tokens,
       CASE WHEN bool_or(cost IS NULL AND input_tokens + output_tokens > 0) THEN NULL ELSE sum(cost) END AS cost,
       (array_agg(CASE WHEN instead_of IS NOT NULL THEN model END ORDER BY id DESC) FILTER (WHERE error IS NULL))[1] AS answered_by
  FROM model_calls WHERE run_id = %(run_id)s;

-- used_since --
-- By this person, in this channel, and by all together. Ids are in the order of time, so the primary key finds them.
SELECT coalesce(sum(m.input_tokens + m.output_tokens) FILTER (WHERE r.requester = %(person)s), 0) AS person_tokens,
       coalesce(sum(m.cost) FILTER (WHERE r.requester = %(person)s), 0) AS person_cost,
       coalesce(sum(m.input_tokens + m.output_tokens) FILTER (WHERE r.channel = %(channel)s), 0) AS channel_tokens,
       coalesce(sum(m.cost) FILTER (WHERE r.channel = %(channel)s), 0) AS channel_cost,
       coalesce(sum(m.input_tokens + m.output_tokens), 0) AS workspace_tokens,
       coalesce(sum(m.cost), 0) AS workspace_cost
  FROM model_calls m JOIN runs r ON r.id = m.run_id
 WHERE m.id >= %(first)s AND m.org = %(org)s;
