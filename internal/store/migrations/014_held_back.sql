-- A pause that is over is kept for a while, so that the sweep can wake whom it held back or left in doubt. The indexes find
-- those; few at any time. The release before ends a pause by deleting it: then nobody is woken and all come by themselves.

ALTER TABLE account_pauses ADD COLUMN ended_at timestamptz;

CREATE INDEX attempts_held_back ON attempts (first_sent_at) WHERE state = 'allocated' AND code IN ('account_paused', 'in_flight_cap');
CREATE INDEX attempts_unanswered ON attempts (account_id) WHERE state IN ('sent', 'in_doubt');
