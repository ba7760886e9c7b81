-- Under which configuration a workspace's bot last started: a hash of each part. A start that finds another one says so in the
-- audit. One row a workspace, locked while it is compared, so that of several that start at once one says it.
CREATE TABLE configuration (
    org   text PRIMARY KEY,
    parts jsonb NOT NULL
);
