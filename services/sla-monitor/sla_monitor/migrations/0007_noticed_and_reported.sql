-- When breaches were told, how late sources reported, and which open clocks time never decides.

ALTER TABLE clock
    ADD COLUMN noticed_at      timestamptz,  -- a decision: when its breach was told; not known of those before this
    ADD COLUMN late_noticed    boolean,      -- derived: whether that was notably later than it could be
    ADD COLUMN reported_within smallint;     -- of the start: a class of hours, where a source said when it happened

ALTER TABLE forgotten_clock
    ADD COLUMN late_noticed    boolean,
    ADD COLUMN reported_within smallint;

-- Those that are neither in clock_next nor in clock_missed, since time decides nothing about them.
CREATE INDEX clock_shown ON clock (open_due_at)
 WHERE open_due_at IS NOT NULL AND next_at IS NULL AND verdict IS NULL;
