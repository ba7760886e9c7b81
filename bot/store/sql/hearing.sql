-- note_listener --
-- We are here with so many sockets. After a silence longer than `patience` it does not count as heard before what was said
-- in it has been read: `heard` is then for the next process as for this one.
WITH before AS (SELECT max(heard_at) AS at FROM listeners WHERE org = %(org)s)
INSERT INTO listeners AS l (org, process, sockets, heard_at)
SELECT %(org)s, %(process)s, %(sockets)s,
       CASE WHEN %(sockets)s > 0 AND coalesce(at > now() - make_interval(secs => %(patience)s), true) THEN now() END
  FROM before
ON CONFLICT (org, process) DO UPDATE
   SET sockets = excluded.sockets, heard_at = coalesce(excluded.heard_at, l.heard_at), at = now()
RETURNING (SELECT at FROM before) AS since,
          sockets > 0 AND heard_at IS DISTINCT FROM now() AS missed,
          (SELECT coalesce(sum(o.sockets), 0)::int FROM listeners o
            WHERE o.org = %(org)s AND o.process <> %(process)s AND o.at > now() - make_interval(secs => %(gone)s)) AS elsewhere;

-- note_all_heard --
-- What was said in a silence has been read.
UPDATE listeners SET heard_at = now() WHERE org = %(org)s AND process = %(process)s;

-- forget_listeners --
-- The newest stays: it tells how long nobody has listened.
DELETE FROM listeners
 WHERE org = %(org)s AND at < now() - interval '1 day'
   AND heard_at IS DISTINCT FROM (SELECT max(heard_at) FROM listeners WHERE org = %(org)s);

-- threads_listened_to --
-- Threads with a run that was open at some time since, and the newest message of before that is stored: what has come in
-- again since then says nothing of what had not.
SELECT r.channel, r.thread_ts, (
           SELECT max(m.ts) FROM messages m
            WHERE m.org = %(org)s AND m.channel = r.channel AND m.thread_ts = r.thread_ts AND m.ts < %(since_ts)s) AS newest
  FROM (SELECT channel, thread_ts FROM runs WHERE org = %(org)s AND ended_at IS NULL
         UNION
        SELECT channel, thread_ts FROM runs WHERE org = %(org)s AND ended_at > %(since)s) r
 ORDER BY r.thread_ts DESC LIMIT %(limit)s;
