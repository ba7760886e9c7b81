-- The audit of one call is found by the id that people type, in whatever channel it was.
CREATE INDEX tool_calls_short ON tool_calls (org, short_id) WHERE short_id IS NOT NULL;

-- Forgetting: what was said in a run, and what somebody gave as his reasons.
CREATE INDEX outbox_of_run ON outbox (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX decisions_with_reasons ON decisions (org, person, id) WHERE reason <> '';
