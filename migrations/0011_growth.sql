-- How large the database was: a row a day.
CREATE TABLE growth (
    day   date PRIMARY KEY,
    bytes bigint NOT NULL
);
-- What is deleted in masses is cleaned up before it is a fifth of the table.
ALTER TABLE events SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE artifacts SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- Plans are made by what is known of a table: a tenth of a million new rows is much to know nothing of.
ALTER TABLE messages SET (autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE tool_calls SET (autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE runs SET (autovacuum_analyze_scale_factor = 0.02);
