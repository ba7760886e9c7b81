-- What a person says of a change whose outcome nobody could find out, by name.
ALTER TABLE decisions DROP CONSTRAINT decisions_vote_check;
ALTER TABLE decisions ADD CONSTRAINT decisions_vote_check
  CHECK (vote IN ('approve', 'deny', 'break glass', 'settle done', 'settle failed')) NOT VALID;
