-- A vote with all that comes of it, in one statement: its arrow, the job that the run goes on with, and what its card shows.

-- Only under the run's row lock. When nobody is asked any more, the approved ones could start from now on, and the run goes on.
CREATE FUNCTION wake_if_decided(_run_id uuid, _start_within double precision, _task text, _priority integer, _lock text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM tool_calls WHERE run_id = _run_id AND state = 'proposed') THEN
        RETURN false;
    END IF;
    UPDATE tool_calls SET start_by = now() + make_interval(secs => _start_within)
     WHERE run_id = _run_id AND state = 'approved' AND start_by IS DISTINCT FROM now() + make_interval(secs => _start_within);
    PERFORM procrastinate_defer_jobs_v1(ARRAY[ROW(
        'default', _task, _priority, _lock, NULL, jsonb_build_object('run_id', _run_id::text), NULL
    )::procrastinate_job_to_defer_v1]);
    RETURN true;
END $$;

-- Unless a redraw of the same call still waits: that will draw what is true then. It is locked, so that nobody takes it before
-- this is committed, and whoever passed it over meanwhile looks again. What was approved moves on at once, and a click has
-- drawn its own card: that redraw gives the next state `_patience` seconds to make it needless.
CREATE FUNCTION say_redraw(
    _org text, _channel text, _thread_ts text, _data jsonb, _lane integer, _run_id uuid, _call_id uuid, _patience double precision)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _due timestamptz := now();
    _at timestamptz;
BEGIN
    IF EXISTS (SELECT FROM tool_calls WHERE id = _call_id AND state = 'approved') THEN
        _due := _due + make_interval(secs => _patience);
    END IF;
    UPDATE outbox SET not_before = least(not_before, _due)
     WHERE id = (
        SELECT id FROM outbox
         WHERE org = _org AND channel = _channel AND thread_ts = _thread_ts AND kind = 'redraw'
           AND call_id = _call_id AND is_open AND state = 'pending'
         LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING not_before INTO _at;
    IF NOT FOUND THEN
        INSERT INTO outbox (org, channel, thread_ts, kind, data, lane, run_id, call_id, not_before)
        VALUES (_org, _channel, _thread_ts, 'redraw', _data, _lane, _run_id, _call_id, _due);
    ELSIF _at <= now() THEN
        PERFORM pg_notify('countersign_outbox', '');
    END IF;
END $$;

-- One more Approve; the run's row is already locked, or two votes at once would each count one. `_voters` are those whose vote
-- counts now, who cast this one among them. Nothing moves if the call was decided, superseded, expired, or previewed anew
-- since. A vote that says something new wakes the run, if nobody is asked any more, and has its card drawn, where it `_goes_on`.
CREATE FUNCTION cast_approval(
    _id uuid, _org text, _call_id uuid, _digest text, _person text, _reason text, _salt text, _voters text[],
    _start_within double precision, _task text, _priority integer, _lock text, _data jsonb, _lane integer,
    _patience double precision, _goes_on boolean)
RETURNS TABLE (stored boolean, completes boolean, woken boolean) LANGUAGE plpgsql AS $$
DECLARE
    _call record;
BEGIN
    INSERT INTO decisions (id, org, call_id, digest, person, vote, reason, salt)
    VALUES (_id, _org, _call_id, _digest, _person, 'approve', _reason, _salt) ON CONFLICT DO NOTHING;
    stored := FOUND;
    UPDATE tool_calls c SET state = 'approved', approved_at = now(), start_by = now() + make_interval(secs => _start_within)
     WHERE c.id = _call_id AND c.state = 'proposed' AND c.digest = _digest AND c.expires_at > now()
       AND (SELECT count(*) FROM decisions d
             WHERE d.call_id = c.id AND d.digest = c.digest AND d.vote = 'approve' AND d.person = ANY(_voters)) >= c.quorum;
    completes := FOUND;
    woken := false;
    IF _goes_on AND (stored OR completes) THEN
        SELECT org, channel, thread_ts, run_id INTO STRICT _call FROM tool_calls WHERE id = _call_id;
        IF completes THEN
            woken := wake_if_decided(_call.run_id, _start_within, _task, _priority, _lock);
        END IF;
        PERFORM say_redraw(_call.org, _call.channel, _call.thread_ts, _data, _lane, _call.run_id, _call_id, _patience);
    END IF;
    RETURN NEXT;
END $$;
