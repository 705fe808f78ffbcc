-- What customers paid with and left for later payments. The release before runs
-- on this schema too: it asks no page to keep anything.

-- By which names the provider knows a method and its owner, and how people tell
-- it from another, is sealed in the vault under the customer's key: destroying
-- that forgets the method with them. What is left here says when it ends.
CREATE TABLE kept_methods (
    id            uuid PRIMARY KEY,
    shop          text NOT NULL REFERENCES shops,
    account_id    uuid NOT NULL REFERENCES accounts,
    payment_id    uuid NOT NULL UNIQUE REFERENCES payments, -- whose page left it
    subject_id    uuid NOT NULL REFERENCES subjects,
    vault_id      uuid REFERENCES vault,           -- null once it is forgotten
    kind          text NOT NULL,                   -- in the provider's words
    expires_year  int NOT NULL DEFAULT 0,          -- 0: it does not end by itself
    expires_month int NOT NULL DEFAULT 0 CHECK (expires_month BETWEEN 0 AND 12),
    kept_at       timestamptz NOT NULL,
    forgotten_at  timestamptz,
    CHECK ((expires_year = 0) = (expires_month = 0)),
    CHECK ((vault_id IS NULL) = (forgotten_at IS NOT NULL))
);
CREATE INDEX kept_methods_subject ON kept_methods (subject_id);
CREATE INDEX kept_methods_account ON kept_methods (account_id);

-- The built-in sandbox provider's own books, as in 002: checkouts that keep what
-- was paid with, what they kept, and charges of it. A charge is a checkout that
-- nobody saw: it is decided when it begins.
ALTER TABLE sandbox_checkouts
    ADD COLUMN remember boolean NOT NULL DEFAULT false,
    ADD COLUMN method text NOT NULL DEFAULT '',    -- that was charged; empty: a page
    ADD CONSTRAINT sandbox_charge_is_decided CHECK (method = '' OR result <> '' AND kind = 'sale' AND NOT remember);

CREATE TABLE sandbox_methods (
    id            text PRIMARY KEY,
    account       text NOT NULL,
    customer      text NOT NULL,
    payment_id    text NOT NULL UNIQUE REFERENCES sandbox_checkouts (payment_id) ON DELETE CASCADE,
    decline       text NOT NULL,                   -- what its bank says to charges; empty: it pays
    code          text NOT NULL,
    declines_left int,                             -- so often, and then it pays; null: always
    ends_at       timestamptz NOT NULL,            -- the card is expired from here on
    created_at    timestamptz NOT NULL,
    CHECK ((decline = '') = (code = '')),
    CHECK (declines_left >= 0)
);
