-- The spine, complete: side turns, stop, typed decisions, batches, reminders, summaries.

ALTER TABLE runs
    ADD COLUMN parent_run_id uuid REFERENCES runs, -- of a side turn: the run that waited for people when it was asked
    ADD COLUMN stopped_by    text,                 -- who stopped it; it ends at the next step
    ADD COLUMN heard_seq     bigint NOT NULL DEFAULT 0; -- the last message that a model call of it has read

-- What runs under way were asked, they have heard.
UPDATE runs r SET heard_seq = coalesce((SELECT max(seq) FROM messages m WHERE m.run_id = r.id AND m.role = 'user'), 0)
 WHERE r.ended_at IS NULL;

ALTER TABLE tool_calls
    ADD COLUMN short_id    text,                       -- what people type; new with each preview
    ADD COLUMN depends_on  uuid REFERENCES tool_calls, -- an earlier change of the same reply, on the same object
    ADD COLUMN withdrawn_by text,                      -- the contributor who took it back while it was open
    ADD COLUMN steered_by   uuid REFERENCES runs,      -- the side turn that withdrew or revised it
    ADD COLUMN revised_by   text,                      -- whose words changed the arguments that the model had wished
    ADD COLUMN reminded_at  timestamptz;
CREATE UNIQUE INDEX tool_calls_short_id ON tool_calls (org, channel, short_id) WHERE state = 'proposed' AND short_id IS NOT NULL;
-- What is open in a thread: side turns are told, and a channel's status names it.
CREATE INDEX tool_calls_proposed ON tool_calls (org, channel, thread_ts) WHERE state = 'proposed';

ALTER TABLE threads
    ADD COLUMN summary       text,                     -- of the turns that no longer fit
    ADD COLUMN summarised_to bigint NOT NULL DEFAULT 0; -- the last message's seq in it

-- Batches: one message shows several calls; an approval may be typed only where all of a call is in sight.
ALTER TABLE cards ADD COLUMN whole boolean NOT NULL DEFAULT false;
CREATE INDEX cards_of_message ON cards (org, channel, ts) WHERE ts <> '';
CREATE INDEX tool_calls_typed ON tool_calls (org, channel, short_id) WHERE short_id IS NOT NULL;

-- Model: a footer says "answered by …" only where another model than the first one did.
ALTER TABLE model_calls ADD COLUMN instead_of text; -- the id that should have answered

-- Bus and metrics: a run's calls are counted when it ends.
CREATE INDEX tool_calls_of_run ON tool_calls (run_id);

-- Latency: what happens at the door is one round trip, so that nobody waits for the audit's head while our process is busy.

-- One row of the audit chain. The text that is hashed is the row's canonical JSON with the hash before it; all of it up
-- to that hash is made by who writes the row, so that there is one canonical form.
CREATE FUNCTION append_audit(_org text, _at timestamptz, _kind text, _actor text, _run_id uuid, _call_id uuid, _data jsonb,
                             _until_prev text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _head audit_head;
    _hash text;
BEGIN
    -- locked until the end of the transaction: the last lock of every one
    SELECT * INTO _head FROM audit_head WHERE org = _org FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO audit_head (org, seq, hash) VALUES (_org, 0, '') ON CONFLICT DO NOTHING;
        SELECT * INTO _head FROM audit_head WHERE org = _org FOR UPDATE;
    END IF;
    _head.seq := _head.seq + 1;
    _hash := encode(sha256(convert_to(
        _until_prev || _head.hash || '","run_id":' || coalesce('"' || _run_id || '"', 'null') || ',"seq":' || _head.seq || '}',
        'UTF8')), 'hex');
    INSERT INTO audit (org, seq, at, kind, actor, run_id, call_id, data, prev, hash)
    VALUES (_org, _head.seq, _at, _kind, _actor, _run_id, _call_id, _data, _head.hash, _hash);
    UPDATE audit_head SET seq = _head.seq, hash = _hash WHERE org = _org;
END $$;

-- A request at the door: the event, the thread, the run and its job, the message and the audit row, or none of them.
-- No row comes back when Slack repeats itself. Words to a thread whose run has still a model call before it are fed to
-- that run.
CREATE FUNCTION take_request(_org text, _key text, _event text, _author text, _channel text, _thread_ts text, _ours boolean,
                             _kind text, _wish jsonb, _id uuid, _ts text, _body jsonb, _lock text, _priority integer,
                             _at timestamptz, _data jsonb, _until_prev text, _fed_data jsonb, _fed_until_prev text)
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

-- Sending: what changes with each step must not stand in an index, or every step writes into all of them.
ALTER TABLE outbox ADD COLUMN is_open boolean NOT NULL GENERATED ALWAYS AS (state IN ('pending', 'sending')) STORED;
DROP INDEX outbox_open;
DROP INDEX outbox_open_of_thread;
CREATE INDEX outbox_open ON outbox (lane, id) WHERE is_open;
CREATE INDEX outbox_open_of_thread ON outbox (org, channel, thread_ts, id) WHERE is_open;
ALTER TABLE outbox SET (fillfactor = 60);
-- Only what can be said now is news.
DROP TRIGGER outbox_notify ON outbox;
CREATE TRIGGER outbox_notify AFTER INSERT ON outbox
    FOR EACH ROW WHEN (NEW.state = 'pending' AND NEW.not_before <= now()) EXECUTE FUNCTION outbox_notify();
-- Rows that change a few times stay on their page: then only what differs is logged.
ALTER TABLE tool_calls SET (fillfactor = 60);
ALTER TABLE runs SET (fillfactor = 80);
ALTER TABLE cards SET (fillfactor = 80);
-- Runs have few calls: `tool_calls_of_run` finds the open ones as well.
DROP INDEX tool_calls_open;
-- What is asked for by them grows with every run.
CREATE INDEX artifacts_of_run ON artifacts (run_id);
CREATE INDEX cards_of_view ON cards (view_id) WHERE view_id <> '';
