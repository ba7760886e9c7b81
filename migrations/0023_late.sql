-- Until when Slack may still take a drawing of which it did not say whether it took it: what is drawn before then may be
-- painted over, and is not believed.
ALTER TABLE cards ADD COLUMN late_until timestamptz;
ALTER TABLE runs ADD COLUMN late_until timestamptz;

-- A redraw for then: one that waits for such a time already, or another. An earlier one may come too early.
CREATE FUNCTION redraw_late(
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
