-- Until when Slack may still take a drawing of which it did not say whether it took it: what is drawn before then may be
-- painted over, and is not believed.
ALTER TABLE cards ADD COLUMN late_until timestamptz;
ALTER TABLE runs ADD COLUMN late_until timestamptz;

-- A redraw for then, unless one waits for then already: an earlier one may come too early.
CREATE FUNCTION redraw_late(
    _org text, _channel text, _thread_ts text, _data jsonb, _lane integer, _run_id uuid, _call_id uuid, _due timestamptz)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO outbox (org, channel, thread_ts, kind, data, lane, run_id, call_id, not_before)
    SELECT _org, _channel, _thread_ts, 'redraw', _data, _lane, _run_id, _call_id, _due
     WHERE NOT EXISTS (SELECT FROM outbox WHERE is_open AND state = 'pending' AND kind = 'redraw' AND call_id = _call_id
                          AND not_before >= _due)
$$;
