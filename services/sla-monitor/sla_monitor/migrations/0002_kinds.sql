-- Clocks of every kind that a programme file names: of the whole case (attempt 0), or of one attempt to match.

ALTER TABLE referral ADD COLUMN reached_at timestamptz;   -- somebody spoke with the physician; shown only

ALTER TABLE clock
    ADD COLUMN attempt          integer NOT NULL DEFAULT 0,
    ADD COLUMN released_at      timestamptz,              -- a fact: the attempt has ended
    ADD COLUMN any_later        boolean DEFAULT false,    -- of the start: a later attempt may stop it as well
    -- What the due time was reckoned by, pinned; of clocks that were started before this, the sentence says it.
    ADD COLUMN zone             text,
    ADD COLUMN due_local        text,
    ADD COLUMN calendar_version text,
    ADD COLUMN tzdata           text,
    ADD COLUMN steps            jsonb,
    DROP CONSTRAINT clock_pkey,
    ADD PRIMARY KEY (referral_id, kind, attempt);
