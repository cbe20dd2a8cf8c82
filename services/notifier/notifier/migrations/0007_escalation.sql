-- Further steps after a breach, each for whoever has a role in the programme; coordinators are told as before.

CREATE TABLE escalation (
    item_id     uuid        PRIMARY KEY REFERENCES attention ON DELETE CASCADE,
    deadline_id uuid        NOT NULL,
    role        text        NOT NULL,
    level       integer     NOT NULL,
    clock       text        NOT NULL,
    attempt     integer,                   -- absent where the clock is the whole referral's
    due_at      timestamptz NOT NULL
);
CREATE INDEX escalation_deadline ON escalation (deadline_id);

CREATE OR REPLACE VIEW open_attention AS
SELECT a.*, coalesce(e.role, 'coordinator') AS role
  FROM attention a LEFT JOIN escalation e USING (item_id)
 WHERE a.opened_at IS NOT NULL AND (a.resolved_at IS NULL OR a.opened_at > a.resolved_at);

-- Everybody who is told has a pace of their own.
ALTER TABLE coordinator
    ADD COLUMN role text NOT NULL DEFAULT 'coordinator',
    DROP CONSTRAINT coordinator_pkey,
    ADD PRIMARY KEY (programme, role);
ALTER TABLE notice ADD COLUMN role text NOT NULL DEFAULT 'coordinator';
