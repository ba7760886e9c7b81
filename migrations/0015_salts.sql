-- What the audit holds of a vote's reason is hashed with this, which goes with the reason; the salt of a message stands in its body.
ALTER TABLE decisions ADD COLUMN salt text NOT NULL DEFAULT '';
