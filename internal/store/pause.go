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
// Since its end, which forgets those that have lapsed too. An end is kept for a
// while: see HeldBack.
func (s *Store) NotePause(ctx context.Context, p payment.Pause) error {
	const action = "note pause"
	const end = `UPDATE account_pauses SET ended_at = @now WHERE account_id = @account AND worker = @worker AND ended_at IS NULL`
	const begin = `
		INSERT INTO account_pauses (account_id, worker, since, until, failures) VALUES (@account, @worker, @since, @until, @failures)
		ON CONFLICT (account_id, worker) DO UPDATE SET since = @since, until = @until, failures = @failures, ended_at = NULL`
	if err := known("account", p.AccountID); err != nil {
		return failure(action, err)
	}
	args := pgx.NamedArgs{
		"account": p.AccountID, "worker": p.Worker, "since": p.Since, "until": p.Until, "failures": p.Failures,
		"now": s.now(), "lapsed": s.lapsed(),
	}
	b := &pgx.Batch{}
	if p.Since.IsZero() {
		b.Queue(end, args)
		b.Queue(`DELETE FROM account_pauses WHERE until < @lapsed`, args)
	} else {
		b.Queue(begin, args)
	}
	return failure(action, send(ctx, s.pool, b))
}

// selectPauses reads pauses in the order of payment.Pause's members.
const selectPauses = `SELECT p.account_id::text, p.worker, p.since, p.until, p.failures FROM account_pauses p `

// lapsed is the time before which a pause is not told any more.
func (s *Store) lapsed() time.Time { return s.now().Add(-pauseLapses) }
