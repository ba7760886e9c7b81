-- lock_configuration --
-- That of the last start, locked; nothing where this is the first one.
SELECT parts FROM configuration WHERE org = %(org)s FOR UPDATE;

-- set_configuration --
INSERT INTO configuration (org, parts) VALUES (%(org)s, %(parts)s)
ON CONFLICT (org) DO UPDATE SET parts = excluded.parts WHERE configuration.parts <> excluded.parts;
