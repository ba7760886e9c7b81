-- "The same again here": what one approver allowed in advance, counted and for a while.
CREATE TABLE grants (
    id           uuid PRIMARY KEY,
    org          text NOT NULL,
    channel      text NOT NULL,
    thread_ts    text NOT NULL,
    call_id      uuid NOT NULL REFERENCES tool_calls,  -- on whose card it was given
    tool         text NOT NULL,
    target       text NOT NULL,
    arguments    jsonb NOT NULL,                       -- without those that may vary
    vary         jsonb NOT NULL,                       -- argument → [least, most]
    requester    text NOT NULL,
    contributors text[] NOT NULL,
    acting       text NOT NULL,
    schema_hash  text NOT NULL,
    policy       jsonb NOT NULL,                       -- the ruling under which it was given
    provenance   jsonb NOT NULL,                       -- of the arguments that may not vary
    warnings     jsonb NOT NULL,                       -- that the approver saw
    approver     text NOT NULL,
    times        integer NOT NULL,
    used         integer NOT NULL DEFAULT 0 CHECK (used <= times),
    until        timestamptz NOT NULL,
    at           timestamptz NOT NULL DEFAULT now(),
    revoked_at   timestamptz,
    revoked_by   text,                                 -- a person, or nobody where it became void by itself
    revoked_why  text NOT NULL DEFAULT ''
);
CREATE INDEX grants_of_thread ON grants (org, channel, thread_ts) WHERE revoked_at IS NULL;
CREATE UNIQUE INDEX grants_of_call ON grants (call_id);
ALTER TABLE tool_calls ADD COLUMN grant_id uuid REFERENCES grants, ADD COLUMN grant_use integer;
