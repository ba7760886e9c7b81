-- call_shown_at --
-- The call that a button carries, if it was shown there, and who has approved it so far.
SELECT t.*, ARRAY(SELECT d.person FROM decisions d WHERE d.call_id = t.id AND d.vote = 'approve') AS approved_by
  FROM tool_calls t
 WHERE t.public_id = %(public_id)s AND t.org = %(org)s
   AND EXISTS (
       SELECT FROM cards c WHERE c.call_id = t.id AND c.org = t.org
          AND (c.ts <> '' AND c.channel = %(channel)s AND c.ts = %(ts)s
               OR c.view_id <> '' AND c.view_id = %(view_id)s AND c.person = %(person)s));

-- lock_voted_call --
-- The run's row is already locked, and every vote locks that first: these are all the votes.
SELECT t.state, t.digest, t.expires_at <= now() AS lapsed,
       ARRAY(SELECT d.person FROM decisions d WHERE d.call_id = t.id AND d.vote = 'approve') AS approved_by
  FROM tool_calls t WHERE t.id = %(id)s FOR UPDATE;

-- start_if_decided --
-- Counted only under the run's row lock. When nobody is asked any more, the approved ones could start from now on.
WITH open AS (
    SELECT count(*) AS open FROM tool_calls WHERE run_id = %(run_id)s AND state = 'proposed'),
started AS (
    UPDATE tool_calls SET start_by = now() + make_interval(secs => %(start_within)s)
     WHERE run_id = %(run_id)s AND state = 'approved' AND (SELECT open FROM open) = 0
       AND start_by IS DISTINCT FROM now() + make_interval(secs => %(start_within)s))
SELECT open FROM open;
