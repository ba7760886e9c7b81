-- drop_events --
-- Slack repeats nothing for so long.
DELETE FROM events WHERE (org, key) IN (
    SELECT org, key FROM events WHERE org = %(org)s AND received_at < %(before)s LIMIT %(limit)s);

-- drop_artifacts --
-- Their ids begin with the time they were made at.
DELETE FROM artifacts WHERE id IN (
    SELECT id FROM artifacts WHERE org = %(org)s AND id < %(until)s::uuid ORDER BY id LIMIT %(limit)s);
