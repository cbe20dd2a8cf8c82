-- Pauses of clocks, and what a clock was started with where something has moved it. Hardly any row has any of it, and
-- none is written anew for it.

ALTER TABLE referral
    ADD COLUMN pauses jsonb;                              -- as they were last recorded, by their ids

ALTER TABLE clock
    -- Of the start: a pause is open that leaves the due time undecided; due_at is what it is without that one.
    ADD COLUMN suspended boolean NOT NULL DEFAULT false,
    ADD COLUMN started   jsonb;                           -- the starts, each without pauses, where several or moved

-- Open clocks that have no due time for now: few. They are neither in clock_next nor overdue.
CREATE INDEX clock_paused ON clock (kind, firmness) WHERE suspended AND open_due_at IS NOT NULL;
