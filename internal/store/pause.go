package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
)

// pauseLapses is how long after its next trial a pause is still told. One that
// is older belongs to a worker that is gone, or to an account that nobody has
// sent anything to since.
const pauseLapses = 15 * time.Minute

// NotePause notes a pause of sends in one worker, a longer one, or with a zero
// Since its end, which forgets those that have lapsed too.
func (s *Store) NotePause(ctx context.Context, p payment.Pause) error {
	const action = "note pause"
	const end = `DELETE FROM account_pauses WHERE account_id = @account AND worker = @worker OR until < @lapsed`
	const begin = `
		INSERT INTO account_pauses (account_id, worker, since, until, failures) VALUES (@account, @worker, @since, @until, @failures)
		ON CONFLICT (account_id, worker) DO UPDATE SET since = @since, until = @until, failures = @failures`
	if err := known("account", p.AccountID); err != nil {
		return failure(action, err)
	}
	statement := begin
	if p.Since.IsZero() {
		statement = end
	}
	_, err := s.pool.Exec(ctx, statement, pgx.NamedArgs{
		"account": p.AccountID, "worker": p.Worker, "since": p.Since, "until": p.Until, "failures": p.Failures,
		"lapsed": s.lapsed(),
	})
	return failure(action, err)
}

// selectPauses reads pauses in the order of payment.Pause's members.
const selectPauses = `SELECT p.account_id::text, p.worker, p.since, p.until, p.failures FROM account_pauses p `

// lapsed is the time before which a pause is not told any more.
func (s *Store) lapsed() time.Time { return s.now().Add(-pauseLapses) }
