-- Plans, subscriptions and what they charge. The release before runs on this
-- schema, but does not know the two new sources of payments: let nobody subscribe
-- before every process runs this one.
--
-- A renewal's charge is a payment like any other, with its operation, attempts,
-- evidence and postings. What is new is who asks for it (a subscription) and how
-- (by a method that the buyer left, instead of a page).

-- What is sold. A version never changes; an update makes the next one.
CREATE TABLE plans (
    shop       text NOT NULL REFERENCES shops,
    id         text NOT NULL CHECK (id ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    version    int  NOT NULL CHECK (version > 0),  -- the newest
    retired    boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (shop, id)
);
CREATE TABLE plan_versions (
    shop        text NOT NULL,
    plan_id     text NOT NULL,
    version     int  NOT NULL CHECK (version > 0),
    name        text NOT NULL,                    -- as customers read it
    price_minor bigint NOT NULL CHECK (price_minor > 0),
    currency    text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    value       jsonb NOT NULL,                   -- the domain's value, whole
    actor       text NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (shop, plan_id, version),
    FOREIGN KEY (shop, plan_id) REFERENCES plans
);
CREATE TRIGGER plan_versions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON plan_versions FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- How patient a shop is with a declined renewal; a shop without a row has the defaults.
CREATE TABLE dunning_policies (
    shop       text PRIMARY KEY REFERENCES shops,
    value      jsonb NOT NULL,
    actor      text NOT NULL,
    changed_at timestamptz NOT NULL
);

CREATE TABLE subscriptions (
    id              uuid PRIMARY KEY,
    shop            text NOT NULL REFERENCES shops,
    ref             text NOT NULL,                -- the merchant's own
    test            boolean NOT NULL,
    plan_id         text NOT NULL,                -- of the terms in force
    plan_version    int  NOT NULL,
    quantity        bigint NOT NULL CHECK (quantity > 0),
    state           text NOT NULL CHECK (state IN ('pending', 'trialing', 'active', 'past_due', 'paused', 'unpaid', 'cancelled', 'abandoned')),
    revision        bigint NOT NULL CHECK (revision > 0),  -- each change is made to the state that was read
    value           jsonb NOT NULL,               -- the domain's value, whole
    price_minor     bigint NOT NULL CHECK (price_minor > 0), -- of a full period at the terms in force
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    period          int NOT NULL CHECK (period >= 0),
    period_ends_at  timestamptz NOT NULL,
    began           jsonb NOT NULL,               -- what was asked for at first, to know a repeat by
    open_key        text NOT NULL DEFAULT '',     -- of the charge that is not settled
    providers       text[] NOT NULL,              -- that can keep a method: only their accounts are offered
    locale          text NOT NULL DEFAULT '',
    return_url      text NOT NULL DEFAULT '',
    cancel_url      text NOT NULL DEFAULT '',
    subject_id      uuid REFERENCES subjects,
    vault_id        uuid REFERENCES vault,        -- who the customer is, sealed
    method_id       uuid,                         -- the kept method that renewals charge
    method_account  uuid REFERENCES accounts,     -- whose it is
    keep_payment    uuid REFERENCES payments,     -- its page left a method that is not kept yet
    noticed_period  int NOT NULL DEFAULT -1,      -- whose end the customer was told of
    task            text NOT NULL CHECK (task IN ('', 'expire', 'notice', 'renew', 'retry', 'give_up', 'review')),
    due_at          timestamptz,                  -- when the task is due; null: only an event leads on
    sweep_at        timestamptz NOT NULL,         -- when the sweep makes sure that a run exists
    operator        text NOT NULL DEFAULT '',     -- why a person is needed
    operator_since  timestamptz,
    idempotency_key text,
    request_hash    bytea,
    created_at      timestamptz NOT NULL,
    changed_at      timestamptz NOT NULL,
    ended_at        timestamptz,                  -- over for good, and no charge open
    UNIQUE (ref, shop),
    UNIQUE (idempotency_key, shop),
    FOREIGN KEY (shop, plan_id, plan_version) REFERENCES plan_versions (shop, plan_id, version),
    CHECK ((method_id IS NULL) = (method_account IS NULL)),
    CHECK (task = '' OR due_at IS NOT NULL),
    CHECK (ended_at IS NULL OR state IN ('cancelled', 'abandoned') AND open_key = '')
) WITH (fillfactor = 80);
CREATE INDEX subscriptions_sweep ON subscriptions (sweep_at) WHERE ended_at IS NULL;
CREATE INDEX subscriptions_due ON subscriptions (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX subscriptions_list ON subscriptions (created_at DESC, shop);
CREATE INDEX subscriptions_plan ON subscriptions (plan_id, shop) WHERE ended_at IS NULL;
CREATE INDEX subscriptions_subject ON subscriptions (subject_id);
CREATE INDEX subscriptions_operator ON subscriptions (operator_since) WHERE operator <> '';

-- A period is opened once: its number is the lock.
CREATE TABLE subscription_periods (
    subscription_id uuid NOT NULL REFERENCES subscriptions,
    number          int  NOT NULL CHECK (number >= 0),
    kind            text NOT NULL CHECK (kind IN ('trial', 'regular', 'skipped')),
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL,
    plan_id         text NOT NULL,
    plan_version    int  NOT NULL,
    quantity        bigint NOT NULL,
    price_minor     bigint NOT NULL CHECK (price_minor >= 0), -- of the full period
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    opened_at       timestamptz NOT NULL,
    PRIMARY KEY (subscription_id, number),
    CHECK (starts_at <= ends_at)
);

-- What a subscription asks money for. One key, one charge, one payment.
CREATE TABLE subscription_charges (
    subscription_id uuid NOT NULL REFERENCES subscriptions,
    key             text NOT NULL,
    period          int  NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('first', 'renewal', 'change', 'resume')),
    amount_minor    bigint NOT NULL CHECK (amount_minor >= 0),
    balance_minor   bigint NOT NULL CHECK (balance_minor >= 0), -- what the customer's balance pays of it
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    payment_id      uuid UNIQUE REFERENCES payments,          -- null: there is nothing to take
    state           text NOT NULL CHECK (state IN ('open', 'owed', 'paid', 'declined', 'written_off', 'given_back')),
    told            int NOT NULL DEFAULT 0,       -- the payment's choice whose result the subscription knows
    declines        int NOT NULL DEFAULT 0,
    reason          text NOT NULL DEFAULT '',     -- of the last decline
    opened_at       timestamptz NOT NULL,
    settled_at      timestamptz,
    PRIMARY KEY (subscription_id, key),
    CHECK ((state IN ('open', 'owed')) = (settled_at IS NULL)),
    CHECK (payment_id IS NOT NULL OR amount_minor = 0)
);
CREATE INDEX subscription_charges_settled ON subscription_charges (settled_at, state) WHERE settled_at IS NOT NULL;

-- What people and programs ask of a subscription. The row is the authority and
-- has the answer, so a repeat is answered and not carried out again.
CREATE TABLE subscription_commands (
    id              uuid PRIMARY KEY,
    subscription_id uuid NOT NULL REFERENCES subscriptions,
    command         text NOT NULL CHECK (command IN ('pause', 'resume', 'change', 'skip', 'cancel', 'cancel_at_end', 'withdraw', 'retry', 'method')),
    args            jsonb NOT NULL,
    actor           text NOT NULL,                -- staff account name or API key id; "customer"
    idempotency_key text,
    request_hash    bytea,
    at              timestamptz NOT NULL,
    applied_at      timestamptz,
    answer          jsonb,
    UNIQUE (idempotency_key, subscription_id),
    CHECK ((applied_at IS NULL) = (answer IS NULL))
);
CREATE INDEX subscription_commands_of ON subscription_commands (subscription_id, at);
CREATE INDEX subscription_commands_waiting ON subscription_commands (at) WHERE applied_at IS NULL;

-- What became of a subscription, for people. Codes and ids only.
CREATE TABLE subscription_timeline (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription_id uuid NOT NULL REFERENCES subscriptions,
    what            text NOT NULL,
    before          text NOT NULL DEFAULT '',
    after           text NOT NULL DEFAULT '',
    detail          text NOT NULL DEFAULT '',
    at              timestamptz NOT NULL
);
CREATE INDEX subscription_timeline_of ON subscription_timeline (subscription_id, id);
CREATE TRIGGER subscription_timeline_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON subscription_timeline FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- What somebody must hear of: written with the fact, told by the sweep.
CREATE TABLE subscription_news (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription_id uuid NOT NULL REFERENCES subscriptions,
    kind            text NOT NULL CHECK (kind IN ('began', 'upcoming', 'declined', 'recovered', 'given_up', 'paused', 'resumed', 'ended', 'review')),
    period          int  NOT NULL,
    charge_key      text NOT NULL DEFAULT '',
    payment_id      uuid REFERENCES payments,
    amount_minor    bigint NOT NULL DEFAULT 0,
    currency        text NOT NULL DEFAULT '',
    reason          text NOT NULL DEFAULT '',     -- of a decline
    ask             text NOT NULL DEFAULT '',     -- what the customer is asked for
    step            text NOT NULL DEFAULT '',     -- what follows: retry, final, review
    step_at         timestamptz,                  -- and when; of upcoming: when it is charged
    at              timestamptz NOT NULL,
    send_at         timestamptz NOT NULL,
    sent_at         timestamptz,
    tries           int NOT NULL DEFAULT 0
);
CREATE INDEX subscription_news_due ON subscription_news (send_at) WHERE sent_at IS NULL;
CREATE INDEX subscription_news_of ON subscription_news (subscription_id, id);

-- Payments of subscriptions: the first one through a page ('subscription'), the
-- others by the kept method ('renewal').
ALTER TABLE payments
    DROP CONSTRAINT payments_source_check,
    ADD CONSTRAINT payments_source_check CHECK (source IN ('shopify', 'api', 'subscription', 'renewal')),
    ADD COLUMN subscription_id uuid REFERENCES subscriptions,
    ADD COLUMN charge_key text NOT NULL DEFAULT '',
    ADD COLUMN choice_method uuid,                -- the choice is this kept method, charged without the buyer
    ADD CONSTRAINT payments_subscription_check CHECK ((source IN ('subscription', 'renewal')) = (subscription_id IS NOT NULL)),
    ADD CONSTRAINT payments_charge_key_check CHECK ((charge_key = '') = (subscription_id IS NULL)),
    ADD CONSTRAINT payments_choice_method_check CHECK (choice_method IS NULL OR source = 'renewal');
-- one charge of a subscription, one payment: whoever races finds this one
CREATE UNIQUE INDEX payments_one_charge ON payments (subscription_id, charge_key) WHERE subscription_id IS NOT NULL;
-- a retry after another card keeps what each attempt was made with
ALTER TABLE attempts ADD COLUMN method_id uuid;
