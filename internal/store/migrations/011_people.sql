-- People who let themselves in: an invitation is a link under which a person
-- chooses a password and enrols an authenticator; recovery codes stand in for
-- the authenticator when it is lost. The release before runs on this schema too.

CREATE TABLE invitations (
    user_id    uuid PRIMARY KEY REFERENCES users,  -- one at a time: a new one ends the one before
    hash       bytea NOT NULL UNIQUE CHECK (length(hash) = 32),  -- SHA-256 of a 256-bit random token
    totp       bytea NOT NULL,                    -- the secret that the page shows, sealed; the user's own once a code proves it
    created_at timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL
);

CREATE TABLE recovery_codes (
    hash    bytea PRIMARY KEY CHECK (length(hash) = 32),  -- SHA-256 of an 80-bit random code, which works once
    user_id uuid NOT NULL REFERENCES users
);
CREATE INDEX recovery_codes_user ON recovery_codes (user_id);

ALTER TABLE console_sessions
    DROP CONSTRAINT console_sessions_method_check,
    ADD CONSTRAINT console_sessions_method_check CHECK (method IN ('password', 'password_totp', 'password_recovery', 'oidc', 'dev'));
