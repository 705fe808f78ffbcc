-- Finds the sends that a pause of their account held back, when it is over. Few at any time. The release before does not use it.

CREATE INDEX attempts_held_back ON attempts (first_sent_at) WHERE state = 'allocated' AND code = 'account_paused';
