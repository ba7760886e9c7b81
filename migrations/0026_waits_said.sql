-- When its progress message last said that the run waits for people: whoever was about to draw that may have died.
ALTER TABLE runs ADD COLUMN waits_said_at timestamptz;
