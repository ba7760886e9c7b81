-- A start looks for what the last one went by; the audit has it among a million other rows.
CREATE INDEX audit_configured ON audit (org, seq DESC) WHERE kind = 'configured';
