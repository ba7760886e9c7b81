-- call_shown_at --
-- The call that a button carries, if it was shown there, and who has approved it so far.
SELECT t.*, ARRAY(SELECT d.person FROM decisions d WHERE d.call_id = t.id AND d.vote = 'approve') AS approved_by
  FROM tool_calls t
 WHERE t.public_id = %(public_id)s AND t.org = %(org)s
   AND EXISTS (
       SELECT FROM cards c WHERE c.call_id = t.id AND c.org = t.org
          AND (c.ts <> '' AND c.channel = %(channel)s AND c.ts = %(ts)s
               OR c.view_id <> '' AND c.view_id = %(view_id)s AND c.person = %(person)s));

-- hear_vote --
-- The calls that a vote is about, locked with their run, as they are then. No rows when Slack repeats itself.
SELECT * FROM hear_vote(%(org)s, %(key)s, %(kind)s, %(actor)s, %(run_id)s, %(call_ids)s);

-- cast_approval --
-- One more vote, and the arrow if that completes the quorum; the run's row is already locked, or two votes at once would each
-- count one. `voters` are those whose vote counts now, who cast this one among them. Nothing moves if the call was decided,
-- superseded, expired, or previewed anew since.
WITH stored AS (
    INSERT INTO decisions (id, org, call_id, digest, person, vote, reason, salt)
    VALUES (%(id)s, %(org)s, %(call_id)s, %(digest)s, %(person)s, 'approve', %(reason)s, %(salt)s)
    ON CONFLICT DO NOTHING
    RETURNING id),
moved AS (
    UPDATE tool_calls c SET state = 'approved', approved_at = now(), start_by = now() + make_interval(secs => %(start_within)s)
     WHERE c.id = %(call_id)s AND c.state = 'proposed' AND c.digest = %(digest)s AND c.expires_at > now()
       AND (SELECT count(*) FROM decisions d
             WHERE d.call_id = c.id AND d.digest = c.digest AND d.vote = 'approve' AND d.person = ANY(%(voters)s))
           + (SELECT count(*) FROM stored WHERE %(person)s = ANY(%(voters)s)) >= c.quorum
    RETURNING c.id)
SELECT EXISTS (SELECT FROM stored) AS stored, EXISTS (SELECT FROM moved) AS completes;

-- wake_if_decided --
-- Counted only under the run's row lock. When nobody is asked any more, the approved ones could start from now on, and the
-- run goes on.
WITH open AS (
    SELECT count(*) AS open FROM tool_calls WHERE run_id = %(run_id)s AND state = 'proposed'),
started AS (
    UPDATE tool_calls SET start_by = now() + make_interval(secs => %(start_within)s)
     WHERE run_id = %(run_id)s AND state = 'approved' AND (SELECT open FROM open) = 0
       AND start_by IS DISTINCT FROM now() + make_interval(secs => %(start_within)s)),
woken AS (
    SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(
        'default', %(task)s, %(priority)s, %(lock)s, NULL, jsonb_build_object('run_id', %(run_id)s::text), NULL
    )::procrastinate_job_to_defer_v1]) FROM open WHERE open = 0)
SELECT EXISTS (SELECT FROM woken) AS yes;
