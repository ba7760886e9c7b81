-- A vote locks its run and its calls against other writers, not against whoever refers to them: who notes where a card is shown
-- refers to the call, and then inserts an outbox row that refers to the run. With the stronger lock the two waited for each
-- other, and one was undone by the database.
CREATE OR REPLACE FUNCTION hear_vote(_org text, _key text, _kind text, _actor text, _run_id uuid, _call_ids uuid[])
RETURNS TABLE (id uuid, state text, digest text, lapsed boolean, approved_by text[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO events (org, key, kind, actor) VALUES (_org, _key, _kind, _actor) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM FROM runs r WHERE r.id = _run_id FOR NO KEY UPDATE;
    RETURN QUERY
    SELECT t.id, t.state, t.digest, t.expires_at <= now(),
           ARRAY(SELECT d.person FROM decisions d WHERE d.call_id = t.id AND d.vote = 'approve')
      FROM tool_calls t WHERE t.id = ANY(_call_ids) ORDER BY t.id FOR NO KEY UPDATE;
END $$;

-- As 0023 has it, of which an earlier state of the repository had another text.
CREATE OR REPLACE FUNCTION redraw_late(
    _org text, _channel text, _thread_ts text, _data jsonb, _lane integer, _run_id uuid, _call_id uuid, _due timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE outbox SET not_before = greatest(not_before, _due)
     WHERE id = (
        SELECT id FROM outbox
         WHERE is_open AND state = 'pending' AND tries = 0 AND kind = 'redraw' AND call_id = _call_id
           AND not_before > now() + interval '2 seconds'
         LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO outbox (org, channel, thread_ts, kind, data, lane, run_id, call_id, not_before)
        VALUES (_org, _channel, _thread_ts, 'redraw', _data, _lane, _run_id, _call_id, _due);
    END IF;
END $$;
