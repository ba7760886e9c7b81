-- say --
INSERT INTO outbox (org, channel, thread_ts, kind, data, key, lane, run_id, call_id)
VALUES (%(org)s, %(channel)s, %(thread_ts)s, %(kind)s, %(data)s, %(key)s, %(lane)s, %(run_id)s, %(call_id)s)
ON CONFLICT (org, key) WHERE key IS NOT NULL DO NOTHING;

-- say_redraw --
SELECT say_redraw(%(org)s, %(channel)s, %(thread_ts)s, %(data)s, %(lane)s, %(run_id)s, %(call_id)s, %(patience)s);

-- redraw_open --
-- Nobody knows what their messages show.
WITH waiting AS (
    SELECT c.call_id, c.channel, c.ts FROM cards c JOIN tool_calls t ON t.id = c.call_id
     WHERE t.state IN ('proposed', 'approved', 'executing', 'unknown') AND c.ts <> '' AND c.view_id = ''
     ORDER BY c.call_id, c.channel, c.ts FOR NO KEY UPDATE OF c),
doubted AS (
    UPDATE cards c SET drawn = '', whole = false
      FROM waiting w WHERE c.call_id = w.call_id AND c.channel = w.channel AND c.ts = w.ts AND c.view_id = ''
    RETURNING c.call_id)
SELECT t.id, say_redraw(t.org, t.channel, t.thread_ts, jsonb_build_object('call', t.id), %(lane)s, t.run_id, t.id, 0)
  FROM tool_calls t WHERE t.id IN (SELECT call_id FROM doubted);

-- take_saying --
-- The next one whose thread has nothing older to say, and its run. Only another redraw waits for one, if that is due. A channel that is
-- `busy` takes no post now, and without `edits` nothing can be edited.
-- What a later version stored and we could not say (its rows carry a higher `version`) is left to it while both run side by
-- side; ten minutes later nobody else is there.
-- Materialized, or a plan may look for the next one once for each row it updates, and take several to tell of one.
WITH next AS MATERIALIZED (
    SELECT o.id, o.run_id FROM outbox o
     WHERE o.is_open AND o.state = 'pending' AND o.not_before <= now()
       AND (o.version <= 1 OR o.created_at < now() - interval '10 minutes')
       AND CASE WHEN o.kind IN ('redraw', 'fold') THEN %(edits)s ELSE o.channel <> ALL(%(busy)s) END
       AND NOT EXISTS (
           SELECT FROM outbox p
            WHERE p.org = o.org AND p.channel = o.channel AND p.thread_ts = o.thread_ts
              AND p.id < o.id AND p.is_open
              AND (p.kind <> 'redraw' OR o.kind = 'redraw' AND (p.state = 'sending' OR p.not_before <= now())))
     ORDER BY o.lane, o.id
     LIMIT 1 FOR UPDATE OF o SKIP LOCKED)
UPDATE outbox n SET state = 'sending', claimed_at = now(), claimed_by = %(sender)s, tries = tries + 1
  FROM next LEFT JOIN runs r ON r.id = next.run_id
 WHERE n.id = next.id
RETURNING n.*, r.org AS run_org, r.channel AS run_channel, r.kind AS run_kind, r.state AS run_state, r.attempt AS run_attempt,
       r.progress_ts AS run_progress_ts, r.progress_at AS run_progress_at, r.created_at AS run_created_at,
       r.started_at AS run_started_at, r.ended_at AS run_ended_at;

-- said --
-- Said, and the next one taken. A progress message to fold is what comes next: in a place of its own in the order, since a
-- fold that waits must hold up nobody in the thread, and claimed as it is stored.
WITH said AS (
    UPDATE outbox SET state = 'sent', ts = %(ts)s, sent_at = now(), error = NULL
     WHERE id = %(id)s AND state = 'sending' AND tries = %(tries)s
    RETURNING id, org, channel, run_id),
fold AS (
    INSERT INTO outbox (org, channel, thread_ts, kind, data, key, lane, run_id, state, tries, claimed_at, claimed_by)
    SELECT org, channel, %(fold)s, 'fold', jsonb_build_object('run', run_id), 'fold:' || run_id, %(fold_lane)s, run_id,
           'sending', 1, now(), %(sender)s
      FROM said WHERE %(fold)s <> ''
    ON CONFLICT (org, key) WHERE key IS NOT NULL DO NOTHING
    RETURNING *),
next AS MATERIALIZED (
    SELECT o.id FROM outbox o
     WHERE o.is_open AND o.state = 'pending' AND o.not_before <= now() AND %(more)s AND %(fold)s = ''
       AND (o.version <= 1 OR o.created_at < now() - interval '10 minutes')
       AND CASE WHEN o.kind IN ('redraw', 'fold') THEN %(edits)s ELSE o.channel <> ALL(%(busy)s) END
       AND NOT EXISTS (
           SELECT FROM outbox p
            WHERE p.org = o.org AND p.channel = o.channel AND p.thread_ts = o.thread_ts
              AND p.id < o.id AND p.is_open AND p.id NOT IN (SELECT id FROM said)
              AND (p.kind <> 'redraw' OR o.kind = 'redraw' AND (p.state = 'sending' OR p.not_before <= now())))
     ORDER BY o.lane, o.id
     LIMIT 1 FOR UPDATE OF o SKIP LOCKED),
following AS (
    UPDATE outbox n SET state = 'sending', claimed_at = now(), claimed_by = %(sender)s, tries = tries + 1
      FROM next WHERE n.id = next.id
    RETURNING n.*)
SELECT n.*, r.org AS run_org, r.channel AS run_channel, r.kind AS run_kind, r.state AS run_state, r.attempt AS run_attempt,
       r.progress_ts AS run_progress_ts, r.progress_at AS run_progress_at, r.created_at AS run_created_at,
       r.started_at AS run_started_at, r.ended_at AS run_ended_at
  FROM (SELECT * FROM fold UNION ALL SELECT * FROM following) n LEFT JOIN runs r ON r.id = n.run_id;

-- say_later --
-- A doubt whether Slack has it is not forgotten when it only `waits` after that.
UPDATE outbox SET state = 'pending', not_before = now() + make_interval(secs => %(seconds)s),
       error = CASE WHEN %(waits)s AND starts_with(error, 'uncertain') THEN error ELSE %(error)s END
 WHERE id = %(id)s AND state = 'sending' AND tries = %(tries)s;

-- unsayable --
UPDATE outbox SET state = 'failed', error = %(error)s WHERE id = %(id)s AND state = 'sending' AND tries = %(tries)s;

-- orphaned_sayings --
-- Claimed by a sender whose lock nobody holds now. It may only have lost a connection for a moment.
SELECT id FROM outbox
 WHERE is_open AND state = 'sending' AND claimed_by <> %(sender)s AND claimed_at < now() - interval '1 second'
   AND pg_try_advisory_xact_lock(claimed_by);

-- abandoned_sayings --
-- Whether Slack has what a sender that is gone, or takes too long, was saying is not known: the next try looks first. What it
-- was drawing, a message with all its calls, Slack may take yet: what is drawn there `late` seconds from now is the first that is believed.
WITH given AS (
    UPDATE outbox SET state = 'pending', error = 'uncertain: its sender is gone'
     WHERE is_open AND state = 'sending'
       AND (claimed_at < now() - make_interval(secs => %(seconds)s) OR id = ANY(%(orphans)s))
    RETURNING id, kind, call_id),
message AS MATERIALIZED (
    SELECT DISTINCT c.org, c.channel, c.ts FROM given g JOIN cards c ON c.call_id = g.call_id
     WHERE g.kind = 'redraw' AND c.ts <> '' AND c.view_id = ''),
held AS MATERIALIZED (
    SELECT c.call_id, c.channel, c.ts FROM cards c JOIN message m ON m.org = c.org AND m.channel = c.channel AND m.ts = c.ts
     WHERE c.ts <> '' AND c.view_id = '' ORDER BY c.call_id, c.channel, c.ts FOR NO KEY UPDATE OF c),
doubted AS (
    UPDATE cards c SET drawn = '', whole = false, late_until = now() + make_interval(secs => %(late)s)
      FROM held h WHERE c.call_id = h.call_id AND c.channel = h.channel AND c.ts = h.ts AND c.view_id = '')
SELECT id FROM given;
