-- note_growth --
-- Once a day, whoever is first.
INSERT INTO growth (day, bytes)
SELECT (now() AT TIME ZONE 'UTC')::date, pg_database_size(current_database())
 WHERE NOT EXISTS (SELECT FROM growth WHERE day = (now() AT TIME ZONE 'UTC')::date)
ON CONFLICT DO NOTHING;

-- drop_growth --
DELETE FROM growth WHERE day < (now() AT TIME ZONE 'UTC')::date - 400;

-- growth_now --
-- How large it is, and was a week ago, or as early as is known.
SELECT pg_database_size(current_database()) AS bytes, g.day, g.bytes AS bytes_then
  FROM (SELECT 1) one LEFT JOIN LATERAL (
       SELECT day, bytes FROM growth WHERE day < (now() AT TIME ZONE 'UTC')::date
        ORDER BY (day <= (now() AT TIME ZONE 'UTC')::date - 7) DESC,
                 abs(day - ((now() AT TIME ZONE 'UTC')::date - 7)) LIMIT 1) g ON true;

-- growth_of_tables --
-- Rows as the server counts them by itself, about; dead ones until it has cleaned up.
SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes, coalesce(s.n_live_tup, 0) AS rows,
       coalesce(s.n_dead_tup, 0) AS dead
  FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
 WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
 ORDER BY bytes DESC, name;
