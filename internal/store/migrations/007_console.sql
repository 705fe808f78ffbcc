-- What the console keeps and shows. The release before runs on this schema too.

CREATE TABLE console_filters (
    id         uuid PRIMARY KEY,
    owner      text NOT NULL,                     -- who signed in: a filter is nobody else's
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 40),
    query      text NOT NULL CHECK (char_length(query) BETWEEN 1 AND 500),  -- of the list's address: ids, codes and dates
    created_at timestamptz NOT NULL,
    UNIQUE (owner, name)
);

-- Search by amount; the currencies in use are read from it too, without reading the table.
CREATE INDEX payments_amount ON payments (currency, amount_minor);

-- The last live call with an account's credentials that the provider accepted.
ALTER TABLE accounts ADD COLUMN verified_at timestamptz;
