-- Which accounts' sends a worker holds back at the moment, for people to see. It decides nothing: each worker keeps its own
-- count in memory. The release before does not know of it.

CREATE TABLE account_pauses (
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    worker     text NOT NULL,
    since      timestamptz NOT NULL,
    until      timestamptz NOT NULL,           -- then one send tries whether the provider is back
    failures   int NOT NULL,                   -- sends in a row that brought nothing
    PRIMARY KEY (account_id, worker)
);
