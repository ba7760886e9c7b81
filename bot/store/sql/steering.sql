-- open_in_thread --
-- What people may still decide in a thread, oldest first.
SELECT * FROM tool_calls
 WHERE org = %(org)s AND channel = %(channel)s AND thread_ts = %(thread_ts)s AND state = 'proposed' AND expires_at > now()
 ORDER BY created_at, run_id, reply, ordinal;

-- withdraw_call --
-- Against an Approve of the same moment, the first commit wins.
UPDATE tool_calls SET state = 'superseded', ended_at = now(), error = %(error)s, withdrawn_by = %(person)s, steered_by = %(by_run)s
 WHERE id = %(id)s AND state = 'proposed'
RETURNING id;

-- revise_call --
UPDATE tool_calls SET state = 'superseded', ended_at = now(), error = %(error)s, steered_by = %(by_run)s
 WHERE id = %(id)s AND state = 'proposed'
RETURNING id;

-- steered_already --
-- What this side turn did itself, before a crash made it repeat its step.
SELECT c.*, n.id AS new_id FROM tool_calls c LEFT JOIN tool_calls n ON n.id = c.superseded_by
 WHERE c.steered_by = %(by_run)s AND c.short_id = %(short_id)s
 ORDER BY c.ended_at DESC LIMIT 1;

-- move_dependents --
UPDATE tool_calls SET depends_on = %(new)s WHERE run_id = %(run_id)s AND depends_on = %(old)s;

-- note_reviser --
UPDATE tool_calls SET revised_by = %(person)s WHERE id = %(id)s;

-- stoppable_runs --
-- Oldest first: their rows are locked in this order.
SELECT * FROM runs
 WHERE org = %(org)s AND channel = %(channel)s AND thread_ts = %(thread_ts)s
   AND ended_at IS NULL AND stopped_by IS NULL AND (%(run_id)s::uuid IS NULL OR id = %(run_id)s)
 ORDER BY id FOR NO KEY UPDATE;

-- stop_run --
UPDATE runs SET stopped_by = %(person)s WHERE id = %(id)s;

-- asked_again --
-- Whether a card was asked again, by a run that is under way or that came to a card of its own.
SELECT EXISTS (SELECT FROM events WHERE org = %(org)s AND key = %(key)s)
   AND EXISTS (SELECT FROM runs r
                WHERE r.org = %(org)s AND r.channel = %(channel)s AND r.thread_ts = %(thread_ts)s AND r.wish->>'again_of' = %(id)s
                  AND (r.ended_at IS NULL OR EXISTS (SELECT FROM tool_calls c WHERE c.run_id = r.id))) AS yes;

-- forget_asking --
-- The run that it led to ended without a card, as when the cluster was away: the button may be pressed once more.
DELETE FROM events
 WHERE org = %(org)s AND key = %(key)s
   AND NOT EXISTS (SELECT FROM runs r
                    WHERE r.org = %(org)s AND r.channel = %(channel)s AND r.thread_ts = %(thread_ts)s AND r.wish->>'again_of' = %(id)s
                      AND (r.ended_at IS NULL OR EXISTS (SELECT FROM tool_calls c WHERE c.run_id = r.id)));
