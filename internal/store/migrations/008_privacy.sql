-- What the law lets people and shops ask for about their data, what became of it,
-- and exports on their way to a merchant. The release before runs on this schema
-- too: it leaves requests where they are.

CREATE TABLE privacy_requests (
    id             uuid PRIMARY KEY,              -- the delivery's that asked
    webhook_id     text NOT NULL,                 -- what Shopify calls it
    shop           text NOT NULL,                 -- refers to nothing: a shop that was never set up may ask too
    app            text NOT NULL CHECK (app IN ('payments', 'admin')),
    kind           text NOT NULL CHECK (kind IN ('data_request', 'customer', 'shop')),
    received_at    timestamptz NOT NULL,
    due_at         timestamptz NOT NULL,          -- the law's last moment
    state          text NOT NULL CHECK (state IN ('received', 'waiting', 'erased', 'done')),
    operator       text NOT NULL DEFAULT '',      -- why a person is needed
    operator_since timestamptz,
    wrapped_key    bytea,                         -- destroyed once it is served
    sealed         bytea,                         -- who it is about
    words          bytea,                         -- what the scan looks for, sealed under the same key
    whole          boolean NOT NULL DEFAULT false, -- of a shop: all its payments, and not only one app's messages
    subjects       int NOT NULL DEFAULT 0,
    payments       int NOT NULL DEFAULT 0,
    readable       int NOT NULL DEFAULT 0,        -- rows of the vault that opened before the keys were destroyed
    books          text NOT NULL DEFAULT '',      -- sum over the person's ledger postings
    books_at       timestamptz,                   -- as of then
    scan           jsonb,                         -- what the last scan found: places and counts
    certificate    text NOT NULL DEFAULT '',
    erased_at      timestamptz,
    done_at        timestamptz,
    sweep_at       timestamptz NOT NULL,          -- when the sweep makes sure that a run exists
    CHECK ((state = 'done') = (done_at IS NOT NULL)),
    CHECK (done_at IS NULL OR wrapped_key IS NULL),
    CHECK (wrapped_key IS NOT NULL OR sealed IS NULL AND words IS NULL),
    CHECK ((operator = '') = (operator_since IS NULL)),
    CHECK (certificate = '' OR erased_at IS NOT NULL)
);
CREATE INDEX privacy_requests_sweep ON privacy_requests (sweep_at) WHERE done_at IS NULL;
CREATE INDEX privacy_requests_list ON privacy_requests (received_at DESC, id);

-- Whom a request is about, once they are found.
CREATE TABLE privacy_subjects (
    request_id uuid NOT NULL REFERENCES privacy_requests ON DELETE CASCADE,
    subject_id uuid NOT NULL REFERENCES subjects,
    PRIMARY KEY (request_id, subject_id)
);
CREATE INDEX privacy_subjects_subject ON privacy_subjects (subject_id);

-- An export waits for its merchant. Neither its link nor its passphrase is kept
-- in a form that opens it: see package privacy.
CREATE TABLE privacy_exports (
    request_id  uuid PRIMARY KEY REFERENCES privacy_requests ON DELETE CASCADE,
    token_hash  bytea NOT NULL UNIQUE,            -- SHA-256 of the link's 256 random bits
    parcel      bytea,                            -- sealed under link and passphrase together; null once it is over
    wrapped_key bytea,
    passphrase  bytea,                            -- sealed for the operator, who tells it the merchant
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    downloads   int NOT NULL DEFAULT 0,
    wrong       int NOT NULL DEFAULT 0,
    CHECK ((wrapped_key IS NULL) = (passphrase IS NULL)),
    CHECK (parcel IS NOT NULL OR passphrase IS NULL)
);

-- All of a person's payments.
CREATE INDEX payments_subject ON payments (subject_id) WHERE subject_id IS NOT NULL;
CREATE INDEX vault_subject ON vault (subject_id);
