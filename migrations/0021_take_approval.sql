-- An Approve of one call that nothing stands by for: heard, judged under its run's row lock, cast with all that comes of it, and
-- written into the audit, or none of them. `_seen` are those whose earlier votes were looked at; where somebody else has voted
-- since, nothing is noted, and `approved_by` says so. What is decided, lapsed or previewed anew is heard, and nothing more. No
-- row comes back when Slack repeats itself. Of the two audit rows the one is written that is true.
CREATE FUNCTION take_approval(
    _org text, _key text, _kind text, _run_id uuid, _call_id uuid, _seen text[],
    _id uuid, _digest text, _person text, _reason text, _salt text, _voters text[],
    _start_within double precision, _task text, _priority integer, _lock text, _data jsonb, _lane integer, _patience double precision,
    _at timestamptz, _counts jsonb, _counts_until_prev text, _completes jsonb, _completes_until_prev text)
RETURNS TABLE (state text, digest text, lapsed boolean, approved_by text[], stored boolean, completes boolean, woken boolean)
LANGUAGE plpgsql AS $$
BEGIN
    stored := false;
    completes := false;
    woken := false;
    SELECT h.state, h.digest, h.lapsed, h.approved_by INTO state, digest, lapsed, approved_by
      FROM hear_vote(_org, _key, _kind, _person, _run_id, ARRAY[_call_id]) h;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF state = 'proposed' AND digest = _digest AND NOT lapsed THEN
        IF NOT approved_by <@ _seen THEN
            DELETE FROM events e WHERE e.org = _org AND e.key = _key;
        ELSE
            SELECT c.stored, c.completes, c.woken INTO stored, completes, woken
              FROM cast_approval(
                _id, _org, _call_id, _digest, _person, _reason, _salt, _voters,
                _start_within, _task, _priority, _lock, _data, _lane, _patience, true) c;
            IF completes THEN
                PERFORM append_audit(_org, _at, 'approve', _person, _run_id, _call_id, _completes, _completes_until_prev);
            ELSIF stored THEN
                PERFORM append_audit(_org, _at, 'approve', _person, _run_id, _call_id, _counts, _counts_until_prev);
            END IF;
        END IF;
    END IF;
    RETURN NEXT;
END $$;
