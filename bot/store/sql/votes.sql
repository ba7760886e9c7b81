-- call_shown_at --
-- The call that a button carries, if it was shown there, and who has approved it so far.
SELECT t.*, ARRAY(SELECT d.person FROM decisions d WHERE d.call_id = t.id AND d.vote = 'approve') AS approved_by
  FROM tool_calls t
 WHERE t.public_id = %(public_id)s AND t.org = %(org)s
   AND EXISTS (
       SELECT FROM cards c WHERE c.call_id = t.id AND c.org = t.org
          AND (c.ts <> '' AND c.channel = %(channel)s AND c.ts = %(ts)s
               OR c.view_id <> '' AND c.view_id = %(view_id)s AND c.person = %(person)s));

-- hear_vote --
-- The calls that a vote is about, locked with their run, as they are then. No rows when Slack repeats itself.
SELECT * FROM hear_vote(%(org)s, %(key)s, %(kind)s, %(actor)s, %(run_id)s, %(call_ids)s);

-- cast_approval --
-- One more vote with all that comes of it: the arrow if it completes the quorum, the job if nobody is asked any more, the redraw.
SELECT * FROM cast_approval(
    %(id)s, %(org)s, %(call_id)s, %(digest)s, %(person)s, %(reason)s, %(salt)s, %(voters)s, %(start_within)s,
    %(task)s, %(priority)s, %(lock)s, %(data)s, %(lane)s, %(patience)s, %(goes_on)s);

-- take_approval --
-- The same of one call, from being heard to its audit row: a transaction by itself.
SELECT * FROM take_approval(
    %(org)s, %(key)s, %(kind)s, %(run_id)s, %(call_id)s, %(seen)s, %(id)s, %(digest)s, %(person)s, %(reason)s, %(salt)s, %(voters)s,
    %(start_within)s, %(task)s, %(priority)s, %(lock)s, %(data)s, %(lane)s, %(patience)s,
    %(at)s, %(counts)s, %(counts_until_prev)s, %(completes)s, %(completes_until_prev)s);

-- wake_if_decided --
SELECT wake_if_decided(%(run_id)s, %(start_within)s, %(task)s, %(priority)s, %(lock)s) AS yes;
