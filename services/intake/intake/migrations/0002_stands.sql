-- Outreach has declined a retraction of this case: no further one is asked about.
ALTER TABLE referral ADD COLUMN stands boolean NOT NULL DEFAULT false;
