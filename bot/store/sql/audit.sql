-- lock_head --
INSERT INTO audit_head (org, seq, hash) VALUES (%(org)s, 0, '') ON CONFLICT (org) DO UPDATE SET seq = audit_head.seq
RETURNING seq, hash;

-- append_audit --
WITH row AS (
    INSERT INTO audit (org, seq, at, kind, actor, run_id, call_id, data, prev, hash)
    VALUES (%(org)s, %(seq)s, %(at)s, %(kind)s, %(actor)s, %(run_id)s, %(call_id)s, %(data)s, %(prev)s, %(hash)s))
UPDATE audit_head SET seq = %(seq)s, hash = %(hash)s WHERE org = %(org)s;

-- audit_rows --
SELECT org, seq, at, kind, actor, run_id, call_id, data, prev, hash FROM audit WHERE org = %(org)s ORDER BY seq;
