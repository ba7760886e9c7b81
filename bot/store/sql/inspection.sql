-- What `countersign doctor` asks a database; all of it only looks.

-- inspect_role --
SELECT current_setting('server_version_num')::int AS version, current_user AS role,
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS creates,
       to_regclass('audit') IS NOT NULL AS has_tables, to_regclass('listeners') IS NOT NULL AS has_listeners

-- inspect_audit --
-- A right counts whether it was granted or comes with owning the table or with being a superuser.
SELECT may FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS may
 WHERE has_table_privilege('audit', may)

-- inspect_listeners --
SELECT coalesce(sum(sockets), 0)::int AS sockets FROM listeners WHERE at > now() - interval '35 seconds'

-- inspect_orgs --
SELECT org FROM audit_head ORDER BY org

-- inspect_room --
-- How many connections the server gives to roles like ours, and who has them. Each of our processes, whatever its
-- role, holds one or more of a name of its own.
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true), '0')::int AS allowed,
       count(*) FILTER (WHERE datname <> current_database() OR application_name NOT LIKE 'countersign %%') AS others,
       count(DISTINCT application_name) FILTER (
           WHERE datname = current_database() AND application_name LIKE 'countersign relaxed _%%') AS processes
  FROM pg_stat_activity WHERE datid IS NOT NULL
