-- What the holder of a key knows it by, and which master keys are in use. The
-- release before runs on this schema too.

-- The last four of 43 random characters; empty for keys that stand.
ALTER TABLE api_keys ADD COLUMN tail text NOT NULL DEFAULT '' CHECK (length(tail) <= 4);

-- Which master key wraps a data key: version, length of the id, the id, the box
-- (package crypt). Ids are ASCII without a backslash, so 'escape' leaves them as they are.
CREATE FUNCTION master_key_of(wrapped bytea) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN encode(substring(wrapped FROM 3 FOR get_byte(wrapped, 1)), 'escape');

-- Whether a key is still in use is asked at every start.
CREATE INDEX subjects_master_key ON subjects (master_key_of(wrapped_key)) WHERE wrapped_key IS NOT NULL;
CREATE INDEX subjects_lookup_key ON subjects (split_part(lookup, ':', 1)) WHERE erased_at IS NULL AND length(lookup) > 64;
CREATE INDEX shopify_deliveries_master_key ON shopify_deliveries (master_key_of(wrapped_key)) WHERE wrapped_key IS NOT NULL;
-- A buyer's documents, and what an erasure destroys.
CREATE INDEX IF NOT EXISTS vault_subject ON vault (subject_id);
