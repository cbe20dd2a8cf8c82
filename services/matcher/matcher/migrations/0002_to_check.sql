-- Cases whose open attempt is to be checked against the rules again: only what has changed, so that a round does not
-- look through every attempt that is open. A row is written with the change, under the lock of the supporter or of the
-- referral, and deleted before what it is about is read: whoever changes it again meanwhile waits, and writes it anew.
CREATE TABLE to_check (referral_id uuid PRIMARY KEY);

INSERT INTO to_check
SELECT referral_id
  FROM match JOIN referral USING (referral_id) LEFT JOIN supporter USING (supporter_id)
 WHERE stage <> 'ended'
   AND (match.supporter_version IS DISTINCT FROM supporter.version
        OR match.profile_version IS DISTINCT FROM referral.profile_version);

ALTER TABLE match DROP COLUMN supporter_version, DROP COLUMN profile_version;
