-- Replaying a policy: what was refused, the newest first.
CREATE INDEX audit_refused_inputs ON audit (at) WHERE kind = 'refused' AND data ? 'input';
