-- What intake keeps: incidents (never what happened), the people whom the directory knows, referrals, and the
-- answers it gave. Columns of type bytea are encrypted; names (text[]) are keyed pseudonyms.

CREATE TABLE person (
    person_id   uuid   PRIMARY KEY,
    entry       bytea  NOT NULL,                  -- name, addresses, attributes
    digest      uuid   NOT NULL,                  -- keyed; tells whether an entry says something new
    supervisors text[] NOT NULL DEFAULT '{}',
    teams       text[] NOT NULL DEFAULT '{}'
);
CREATE INDEX person_team ON person USING gin (teams);

-- What a person is known as. Names are only ever added: a report may use one that a directory has dropped.
CREATE TABLE person_name (
    name      text NOT NULL,
    person_id uuid NOT NULL REFERENCES person,
    kind      text NOT NULL CHECK (kind IN ('identifier', 'reference', 'address')),
    PRIMARY KEY (name, person_id)
);
CREATE INDEX person_name_of ON person_name (person_id);
-- An address may be shared, an identifier or reference may not.
CREATE UNIQUE INDEX person_name_once ON person_name (name) WHERE kind <> 'address';

-- People of whom somebody said that they are no physicians.
CREATE TABLE stranger (
    name       text        PRIMARY KEY,
    decided_at timestamptz NOT NULL DEFAULT statement_timestamp()
);

CREATE TABLE incident (
    incident_key uuid        PRIMARY KEY,
    source       text        NOT NULL,
    record       bytea,                           -- all reports together; null only within the first transaction
    names        text[]      NOT NULL DEFAULT '{}',
    to_review    boolean     NOT NULL DEFAULT false,
    taken_at     timestamptz NOT NULL DEFAULT statement_timestamp()
);
CREATE INDEX incident_names ON incident USING gin (names);
CREATE INDEX incident_to_review ON incident (incident_key) WHERE to_review;

-- Each distinct report of an incident, by a keyed digest of its content, so that it is taken once.
CREATE TABLE report (
    report_key   uuid        PRIMARY KEY,
    incident_key uuid        NOT NULL REFERENCES incident,
    conflict     boolean     NOT NULL,
    taken_at     timestamptz NOT NULL DEFAULT statement_timestamp()
);

CREATE TABLE referral (
    referral_id  uuid        PRIMARY KEY,
    programme    text        NOT NULL,
    digest       text        NOT NULL,
    incident_key uuid        REFERENCES incident,
    person_id    uuid        REFERENCES person,
    names        text[]      NOT NULL,
    standing     text        NOT NULL
                 CHECK (standing IN ('unresolved', 'open', 'joined', 'waiting', 'withdrawn', 'closed')),
    received_at  timestamptz NOT NULL,
    inputs       bytea       NOT NULL,            -- what later compartments are made of
    into_id      uuid        REFERENCES referral DEFERRABLE INITIALLY DEFERRED,
    opened       boolean     NOT NULL,
    retracted    boolean     NOT NULL,
    excluded     text[]      NOT NULL,
    sequence     integer     NOT NULL,
    traceparent  text,
    CHECK (standing NOT IN ('joined', 'waiting') OR into_id IS NOT NULL),
    CHECK (standing NOT IN ('open', 'joined', 'waiting') OR person_id IS NOT NULL)
);
-- One offer per incident and person, ever; who was named in two ways keeps a referral that ended unresolved.
CREATE UNIQUE INDEX referral_once ON referral (incident_key, person_id) WHERE opened OR into_id IS NOT NULL;
CREATE INDEX referral_of_incident ON referral (incident_key);
CREATE INDEX referral_of_person ON referral (person_id) WHERE standing <> 'closed';

-- What was answered to a delivery or request, so that the same one is answered the same.
CREATE TABLE answer (
    answer_key uuid        PRIMARY KEY,
    digest     uuid        NOT NULL,              -- keyed; of what was asked
    content    bytea       NOT NULL,
    given_at   timestamptz NOT NULL DEFAULT statement_timestamp()
);
