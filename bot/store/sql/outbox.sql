-- say --
INSERT INTO outbox (org, channel, thread_ts, kind, data, key, lane, run_id, call_id)
VALUES (%(org)s, %(channel)s, %(thread_ts)s, %(kind)s, %(data)s, %(key)s, %(lane)s, %(run_id)s, %(call_id)s)
ON CONFLICT (org, key) WHERE key IS NOT NULL DO NOTHING;

-- take_saying --
-- The next one whose thread has nothing older to say.
UPDATE outbox SET state = 'sending', claimed_at = now(), claimed_by = %(sender)s, tries = tries + 1
 WHERE id = (
    SELECT o.id FROM outbox o
     WHERE o.state = 'pending' AND o.not_before <= now()
       AND NOT EXISTS (
           SELECT FROM outbox p
            WHERE p.org = o.org AND p.channel = o.channel AND p.thread_ts = o.thread_ts
              AND p.id < o.id AND p.state IN ('pending', 'sending'))
     ORDER BY o.lane, o.id
     LIMIT 1 FOR UPDATE OF o SKIP LOCKED)
RETURNING *;

-- said --
UPDATE outbox SET state = 'sent', ts = %(ts)s, sent_at = now(), error = NULL WHERE id = %(id)s AND state = 'sending' AND tries = %(tries)s;

-- say_later --
UPDATE outbox SET state = 'pending', not_before = now() + make_interval(secs => %(seconds)s), error = %(error)s
 WHERE id = %(id)s AND state = 'sending' AND tries = %(tries)s;

-- unsayable --
UPDATE outbox SET state = 'failed', error = %(error)s WHERE id = %(id)s AND state = 'sending' AND tries = %(tries)s;

-- orphaned_sayings --
-- Claimed by a sender whose lock nobody holds now. It may only have lost a connection for a moment.
SELECT id FROM outbox
 WHERE state = 'sending' AND claimed_by <> %(sender)s AND claimed_at < now() - interval '1 second'
   AND pg_try_advisory_xact_lock(claimed_by);

-- abandoned_sayings --
-- Whether Slack has what a sender that is gone, or takes too long, was saying is not known: the next try looks first.
UPDATE outbox SET state = 'pending'
 WHERE state = 'sending'
   AND (claimed_at < now() - make_interval(secs => %(seconds)s) OR id = ANY(%(orphans)s))
RETURNING id;

-- forget_sayings --
-- Long said: their keys are not needed any more, since a closed run is never closed again.
DELETE FROM outbox WHERE state IN ('sent', 'failed') AND created_at < now() - make_interval(days => 7);
