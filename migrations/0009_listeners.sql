-- Who holds sockets to Slack now, and until when Slack was last heard: what was said since may have to be read again.
CREATE TABLE listeners (
    org      text NOT NULL,
    process  bigint NOT NULL,                -- chosen at its start
    sockets  integer NOT NULL,
    heard_at timestamptz,                    -- when it last held one, while the database could take what came
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org, process)
);
