-- The roster of supporters, the referrals that wait, and every attempt to match one.
--
-- Lock order: referral, then supporter (never waited for: SKIP LOCKED), then pool. A seat is not counted
-- anywhere: it is an attempt that has not ended, so it can neither leak nor be given back twice.

-- The matching rules of each version of a programme; a case keeps the version it began with.
CREATE TABLE programme_rules (
    programme_id text NOT NULL,
    digest       text NOT NULL,
    rules        text NOT NULL,   -- JSON of matcher.domain.rules.Rules
    PRIMARY KEY (programme_id, digest)
);

-- Grows whenever somebody may have become free; a waiting referral that has tried an older version tries again.
CREATE TABLE pool (
    programme_id   text   PRIMARY KEY,
    version        bigint NOT NULL DEFAULT 1,
    roster_version bigint NOT NULL DEFAULT 1   -- grows only with a new roster
);

CREATE TABLE supporter (
    supporter_id text    PRIMARY KEY,
    programme_id text    NOT NULL,
    version      bigint  NOT NULL DEFAULT 1,
    fingerprint  text    NOT NULL,   -- keyed hash of the roster's row
    contact      bytea   NOT NULL,   -- encrypted: name, e-mail, phone
    zone         text    NOT NULL,
    active       boolean NOT NULL,
    trained_at   date,
    capacity     integer CHECK (capacity >= 0),   -- null: the programme's
    pseudonyms   text[]  NOT NULL,
    attributes   text    NOT NULL   -- JSON object of text
);
CREATE INDEX supporter_of_programme ON supporter (programme_id) WHERE active;

CREATE TABLE referral (
    referral_id      uuid        PRIMARY KEY,
    programme_id     text        NOT NULL,
    programme_digest text        NOT NULL,
    sequence         integer     NOT NULL DEFAULT 0,   -- of the events that matcher published for it
    received_at      timestamptz,
    traceparent      text,
    joined_into      uuid,
    profile          bytea,                            -- encrypted: the matching profile
    profile_version  integer     NOT NULL DEFAULT 0,   -- grows with every change of who is excluded
    -- what is known of the case (matcher.domain.case.Case)
    created          boolean     NOT NULL DEFAULT false,
    joined           boolean     NOT NULL DEFAULT false,
    invites_first    boolean     NOT NULL DEFAULT false,
    profile_sequence integer,
    profile_readable boolean,
    withdrawn        boolean     NOT NULL DEFAULT false,
    stands           boolean     NOT NULL DEFAULT false,
    wish_at          timestamptz,
    wish_wants       boolean,
    closed_at        timestamptz,
    allowance        integer     NOT NULL DEFAULT 0,
    unavailable_for  integer     NOT NULL DEFAULT 0,
    -- what the round needs to find it
    seeking          boolean     NOT NULL DEFAULT false,
    tried_version    bigint,                           -- of the pool; null: not tried since the case changed
    tried_roster     bigint,
    try_at           timestamptz,
    stuck            boolean     NOT NULL DEFAULT false
);
CREATE INDEX referral_seeking ON referral (programme_id, received_at) WHERE seeking;
CREATE INDEX referral_try_at ON referral (try_at) WHERE (seeking OR stuck) AND try_at IS NOT NULL;
CREATE INDEX referral_joined_into ON referral (joined_into) WHERE joined_into IS NOT NULL;

CREATE TABLE match (
    referral_id       uuid        NOT NULL REFERENCES referral,
    attempt           integer     NOT NULL CHECK (attempt >= 1),
    supporter_id      text,   -- null: an attempt that was made before a restore
    stage             text        NOT NULL CHECK (stage IN ('suggested', 'proposed', 'confirmed', 'ended')),
    confirmed         boolean     NOT NULL,
    declined          boolean     NOT NULL,
    other_at          timestamptz,
    answer_by         timestamptz,
    release_requested boolean     NOT NULL,
    supporter_left    boolean     NOT NULL,
    rest_until        timestamptz,
    supporter_version bigint,     -- of the roster entry and of the profile when the rules were last checked
    profile_version   integer,
    PRIMARY KEY (referral_id, attempt)
);
CREATE UNIQUE INDEX match_one_open ON match (referral_id) WHERE stage <> 'ended';
CREATE UNIQUE INDEX match_never_twice ON match (referral_id, supporter_id);
CREATE INDEX match_seat ON match (supporter_id) WHERE stage <> 'ended';
CREATE INDEX match_rest ON match (supporter_id, rest_until) WHERE rest_until IS NOT NULL;
CREATE INDEX match_answer_by ON match (answer_by) WHERE stage = 'proposed';
