-- What shops at Shopify say of their own things, and who looks after its coming.
-- The release before runs on this schema too.

-- The newest word about each order, transaction, refund, dispute, contract: ids,
-- codes, amounts and times, never anything about a person. Facts of topics that
-- are told apart are put together.
CREATE TABLE shop_objects (
    shop       text NOT NULL,
    resource   text NOT NULL,                     -- global id
    matter     text NOT NULL,                     -- order, dispute, subscription, …
    order_id   text NOT NULL DEFAULT '',          -- global id of the order it belongs to
    status     text NOT NULL DEFAULT '',          -- in Shopify's words
    facts      jsonb NOT NULL DEFAULT '{}',
    changed_at timestamptz NOT NULL,              -- Shopify's clock: when it changed
    told_at    timestamptz NOT NULL,              -- Shopify's clock: when it was told
    heard_at   timestamptz NOT NULL,              -- ours
    version    text NOT NULL DEFAULT '',          -- of the API in whose words it is
    PRIMARY KEY (shop, resource)
);

-- Which order the money of a session belongs to.
CREATE TABLE shop_order_sessions (
    shop       text NOT NULL,
    session_id text NOT NULL,                     -- Shopify's id of the session
    order_id   text NOT NULL,                     -- global id
    PRIMARY KEY (shop, session_id)
);

-- The guardian's memory of each shop with the second app.
CREATE TABLE shop_guards (
    shop       text PRIMARY KEY REFERENCES shops,
    next_at    timestamptz NOT NULL,              -- when it is looked at again
    tries      int NOT NULL DEFAULT 0,            -- looks in a row that met trouble, the one under way included
    until      timestamptz,                       -- orders that changed before are known
    checked_at timestamptz,                       -- the last look that came to its end
    made       text[] NOT NULL DEFAULT '{}',      -- topics it found without a subscription, and subscribed to
    refused    text[] NOT NULL DEFAULT '{}',      -- topics that Shopify does not let us subscribe to
    seen       int NOT NULL DEFAULT 0,            -- changed orders it read
    filled     int NOT NULL DEFAULT 0,            -- of them, those that no webhook had told
    trouble    text NOT NULL DEFAULT ''           -- why the last look did not come to its end
);
CREATE INDEX shop_guards_next ON shop_guards (next_at);

-- What a person who runs the service should know and no payment waits for. Each
-- is said once: its key is what it is about.
CREATE TABLE warnings (
    key     text PRIMARY KEY,
    kind    text NOT NULL,
    shop    text NOT NULL DEFAULT '',             -- empty: about all
    detail  text NOT NULL,
    at      timestamptz NOT NULL,
    last_at timestamptz NOT NULL,                 -- met again
    times   int NOT NULL DEFAULT 1,
    send_at timestamptz NOT NULL,
    sent_at timestamptz,
    tries   int NOT NULL DEFAULT 0
);
CREATE INDEX warnings_due ON warnings (send_at) WHERE sent_at IS NULL;
CREATE INDEX warnings_last ON warnings (last_at);

-- Chores that one process does for all, and when each was done last.
CREATE TABLE turns (
    what    text PRIMARY KEY,
    next_at timestamptz NOT NULL
);

-- The page of one kind of delivery, newest first, of all shops.
CREATE INDEX shopify_deliveries_newest ON shopify_deliveries (received_at DESC, id DESC);
