-- append_audit --
SELECT append_audit(%(org)s, %(at)s, %(kind)s, %(actor)s, %(run_id)s, %(call_id)s, %(data)s, %(until_prev)s);

-- audit_rows --
SELECT org, seq, at, kind, actor, run_id, call_id, data, prev, hash FROM audit WHERE org = %(org)s ORDER BY seq;
