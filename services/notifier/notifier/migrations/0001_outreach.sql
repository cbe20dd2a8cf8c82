-- Cases as notifier knows them, the supporters who are asked, private links, and messages.
-- Columns that end in _at and stand in both tables' second block are the fold's facts: when each first
-- became known. Contacts are encrypted (vault); nothing else here names a person.

CREATE TABLE outreach_case (
    referral_id      uuid        PRIMARY KEY,
    programme        text        NOT NULL,
    programme_digest text        NOT NULL,
    sequence         integer     NOT NULL DEFAULT 0,   -- of the outreach events of this referral
    received_at      timestamptz,
    occurred_at      timestamptz,
    contact          bytea,                            -- of the physician, encrypted
    contact_sequence integer,                          -- of the referral event it came with; the latest wins
    zone             text,
    traceparent      text,
    look_at          timestamptz,                      -- when time alone may next change the case

    invites          boolean     NOT NULL DEFAULT false,
    created_at       timestamptz,
    readable         boolean     NOT NULL DEFAULT false,
    invited_at       timestamptz,
    wanted_at        timestamptz,
    not_now_at       timestamptz,
    stands_at        timestamptz,
    silent_at        timestamptz,
    unread_at        timestamptz,
    refused_at       timestamptz,
    closed_at        timestamptz,
    forgotten_at     timestamptz
);
CREATE INDEX outreach_case_look ON outreach_case (look_at) WHERE look_at IS NOT NULL;

CREATE TABLE outreach_attempt (
    referral_id  uuid    NOT NULL REFERENCES outreach_case,
    number       integer NOT NULL,
    match_id     uuid    NOT NULL,
    contact      bytea,                                -- of the supporter, encrypted
    zone         text,

    proposed_at  timestamptz,
    confirmed_at timestamptz,
    released_at  timestamptz,
    notified_at  timestamptz,
    accepted_at  timestamptz,
    declined_at  timestamptz,
    shown_at     timestamptz,
    attempted_at timestamptz,
    made_at      timestamptz,
    reminded_at  timestamptz,
    silent_at    timestamptz,
    stopped_at   timestamptz,
    done_at      timestamptz,
    PRIMARY KEY (referral_id, number)
);

-- planned -> sending -> sent | refused (tried again) | failed | unknown; dropped: no longer wanted.
-- A row that is `sending` is never taken over.
CREATE TABLE send (
    send_id     uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    referral_id uuid        NOT NULL REFERENCES outreach_case,
    message     text        NOT NULL,
    about       text        NOT NULL,
    attempt     integer,
    message_id  text        NOT NULL,                  -- of the mail, before the @; the same at each try
    state       text        NOT NULL DEFAULT 'planned'
                CHECK (state IN ('planned', 'sending', 'sent', 'refused', 'failed', 'unknown', 'dropped')),
    due_at      timestamptz NOT NULL,
    window_ends timestamptz,                           -- of the contact hours that due_at falls into
    tries       integer     NOT NULL DEFAULT 0,
    code        text        NOT NULL DEFAULT '',
    planned_at  timestamptz NOT NULL DEFAULT statement_timestamp(),
    claimed_at  timestamptz,
    ended_at    timestamptz,
    UNIQUE (referral_id, message, about)
);
CREATE INDEX send_due ON send (due_at) WHERE state IN ('planned', 'refused');
CREATE INDEX send_claimed ON send (claimed_at) WHERE state = 'sending';

CREATE TABLE link (
    token_hash  bytea       PRIMARY KEY,               -- SHA-256; the token itself is only in the mail
    send_id     uuid        NOT NULL REFERENCES send ON DELETE CASCADE,
    referral_id uuid        NOT NULL,
    audience    text        NOT NULL CHECK (audience IN ('supporter', 'physician')),
    attempt     integer,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX link_send ON link (send_id);
CREATE INDEX link_referral ON link (referral_id);

CREATE TABLE outreach_pause (
    programme text        PRIMARY KEY,
    since     timestamptz NOT NULL DEFAULT statement_timestamp()
);

-- Messages that are still wanted as their case and match are now. Nobody is asked while another supporter
-- of the case has yet to be told to stop.
CREATE VIEW wanted_send AS
SELECT s.send_id, s.referral_id, s.state, s.due_at, s.window_ends, c.programme
  FROM send s
  JOIN outreach_case c USING (referral_id)
  LEFT JOIN outreach_attempt a ON a.referral_id = s.referral_id AND a.number = s.attempt
 WHERE s.state IN ('planned', 'refused')
   AND CASE s.message
         WHEN 'supporter-asked' THEN
              c.closed_at IS NULL AND c.contact IS NOT NULL AND a.proposed_at IS NOT NULL
              AND coalesce(a.accepted_at, a.declined_at, a.released_at, a.stopped_at, a.done_at) IS NULL
         WHEN 'supporter-reminded' THEN
              c.closed_at IS NULL AND a.shown_at IS NOT NULL AND coalesce(a.stopped_at, a.done_at) IS NULL
         WHEN 'physician-invited' THEN c.closed_at IS NULL AND c.contact IS NOT NULL
         ELSE true
       END;
