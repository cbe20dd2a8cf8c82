-- When the physician agreed to be sent resources, and when the supporter had sent them.
ALTER TABLE outreach_attempt ADD COLUMN permitted_at timestamptz, ADD COLUMN sent_at timestamptz;
