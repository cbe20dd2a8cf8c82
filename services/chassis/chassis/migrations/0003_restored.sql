-- A database that was set back knows less than the topics. Its input is simply read again. What stands on the
-- service's own topic and is not known here is found by comparing, before anything is decided.

-- How far on its own topic the service knows every record as its own. Moves with the deletion of what was
-- acknowledged, in the same transaction.
CREATE TABLE own_position (
    "partition" integer PRIMARY KEY,
    next_offset bigint  NOT NULL
);

ALTER TABLE outbox ADD COLUMN event_id text;
UPDATE outbox SET event_id = (
    SELECT header ->> 1 FROM jsonb_array_elements(convert_from(headers, 'UTF8')::jsonb) AS header
     WHERE header ->> 0 = 'ce_id');
CREATE INDEX outbox_event ON outbox (event_id);

-- Events of our own that stand on our topic, and that this database had lost when it was compared.
CREATE TABLE lost_event (
    event_id    text        PRIMARY KEY,
    type        text        NOT NULL,
    referral_id text        NOT NULL,
    "partition" integer     NOT NULL,
    "offset"    bigint      NOT NULL,
    found_at    timestamptz NOT NULL DEFAULT statement_timestamp(),
    recalled    boolean     NOT NULL DEFAULT false,   -- its content is in this database's cases again
    decided_at  timestamptz                           -- when the same was decided again, and not published again
);
CREATE INDEX lost_event_found ON lost_event (found_at);

-- One row. `trusts_topic`: this database published before positions were kept, and so takes what its topic holds
-- at the first comparison for its own; an empty one does not.
CREATE TABLE restoration (
    one          boolean     PRIMARY KEY DEFAULT true CHECK (one),
    trusts_topic boolean     NOT NULL,
    halted_at    timestamptz
);
INSERT INTO restoration (trusts_topic) SELECT is_called FROM outbox_id_seq;
