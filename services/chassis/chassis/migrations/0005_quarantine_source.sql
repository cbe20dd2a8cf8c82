-- Whose record of a feed it is: one incident system that goes wrong must not stand for the others.

ALTER TABLE quarantine ADD COLUMN source text NOT NULL DEFAULT '';   -- '' where it is not known, or one of ours
