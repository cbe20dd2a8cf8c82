-- How far a service is up to date with its inputs: time may decide only as far as every fact has been taken.

ALTER TABLE consumer_offset
    ADD COLUMN caught_up_at timestamptz;   -- everything that stood on the partition then has been taken; null: never
