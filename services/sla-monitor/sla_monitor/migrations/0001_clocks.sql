-- The cases that are watched, and their clocks. A row of `referral` is the lock of everything about the
-- case: whoever writes a clock, or takes the next sequence number, holds it.

CREATE TABLE referral (
    referral_id         uuid    PRIMARY KEY,
    sequence            integer NOT NULL DEFAULT 0,      -- of the last event published about it
    closed_at           timestamptz,
    withdrawn_at        timestamptz,
    retraction_declined boolean NOT NULL DEFAULT false,
    forgotten           boolean NOT NULL DEFAULT false,  -- then nothing else is kept
    traceparent         text
);

CREATE TABLE clock (
    referral_id      uuid    NOT NULL REFERENCES referral,
    kind             text    NOT NULL,
    -- Facts: the reason to run that gives the earliest due time, and the first stop.
    begun            boolean NOT NULL,
    due_at           timestamptz,
    starts_at        timestamptz,
    entered_at       timestamptz,
    warn_at          timestamptz,
    firmness         text,
    programme_id     text,
    programme_digest text,
    explanation      text,
    stopped_at       timestamptz,
    -- Decisions, each taken once.
    told_due_at      timestamptz,                        -- as the last deadline-set said
    approached       boolean NOT NULL,
    verdict          text    CHECK (verdict IN ('met', 'breached')),
    corrected        boolean NOT NULL,
    -- When the sweep has something to decide; derived from all of the above.
    next_at          timestamptz,
    PRIMARY KEY (referral_id, kind)
);

CREATE INDEX clock_next ON clock (next_at) WHERE next_at IS NOT NULL;
