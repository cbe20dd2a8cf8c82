ALTER TABLE attention ADD COLUMN due_at timestamptz;  -- of a breach that was noticed late: opened_at is when
