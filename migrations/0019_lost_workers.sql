-- How many processes died while they carried a run, since it last rested: one of which each of them dies is given up.
ALTER TABLE runs ADD COLUMN lost_workers smallint NOT NULL DEFAULT 0;
