-- Into which cases a join was refused: all of them, or a repeat of an earlier one would be refused anew.
ALTER TABLE outreach_case ALTER COLUMN refused_into TYPE uuid[] USING array_remove(ARRAY[refused_into], NULL);
UPDATE outreach_case SET refused_into = '{}' WHERE refused_into IS NULL;
ALTER TABLE outreach_case ALTER COLUMN refused_into SET DEFAULT '{}', ALTER COLUMN refused_into SET NOT NULL,
                          DROP COLUMN refused_at;
