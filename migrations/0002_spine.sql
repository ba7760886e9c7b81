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
