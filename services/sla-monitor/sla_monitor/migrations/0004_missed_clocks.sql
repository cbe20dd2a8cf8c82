-- Breached, and nobody has come yet: few, among all that were ever met. A clock that has yet to be decided is in
-- clock_next.

CREATE INDEX clock_missed ON clock (due_at) WHERE verdict = 'breached' AND open_due_at IS NOT NULL;
