-- "undo" takes the newest change of a channel that ran: there may be a year of other calls.
CREATE INDEX tool_calls_undoable ON tool_calls (org, channel, ended_at DESC NULLS LAST, id DESC) WHERE kind = 'change' AND state = 'done';
