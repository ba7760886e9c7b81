-- A vote locks its run and its calls against other writers, not against whoever refers to them: what notes a call's outcome has
-- locked the call and then inserts an outbox row that refers to the run. With the stronger lock the two waited for each other,
-- and one was undone by the database.
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
