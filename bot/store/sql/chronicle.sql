-- audit_heads --
SELECT org, seq, hash FROM audit_head ORDER BY org;

-- audit_page --
-- The next rows of the chain, up to the head that was read before them.
SELECT org, seq, at, kind, actor, run_id, call_id, data, prev, hash
FROM audit
WHERE org = %(org)s AND seq > %(after)s AND seq <= %(until)s
ORDER BY seq
LIMIT %(limit)s;

-- audit_chosen --
SELECT a.org, a.seq, a.at, a.kind, a.actor, a.run_id, a.call_id, a.data, a.prev, a.hash
FROM audit a
WHERE a.org = %(org)s AND a.seq > %(after)s AND a.seq <= %(until)s
  AND (%(since)s::timestamptz IS NULL OR a.at >= %(since)s)
  AND (%(before)s::timestamptz IS NULL OR a.at < %(before)s)
  AND (%(kind)s = '' OR a.kind = %(kind)s)
  AND (%(actor)s = '' OR a.actor = %(actor)s)
  AND (%(call)s = '' OR a.call_id IN (SELECT id FROM tool_calls WHERE org = a.org AND public_id = %(call)s))
ORDER BY a.seq
LIMIT %(limit)s;
