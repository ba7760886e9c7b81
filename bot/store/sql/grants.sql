-- insert_grant --
INSERT INTO grants (id, org, channel, thread_ts, call_id, tool, target, arguments, vary, requester, contributors, acting,
                    schema_hash, policy, provenance, warnings, approver, times, until)
SELECT %(id)s, c.org, c.channel, c.thread_ts, c.id, c.tool, c.target, c.arguments - %(varying)s::text[], %(vary)s, c.requester,
       c.contributors, c.acting, c.schema_hash, c.policy,
       coalesce(c.policy_input->'provenance', '{}') - %(varying)s::text[], coalesce(c.preview->'warnings', '[]'),
       %(person)s, %(times)s, now() + make_interval(secs => %(within)s)
  FROM tool_calls c WHERE c.id = %(call_id)s
ON CONFLICT DO NOTHING
RETURNING until;

-- use_grant --
-- One use of it, if everything is as it was but what may vary. Two at once cannot take the last one both.
UPDATE grants SET used = used + 1
 WHERE id = (
    SELECT id FROM grants
     WHERE org = %(org)s AND channel = %(channel)s AND thread_ts = %(thread_ts)s AND tool = %(tool)s AND target = %(target)s
       AND requester = %(requester)s AND contributors = %(contributors)s::text[] AND acting = %(acting)s
       AND schema_hash = %(schema_hash)s AND policy = %(policy)s::jsonb
       AND arguments = %(arguments)s::jsonb - %(varying)s::text[]
       AND provenance = %(provenance)s::jsonb - %(varying)s::text[]
       AND warnings @> (%(seen)s::jsonb->'warnings')
       AND revoked_at IS NULL AND until > now() AND used < times
     ORDER BY at LIMIT 1 FOR NO KEY UPDATE)
   AND revoked_at IS NULL AND until > now() AND used < times
RETURNING id, call_id, approver, used, times;

-- note_grant --
UPDATE tool_calls SET grant_id = %(grant_id)s, grant_use = %(number)s WHERE id = %(id)s;

-- grant_stands --
SELECT revoked_at IS NULL AND until > now() AS yes FROM grants WHERE id = %(id)s;

-- grant_of_call --
-- The one that was given on its card, or under which it ran.
SELECT g.* FROM grants g
 WHERE g.call_id = %(call_id)s OR g.id = (SELECT grant_id FROM tool_calls WHERE id = %(call_id)s)
 ORDER BY g.at DESC LIMIT 1;

-- revoke_grant --
UPDATE grants SET revoked_at = now(), revoked_by = %(person)s, revoked_why = %(why)s
 WHERE id = %(id)s AND revoked_at IS NULL
RETURNING call_id;

-- grants_open --
-- Those that may cover something still, with what they were judged by.
SELECT g.id, g.policy, g.until <= now() AS lapsed, g.org, g.channel, g.thread_ts, c.run_id, c.policy_input
  FROM grants g JOIN tool_calls c ON c.id = g.call_id
 WHERE g.revoked_at IS NULL ORDER BY g.at LIMIT %(limit)s;

-- void_grant --
UPDATE grants SET revoked_at = now(), revoked_why = %(why)s WHERE id = %(id)s AND revoked_at IS NULL
RETURNING id, call_id;

-- uses_of_grant --
-- The calls that ran under one, or may.
SELECT id, run_id FROM tool_calls WHERE grant_id = (SELECT g.id FROM grants g WHERE g.call_id = %(call_id)s) ORDER BY id;

-- void_grants_of_call --
UPDATE grants SET revoked_at = now(), revoked_why = %(why)s
 WHERE (call_id = %(call_id)s OR id = (SELECT grant_id FROM tool_calls WHERE id = %(call_id)s)) AND revoked_at IS NULL
RETURNING id, call_id;

-- void_grants_of_thread --
UPDATE grants SET revoked_at = now(), revoked_why = %(why)s
 WHERE org = %(org)s AND channel = %(channel)s AND thread_ts = %(thread_ts)s AND revoked_at IS NULL
RETURNING id, call_id;

-- void_grants_of_target --
UPDATE grants SET revoked_at = now(), revoked_why = %(why)s
 WHERE org = %(org)s AND channel = %(channel)s AND thread_ts = %(thread_ts)s AND target = %(target)s AND revoked_at IS NULL
RETURNING id, call_id;
