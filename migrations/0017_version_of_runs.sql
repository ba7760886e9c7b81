-- The version of what a run's rows and checkpoints hold: one that an earlier process does not know is left to a later one.
ALTER TABLE runs
    ADD COLUMN version smallint NOT NULL DEFAULT 1,
    ADD COLUMN left_since timestamptz; -- since when an earlier process leaves it to a later one
