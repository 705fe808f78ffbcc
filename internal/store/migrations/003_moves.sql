-- Captures, voids and refunds that somebody asks for, and money that a provider
-- moved without us. The release before runs on this schema too.

-- A request to move money that is here. Its row is its acceptance. The operation
-- that claims the amount has the same id.
CREATE TABLE move_sessions (
    id              uuid PRIMARY KEY,
    source          text NOT NULL CHECK (source IN ('shopify', 'api')),
    shop            text NOT NULL REFERENCES shops,
    kind            text NOT NULL CHECK (kind IN ('capture', 'void', 'refund')),
    external_id     text NOT NULL,                -- Shopify's session id, or the merchant's ref
    gid             text NOT NULL DEFAULT '',
    payment_ref     text NOT NULL,                -- the payment's external id, as the request names it
    payment_id      uuid REFERENCES payments,     -- null: no such payment, for ever: it would have come first
    amount_minor    bigint NOT NULL CHECK (amount_minor >= 0),        -- as asked; what is claimed stands in operations
    currency        text NOT NULL CHECK (currency ~ '^([A-Z]{3})?$'), -- empty for a void
    test            boolean NOT NULL,
    locale          text NOT NULL DEFAULT '',
    idempotency_key text,                         -- /api/v1 only
    request_hash    bytea,
    received_at     timestamptz NOT NULL,
    final           text NOT NULL DEFAULT '' CHECK (final IN ('', 'resolve', 'reject')),
    final_reason    text NOT NULL DEFAULT '',     -- why not
    final_at        timestamptz,
    told_at         timestamptz,                  -- the shop has acknowledged the answer
    tell_refused    text NOT NULL DEFAULT '',     -- the shop's refusal of the answer
    refused_at      timestamptz,
    operator        text NOT NULL DEFAULT '',     -- why a person is needed
    operator_since  timestamptz,
    closed_at       timestamptz,                  -- the run has nothing left to do
    sweep_at        timestamptz NOT NULL,         -- when the sweep makes sure that a run exists
    UNIQUE (external_id, shop, source, kind),
    UNIQUE (idempotency_key, shop),
    -- one answer, one way: told needs a decision, a reason belongs to a no
    CHECK (told_at IS NULL OR final <> ''),
    CHECK ((final = 'reject') = (final_reason <> '')),
    CHECK ((final = '') = (final_at IS NULL)),
    CHECK (closed_at IS NULL OR final <> ''),
    CHECK (final <> 'resolve' OR payment_id IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX move_sessions_sweep ON move_sessions (sweep_at) WHERE closed_at IS NULL;
CREATE INDEX move_sessions_payment ON move_sessions (payment_id);

ALTER TABLE operations
    DROP CONSTRAINT operations_kind_check,
    ADD CONSTRAINT operations_kind_check CHECK (kind IN ('charge', 'capture', 'void', 'refund', 'reversal', 'dispute')),
    ADD COLUMN origin text NOT NULL DEFAULT 'ours' CHECK (origin IN ('ours', 'elsewhere')),
    ADD COLUMN account_id uuid REFERENCES accounts,      -- of what moved elsewhere: its reference is the provider's there
    ADD CONSTRAINT operations_elsewhere_check CHECK ((origin = 'elsewhere') = (account_id IS NOT NULL)),
    ADD CONSTRAINT operations_dispute_check CHECK (kind <> 'dispute' OR origin = 'elsewhere');
CREATE UNIQUE INDEX operations_elsewhere ON operations (external_ref, account_id, kind) WHERE origin = 'elsewhere';
-- one hold is given back once
CREATE UNIQUE INDEX operations_one_void ON operations (parent_attempt) WHERE kind = 'void' AND state <> 'refused';

-- A reversal whose refund failed later gives its claim free; a person may ask for another one.
DROP INDEX operations_one_reversal;
CREATE UNIQUE INDEX operations_one_reversal ON operations (parent_attempt) WHERE kind = 'reversal' AND state <> 'refused';

-- Evidence that nothing is held any more: voided, lapsed, or let go by a capture
-- of a part. The attempt stays authorized, since that is what it was.
ALTER TABLE attempts ADD COLUMN hold_ended_at timestamptz;

-- Which kind of movement elsewhere a message is about; empty: about an attempt of ours.
ALTER TABLE provider_events ADD COLUMN elsewhere text NOT NULL DEFAULT '';
CREATE INDEX provider_events_elsewhere ON provider_events (payment_id) WHERE elsewhere <> '' AND dispatched_at IS NULL;

-- A notice about a session that names no payment of ours has nothing but the session.
ALTER TABLE notices ADD COLUMN move_id uuid REFERENCES move_sessions;
