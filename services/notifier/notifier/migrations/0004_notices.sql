-- What waits for a human in any service, and which coordinator was told of it. Nothing here names a person.

CREATE TABLE attention (
    item_id     uuid        PRIMARY KEY,   -- of the item; of news: the event's
    kind        text        NOT NULL,
    programme   text,                      -- absent where it concerns the whole installation
    urgent      boolean     NOT NULL,
    opened_at   timestamptz,
    resolved_at timestamptz,
    referral_id uuid,                      -- what it is about, where it is about one
    is_news     boolean     NOT NULL       -- over once it was told: a deadline
);

CREATE VIEW open_attention AS
SELECT * FROM attention WHERE opened_at IS NOT NULL AND (resolved_at IS NULL OR opened_at > resolved_at);

CREATE INDEX attention_open ON attention (programme)
 WHERE opened_at IS NOT NULL AND (resolved_at IS NULL OR opened_at > resolved_at);

CREATE INDEX attention_resolved ON attention (resolved_at);

CREATE TABLE coordinator (
    programme text PRIMARY KEY,
    urgent_at timestamptz,                 -- of the last urgent notice
    digest_on date                         -- the programme's local day of the last digest
);

-- planned -> sending -> sent | refused (tried again) | failed | unknown; dropped: all of it was resolved before.
-- As with `send`, a row that is `sending` is never taken over. What a failed or unknown one told of is told again
-- by the next digest.
CREATE TABLE notice (
    notice_id  uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    programme  text        NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('urgent', 'digest')),
    message_id text        NOT NULL,
    state      text        NOT NULL DEFAULT 'planned'
               CHECK (state IN ('planned', 'sending', 'sent', 'refused', 'failed', 'unknown', 'dropped')),
    due_at     timestamptz NOT NULL DEFAULT statement_timestamp(),
    tries      integer     NOT NULL DEFAULT 0,
    code       text        NOT NULL DEFAULT '',
    planned_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    claimed_at timestamptz,
    ended_at   timestamptz
);
CREATE INDEX notice_ended ON notice (ended_at);
CREATE INDEX notice_due ON notice (due_at) WHERE state IN ('planned', 'refused', 'sending');

CREATE TABLE notice_item (
    notice_id uuid        NOT NULL REFERENCES notice ON DELETE CASCADE,
    item_id   uuid        NOT NULL REFERENCES attention ON DELETE CASCADE,
    opened_at timestamptz NOT NULL,        -- the opening that was told: one that is opened again is told again
    programme text        NOT NULL,
    PRIMARY KEY (item_id, programme, opened_at, notice_id)
);
CREATE INDEX notice_item_notice ON notice_item (notice_id);

-- Coordinators had one message for each event before; the items behind them are told of as above.
DELETE FROM send WHERE message IN ('deadline-breached', 'match-unavailable', 'participant-unresolved',
                                   'delivery-failed', 'delivery-unknown', 'release-requested');
