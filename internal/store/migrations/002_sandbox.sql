-- The built-in sandbox provider's own books. It is the other side: it knows our
-- record by account, key and reference only, so nothing here refers to it.
-- What a row is worth at a moment follows from its times; see package books.

CREATE TABLE sandbox_checkouts (
    id             text PRIMARY KEY,
    account        text NOT NULL,
    key            text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    body_hash      bytea NOT NULL,
    reference      text NOT NULL CHECK (reference <> ''),
    kind           text NOT NULL CHECK (kind IN ('sale', 'authorization')),
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    description    text NOT NULL,
    return_url     text NOT NULL,
    cancel_url     text NOT NULL,
    delay_ms       bigint NOT NULL CHECK (delay_ms > 0),
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL CHECK (expires_at > created_at),
    closed_at      timestamptz,                   -- by its owner
    result         text NOT NULL DEFAULT '' CHECK (result IN ('', 'success', 'failure', 'never')),
    slow           boolean NOT NULL DEFAULT false,
    decline        text NOT NULL DEFAULT '',      -- of a failure, or of the last refusal on an open page
    code           text NOT NULL DEFAULT '',
    decided_at     timestamptz,                   -- the page is over from here on; a magic amount's lies ahead at first
    settles_at     timestamptz,                   -- the result counts from here on
    payment_id     text NOT NULL UNIQUE,
    captured_minor bigint NOT NULL DEFAULT 0,
    refunded_minor bigint NOT NULL DEFAULT 0,     -- refunds bound to fail reserve nothing
    voided_at      timestamptz,
    UNIQUE (account, key),
    UNIQUE (account, reference),
    CHECK ((result = '') = (decided_at IS NULL)),
    CHECK (decided_at IS NULL OR decided_at < expires_at),
    CHECK ((result IN ('success', 'failure')) = (settles_at IS NOT NULL)),
    CHECK (captured_minor BETWEEN 0 AND amount_minor),
    CHECK (captured_minor = 0 OR result = 'success' AND voided_at IS NULL),
    CHECK (refunded_minor BETWEEN 0 AND captured_minor),
    CHECK (voided_at IS NULL OR result = 'success')
);

-- What was asked of that money: refusals too, so that a key keeps its answer for ever.
CREATE TABLE sandbox_moves (
    id           text PRIMARY KEY,
    account      text NOT NULL,
    key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    body_hash    bytea NOT NULL,
    reference    text NOT NULL CHECK (reference <> ''),
    payment_id   text NOT NULL REFERENCES sandbox_checkouts (payment_id),
    operation    text NOT NULL CHECK (operation IN ('capture', 'void', 'refund')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    refusal      text NOT NULL,                   -- empty: accepted
    result       text NOT NULL CHECK (result IN ('success', 'failure', 'never')),
    decline      text NOT NULL,
    code         text NOT NULL,
    settles_at   timestamptz,
    created_at   timestamptz NOT NULL,
    UNIQUE (account, key),
    UNIQUE (account, reference),
    CHECK ((result = 'never') = (settles_at IS NULL))
);
CREATE INDEX sandbox_moves_payment ON sandbox_moves (payment_id);
