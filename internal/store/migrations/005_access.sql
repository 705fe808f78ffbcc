-- People of the console, their sessions, and the audit of what they did; keys of
-- /api/v1 with scopes, an end and a successor. The release before runs on this
-- schema too.

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    name          text NOT NULL UNIQUE,           -- in lower case; what is typed at the login and stands in the audit
    kind          text NOT NULL CHECK (kind IN ('local', 'oidc', 'dev')),
    role          text NOT NULL CHECK (role IN ('viewer', 'operator', 'finance', 'admin')),
    issuer        text NOT NULL DEFAULT '',       -- with subject: the person at the identity provider, for ever
    subject       text NOT NULL DEFAULT '',
    password      text NOT NULL DEFAULT '',       -- argon2id, as a PHC string
    wrapped_key   bytea NOT NULL,
    totp          bytea,                          -- secret of the one-time codes, sealed; null: none enrolled
    totp_step     bigint NOT NULL DEFAULT 0,      -- the last step whose code was spent
    created_at    timestamptz NOT NULL,
    last_login_at timestamptz,
    disabled_at   timestamptz,
    CHECK ((kind = 'local') = (password <> '')),
    CHECK ((kind = 'local') = (subject = '')),
    CHECK (totp IS NULL OR kind = 'local')
);
CREATE UNIQUE INDEX users_identity ON users (subject, issuer, kind) WHERE kind <> 'local';

CREATE TABLE console_sessions (
    hash       bytea PRIMARY KEY,                 -- SHA-256 of a 256-bit random token
    user_id    uuid NOT NULL REFERENCES users,
    stage      text NOT NULL CHECK (stage IN ('half_open', 'open')),
    method     text NOT NULL CHECK (method IN ('password', 'password_totp', 'oidc', 'dev')),
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL
);
CREATE INDEX console_sessions_user ON console_sessions (user_id);
CREATE INDEX console_sessions_end ON console_sessions (ends_at);

-- Tries to log in, counted for a name, an address, and both together. Keyed
-- hashes, because people type their password into the field of the name.
CREATE TABLE login_attempts (
    key          text PRIMARY KEY,
    failed       int NOT NULL CHECK (failed >= 0),
    last_at      timestamptz NOT NULL,
    succeeded_at timestamptz
);
CREATE INDEX login_attempts_last ON login_attempts (last_at);

-- What people did: a hash chain, see package audit. No data of buyers.
CREATE TABLE audit (
    seq      bigint PRIMARY KEY CHECK (seq > 0),
    at       timestamptz NOT NULL,
    actor    text NOT NULL,
    role     text NOT NULL,
    action   text NOT NULL,
    subject  text NOT NULL,
    detail   text NOT NULL,
    previous bytea NOT NULL CHECK (length(previous) = 32),
    hash     bytea NOT NULL UNIQUE CHECK (length(hash) = 32)
);
CREATE INDEX audit_subject ON audit (subject, seq);
CREATE INDEX audit_actor ON audit (actor, seq);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
-- also for sessions that pretend to be a replica
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_append_only;
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_no_truncate;

-- Keys that stand may do all that they could.
ALTER TABLE api_keys
    ADD COLUMN scopes text[] NOT NULL DEFAULT '{payment:read,payment:write}'
        CHECK (scopes <> '{}' AND scopes <@ '{payment:read,payment:write}'::text[]),
    ADD COLUMN expires_at timestamptz,            -- null: it does not expire
    ADD COLUMN replaces uuid UNIQUE REFERENCES api_keys,  -- the key that this one was rotated from
    ADD COLUMN used_at timestamptz;               -- last use, to about an hour
CREATE INDEX api_keys_shop ON api_keys (shop, created_at);
