-- lock_configuration --
-- Of several that start at once, one says that it changed.
SELECT pg_advisory_xact_lock(hashtextextended('configuration:' || %(org)s, 0));

-- last_configuration --
-- A hash of each part of what the last start went by, and its version, as the audit has it.
SELECT data->'sha256' AS parts, data->>'version' AS version FROM audit WHERE org = %(org)s AND kind = 'configured' ORDER BY seq DESC LIMIT 1;
