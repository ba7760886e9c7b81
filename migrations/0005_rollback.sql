-- A rollback that stands by: decided with the change that it takes back, and begun only where that does not work.
ALTER TABLE tool_calls
    ADD COLUMN rolls_back uuid REFERENCES tool_calls, -- the call that this one takes back by itself
    DROP CONSTRAINT tool_calls_state_check,
    ADD CONSTRAINT tool_calls_state_check CHECK (state IN
        ('proposed', 'standby', 'approved', 'denied', 'expired', 'superseded', 'executing', 'done', 'failed', 'unknown'));
CREATE UNIQUE INDEX tool_calls_rolls_back ON tool_calls (rolls_back) WHERE rolls_back IS NOT NULL;
-- It answers no wish of its own.
DROP INDEX tool_calls_wish;
CREATE UNIQUE INDEX tool_calls_wish ON tool_calls (run_id, reply, ordinal) WHERE superseded_by IS NULL AND rolls_back IS NULL;
