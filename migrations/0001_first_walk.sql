-- The first walk: from a mention to one approved, verified, undoable change.
-- Every table is keyed by org (Slack enterprise or team id); times are UTC.

-- What Slack sent and we are answerable for. The key makes a repeated delivery find its row.
CREATE TABLE events (
    org         text NOT NULL,
    key         text NOT NULL,              -- human message: channel:ts; other events: event_id; clicks, views, commands: trigger_id
    kind        text NOT NULL,
    actor       text NOT NULL DEFAULT '',
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org, key)
);
CREATE INDEX events_received_at ON events (received_at);

CREATE TABLE threads (
    org        text NOT NULL,
    channel    text NOT NULL,
    thread_ts  text NOT NULL,
    ours       boolean NOT NULL,            -- its root mentioned us or is ours: replies by those who spoke to us here need no mention
    next_seq   bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org, channel, thread_ts)
);

CREATE TABLE runs (
    id           uuid PRIMARY KEY,          -- uuid7: also LangGraph's thread_id
    org          text NOT NULL,
    channel      text NOT NULL,
    thread_ts    text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('turn', 'command', 'undo')),
    state        text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'working', 'waiting', 'done', 'failed')),
    requester    text NOT NULL,
    contributors text[] NOT NULL,
    wish         jsonb,                     -- a command's or an undo's one call: {"tool": …, "arguments": …, "undoes": …}
    attempt      integer NOT NULL DEFAULT 0,
    progress_ts  text,                      -- the one progress message, once it is posted
    progress_at  timestamptz,
    worked       double precision NOT NULL DEFAULT 0, -- seconds of own work, neither waiting for people nor verifying
    error        text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    ended_at     timestamptz,
    swept        boolean NOT NULL DEFAULT false, -- its checkpoints are gone
    FOREIGN KEY (org, channel, thread_ts) REFERENCES threads
);
CREATE INDEX runs_of_thread ON runs (org, channel, thread_ts, id);
CREATE INDEX runs_to_sweep ON runs (ended_at) WHERE NOT swept AND ended_at IS NOT NULL;

-- The conversation: append-only; seq is given under the thread's row lock.
CREATE TABLE messages (
    org        text NOT NULL,
    channel    text NOT NULL,
    thread_ts  text NOT NULL,
    seq        bigint NOT NULL,
    run_id     uuid NOT NULL REFERENCES runs,
    role       text NOT NULL CHECK (role IN ('user', 'assistant', 'tool')),
    author     text NOT NULL DEFAULT '',
    ts         text,                        -- Slack's, of a human message
    body       jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org, channel, thread_ts, seq)
);
CREATE INDEX messages_of_run ON messages (run_id, seq);
CREATE INDEX messages_by_author ON messages (org, channel, thread_ts, author) WHERE role = 'user';

-- The only state machine. Reads too: inserted once, done or failed.
CREATE TABLE tool_calls (
    id             uuid PRIMARY KEY,
    org            text NOT NULL,
    channel        text NOT NULL,
    thread_ts      text NOT NULL,
    run_id         uuid NOT NULL REFERENCES runs,
    reply          integer NOT NULL,        -- which of the run's model replies wished it
    ordinal        integer NOT NULL,        -- its place in that reply; a new preview of the same wish keeps both
    model_call_id  text NOT NULL,           -- the model's own id, to answer it
    kind           text NOT NULL CHECK (kind IN ('read', 'change')),
    tool           text NOT NULL,
    arguments      jsonb NOT NULL,
    target         text NOT NULL,
    risk           text NOT NULL CHECK (risk IN ('read', 'write', 'danger')),
    requester      text NOT NULL,
    contributors   text[] NOT NULL,
    acting         text NOT NULL,           -- the identity it runs as
    state          text NOT NULL CHECK (state IN ('proposed', 'approved', 'denied', 'expired', 'superseded', 'executing', 'done', 'failed', 'unknown')),
    -- of a change
    public_id      text,                    -- random; all that a button carries
    digest         text,                    -- of exactly what will run and of the state it was previewed against
    schema_hash    text,
    preview        jsonb,
    policy_input   jsonb,
    policy         jsonb,                   -- effect, rule, who may approve
    quorum         integer,
    model_says     text NOT NULL DEFAULT '',
    expires_at     timestamptz,
    approved_at    timestamptz,
    start_by       timestamptz,             -- an approval is perishable
    started_at     timestamptz,
    ended_at       timestamptz,
    receipt        jsonb,
    verdict        jsonb,
    progress       text[] NOT NULL DEFAULT '{}',
    undoes         uuid REFERENCES tool_calls,
    superseded_by  uuid REFERENCES tool_calls DEFERRABLE INITIALLY DEFERRED, -- its new preview
    error          text,
    -- of both
    result         text,                    -- what the model reads; masked and cut
    artifact       uuid,
    attempt        integer,                 -- of the worker that executes it: fences its writes
    created_at     timestamptz NOT NULL DEFAULT now(),
    CHECK (kind = 'read' OR (public_id IS NOT NULL AND digest IS NOT NULL AND quorum IS NOT NULL AND expires_at IS NOT NULL))
);
-- A worker that repeats a step after a crash finds what it had inserted.
CREATE UNIQUE INDEX tool_calls_wish ON tool_calls (run_id, reply, ordinal) WHERE superseded_by IS NULL;
CREATE UNIQUE INDEX tool_calls_public_id ON tool_calls (public_id) WHERE public_id IS NOT NULL;
CREATE INDEX tool_calls_open ON tool_calls (run_id) WHERE state IN ('proposed', 'approved', 'executing');
CREATE INDEX tool_calls_due ON tool_calls (expires_at) WHERE state IN ('proposed', 'approved');
-- One way back at a time.
CREATE UNIQUE INDEX tool_calls_undo ON tool_calls (undoes) WHERE undoes IS NOT NULL AND state IN ('proposed', 'approved', 'executing', 'done', 'unknown');

-- Votes: append-only, bound to the digest that the person saw.
CREATE TABLE decisions (
    id      uuid PRIMARY KEY,
    org     text NOT NULL,
    call_id uuid NOT NULL REFERENCES tool_calls,
    digest  text NOT NULL,
    person  text NOT NULL,
    vote    text NOT NULL CHECK (vote IN ('approve', 'deny')),
    reason  text NOT NULL DEFAULT '',
    at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (call_id, digest, person, vote)
);

-- Where calls are shown. A click counts only from here.
CREATE TABLE cards (
    org       text NOT NULL,
    call_id   uuid NOT NULL REFERENCES tool_calls,
    channel   text NOT NULL DEFAULT '',
    ts        text NOT NULL DEFAULT '',     -- of a message
    view_id   text NOT NULL DEFAULT '',     -- of a modal, opened for one person
    person    text NOT NULL DEFAULT '',
    drawn     text NOT NULL DEFAULT '',     -- hash of what was last drawn
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (call_id, channel, ts, view_id)
);

-- What must be heard, as meaning; rendered when it is sent.
CREATE TABLE outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org        text NOT NULL,
    channel    text NOT NULL,
    thread_ts  text NOT NULL,
    kind       text NOT NULL,
    version    integer NOT NULL DEFAULT 1,
    data       jsonb NOT NULL,
    key        text,                        -- said once: answer:<run>, card:<call>
    lane       integer NOT NULL,            -- 0 pages and cards, 1 answers, 2 the rest
    run_id     uuid REFERENCES runs,
    call_id    uuid REFERENCES tool_calls,
    state      text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'sent', 'failed')),
    tries      integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL DEFAULT now(),
    claimed_at timestamptz,
    claimed_by bigint,                      -- the advisory lock that the sender holds while it lives
    ts         text,                        -- Slack's, once sent
    error      text,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at    timestamptz
);
CREATE UNIQUE INDEX outbox_key ON outbox (org, key) WHERE key IS NOT NULL;
CREATE INDEX outbox_open ON outbox (lane, id) WHERE state IN ('pending', 'sending');
CREATE INDEX outbox_open_of_thread ON outbox (org, channel, thread_ts, id) WHERE state IN ('pending', 'sending');

CREATE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('countersign_outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_notify AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION outbox_notify();

CREATE TABLE artifacts (
    id         uuid PRIMARY KEY,
    org        text NOT NULL,
    channel    text NOT NULL,
    thread_ts  text NOT NULL,
    run_id     uuid NOT NULL REFERENCES runs,
    title      text NOT NULL,
    content    text NOT NULL,               -- masked
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX artifacts_of_thread ON artifacts (org, channel, thread_ts);

CREATE TABLE model_calls (
    id            uuid PRIMARY KEY,
    org           text NOT NULL,
    run_id        uuid NOT NULL REFERENCES runs,
    attempt       integer NOT NULL,
    model         text NOT NULL,
    input_tokens  integer NOT NULL DEFAULT 0,
    cached_tokens integer NOT NULL DEFAULT 0,
    output_tokens integer NOT NULL DEFAULT 0,
    cost          numeric(12, 6),           -- USD; NULL where no price is known
    milliseconds  integer NOT NULL,
    error         text,
    at            timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX model_calls_of_run ON model_calls (run_id);

-- Hash-chained: each row's hash covers the row before it. The head is one locked row, taken last.
CREATE TABLE audit (
    org     text NOT NULL,
    seq     bigint NOT NULL,
    at      timestamptz NOT NULL,
    kind    text NOT NULL,
    actor   text NOT NULL,
    run_id  uuid,
    call_id uuid,
    data    jsonb NOT NULL,
    prev    text NOT NULL,
    hash    text NOT NULL,
    PRIMARY KEY (org, seq)
);
CREATE INDEX audit_of_call ON audit (call_id) WHERE call_id IS NOT NULL;
CREATE TABLE audit_head (
    org  text PRIMARY KEY,
    seq  bigint NOT NULL,
    hash text NOT NULL
);

-- Nothing of the job engine's wakes a worker when a lock becomes free: the next job of a thread would wait for the poll.
CREATE FUNCTION countersign_lock_freed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM procrastinate_jobs WHERE lock = OLD.lock AND status = 'todo') THEN
        PERFORM pg_notify('procrastinate_any_queue_v1', '{"type": "job_inserted", "job_id": 0}');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER countersign_lock_freed_by_end AFTER UPDATE OF status ON procrastinate_jobs
    FOR EACH ROW WHEN (OLD.status = 'doing' AND NEW.lock IS NOT NULL) EXECUTE FUNCTION countersign_lock_freed();
CREATE TRIGGER countersign_lock_freed_by_delete AFTER DELETE ON procrastinate_jobs
    FOR EACH ROW WHEN (OLD.status = 'doing' AND OLD.lock IS NOT NULL) EXECUTE FUNCTION countersign_lock_freed();

-- Runs without a job are looked for every few seconds.
CREATE INDEX runs_open ON runs (org) WHERE ended_at IS NULL;
