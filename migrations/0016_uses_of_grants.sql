-- When a grant ends, the cards that ran under it are drawn anew.
CREATE INDEX tool_calls_of_grant ON tool_calls (grant_id) WHERE grant_id IS NOT NULL;
-- Whatever ended before this was looked after stays as it was drawn.
UPDATE grants SET revoked_at = until, revoked_why = 'its time was over' WHERE revoked_at IS NULL AND until <= now();
