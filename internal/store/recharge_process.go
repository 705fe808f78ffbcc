package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/recharge"
)

const selectProcessing = `
	SELECT shop, charge_id, mark, state, code, elsewhere, begun_at, decided_at, next_at, tries FROM recharge_processings `

func scanProcessing(row pgx.CollectableRow) (recharge.Processing, error) {
	var p recharge.Processing
	var decided *time.Time
	err := row.Scan(&p.Shop, &p.ChargeID, &p.Mark, &p.Outcome, &p.Code, &p.Elsewhere, &p.BegunAt, &decided, &p.NextAt, &p.Tries)
	p.Decided = instant(decided)
	return p, err
}

// dueProcessing is a failure that the shop's policy asks to be charged again, or
// one that was begun and is not decided. Recharge's own schedule comes first: a
// charge that it will try again by itself is left to it.
const dueProcessing = `
	SELECT c.charge_id FROM recharge_charges c JOIN recharge_stores r ON r.shop = c.shop
	LEFT JOIN recharge_processings p ON p.shop = c.shop AND p.charge_id = c.charge_id AND p.failure = c.attempts
	WHERE c.shop = @shop AND r.enabled AND r.process_at <= @now AND c.status = 'error' AND c.category = ANY (r.process) AND c.retry_at IS NULL
	  AND c.changed_at <= @now::timestamptz - r.process_after
	  AND (p.state IS NULL OR p.state = 'not_sent' AND p.next_at <= @now)
	  AND (SELECT count(*) FROM recharge_processings o WHERE o.shop = c.shop AND o.charge_id = c.charge_id AND o.failure <> c.attempts AND o.state <> 'not_sent') < r.process_most
	  AND NOT EXISTS (SELECT FROM recharge_processings o WHERE o.shop = c.shop AND o.charge_id = c.charge_id AND o.decided_at IS NULL AND o.failure <> c.attempts AND o.state <> 'not_sent')
	UNION
	SELECT charge_id FROM recharge_processings WHERE shop = @shop AND decided_at IS NULL AND state <> 'not_sent' AND next_at <= @now
	LIMIT @limit`

// DueProcessings lists the charges of a shop that have to be charged again, or
// looked at because they may have been.
func (s *Store) DueProcessings(ctx context.Context, shop string, limit int) ([]int64, error) {
	const action = "list charges to process"
	rows, err := s.pool.Query(ctx, dueProcessing, pgx.NamedArgs{"shop": shop, "now": s.now(), "limit": limit})
	if err != nil {
		return nil, failure(action, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return list, failure(action, err)
}

// processingRest is how soon a processing that was begun and not ended is looked at.
const processingRest = time.Minute

// BeginProcessing writes, before anything is sent, that a failure of a charge is
// charged again, or answers the undecided one that stands (Again), which is never
// sent again. false: the policy does not ask for it any more.
func (s *Store) BeginProcessing(ctx context.Context, shop string, chargeID int64) (p recharge.Processing, due bool, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{"shop": shop, "charge": chargeID, "now": s.now(), "limit": nil, "next": s.now().Add(processingRest)}
		if _, err := tx.Exec(ctx, `SELECT FROM recharge_stores WHERE shop = @shop FOR NO KEY UPDATE`, args); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, selectProcessing+`WHERE shop = @shop AND charge_id = @charge AND decided_at IS NULL AND state <> 'not_sent'`, args)
		if err != nil {
			return err
		}
		standing, err := pgx.CollectRows(rows, scanProcessing)
		if err != nil {
			return err
		}
		if len(standing) > 0 {
			p, due = standing[0], true
			p.Again = true
			return nil
		}
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM (`+dueProcessing+`) d WHERE d.charge_id = @charge)`, args).Scan(&due); err != nil || !due {
			return err
		}
		const begin = `
			INSERT INTO recharge_processings AS p (shop, charge_id, failure, mark, state, begun_at, next_at)
			SELECT shop, charge_id, attempts, mark, 'sent', @now, @next FROM recharge_charges WHERE shop = @shop AND charge_id = @charge
			ON CONFLICT (shop, charge_id, failure) DO UPDATE SET state = 'sent', mark = excluded.mark, next_at = @next, tries = p.tries + 1
			WHERE p.state = 'not_sent'
			RETURNING shop, charge_id, mark, state, code, elsewhere, begun_at, decided_at, next_at, tries`
		rows, err = tx.Query(ctx, begin, args)
		if err != nil {
			return err
		}
		p, err = pgx.CollectExactlyOneRow(rows, scanProcessing)
		return err
	})
	return p, due, failure("begin to process a charge", err)
}

// PutProcessing records what became of a processing that is not decided. NextAt is
// when it is looked at again; a decided one has none.
func (s *Store) PutProcessing(ctx context.Context, p recharge.Processing) error {
	const statement = `
		UPDATE recharge_processings SET state = @state, code = @code, elsewhere = @elsewhere, next_at = @next, tries = tries + 1,
		       decided_at = CASE WHEN @state IN ('sent', 'in_doubt', 'not_sent', 'pending') THEN NULL ELSE @now::timestamptz END
		WHERE shop = @shop AND charge_id = @charge AND failure = @failure AND decided_at IS NULL`
	now := s.now()
	next := p.NextAt
	if next.IsZero() {
		next = now
	}
	_, err := s.pool.Exec(ctx, statement, pgx.NamedArgs{
		"state": p.Outcome, "code": p.Code, "elsewhere": p.Elsewhere, "next": stored(next), "now": now,
		"shop": p.Shop, "charge": p.ChargeID, "failure": p.Mark.Attempts,
	})
	return failure("record a processed charge", err)
}

// RestProcessing stops processing at a store until a moment: Recharge refuses it.
func (s *Store) RestProcessing(ctx context.Context, shop string, until time.Time) error {
	_, err := s.pool.Exec(ctx, `UPDATE recharge_stores SET process_at = @until WHERE shop = @shop`, pgx.NamedArgs{"shop": shop, "until": stored(until)})
	return failure("rest processing", err)
}
