-- A role for the bot that can add to the audit and never change it. Run it as the role that owns
-- the tables, after `countersign migrate`, with psql; then give the new role a password (\password).
-- DATABASE_URL then names countersign_bot, and DATABASE_MIGRATE_URL the owner.
DO $$ BEGIN
    CREATE ROLE countersign_bot LOGIN;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END $$;

GRANT USAGE ON SCHEMA public TO countersign_bot;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO countersign_bot;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO countersign_bot;
-- What a later migration makes.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO countersign_bot;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO countersign_bot;

REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM countersign_bot;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON countersign_migrations, countersign_foreign_migrations FROM countersign_bot;
