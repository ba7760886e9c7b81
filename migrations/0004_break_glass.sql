-- A vote of its own: one person instead of the quorum, where the rule says so.
ALTER TABLE decisions DROP CONSTRAINT decisions_vote_check;
ALTER TABLE decisions ADD CONSTRAINT decisions_vote_check CHECK (vote IN ('approve', 'deny', 'break glass'));
