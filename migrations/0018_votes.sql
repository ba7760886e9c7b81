-- A vote, heard once, and the calls that it is about with everything that it is judged by; no rows when Slack repeats itself.
-- The run's row is locked first, as by everybody who votes there, and what follows sees what was committed meanwhile.
CREATE FUNCTION hear_vote(_org text, _key text, _kind text, _actor text, _run_id uuid, _call_ids uuid[])
RETURNS TABLE (id uuid, state text, digest text, lapsed boolean, approved_by text[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO events (org, key, kind, actor) VALUES (_org, _key, _kind, _actor) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM FROM runs r WHERE r.id = _run_id FOR UPDATE;
    RETURN QUERY
    SELECT t.id, t.state, t.digest, t.expires_at <= now(),
           ARRAY(SELECT d.person FROM decisions d WHERE d.call_id = t.id AND d.vote = 'approve')
      FROM tool_calls t WHERE t.id = ANY(_call_ids) ORDER BY t.id FOR UPDATE;
END $$;
