-- What the holder of a key knows it by, and which master keys are in use. The
-- release before runs on this schema too.

-- The last four of 43 random characters; empty for keys that stand.
ALTER TABLE api_keys ADD COLUMN tail text NOT NULL DEFAULT '' CHECK (length(tail) <= 4);
