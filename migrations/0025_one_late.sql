-- A redraw that is tried again is one that waits, too: or each failed try of one that waits would leave another, and all of
-- them would draw the same card once Slack takes edits again.
CREATE OR REPLACE FUNCTION redraw_late(
    _org text, _channel text, _thread_ts text, _data jsonb, _lane integer, _run_id uuid, _call_id uuid, _due timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE outbox SET not_before = greatest(not_before, _due)
     WHERE id = (
        SELECT id FROM outbox
         WHERE org = _org AND channel = _channel AND thread_ts = _thread_ts AND kind = 'redraw' AND call_id = _call_id
           AND is_open AND state = 'pending' AND (tries > 0 OR not_before > now() + interval '2 seconds')
         LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO outbox (org, channel, thread_ts, kind, data, lane, run_id, call_id, not_before)
        VALUES (_org, _channel, _thread_ts, 'redraw', _data, _lane, _run_id, _call_id, _due);
    END IF;
END $$;
