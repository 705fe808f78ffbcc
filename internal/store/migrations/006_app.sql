-- Our apps at Shopify: installations under way and done, the tokens of the second
-- app, and what Shopify has delivered. The release before runs on this schema
-- too: it knows one app, whose tokens stay in shop_tokens.

-- Installations under way. Sums of random texts: what is stored opens nothing.
CREATE TABLE install_states (
    hash       bytea PRIMARY KEY,                 -- SHA-256 of the state that travels through Shopify
    browser    bytea NOT NULL,                    -- SHA-256 of the text in the browser's cookie
    app        text NOT NULL CHECK (app IN ('payments', 'admin')),
    shop       text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX install_states_expiry ON install_states (expires_at);

CREATE TABLE installations (
    shop           text NOT NULL REFERENCES shops,
    app            text NOT NULL CHECK (app IN ('payments', 'admin')),
    scopes         text[] NOT NULL,
    authorized_at  timestamptz NOT NULL,          -- Shopify's clock: what it triggered before is old news
    installed_at   timestamptz NOT NULL,
    uninstalled_at timestamptz,
    ready          boolean NOT NULL DEFAULT false,  -- what Shopify was told by paymentsAppConfigure
    PRIMARY KEY (shop, app)
);

-- As shop_tokens, for the second app.
CREATE TABLE admin_tokens (
    shop        text PRIMARY KEY REFERENCES shops,
    wrapped_key bytea NOT NULL,
    access      bytea NOT NULL,
    refresh     bytea NOT NULL,
    expires_at  timestamptz,
    version     int NOT NULL DEFAULT 1,
    updated_at  timestamptz NOT NULL
);

-- Signed messages of Shopify, cut down to ids, codes, amounts and times. A shop
-- that was never set up may be redacted too, so shop refers to nothing.
CREATE TABLE shopify_deliveries (
    id            uuid PRIMARY KEY,
    webhook_id    text NOT NULL,
    shop          text NOT NULL,
    topic         text NOT NULL,
    app           text NOT NULL CHECK (app IN ('payments', 'admin')),
    event_id      text NOT NULL DEFAULT '',
    api_version   text NOT NULL DEFAULT '',
    resource      text NOT NULL DEFAULT '',       -- global id of what it is about
    facts         jsonb,
    triggered_at  timestamptz NOT NULL,           -- Shopify's clock: orders what is said about one resource
    received_at   timestamptz NOT NULL,
    wrapped_key   bytea,                          -- of a privacy request: destroyed once it is served
    sealed        bytea,
    dispatched_at timestamptz,                    -- set once acted on
    dispatch_at   timestamptz NOT NULL,           -- when it is taken up, again
    tries         int NOT NULL DEFAULT 0,
    note          text NOT NULL DEFAULT '',
    UNIQUE (webhook_id, shop, topic),
    CHECK ((wrapped_key IS NULL) = (sealed IS NULL))
);
CREATE INDEX shopify_deliveries_due ON shopify_deliveries (dispatch_at) WHERE dispatched_at IS NULL;
-- one event through two subscriptions
CREATE INDEX shopify_deliveries_event ON shopify_deliveries (event_id) WHERE event_id <> '';
-- the newest message about a resource
CREATE INDEX shopify_deliveries_resource ON shopify_deliveries (resource, shop, topic, triggered_at) WHERE resource <> '';
CREATE INDEX shopify_deliveries_list ON shopify_deliveries (shop, received_at DESC);
