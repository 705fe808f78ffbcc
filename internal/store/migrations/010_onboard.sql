-- What merchants set in the browser: accounts that go and come back, options per
-- currency and country, the look of the pay page. The release before runs on this
-- schema too.

ALTER TABLE accounts
    ADD COLUMN removed_at timestamptz,            -- the credentials are destroyed; the row stays for the payments that name it
    ADD COLUMN refused_at timestamptz,            -- since when the provider refuses the credentials; null: it does not
    ADD CONSTRAINT accounts_removed_check CHECK (removed_at IS NULL OR NOT enabled),
    DROP CONSTRAINT accounts_shop_provider_live_label_key;
-- an account that was removed leaves its label to the next
CREATE UNIQUE INDEX accounts_label ON accounts (shop, provider, live, label) WHERE removed_at IS NULL;

-- Of the buyer's address, to pick the options by. No check: it would read the whole table under a lock.
ALTER TABLE payments ADD COLUMN country text NOT NULL DEFAULT '';

-- The options of buyers of one currency, one country, or both, in their order.
-- Everybody else has the accounts that are switched on, by position.
CREATE TABLE markets (
    shop     text NOT NULL REFERENCES shops,
    live     boolean NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^([A-Z]{3})?$'),  -- empty: any
    country  text NOT NULL CHECK (country ~ '^([A-Z]{2})?$'),   -- empty: any
    accounts uuid[] NOT NULL,
    PRIMARY KEY (shop, live, currency, country),
    CHECK (currency <> '' OR country <> '')
);

CREATE TABLE brands (
    shop      text PRIMARY KEY REFERENCES shops,
    colour    text NOT NULL DEFAULT '' CHECK (colour ~ '^([0-9a-f]{6})?$'),
    logo      bytea,                              -- a PNG that we encoded; null: none
    logo_sum  text NOT NULL DEFAULT '',           -- SHA-256 of the logo in hex, its public name
    languages text[] NOT NULL DEFAULT '{}',       -- of the pay page, the first for buyers who read none of them; empty: all that we have
    CHECK ((logo IS NULL) = (logo_sum = ''))
);
CREATE INDEX brands_logo ON brands (logo_sum) WHERE logo_sum <> '';
