-- put_checkpoint --
-- Only of who holds the run's claim: what a worker that was thought dead wrote after the next one would be newer than all
-- of its steps, and the run would go on from there.
INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
SELECT %(thread_id)s::text, %(checkpoint_ns)s, %(id)s, %(parent)s, %(checkpoint)s::jsonb, %(metadata)s::jsonb
 WHERE EXISTS (SELECT FROM runs r WHERE r.id = %(thread_id)s::text::uuid AND r.attempt = %(attempt)s)
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
DO UPDATE SET checkpoint = excluded.checkpoint, metadata = excluded.metadata;

-- put_write --
-- The first one of a task counts, but for what a task says of itself (`again`), such as that it waits.
INSERT INTO checkpoint_writes AS w (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob)
SELECT %(thread_id)s::text, %(checkpoint_ns)s, %(id)s, %(task_id)s, %(task_path)s, %(idx)s::int, %(channel)s, %(type)s,
       %(blob)s::bytea
 WHERE EXISTS (SELECT FROM runs r WHERE r.id = %(thread_id)s::text::uuid AND r.attempt = %(attempt)s)
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
DO UPDATE SET channel = excluded.channel, type = excluded.type, blob = excluded.blob WHERE %(again)s;
