-- audit_heads --
SELECT org, seq, hash FROM audit_head ORDER BY org;

-- audit_beyond --
-- Rows that no head knows of. One statement, so the heads and the rows are of one moment.
SELECT a.org, min(a.seq) AS seq FROM audit a LEFT JOIN audit_head h ON h.org = a.org
 WHERE a.seq > coalesce(h.seq, 0) GROUP BY a.org ORDER BY a.org;

-- audit_page --
-- The next rows of the chain, up to the head that was read before them.
SELECT org, seq, at, kind, actor, run_id, call_id, data, prev, hash
FROM audit
WHERE org = %(org)s AND seq > %(after)s AND seq <= %(until)s
ORDER BY seq
LIMIT %(limit)s;

-- audit_chosen --
SELECT a.org, a.seq, a.at, a.kind, a.actor, a.run_id, a.call_id, a.data, a.prev, a.hash
FROM audit a
WHERE a.org = %(org)s AND a.seq > %(after)s AND a.seq <= %(until)s
  AND (%(since)s::timestamptz IS NULL OR a.at >= %(since)s)
  AND (%(before)s::timestamptz IS NULL OR a.at < %(before)s)
  AND (%(kind)s = '' OR a.kind = %(kind)s)
  AND (%(actor)s = '' OR a.actor = %(actor)s)
  AND (%(call)s = '' OR a.call_id = ANY(%(calls)s::uuid[]) OR a.kind = 'refused' AND a.data->>'short_id' = %(call)s)
ORDER BY a.seq
LIMIT %(limit)s;

-- audit_knows_actor --
SELECT EXISTS (SELECT FROM audit WHERE actor = %(actor)s) AS yes;

-- calls_named --
-- By either id, each by its index: an OR over both would walk all calls of the org. A short id may have named several.
SELECT id FROM tool_calls WHERE org = %(org)s AND public_id = %(call)s
UNION
SELECT id FROM tool_calls WHERE org = %(org)s AND short_id = %(call)s
ORDER BY id;

-- story_calls --
-- The next calls by their ids, which begin with the time they were made at, with what became of each. One that was open for
-- any part of a time counts to it. `person` had any part in them. A rollback that was approved with a change and did not run
-- is a part of that change's story.
SELECT c.id, c.org, c.channel, c.thread_ts, c.run_id, c.kind, c.tool, c.arguments, c.target, c.risk, c.requester,
       c.contributors, c.acting, c.state, c.public_id, c.short_id, c.digest, c.policy, c.quorum, c.created_at, c.started_at,
       (SELECT min(w.created_at) FROM tool_calls w
         WHERE w.run_id = c.run_id AND w.reply = c.reply AND w.ordinal = c.ordinal) AS wished_at,
       c.ended_at, c.preview->>'summary' AS summary, c.receipt->>'text' AS receipt, c.verdict, c.error, c.withdrawn_by,
       u.public_id AS undoes, coalesce(r.wish ? 'because', false) AS unasked, c.rolls_back IS NOT NULL AS rolls_back,
       s.public_id AS superseded_by, s.short_id AS superseded_short, s.revised_by AS replaced_by,
       b.public_id AS undone_by, b.short_id AS undone_short, b.rolls_back IS NOT NULL AS undone_by_itself,
       b.state AS undo_state, b.verdict->>'outcome' AS undo_outcome, b.ended_at AS undone_at, c.grant_use,
       gc.short_id AS granted_on, g.approver AS granted_by, g.at AS granted_at,
       (SELECT jsonb_build_object('approver', here.approver, 'at', here.at, 'times', here.times, 'used', here.used,
                                  'until', here.until, 'vary', here.vary, 'ended_at', here.revoked_at,
                                  'ended_by', coalesce(here.revoked_by, ''), 'ended_why', here.revoked_why)
          FROM grants here WHERE here.call_id = c.id) AS granted
  FROM tool_calls c
  JOIN runs r ON r.id = c.run_id
  LEFT JOIN tool_calls u ON u.id = c.undoes
  LEFT JOIN tool_calls s ON s.id = c.superseded_by
  LEFT JOIN grants g ON g.id = c.grant_id
  LEFT JOIN tool_calls gc ON gc.id = g.call_id
  LEFT JOIN tool_calls b ON b.undoes = c.id AND b.state IN ('proposed', 'approved', 'executing', 'done', 'unknown')
 WHERE c.org = %(org)s AND c.id > %(after)s::uuid AND c.id < %(until)s::uuid
   AND (%(since)s::timestamptz IS NULL OR coalesce(c.ended_at, now()) >= %(since)s)
   AND (%(before)s::timestamptz IS NULL OR c.created_at < %(before)s)
   AND (%(channel)s = '' OR c.channel = %(channel)s)
   AND (%(reads)s OR c.kind = 'change')
   AND (c.rolls_back IS NULL OR c.started_at IS NOT NULL OR %(call)s <> '')
   AND (%(person)s = '' OR c.requester = %(person)s OR c.contributors @> ARRAY[%(person)s::text]
        OR c.withdrawn_by = %(person)s OR c.revised_by = %(person)s
        OR EXISTS (SELECT FROM decisions d WHERE d.call_id = c.id AND d.person = %(person)s))
 ORDER BY c.id
 LIMIT %(limit)s;

-- story_rollbacks --
-- What was to roll these calls back by itself, and did not run.
SELECT c.id, c.rolls_back, c.kind, c.tool, c.arguments, c.target, c.digest, c.acting, c.state, c.started_at, c.verdict, c.error,
       c.preview->>'summary' AS summary, NULL AS granted
  FROM tool_calls c WHERE c.rolls_back = ANY(%(calls)s::uuid[]) AND c.started_at IS NULL;

-- story_votes --
SELECT call_id, person, vote, reason, at FROM decisions WHERE call_id = ANY(%(calls)s::uuid[]) ORDER BY at, id;

-- story_evidence --
-- What the chain says of these calls.
SELECT call_id, seq, at, kind, actor, data FROM audit
 WHERE org = %(org)s AND call_id = ANY(%(calls)s::uuid[]) AND seq <= %(until)s ORDER BY seq;
