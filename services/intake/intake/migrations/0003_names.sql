-- Whom a new directory names is looked up name by name, without a list of entries that are yet to be sorted in: each
-- look would read all of it.
ALTER INDEX incident_names SET (fastupdate = off);
SELECT gin_clean_pending_list('incident_names');

CREATE INDEX referral_unresolved ON referral (referral_id) WHERE standing = 'unresolved';
