-- The delivery path of a service: where it stands in its input, what it has taken in, what it has yet to
-- say, what it could not read, and what waits for a human.

CREATE TABLE consumer_offset (
    topic       text    NOT NULL,
    "partition" integer NOT NULL,
    next_offset bigint  NOT NULL,   -- -1: nothing taken yet, begin at the earliest record
    epoch       bigint  NOT NULL,   -- grows with every take-over; a former owner no longer matches
    PRIMARY KEY (topic, "partition")
);

CREATE TABLE inbox (
    event_id  uuid        PRIMARY KEY,
    body_hash bytea       NOT NULL,
    taken_at  timestamptz NOT NULL DEFAULT statement_timestamp()
);
CREATE INDEX inbox_taken ON inbox (taken_at);

CREATE TABLE outbox (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic       text        NOT NULL,
    key         bytea       NOT NULL,
    headers     bytea       NOT NULL,   -- JSON array of [name, value]
    body        bytea       NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT statement_timestamp()
);

CREATE TABLE quarantine (
    id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    topic        text        NOT NULL,
    "partition"  integer     NOT NULL,
    "offset"     bigint      NOT NULL,
    reason       text        NOT NULL,
    path         text        NOT NULL DEFAULT '',
    event_id     uuid,
    referral_id  uuid,
    payload_hash bytea       NOT NULL,
    payload      bytea,                 -- encrypted; absent for the feed, which can be read again
    since        timestamptz NOT NULL DEFAULT statement_timestamp(),
    replayed_at  timestamptz,
    UNIQUE (topic, "partition", "offset")
);
CREATE INDEX quarantine_recent ON quarantine (topic, reason, since);

CREATE TABLE halt_release (         -- an operator has looked: more may be set aside for this reason, until then
    topic  text        NOT NULL,
    reason text        NOT NULL,
    until  timestamptz NOT NULL,
    PRIMARY KEY (topic, reason)
);

CREATE TABLE worklist_item (
    id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    kind        text        NOT NULL,
    subject     text        NOT NULL,
    referral_id uuid,
    programme   text,
    reason      text        NOT NULL DEFAULT '',
    urgent      boolean     NOT NULL DEFAULT false,
    since       timestamptz NOT NULL DEFAULT statement_timestamp(),
    resolved_at timestamptz,
    resolution  text
);
CREATE UNIQUE INDEX worklist_item_open ON worklist_item (kind, subject) WHERE resolved_at IS NULL;
