-- Where people act as themselves on clusters (`_apart`), nobody's words are fed to another one's run.
-- A version of before still calls it without the last argument.
DROP FUNCTION take_request(text, text, text, text, text, text, boolean, text, jsonb, uuid, text, jsonb, text, integer, timestamptz, jsonb, text, jsonb, text);
CREATE FUNCTION take_request(_org text, _key text, _event text, _author text, _channel text, _thread_ts text, _ours boolean,
                             _kind text, _wish jsonb, _id uuid, _ts text, _body jsonb, _lock text, _priority integer,
                             _at timestamptz, _data jsonb, _until_prev text, _fed_data jsonb, _fed_until_prev text,
                             _apart boolean DEFAULT false)
RETURNS TABLE (run_id uuid, fed boolean) LANGUAGE plpgsql AS $$
DECLARE
    _seq bigint;
    _run uuid;
BEGIN
    INSERT INTO events (org, key, kind, actor) VALUES (_org, _key, _event, _author) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- the thread's row, locked: whoever holds it gives the next seq
    INSERT INTO threads AS t (org, channel, thread_ts, ours, next_seq) VALUES (_org, _channel, _thread_ts, _ours, 2)
    ON CONFLICT (org, channel, thread_ts) DO UPDATE SET ours = t.ours OR excluded.ours, next_seq = t.next_seq + 1
    RETURNING t.next_seq - 1 INTO _seq;
    IF _kind = 'turn' THEN
        SELECT r.id INTO _run FROM runs r
         WHERE r.org = _org AND r.channel = _channel AND r.thread_ts = _thread_ts
           AND (NOT _apart OR r.requester = _author)
           AND r.kind = 'turn' AND r.state IN ('queued', 'working') AND r.ended_at IS NULL AND r.stopped_by IS NULL
         ORDER BY r.id DESC LIMIT 1;
    END IF;
    fed := _run IS NOT NULL;
    run_id := coalesce(_run, _id);
    IF NOT fed THEN
        INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors, wish, heard_seq)
        VALUES (run_id, _org, _channel, _thread_ts, _kind, _author, ARRAY[_author], _wish, _seq);
        PERFORM procrastinate_defer_jobs_v1(ARRAY[ROW(
            'default', 'turn', _priority, _lock, NULL, jsonb_build_object('run_id', run_id), NULL
        )::procrastinate_job_to_defer_v1]);
    END IF;
    INSERT INTO messages (org, channel, thread_ts, seq, run_id, role, author, ts, body)
    VALUES (_org, _channel, _thread_ts, _seq, run_id, 'user', _author, _ts, _body);
    IF fed THEN
        PERFORM append_audit(_org, _at, 'request', _author, run_id, NULL, _fed_data, _fed_until_prev);
    ELSE
        PERFORM append_audit(_org, _at, 'request', _author, run_id, NULL, _data, _until_prev);
    END IF;
    RETURN NEXT;
END $$;
