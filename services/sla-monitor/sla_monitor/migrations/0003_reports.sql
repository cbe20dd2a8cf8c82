-- What operators and coordinators ask for: the clocks that somebody still waits for, and by month what became of all.

ALTER TABLE clock
    -- Derived from the facts and decisions, as next_at is.
    ADD COLUMN open_due_at   timestamptz,  -- the due time, while what the clock waits for may still happen
    ADD COLUMN month         date,         -- the first day of the month of its start, on the programme's wall
    ADD COLUMN outcome       text CHECK (outcome IN ('met', 'breached', 'corrected', 'late')),
    ADD COLUMN waited        integer,      -- whole minutes from its start to its stop
    ADD COLUMN entered_after integer;      -- whole minutes from its start to when that was entered

-- The zone of clocks from before this is not known: one that began within hours of a month's turn may count for the other.
UPDATE clock c
   SET open_due_at = CASE WHEN c.stopped_at IS NULL AND c.released_at IS NULL AND r.closed_at IS NULL THEN c.due_at END,
       month = date_trunc('month', c.starts_at AT TIME ZONE coalesce(c.zone, 'UTC')),
       outcome = CASE WHEN c.corrected THEN 'corrected' ELSE c.verdict END,
       waited = CASE WHEN c.stopped_at IS NOT NULL
                     THEN greatest(floor(extract(epoch FROM c.stopped_at - c.starts_at) / 60), 0) END,
       entered_after = greatest(floor(extract(epoch FROM c.entered_at - c.starts_at) / 60), 0)
  FROM referral r
 WHERE r.referral_id = c.referral_id AND c.begun AND c.due_at IS NOT NULL;

CREATE INDEX clock_open ON clock (programme_id, open_due_at, referral_id, kind, attempt) WHERE open_due_at IS NOT NULL;
-- None for reports: they are rare, and every index that is added costs each decision of the sweep.

-- What reports count of clocks whose case was forgotten: no id, and no time but the month.
CREATE TABLE forgotten_clock (
    programme_id  text    NOT NULL,
    month         date    NOT NULL,
    kind          text    NOT NULL,
    firmness      text    NOT NULL,
    outcome       text,
    waited        integer,
    entered_after integer NOT NULL
);

CREATE INDEX forgotten_clock_month ON forgotten_clock (programme_id, month);
