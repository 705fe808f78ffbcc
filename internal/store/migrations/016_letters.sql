-- A shop's own texts of the letters of subscriptions. Without a row ours is used.
CREATE TABLE letters (
    shop       text NOT NULL REFERENCES shops,
    kind       text NOT NULL CHECK (kind ~ '^[a-z_]{1,40}$'),
    language   text NOT NULL CHECK (language ~ '^[a-z]{2}$'),
    subject    text NOT NULL CHECK (subject <> ''),
    button     text NOT NULL,
    body       text NOT NULL CHECK (body <> ''),
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (shop, kind, language)
);

-- Keys may be good for subscriptions and plans too. Those that stand keep what they
-- have: nobody who holds one was told that it may change prices.
ALTER TABLE api_keys
    DROP CONSTRAINT api_keys_scopes_check,
    ADD CONSTRAINT api_keys_scopes_check CHECK (scopes <> '{}'
        AND scopes <@ '{payment:read,payment:write,subscription:read,subscription:write,plan:write}'::text[]);
