-- The record. Temporal holds running processes, never the only copy of a fact.
-- Times come from the service's clock (@now), not from now(): one injected clock
-- moves the whole service in tests.
--
-- Indexes lead with their most selective column. A statement that is prepared
-- while its table is small keeps its plan until the table is analysed, and then
-- no index that matches is a bad one.

CREATE TABLE shops (
    shop            text PRIMARY KEY,             -- permanent domain at Shopify, or a merchant's id for /api/v1
    label           text NOT NULL DEFAULT '',     -- the shop's name as its buyers read it
    mail            text NOT NULL DEFAULT '',     -- the merchant's own address for operator mails
    locale          text NOT NULL DEFAULT 'en',
    max_attempts    int  NOT NULL DEFAULT 5 CHECK (max_attempts BETWEEN 1 AND 50),  -- cap against card testing
    refused_default interval NOT NULL DEFAULT '24 hours',  -- resolve refused after capture: give the money back after this
    active          boolean NOT NULL DEFAULT true,
    created_at      timestamptz NOT NULL
);

-- Access tokens towards Shopify, sealed under the shop's data key.
CREATE TABLE shop_tokens (
    shop        text PRIMARY KEY REFERENCES shops,
    wrapped_key bytea NOT NULL,
    access      bytea NOT NULL,
    refresh     bytea NOT NULL,
    expires_at  timestamptz,                      -- null: a token that does not expire
    version     int NOT NULL DEFAULT 1,
    updated_at  timestamptz NOT NULL
);

CREATE TABLE api_keys (
    id         uuid PRIMARY KEY,
    shop       text NOT NULL REFERENCES shops,
    hash       bytea NOT NULL UNIQUE,             -- SHA-256 of a 256-bit random key: nothing to guess, no salt needed
    label      text NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);

-- Merchant accounts at providers.
CREATE TABLE accounts (
    id          uuid PRIMARY KEY,
    shop        text NOT NULL REFERENCES shops,
    provider    text NOT NULL,
    live        boolean NOT NULL,
    label       text NOT NULL,                    -- what the buyer reads on the pay page
    position    int NOT NULL DEFAULT 0,
    enabled     boolean NOT NULL DEFAULT true,
    wrapped_key bytea NOT NULL,
    credentials bytea NOT NULL,                   -- sealed JSON
    created_at  timestamptz NOT NULL,
    UNIQUE (shop, provider, live, label)
);

-- The vault: the only place for personal data. Destroying wrapped_key erases a person.
CREATE TABLE subjects (
    id          uuid PRIMARY KEY,
    shop        text NOT NULL REFERENCES shops,
    lookup      text NOT NULL,                    -- keyed hash of the person's address or phone within the shop
    wrapped_key bytea,                            -- null once erased
    created_at  timestamptz NOT NULL,
    erased_at   timestamptz,
    CHECK ((wrapped_key IS NULL) = (erased_at IS NOT NULL))
);
-- A person who was erased and comes back is a new subject with a new key.
CREATE UNIQUE INDEX subjects_lookup ON subjects (shop, lookup) WHERE erased_at IS NULL;
CREATE TABLE vault (
    id         uuid PRIMARY KEY,
    subject_id uuid NOT NULL REFERENCES subjects,
    kind       text NOT NULL,                     -- buyer, note
    sealed     bytea NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE payments (
    id             uuid PRIMARY KEY,
    source         text NOT NULL CHECK (source IN ('shopify', 'api')),
    shop           text NOT NULL REFERENCES shops,
    external_id    text NOT NULL,                 -- Shopify's session id, or the merchant's ref
    gid            text NOT NULL DEFAULT '',
    group_key      text NOT NULL,                 -- Shopify's group; the payment's own id elsewhere
    kind           text NOT NULL CHECK (kind IN ('sale', 'authorization')),
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    test           boolean NOT NULL,
    providers      text[] NOT NULL,               -- providers that cover the kind: only their accounts are offered
    token          text NOT NULL UNIQUE,          -- the buyer's link
    cancel_url     text NOT NULL DEFAULT '',
    return_url     text NOT NULL DEFAULT '',
    locale         text NOT NULL DEFAULT '',
    description    text NOT NULL DEFAULT '',
    subject_id     uuid REFERENCES subjects,
    vault_id       uuid REFERENCES vault,
    idempotency_key text,                         -- /api/v1 only
    request_hash   bytea,
    received_at    timestamptz NOT NULL,
    deadline_at    timestamptz NOT NULL,
    state          text NOT NULL CHECK (state IN ('created', 'awaiting_buyer', 'processing', 'authorized', 'captured',
                       'partially_refunded', 'refunded', 'rejected', 'voided', 'expired', 'reversed')),
    choice_seq     int NOT NULL DEFAULT 0,        -- the buyer's choices, counted
    choice_account uuid REFERENCES accounts,
    left_seq       int NOT NULL DEFAULT 0,        -- choice_seq at which the buyer asked to leave; 0: has not
    shut           text NOT NULL DEFAULT '',      -- why no new checkout may be opened; a decline reason
    winner_attempt uuid,
    final          text NOT NULL DEFAULT '' CHECK (final IN ('', 'resolve', 'reject')),
    final_reason   text NOT NULL DEFAULT '',
    final_at       timestamptz,
    pending_at     timestamptz,                   -- the shop was told pending
    told_at        timestamptz,                   -- the shop has acknowledged the final answer
    tell_refused   text NOT NULL DEFAULT '',      -- the shop's refusal of the final answer
    refused_at     timestamptz,
    next_url       text NOT NULL DEFAULT '',      -- where the buyer goes from the return page
    operator       text NOT NULL DEFAULT '',      -- why a person is needed
    operator_since timestamptz,
    watch_until    timestamptz,                   -- until then a success may still appear
    watch_at       timestamptz,                   -- next look for one
    closed_at      timestamptz,                   -- the charge workflow has nothing left to do
    sweep_at       timestamptz NOT NULL,          -- when the sweep makes sure that a run exists
    updated_at     timestamptz NOT NULL,
    UNIQUE (external_id, shop, source),
    UNIQUE (idempotency_key, shop),
    -- one answer, one way: told needs a decision, resolve needs a winner
    CHECK (told_at IS NULL OR final <> ''),
    CHECK (final <> 'resolve' OR winner_attempt IS NOT NULL),
    CHECK (left_seq <= choice_seq),
    CHECK (choice_seq = 0 OR choice_account IS NOT NULL)
) WITH (fillfactor = 80);                         -- room for updates in place: a payment changes about ten times
CREATE INDEX payments_sweep ON payments (sweep_at) WHERE closed_at IS NULL;
CREATE INDEX payments_watch ON payments (watch_at) WHERE watch_at IS NOT NULL;
CREATE INDEX payments_list ON payments (received_at DESC, shop);
CREATE INDEX payments_operator ON payments (operator_since) WHERE operator <> '';

-- What somebody wants done with money, and the amount it claims.
CREATE TABLE operations (
    id             uuid PRIMARY KEY,
    payment_id     uuid NOT NULL REFERENCES payments,
    kind           text NOT NULL CHECK (kind IN ('charge', 'capture', 'void', 'refund', 'reversal')),
    parent_attempt uuid,                          -- the attempt whose money it acts on; null for a charge
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    reason         text NOT NULL DEFAULT '',
    state          text NOT NULL CHECK (state IN ('open', 'done', 'refused')),
    external_ref   text NOT NULL DEFAULT '',      -- names the workflow: provider's ref for a reversal
    operator       text NOT NULL DEFAULT '',
    sweep_at       timestamptz NOT NULL,
    created_at     timestamptz NOT NULL,
    done_at        timestamptz,
    CHECK ((kind = 'charge') = (parent_attempt IS NULL))
);
CREATE INDEX operations_payment ON operations (payment_id);
CREATE UNIQUE INDEX operations_one_charge ON operations (payment_id) WHERE kind = 'charge';
CREATE UNIQUE INDEX operations_one_reversal ON operations (parent_attempt) WHERE kind = 'reversal';
CREATE INDEX operations_sweep ON operations (sweep_at) WHERE state = 'open' AND kind <> 'charge';

-- One logical try at a provider: one idempotency key for life.
CREATE TABLE attempts (
    id             uuid PRIMARY KEY,
    operation_id   uuid NOT NULL REFERENCES operations,
    payment_id     uuid NOT NULL REFERENCES payments,
    account_id     uuid NOT NULL REFERENCES accounts,
    seq            int NOT NULL,
    leg            text NOT NULL DEFAULT '',      -- void or refund, for a reversal
    choice_seq     int NOT NULL DEFAULT 0,        -- the buyer's choice it serves
    key            text NOT NULL UNIQUE,
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),  -- asked
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    actual_minor   bigint CHECK (actual_minor > 0),           -- held or moved, by the evidence
    actual_currency text CHECK (actual_currency ~ '^[A-Z]{3}$'),
    fee_booked     boolean NOT NULL DEFAULT false,
    state          text NOT NULL CHECK (state IN ('allocated', 'sent', 'in_doubt', 'open', 'processing', 'authorized',
                       'done', 'declined', 'closed', 'not_done')),
    first_sent_at  timestamptz NOT NULL,          -- the send log: written before the request
    last_sent_at   timestamptz NOT NULL,
    sends          int NOT NULL DEFAULT 1,
    ref            text NOT NULL DEFAULT '',
    payment_ref    text NOT NULL DEFAULT '',
    url            text NOT NULL DEFAULT '',
    expires_at     timestamptz,
    decline        text NOT NULL DEFAULT '',
    code           text NOT NULL DEFAULT '',
    decided_at     timestamptz,
    UNIQUE (operation_id, seq),
    CHECK ((actual_minor IS NULL) = (actual_currency IS NULL)),
    CHECK (state NOT IN ('authorized', 'done') OR actual_minor IS NOT NULL)
) WITH (fillfactor = 80);
ALTER TABLE payments ADD FOREIGN KEY (winner_attempt) REFERENCES attempts;
ALTER TABLE operations ADD FOREIGN KEY (parent_attempt) REFERENCES attempts;
-- at most one attempt of an operation is unfinished
CREATE UNIQUE INDEX attempts_one_open ON attempts (operation_id)
    WHERE state IN ('allocated', 'sent', 'in_doubt', 'open', 'processing');
CREATE INDEX attempts_payment ON attempts (payment_id);
CREATE INDEX attempts_ref ON attempts (ref, account_id) WHERE ref <> '';
CREATE INDEX attempts_payment_ref ON attempts (payment_ref, account_id) WHERE payment_ref <> '';

-- What makes us know. No transition of an attempt without a row here.
CREATE TABLE evidence (
    id         uuid PRIMARY KEY,                  -- made by the service, so that one round trip writes it and what refers to it
    attempt_id uuid NOT NULL REFERENCES attempts,
    kind       text NOT NULL CHECK (kind IN ('answer', 'lookup', 'webhook', 'settlement', 'person', 'absence')),
    ref        text NOT NULL DEFAULT '',          -- provider's request id, our event row, an operator's action
    state      text NOT NULL,                     -- what it shows
    amount_minor bigint,                          -- null: it does not say
    currency   text,
    code       text NOT NULL DEFAULT '',
    at         timestamptz NOT NULL
);
CREATE INDEX evidence_attempt ON evidence (attempt_id);

-- The transaction log of a payment, for people. Codes and ids only.
CREATE TABLE timeline (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id  uuid NOT NULL REFERENCES payments,
    attempt_id  uuid,
    evidence_id uuid REFERENCES evidence,
    what        text NOT NULL,
    before      text NOT NULL DEFAULT '',
    after       text NOT NULL DEFAULT '',
    detail      text NOT NULL DEFAULT '',
    at          timestamptz NOT NULL
);
CREATE INDEX timeline_payment ON timeline (payment_id, id);

-- One live winner per checkout of a shop.
CREATE TABLE winners (
    shop       text NOT NULL,
    group_key  text NOT NULL,
    payment_id uuid NOT NULL REFERENCES payments,
    attempt_id uuid NOT NULL REFERENCES attempts,
    won_at     timestamptz NOT NULL,
    PRIMARY KEY (shop, group_key)
);

-- Signed messages of providers, normalised; bodies hold personal data and are not kept.
CREATE TABLE provider_events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES accounts,
    event_id     text NOT NULL,
    type         text NOT NULL,
    body_hash    bytea NOT NULL,
    attempt_id   uuid,
    payment_id   uuid,
    ref          text NOT NULL DEFAULT '',
    payment_ref  text NOT NULL DEFAULT '',
    status       text NOT NULL DEFAULT '',        -- proven final status, empty: a reason to look
    amount_minor bigint,
    currency     text,
    fee_minor    bigint,
    fee_currency text,
    expires_at   timestamptz,                     -- end of the hold, when authorized
    decline      text NOT NULL DEFAULT '',
    code         text NOT NULL DEFAULT '',
    occurred_at  timestamptz NOT NULL,
    received_at  timestamptz NOT NULL,
    dispatched_at timestamptz,                    -- set once acted on
    dispatch_at  timestamptz NOT NULL,            -- when the sweep sends it again
    note         text NOT NULL DEFAULT '',
    UNIQUE (event_id, account_id)
);
CREATE INDEX provider_events_due ON provider_events (dispatch_at) WHERE dispatched_at IS NULL;
CREATE INDEX provider_events_attempt ON provider_events (attempt_id) WHERE dispatched_at IS NULL;
-- messages that came before we knew their reference; adopted when we learn it
CREATE INDEX provider_events_stray_ref ON provider_events (ref, account_id) WHERE attempt_id IS NULL AND ref <> '';
CREATE INDEX provider_events_stray_payment ON provider_events (payment_ref, account_id) WHERE attempt_id IS NULL AND payment_ref <> '';

-- Double entry. Append-only; every entry sums to zero per currency.
CREATE TABLE ledger_entries (
    id         uuid PRIMARY KEY,
    key        text NOT NULL UNIQUE,
    hash       bytea NOT NULL,
    kind       text NOT NULL,
    payment_id uuid NOT NULL REFERENCES payments,
    operation_id uuid NOT NULL REFERENCES operations,
    attempt_id uuid NOT NULL REFERENCES attempts,
    at         timestamptz NOT NULL
);
CREATE INDEX ledger_entries_payment ON ledger_entries (payment_id);
CREATE TABLE ledger_postings (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id     uuid NOT NULL REFERENCES ledger_entries,
    account      text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$')
);
CREATE INDEX ledger_postings_account ON ledger_postings (account, currency);
CREATE INDEX ledger_postings_entry ON ledger_postings (entry_id);

CREATE FUNCTION ledger_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM ledger_postings WHERE entry_id = NEW.entry_id
               GROUP BY currency HAVING sum(amount_minor) <> 0) THEN
        RAISE EXCEPTION 'ledger entry % does not sum to zero', NEW.entry_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_balanced AFTER INSERT ON ledger_postings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balanced();
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER ledger_postings_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_postings FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER evidence_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER timeline_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON timeline FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- What people did. Free text lives in the vault; here are its id and keyed hash.
CREATE TABLE actions (
    id          uuid PRIMARY KEY,
    payment_id  uuid NOT NULL REFERENCES payments,
    actor       text NOT NULL,                    -- staff account name or API key id, not a buyer
    action      text NOT NULL CHECK (action IN ('resolve', 'retry', 'expire', 'note')),
    choice      text NOT NULL DEFAULT '',         -- for resolve: what the person found or wants
    attempt_id  uuid,
    text_id     uuid REFERENCES vault,
    text_hash   text,                             -- under the subject's key: meaningless once that is destroyed
    at          timestamptz NOT NULL,
    applied_at  timestamptz,
    result      text NOT NULL DEFAULT ''
);
CREATE INDEX actions_payment ON actions (payment_id, at);

-- Mails to send: written with the fact, sent by the sweep, at most one per shop, reason and hour.
CREATE TABLE notices (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shop       text NOT NULL REFERENCES shops,
    payment_id uuid REFERENCES payments,
    reason     text NOT NULL,
    at         timestamptz NOT NULL,
    send_at    timestamptz NOT NULL,
    sent_at    timestamptz,
    tries      int NOT NULL DEFAULT 0
);
CREATE INDEX notices_due ON notices (send_at) WHERE sent_at IS NULL;
CREATE INDEX notices_payment ON notices (payment_id, reason, at);
CREATE INDEX notices_sent ON notices (shop, sent_at) WHERE sent_at IS NOT NULL;
