-- insert_read --
-- A worker that repeats the step finds its row and does not read again; one that lost its claim writes nothing.
INSERT INTO tool_calls (id, org, channel, thread_ts, run_id, reply, ordinal, model_call_id, kind, tool, arguments, target, risk,
                        requester, contributors, acting, state, result, artifact, error, attempt, started_at, ended_at)
SELECT %(id)s, %(org)s, %(channel)s, %(thread_ts)s, %(run_id)s, %(reply)s, %(ordinal)s, %(model_call_id)s, 'read', %(tool)s,
       %(arguments)s, %(target)s, 'read', %(requester)s, %(contributors)s, %(acting)s, %(state)s, %(result)s, %(artifact)s,
       %(error)s, %(attempt)s, %(started_at)s, now()
 WHERE EXISTS (SELECT FROM runs r WHERE r.id = %(run_id)s AND r.attempt = %(attempt)s AND r.ended_at IS NULL)
ON CONFLICT DO NOTHING
RETURNING id;

-- insert_change --
-- No row comes back when what people type for it is taken by another open call of the channel.
INSERT INTO tool_calls (id, org, channel, thread_ts, run_id, reply, ordinal, model_call_id, kind, tool, arguments, target, risk,
                        requester, contributors, acting, state, public_id, digest, schema_hash, preview, policy_input, policy,
                        quorum, model_says, expires_at, undoes, error, short_id, depends_on, rolls_back)
VALUES (%(id)s, %(org)s, %(channel)s, %(thread_ts)s, %(run_id)s, %(reply)s, %(ordinal)s, %(model_call_id)s, 'change', %(tool)s,
        %(arguments)s, %(target)s, %(risk)s, %(requester)s, %(contributors)s, %(acting)s, %(state)s, %(public_id)s, %(digest)s,
        %(schema_hash)s, %(preview)s, %(policy_input)s, %(policy)s, %(quorum)s, %(model_says)s,
        now() + make_interval(secs => %(lifetime)s), %(undoes)s, %(error)s, %(short_id)s, %(depends_on)s,
        %(rolls_back)s)
ON CONFLICT (org, channel, short_id) WHERE state = 'proposed' AND short_id IS NOT NULL DO NOTHING
RETURNING *;

-- call --
SELECT * FROM tool_calls WHERE id = %(id)s;

-- call_by_short_id --
-- The open one, or else the newest that was called so.
SELECT * FROM tool_calls
 WHERE org = %(org)s AND channel = %(channel)s AND short_id = %(short_id)s
 ORDER BY (state = 'proposed') DESC, created_at DESC LIMIT 1;

-- refusal_by_short_id --
-- The newest wish there that the policy refused under this id.
SELECT at, data FROM audit
 WHERE org = %(org)s AND kind = 'refused' AND data->>'short_id' = %(short_id)s AND data->'input'->>'channel' = %(channel)s
 ORDER BY seq DESC LIMIT 1;

-- refusals --
-- What the policy refused in some time, newest first, of one channel and person or of all; and how many there are.
SELECT at, data, count(*) OVER ()::int AS number FROM audit
 WHERE org = %(org)s AND kind = 'refused' AND data ? 'input' AND at >= %(since)s AND at < %(before)s
   AND %(channel)s IN ('', data->'input'->>'channel') AND %(person)s IN ('', data->'input'->>'requester')
 ORDER BY at DESC LIMIT %(most)s;

-- call_of_wish --
-- The newest preview of a wish.
SELECT * FROM tool_calls
 WHERE run_id = %(run_id)s AND reply = %(reply)s AND ordinal = %(ordinal)s AND superseded_by IS NULL AND rolls_back IS NULL;

-- calls_of_run --
-- What it wished; a rollback that stands by belongs to the call that it takes back.
SELECT * FROM tool_calls WHERE run_id = %(run_id)s AND rolls_back IS NULL ORDER BY reply, ordinal, id;

-- calls_to_carry_out --
-- The same, each with what people decided on it so far.
SELECT t.*, (SELECT coalesce(jsonb_agg(
                        jsonb_build_object('person', d.person, 'vote', d.vote, 'digest', d.digest) ORDER BY d.at, d.id), '[]')
               FROM decisions d WHERE d.call_id = t.id) AS decisions
  FROM tool_calls t WHERE t.run_id = %(run_id)s AND t.rolls_back IS NULL ORDER BY t.reply, t.ordinal, t.id;

-- rollback_of --
SELECT * FROM tool_calls WHERE rolls_back = %(id)s;

-- stand_down --
-- What it would have taken back ended otherwise than in a failure, or people decide now.
UPDATE tool_calls SET state = 'superseded', ended_at = now(), error = %(error)s
 WHERE rolls_back = %(id)s AND state = 'standby'
RETURNING id;

-- left_without_rollback --
-- Changes that ran and do not work, whose rollback did not: it stands by, was stood down, or found nothing to change.
SELECT c.* FROM tool_calls c JOIN tool_calls b ON b.rolls_back = c.id
 WHERE c.run_id = %(run_id)s AND c.state = 'done' AND c.verdict->>'outcome' = 'failed'
   AND b.state IN ('standby', 'superseded', 'failed')
 ORDER BY c.reply, c.ordinal;

-- begin_rollback --
-- Once, in its time, by whoever holds the run: the change ran and does not work, the votes are bound to this rollback, and
-- nobody takes it back or stopped it meanwhile.
UPDATE tool_calls c SET state = 'executing', approved_at = f.approved_at, started_at = now(), attempt = %(attempt)s
  FROM tool_calls f
 WHERE c.id = %(id)s AND c.state = 'standby' AND c.digest = %(digest)s
   AND f.id = c.rolls_back AND f.state = 'done' AND f.verdict->>'outcome' = 'failed'
   AND f.started_at + make_interval(secs => (f.policy->>'rollback')::float) > now()
   AND (SELECT count(*) FROM decisions d WHERE d.call_id = c.id AND d.digest = c.digest AND d.vote = 'approve') >= c.quorum
   AND NOT EXISTS (SELECT FROM tool_calls u
                    WHERE u.undoes = f.id AND u.state IN ('proposed', 'approved', 'executing', 'done', 'unknown'))
   AND EXISTS (SELECT FROM runs r WHERE r.id = c.run_id AND r.attempt = %(attempt)s AND r.stopped_by IS NULL)
RETURNING c.id;

-- insert_decision --
INSERT INTO decisions (id, org, call_id, digest, person, vote, reason, salt)
VALUES (%(id)s, %(org)s, %(call_id)s, %(digest)s, %(person)s, %(vote)s, %(reason)s, %(salt)s)
ON CONFLICT DO NOTHING RETURNING id;

-- decisions_of_call --
SELECT person, vote, reason, digest, at FROM decisions WHERE call_id = %(call_id)s ORDER BY at, id;

-- allow_call --
-- The arrow of what a rule allows, which needs nobody's vote.
UPDATE tool_calls c SET state = 'approved', approved_at = now(), start_by = now() + make_interval(secs => %(start_within)s)
 WHERE c.id = %(id)s AND c.state = 'proposed' AND c.digest = %(digest)s AND c.expires_at > now() AND c.quorum = 0
RETURNING c.id;

-- break_glass --
-- One vote instead of the quorum, of exactly this person on exactly this digest.
UPDATE tool_calls c SET state = 'approved', approved_at = now(), start_by = now() + make_interval(secs => %(start_within)s)
 WHERE c.id = %(id)s AND c.state = 'proposed' AND c.digest = %(digest)s AND c.expires_at > now()
   AND EXISTS (SELECT FROM decisions d
                WHERE d.call_id = c.id AND d.digest = c.digest AND d.vote = 'break glass' AND d.person = %(person)s)
RETURNING c.id;

-- deny_call --
UPDATE tool_calls SET state = 'denied', ended_at = now(), error = %(error)s
 WHERE id = %(id)s AND state = 'proposed' AND digest = %(digest)s
RETURNING id;

-- expire_call --
UPDATE tool_calls SET state = 'expired', ended_at = now(), error = %(error)s
 WHERE id = %(id)s AND (state = 'proposed' AND (expires_at <= now() OR %(now)s) OR state = 'approved' AND start_by <= now())
RETURNING id;

-- lapsed_calls --
SELECT id FROM tool_calls WHERE state = 'proposed' AND expires_at <= now() ORDER BY expires_at LIMIT 100;

-- supersede_call --
UPDATE tool_calls SET state = 'superseded', superseded_by = %(superseded_by)s, ended_at = now(), error = %(error)s
 WHERE id = %(id)s AND state IN ('proposed', 'approved')
RETURNING id;

-- supersede_dependents --
-- What they were to come after will not run.
UPDATE tool_calls SET state = 'superseded', ended_at = now(), error = %(error)s
 WHERE depends_on = %(id)s AND run_id = %(run_id)s AND state IN ('proposed', 'approved')
RETURNING *;

-- due_reminders --
-- At half-time or when its rule says, once, whoever looks first; one that somebody decides on at this moment is left to the
-- next look.
UPDATE tool_calls SET reminded_at = now()
 WHERE id IN (
    SELECT id FROM tool_calls
     WHERE state = 'proposed' AND reminded_at IS NULL AND expires_at > now()
       AND coalesce((policy->>'reminder')::float, 0) >= 0
       AND now() >= created_at + coalesce(
           make_interval(secs => nullif((policy->>'reminder')::float, 0)), (expires_at - created_at) / 2)
     ORDER BY run_id, reply, ordinal LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id, org, channel, thread_ts, run_id, reply, ordinal;

-- due_escalations --
UPDATE tool_calls SET escalated_at = now()
 WHERE id IN (
    SELECT id FROM tool_calls
     WHERE state = 'proposed' AND escalated_at IS NULL AND expires_at > now()
       AND (policy->>'escalate_after')::float > 0
       AND now() >= created_at + make_interval(secs => (policy->>'escalate_after')::float)
     ORDER BY run_id, reply, ordinal LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id, org, channel, thread_ts, run_id, reply, ordinal, policy->'escalate_to' AS whom;

-- vacate_call --
-- Points at itself until its successor is inserted: a place holds one current call.
UPDATE tool_calls SET superseded_by = id WHERE id = %(id)s AND state IN ('superseded', 'expired', 'failed');

-- succeed_call --
UPDATE tool_calls SET superseded_by = %(superseded_by)s WHERE id = %(id)s AND superseded_by = id;

-- begin_call --
-- The deed begins here, once: the approval is fresh, the run is ours, and nobody stopped it. Locked in the order of all
-- others: the run, so that whoever had it before is seen, the call, its grant, the audit's head.
WITH ours AS MATERIALIZED (
    SELECT id, stopped_by FROM runs WHERE id = %(run_id)s AND attempt = %(attempt)s AND ended_at IS NULL FOR NO KEY UPDATE),
call AS MATERIALIZED (
    SELECT c.id, c.grant_id FROM tool_calls c JOIN ours ON ours.id = c.run_id
     WHERE c.id = %(call_id)s AND c.state = 'approved' AND c.digest = %(digest)s AND c.start_by > now()
       AND ours.stopped_by IS NULL
       FOR NO KEY UPDATE OF c),
begun AS (
    UPDATE tool_calls c SET state = 'executing', started_at = now(), attempt = %(attempt)s FROM call
     WHERE c.id = call.id
       AND (call.grant_id IS NULL
            OR EXISTS (SELECT FROM grants g
                        WHERE g.id = call.grant_id AND g.revoked_at IS NULL AND g.until > now() FOR SHARE))
    RETURNING c.id),
audited AS (
    SELECT append_audit(%(org)s, %(at)s, %(kind)s, %(actor)s, %(run_id)s, %(call_id)s, %(data)s, %(until_prev)s) FROM begun)
SELECT EXISTS (SELECT FROM ours) AS ours, EXISTS (SELECT FROM audited) AS begun;

-- finish_call --
UPDATE tool_calls SET state = %(state)s, ended_at = now(), receipt = %(receipt)s, error = %(error)s
 WHERE id = %(id)s AND state = 'executing' AND attempt = %(attempt)s
RETURNING id;

-- doubt_call --
-- Whoever executed it is gone; nobody knows what came of it.
UPDATE tool_calls SET state = 'unknown', error = %(error)s
 WHERE id = %(id)s AND state = 'executing' AND attempt <= %(attempt)s
RETURNING id;

-- settle_call --
UPDATE tool_calls SET state = %(state)s, ended_at = now(), error = %(error)s
 WHERE id = %(id)s AND state = 'unknown'
RETURNING id;

-- settle_call_as_told --
-- By a person, once nobody looks any more; bound to what exactly was begun.
UPDATE tool_calls SET state = %(state)s, ended_at = now(), error = NULL
 WHERE id = %(id)s AND state = 'unknown' AND digest = %(digest)s AND verdict->>'outcome' = 'cannot tell'
RETURNING id;

-- judge_call --
UPDATE tool_calls c SET verdict = %(verdict)s
 WHERE c.id = %(id)s AND c.verdict IS NULL
   AND EXISTS (SELECT FROM runs r WHERE r.id = c.run_id AND r.attempt = %(attempt)s)
RETURNING c.id;

-- note_call_progress --
UPDATE tool_calls c SET progress = (progress || %(line)s::text)[greatest(1, cardinality(progress) - 6):]
 WHERE c.id = %(id)s AND EXISTS (SELECT FROM runs r WHERE r.id = c.run_id AND r.attempt = %(attempt)s);

-- identical_reads --
SELECT count(*) AS made FROM tool_calls
 WHERE run_id = %(run_id)s AND kind = 'read' AND tool = %(tool)s AND arguments = %(arguments)s AND state = 'done'
   AND (reply, ordinal) < (%(reply)s, %(ordinal)s);

-- insert_card --
INSERT INTO cards (org, call_id, channel, ts, view_id, person)
VALUES (%(org)s, %(call_id)s, %(channel)s, %(ts)s, %(view_id)s, %(person)s)
ON CONFLICT DO NOTHING;

-- insert_cards --
-- Where it was found instead of posted, nobody knows which state it shows: `drawn` is empty.
INSERT INTO cards (org, call_id, channel, ts, drawn, whole)
SELECT %(org)s, one, %(channel)s, %(ts)s, %(drawn)s::text, %(drawn)s::text <> '' AND one <> ALL(%(cut)s::uuid[])
  FROM unnest(%(calls)s::uuid[]) one ORDER BY one
ON CONFLICT (call_id, channel, ts, view_id)
   DO UPDATE SET drawn = EXCLUDED.drawn, whole = EXCLUDED.whole WHERE EXCLUDED.drawn <> '';

-- calls_of_lost_message --
-- Of a message with cards that is gone: those of its calls in `states` that no other message shows.
SELECT t.id, t.channel, t.thread_ts, t.run_id
  FROM cards c JOIN tool_calls t ON t.id = c.call_id
 WHERE c.org = %(org)s AND c.channel = %(channel)s AND c.ts = %(ts)s AND t.state = ANY(%(states)s)
   AND NOT EXISTS (SELECT FROM cards o WHERE o.call_id = t.id AND o.ts <> '' AND (o.channel, o.ts) <> (%(channel)s, %(ts)s))
 ORDER BY t.reply, t.ordinal;

-- lose_cards --
-- Locked first, in the order in which all are.
WITH held AS MATERIALIZED (
    SELECT FROM cards WHERE org = %(org)s AND channel = %(channel)s AND ts = %(ts)s ORDER BY call_id FOR UPDATE)
DELETE FROM cards WHERE org = %(org)s AND channel = %(channel)s AND ts = %(ts)s AND (SELECT count(*) FROM held) > 0;

-- calls_as_shown --
-- Calls with all that their cards show: those of `ids`, in that order; or those that share a message with one of them, in
-- the order in which they run, each with the places of these messages.
SELECT t.*, coalesce(r.wish ? 'because', false) AS unasked,
       old.public_id AS undoes_public_id, old.short_id AS undoes_short_id, new.public_id AS new_public_id, new.revised_by AS new_edited_by,
       EXISTS (SELECT FROM tool_calls u
                WHERE u.undoes = t.id AND u.state IN ('proposed', 'approved', 'executing', 'done', 'unknown')) AS undone,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('person', d.person, 'vote', d.vote, 'reason', d.reason, 'at', d.at)
                                  ORDER BY d.at, d.id), '[]')
          FROM decisions d WHERE d.call_id = t.id) AS votes,
       (SELECT jsonb_build_object('approver', g.approver, 'at', g.at, 'used', g.used, 'times', g.times,
                                  'until', g.until, 'vary', g.vary, 'why', g.revoked_why, 'by', g.revoked_by,
                                  'open', g.revoked_at IS NULL AND g.until > now() AND g.used < g.times)
          FROM grants g WHERE g.call_id = t.id OR g.id = t.grant_id ORDER BY g.at DESC LIMIT 1) AS granted,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('channel', c.channel, 'ts', c.ts,
                                  'drawn', CASE WHEN c.late_until IS NULL THEN c.drawn ELSE '' END) ORDER BY c.at), '[]')
          FROM cards c JOIN cards o ON o.org = c.org AND o.channel = c.channel AND o.ts = c.ts
         WHERE c.call_id = %(shown_with)s::uuid AND c.ts <> '' AND o.ts <> '' AND o.call_id = t.id) AS places,
       now() AS read_at
  FROM tool_calls t
  JOIN runs r ON r.id = t.run_id
  LEFT JOIN tool_calls old ON old.id = t.undoes
  LEFT JOIN tool_calls new ON new.id = t.superseded_by
 WHERE t.id IN (SELECT unnest(%(ids)s::uuid[])
          UNION SELECT o.call_id FROM cards c JOIN cards o ON o.org = c.org AND o.channel = c.channel AND o.ts = c.ts
                 WHERE c.call_id = %(shown_with)s::uuid AND c.ts <> '' AND o.ts <> '')
 ORDER BY array_position(%(ids)s::uuid[], t.id), t.reply, t.ordinal, t.id;

-- calls_shown_at --
-- All the calls of one message, or of one person's modal.
SELECT t.* FROM cards c JOIN tool_calls t ON t.id = c.call_id
 WHERE c.org = %(org)s
   AND (c.ts <> '' AND c.channel = %(channel)s AND c.ts = %(ts)s
        OR c.view_id <> '' AND c.view_id = %(view_id)s AND c.person = %(person)s)
 ORDER BY t.reply, t.ordinal, t.id;

-- shown_whole --
SELECT EXISTS (SELECT FROM cards WHERE call_id = %(call_id)s AND ts <> '' AND whole) AS yes;

-- mark_drawn --
-- What a message shows since it was drawn. Where another process has drawn something else there since this one began, or Slack
-- may have taken an earlier drawing after this one, nobody knows which of both it took last: then nothing is noted, and it is
-- drawn once more when that is certain.
WITH old AS (
    SELECT call_id, late_until > %(read_at)s AS late,
           (drawn = ANY(%(began)s) OR drawn = %(drawn)s) AND coalesce(late_until <= %(read_at)s, true) AS known
      FROM cards
     WHERE org = %(org)s AND channel = %(channel)s AND ts = %(ts)s AND ts <> '' AND view_id = '' ORDER BY call_id FOR NO KEY UPDATE),
marked AS (
    UPDATE cards c
       SET drawn = CASE WHEN old.known THEN %(drawn)s ELSE '' END, whole = old.known AND NOT c.call_id = ANY(%(cut)s),
           late_until = CASE WHEN NOT old.known THEN c.late_until END
      FROM old
     WHERE c.call_id = old.call_id AND c.org = %(org)s AND c.channel = %(channel)s AND c.ts = %(ts)s AND c.ts <> ''
       AND c.view_id = ''
    RETURNING old.known, old.late, c.late_until)
SELECT CASE WHEN EXISTS (SELECT FROM marked WHERE late)
       THEN redraw_late(t.org, t.channel, t.thread_ts, %(data)s, %(lane)s, t.run_id, t.id, (SELECT max(late_until) FROM marked))
       ELSE say_redraw(t.org, t.channel, t.thread_ts, %(data)s, %(lane)s, t.run_id, t.id, %(patience)s) END
  FROM tool_calls t WHERE t.id = %(call_id)s AND EXISTS (SELECT FROM marked WHERE NOT known);

-- doubt_drawn --
-- Nobody knows what a message shows, before `after` some seconds: then it is drawn anew, by the row of the
-- outbox that was drawing it, if that is `retried`, or by another.
WITH held AS MATERIALIZED (
    SELECT call_id FROM cards
     WHERE org = %(org)s AND channel = %(channel)s AND ts = %(ts)s AND ts <> '' AND view_id = ''
     ORDER BY call_id FOR NO KEY UPDATE),
doubted AS (
    UPDATE cards c SET drawn = '', whole = false, late_until = now() + make_interval(secs => %(after)s)
      FROM held
     WHERE c.call_id = held.call_id AND c.org = %(org)s AND c.channel = %(channel)s AND c.ts = %(ts)s AND c.ts <> ''
       AND c.view_id = ''
    RETURNING c.late_until)
SELECT redraw_late(t.org, t.channel, t.thread_ts, %(data)s, %(lane)s, t.run_id, t.id, (SELECT max(late_until) FROM doubted))
  FROM tool_calls t WHERE t.id = %(call_id)s AND NOT %(retried)s AND EXISTS (SELECT FROM doubted);

-- undone_by --
SELECT id FROM tool_calls WHERE undoes = %(id)s AND state IN ('proposed', 'approved', 'executing', 'done', 'unknown') LIMIT 1;

-- refresh_starts --
-- Nobody is asked any more: from now on the approved ones could start.
UPDATE tool_calls SET start_by = now() + make_interval(secs => %(start_within)s)
 WHERE run_id = %(run_id)s AND state = 'approved';

-- texts_of_thread --
-- What people said here, also who may not ask: words to a run that works are judged when it reads them; and what the newest
-- reads found.
SELECT NULL AS tool, NULL::jsonb AS arguments, m.body->>'content' AS text, m.author
  FROM messages m JOIN runs r ON r.id = m.run_id AND coalesce(r.error, '') NOT LIKE 'refused:%%'
 WHERE m.org = %(org)s AND m.channel = %(channel)s AND m.thread_ts = %(thread_ts)s AND m.role = 'user'
   AND m.run_id <= %(run_id)s
UNION ALL
(SELECT t.tool, t.arguments, t.result, NULL FROM runs r JOIN tool_calls t ON t.run_id = r.id
  WHERE r.org = %(org)s AND r.channel = %(channel)s AND r.thread_ts = %(thread_ts)s AND r.id <= %(run_id)s AND t.kind = 'read'
  ORDER BY t.id DESC LIMIT %(reads)s);

-- stored_inputs --
-- Of changes that were proposed, and of those that the policy refused: they have no row but in the audit.
(SELECT id, short_id, created_at, tool, target, policy_input, policy FROM tool_calls
  WHERE kind = 'change' ORDER BY created_at DESC, id DESC LIMIT %(most)s)
UNION ALL
(SELECT run_id, data->>'short_id', at, data->>'tool', data->'input'->>'target', data->'input', data->'ruling' FROM audit
  WHERE kind = 'refused' AND data ? 'input' AND data->'input'->>'kind' <> 'read' ORDER BY at DESC LIMIT %(most)s)
ORDER BY created_at DESC, id DESC LIMIT %(most)s;
