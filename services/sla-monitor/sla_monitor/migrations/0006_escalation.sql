-- Who is told after the coordinator of a breach that nobody has acknowledged. No column needs the table to be rewritten;
-- clocks from before this have no steps: what counts is what their programme said when they were started.

ALTER TABLE clock
    ADD COLUMN escalation      jsonb,                        -- of the start: [[seconds after the due time, role], …]
    ADD COLUMN escalated       integer NOT NULL DEFAULT 0,   -- a decision: so many of the steps were told
    ADD COLUMN acknowledged_at timestamptz,
    ADD COLUMN acknowledged_by text;                         -- the name of the token that was used
