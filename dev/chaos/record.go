package chaos

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// record is what our tables say about a story, read without the service's own code.
type record struct {
	payments []paymentRow
	attempts []attemptRow
	requests []requestRow
	lines    []transition
	postings []posting
}

type paymentRow struct {
	ID, ExternalID, Kind, State, Final, Operator, Currency string

	Minor   int64
	Told    bool
	Winner  string   // the attempt whose money the answer is about
	Notices []string // what people were told
}

type attemptRow struct {
	ID, PaymentID, OperationID, Kind, Origin, State, Key, PaymentRef string
}

// requestRow is a capture, void or refund that the shop asked for.
type requestRow struct {
	ID, ExternalID, Kind, PaymentID, Final, Reason, Operator string

	Minor int64
	Told  bool
}

// transition is one line of the timeline about an attempt, with what its evidence shows.
type transition struct {
	AttemptID, Before, After string
	Evidence, Shows          *string
}

type posting struct {
	PaymentID, Account, Currency string

	Minor int64
}

func (s *scene) record(ctx context.Context) (record, error) {
	var r record
	err := read(ctx, s, &r.payments, `
		SELECT id::text, external_id, kind, state, final, operator, currency, amount_minor, told_at IS NOT NULL,
		       coalesce(winner_attempt::text, ''), (SELECT coalesce(array_agg(reason), '{}') FROM notices n WHERE n.payment_id = p.id)
		FROM payments p WHERE shop = $1`)
	if err == nil {
		err = read(ctx, s, &r.attempts, `
			SELECT a.id::text, a.payment_id::text, a.operation_id::text, o.kind, o.origin, a.state, a.key, a.payment_ref
			FROM attempts a JOIN operations o ON o.id = a.operation_id JOIN payments p ON p.id = a.payment_id WHERE p.shop = $1`)
	}
	if err == nil {
		err = read(ctx, s, &r.requests, `
			SELECT id::text, external_id, kind, coalesce(payment_id::text, ''), final, final_reason, operator, amount_minor, told_at IS NOT NULL
			FROM move_sessions WHERE shop = $1`)
	}
	if err == nil {
		err = read(ctx, s, &r.lines, `
			SELECT t.attempt_id::text, t.before, t.after, t.evidence_id::text, e.state
			FROM timeline t JOIN payments p ON p.id = t.payment_id LEFT JOIN evidence e ON e.id = t.evidence_id AND e.attempt_id = t.attempt_id
			WHERE p.shop = $1 AND t.what = 'attempt' AND t.attempt_id IS NOT NULL ORDER BY t.id`)
	}
	if err == nil {
		err = read(ctx, s, &r.postings, `
			SELECT e.payment_id::text, l.account, l.currency, sum(l.amount_minor)::bigint
			FROM ledger_postings l JOIN ledger_entries e ON e.id = l.entry_id JOIN payments p ON p.id = e.payment_id
			WHERE p.shop = $1 GROUP BY 1, 2, 3`)
	}
	return r, err
}

// read fills a list with the rows of a statement about the story's shop.
func read[T any](ctx context.Context, s *scene, into *[]T, sql string) error {
	rows, err := s.pool.Query(ctx, sql, s.shop)
	if err == nil {
		*into, err = pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	}
	if err != nil {
		return fmt.Errorf("read the record of %s: %w", s.shop, err)
	}
	return nil
}
