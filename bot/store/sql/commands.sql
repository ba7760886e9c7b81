-- runs_under_way --
-- Of a thread, or with thread_ts NULL of the whole channel; with what was asked first.
SELECT r.id, r.thread_ts, r.kind, r.state, r.requester, r.contributors, r.created_at, r.stopped_by,
       coalesce(r.wish ? 'because', false) AS unasked,
       (SELECT m.body->>'content' FROM messages m WHERE m.run_id = r.id AND m.role = 'user' ORDER BY m.seq LIMIT 1) AS asked
  FROM runs r
 WHERE r.org = %(org)s AND r.channel = %(channel)s AND r.ended_at IS NULL
   AND (%(thread_ts)s::text IS NULL OR r.thread_ts = %(thread_ts)s)
 ORDER BY r.id LIMIT %(limit)s;

-- cards_open --
-- What people may still decide there, oldest first, with where its card stands and who approved it so far.
SELECT c.id, c.thread_ts, c.short_id, c.preview->>'summary' AS summary, c.requester, c.contributors, c.quorum, c.policy,
       c.policy_input, c.expires_at, coalesce(r.wish ? 'because', false) AS unasked,
       (SELECT k.ts FROM cards k WHERE k.call_id = c.id AND k.channel = c.channel AND k.ts <> '' ORDER BY k.at DESC LIMIT 1) AS card_ts,
       ARRAY(SELECT d.person FROM decisions d
              WHERE d.call_id = c.id AND d.digest = c.digest AND d.vote = 'approve') AS approved_by
  FROM tool_calls c JOIN runs r ON r.id = c.run_id
 WHERE c.org = %(org)s AND c.channel = %(channel)s AND c.state = 'proposed' AND c.expires_at > now()
   AND (%(thread_ts)s::text IS NULL OR c.thread_ts = %(thread_ts)s)
 ORDER BY c.created_at, c.id LIMIT %(limit)s;

-- changes_to_undo --
-- Newest first: what ran, whether it works or not, and nobody is taking or has taken back.
-- A way back is only among them when it does not work: the same word twice must not go back and forth.
SELECT c.* FROM tool_calls c
 WHERE c.org = %(org)s AND c.channel = %(channel)s AND c.kind = 'change' AND c.state = 'done'
   AND (c.verdict->>'outcome' = 'failed'
        OR c.undoes IS NULL AND (c.verdict->>'outcome' = 'holds'
            OR EXISTS (SELECT FROM decisions d WHERE d.call_id = c.id AND d.vote = 'settle done')))
   AND (%(thread_ts)s::text IS NULL OR c.thread_ts = %(thread_ts)s)
   AND NOT EXISTS (SELECT FROM tool_calls u
                    WHERE u.undoes = c.id AND u.state IN ('proposed', 'approved', 'executing', 'done', 'unknown'))
 ORDER BY c.ended_at DESC NULLS LAST, c.id DESC LIMIT %(limit)s;

-- place_of_card --
SELECT channel, ts FROM cards WHERE call_id = %(call_id)s AND channel = %(channel)s AND ts <> '' ORDER BY at DESC LIMIT 1;
