-- Rules may call further groups when nobody has decided for a while.
ALTER TABLE tool_calls ADD COLUMN escalated_at timestamptz;
