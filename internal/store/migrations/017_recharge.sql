-- Failed subscription charges of shops that sell subscriptions through Recharge.
-- The release before runs on this schema too: it knows nothing of them.

-- A shop's connection to Recharge, and how far the walk over its failed charges is.
CREATE TABLE recharge_stores (
    shop          text PRIMARY KEY REFERENCES shops,
    hook          uuid NOT NULL UNIQUE,           -- names the shop in the address of its webhooks
    enabled       boolean NOT NULL,
    wrapped_key   bytea,                          -- null once it is disconnected
    credentials   bytea,                          -- sealed JSON: the access token, and the secret that signs webhooks
    process       text[] NOT NULL DEFAULT '{}',   -- categories of failures that are charged again; empty: none
    process_after interval NOT NULL DEFAULT '1 hour',  -- after the failure
    process_most  int NOT NULL DEFAULT 1 CHECK (process_most BETWEEN 1 AND 3),  -- of one charge in its life
    position      jsonb NOT NULL DEFAULT '{}',    -- where the walk stands
    next_at       timestamptz NOT NULL,           -- when it is visited again
    tries         int NOT NULL DEFAULT 0,         -- visits in a row that met trouble, the one under way included
    hooks_at      timestamptz NOT NULL,           -- when its webhooks are made sure of again
    process_at    timestamptz NOT NULL,           -- not before: Recharge refuses to process charges
    looked_at     timestamptz,                    -- the last visit that came to its end
    trouble       text NOT NULL DEFAULT '',       -- class and code of why the last one did not
    trouble_since timestamptz,
    created_at    timestamptz NOT NULL,
    CHECK (NOT enabled OR wrapped_key IS NOT NULL),
    CHECK ((wrapped_key IS NULL) = (credentials IS NULL)),
    CHECK ((trouble = '') = (trouble_since IS NULL))
);
CREATE INDEX recharge_stores_next ON recharge_stores (next_at) WHERE enabled;

-- One mail to a merchant about charges that failed. A charge is in one.
CREATE TABLE recharge_reports (
    id      uuid PRIMARY KEY,
    shop    text NOT NULL REFERENCES recharge_stores,
    charges int NOT NULL CHECK (charges > 0),
    at      timestamptz NOT NULL,
    send_at timestamptz NOT NULL,
    sent_at timestamptz,
    tries   int NOT NULL DEFAULT 0
);
CREATE INDEX recharge_reports_due ON recharge_reports (shop, send_at) WHERE sent_at IS NULL;

-- A charge that failed, once, by its id at Recharge. What is about a person (mail
-- address, note, the processor's sentence) is in the vault.
CREATE TABLE recharge_charges (
    id               uuid PRIMARY KEY,
    shop             text NOT NULL REFERENCES recharge_stores,
    charge_id        bigint NOT NULL CHECK (charge_id > 0),
    status           text NOT NULL,               -- in Recharge's words
    error_type       text NOT NULL,
    category         text NOT NULL,               -- ours
    exhausted        boolean NOT NULL,            -- Recharge does not try again
    attempts         bigint NOT NULL,
    kind             text NOT NULL,               -- checkout, recurring
    processor        text NOT NULL,
    transaction_id   text NOT NULL,
    amount_minor     bigint,                      -- null: it could not be read exactly
    currency         text CHECK (currency ~ '^[A-Z]{3}$'),
    customer_id      bigint NOT NULL,             -- at Recharge; 0: unknown, or the person was erased
    shopify_customer text NOT NULL,               -- its External Customer ID; empty likewise
    shopify_order    text NOT NULL,
    retry_at         timestamptz,                 -- Recharge tries again by itself
    scheduled_at     timestamptz,
    processed_at     timestamptz,
    updated_at       timestamptz,                 -- at Recharge; null: it does not say
    changed_at       timestamptz NOT NULL,        -- the same, or when we saw it first: orders the list
    mark             jsonb NOT NULL,              -- what moves when Recharge tries to charge
    oddities         jsonb NOT NULL DEFAULT '[]', -- values that did not fit
    subject_id       uuid REFERENCES subjects,
    vault_id         uuid REFERENCES vault,
    via              text NOT NULL CHECK (via IN ('walk', 'webhook')),
    found_at         timestamptz NOT NULL,
    seen_at          timestamptz NOT NULL,        -- Recharge's last word on it
    report_id        uuid REFERENCES recharge_reports,  -- null: its merchant was not told yet
    UNIQUE (charge_id, shop),
    CHECK ((amount_minor IS NULL) = (currency IS NULL)),
    CHECK (vault_id IS NULL OR subject_id IS NOT NULL)
);
CREATE INDEX recharge_charges_list ON recharge_charges (changed_at DESC, id DESC);
CREATE INDEX recharge_charges_unreported ON recharge_charges (shop, found_at) WHERE report_id IS NULL;
CREATE INDEX recharge_charges_report ON recharge_charges (report_id);
CREATE INDEX recharge_charges_open ON recharge_charges (shop, seen_at) WHERE status = 'error';
CREATE INDEX recharge_charges_subject ON recharge_charges (subject_id) WHERE subject_id IS NOT NULL;
CREATE INDEX recharge_charges_customer ON recharge_charges (shop, shopify_customer) WHERE shopify_customer <> '';

-- Rows of Recharge's lists that are no charges, by the SHA-256 of what they were.
CREATE TABLE recharge_unreadable (
    shop     text NOT NULL REFERENCES recharge_stores,
    sum      text NOT NULL,
    reason   text NOT NULL,
    times    int NOT NULL DEFAULT 1,
    found_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    PRIMARY KEY (shop, sum)
);

-- Signed webhooks, of which ids are kept. Recharge gives them none of their own:
-- the key is the SHA-256 of topic and body.
CREATE TABLE recharge_deliveries (
    shop          text NOT NULL REFERENCES recharge_stores,
    key           text NOT NULL,
    topic         text NOT NULL,
    object        text NOT NULL,
    object_id     bigint NOT NULL,
    received_at   timestamptz NOT NULL,
    dispatched_at timestamptz,                    -- acted on
    note          text NOT NULL DEFAULT '',
    PRIMARY KEY (shop, key)
);
CREATE INDEX recharge_deliveries_due ON recharge_deliveries (shop, received_at) WHERE dispatched_at IS NULL;

-- What we asked Recharge to charge again: a row is written before the request and
-- is the permanent guard, one for each failure of a charge.
CREATE TABLE recharge_processings (
    shop       text NOT NULL,
    charge_id  bigint NOT NULL,
    failure    bigint NOT NULL,                   -- Recharge's count of attempts when it failed
    mark       jsonb NOT NULL,                    -- what the charge looked like before
    state      text NOT NULL CHECK (state IN ('sent', 'in_doubt', 'not_sent', 'paid', 'declined', 'pending', 'skipped', 'unclear', 'refused')),
    code       text NOT NULL DEFAULT '',
    elsewhere  boolean NOT NULL DEFAULT false,    -- the charge had moved by itself and nothing was sent
    begun_at   timestamptz NOT NULL,
    next_at    timestamptz NOT NULL,              -- when it is looked at again
    decided_at timestamptz,
    tries      int NOT NULL DEFAULT 1,
    PRIMARY KEY (shop, charge_id, failure),
    FOREIGN KEY (charge_id, shop) REFERENCES recharge_charges (charge_id, shop) ON DELETE CASCADE
);
CREATE INDEX recharge_processings_due ON recharge_processings (shop, next_at) WHERE decided_at IS NULL;
