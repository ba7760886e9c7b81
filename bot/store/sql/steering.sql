-- open_in_thread --
-- What people may still decide in a thread, oldest first.
SELECT * FROM tool_calls
 WHERE org = %(org)s AND channel = %(channel)s AND thread_ts = %(thread_ts)s AND state = 'proposed' AND expires_at > now()
 ORDER BY created_at, id;

-- withdraw_call --
-- Against an Approve of the same moment, the first commit wins.
UPDATE tool_calls SET state = 'superseded', ended_at = now(), error = %(error)s, withdrawn_by = %(person)s
 WHERE id = %(id)s AND state = 'proposed'
RETURNING id;

-- revise_call --
UPDATE tool_calls SET state = 'superseded', ended_at = now(), error = %(error)s
 WHERE id = %(id)s AND state = 'proposed'
RETURNING id;

-- note_reviser --
UPDATE tool_calls SET revised_by = %(person)s WHERE id = %(id)s;

-- stoppable_runs --
-- Oldest first: their rows are locked in this order.
SELECT * FROM runs
 WHERE org = %(org)s AND channel = %(channel)s AND thread_ts = %(thread_ts)s
   AND ended_at IS NULL AND stopped_by IS NULL AND (%(run_id)s::uuid IS NULL OR id = %(run_id)s)
 ORDER BY id FOR UPDATE;

-- stop_run --
UPDATE runs SET stopped_by = %(person)s WHERE id = %(id)s;
