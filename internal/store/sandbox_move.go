package store

import (
	"bytes"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp/sandbox/books"
)

// A move that is joined may be absent; its times are null then, as they may be anyway.
const moveColumns = `
	coalesce(m.id, ''), coalesce(m.payment_id, ''), coalesce(m.reference, ''), coalesce(m.operation, ''),
	coalesce(m.amount_minor, 0), coalesce(m.currency, ''), coalesce(m.refusal, ''), coalesce(m.result, ''),
	coalesce(m.decline, ''), coalesce(m.code, ''), m.settles_at`

// moveRow is a books.Move while it is read.
type moveRow struct {
	books.Move
	minor    int64
	currency money.Currency
	settles  *time.Time
}

func (r *moveRow) scan() []any {
	m := &r.Move
	return []any{
		&m.ID, &m.PaymentID, &m.Reference, &m.Operation, &r.minor, &r.currency, &m.Refusal,
		&m.Verdict.Result, &m.Verdict.Decline, &m.Verdict.Code, &r.settles,
	}
}

func (r *moveRow) move() books.Move {
	m := r.Move
	m.Amount, m.SettlesAt = money.New(r.minor, r.currency), instant(r.settles)
	return m
}

// SandboxMove captures, voids or refunds, or answers what its key was answered
// before. An order that the money does not allow is kept as a refusal. Errors:
// payment.Invalid for a payment that does not exist, payment.Conflict for the
// same key with another order and for a reference used under another key.
func (s *Store) SandboxMove(ctx context.Context, o books.Order) (books.Move, error) {
	var out books.Move
	err := s.sandboxTx(ctx, "move sandbox money", func(tx pgx.Tx) error {
		// The lock puts everything that is asked of one payment into one order.
		const lock = `SELECT` + checkoutColumns + ` FROM sandbox_checkouts c WHERE c.account = @account AND c.payment_id = @payment FOR UPDATE`
		c, err := readCheckout(ctx, tx, lock, pgx.NamedArgs{"account": o.Account, "payment": o.PaymentID})
		if none(err) {
			return invalid("payment", "the sandbox has no such payment")
		}
		if err != nil {
			return err
		}
		if answered, err := answeredMove(ctx, tx, o); !none(err) {
			out = answered
			return err
		}
		now := s.now()
		m := books.Move{
			ID: sandboxID("sbm"), PaymentID: o.PaymentID, Reference: o.Reference, Operation: o.Operation, Amount: o.Amount,
			Refusal: c.Refuses(o, now), Verdict: o.Verdict, SettlesAt: instant(settles(o.Verdict, now, o.Delay)),
		}
		if o.Operation == payment.OpVoid {
			m.Amount = c.Amount // its order may name none
		}
		if o.Operation == payment.OpVoid && m.Refusal == "" {
			m.Amount = c.Rest() // all that is held goes back
		}
		if m.Refusal != "" {
			m.Verdict, m.SettlesAt = books.Verdict{Result: books.Failure, Decline: payment.DeclinedOther, Code: m.Refusal}, now
		} else if err := claimSandbox(ctx, tx, o, now); err != nil {
			return err
		}
		out = m
		return insertMove(ctx, tx, o, m, now)
	})
	return out, err
}

// answeredMove is the move that the order's key has.
func answeredMove(ctx context.Context, tx pgx.Tx, o books.Order) (books.Move, error) {
	const byKey = `SELECT` + moveColumns + `, m.body_hash FROM sandbox_moves m WHERE m.account = @account AND m.key = @key`
	var r moveRow
	var hash []byte
	err := tx.QueryRow(ctx, byKey, pgx.NamedArgs{"account": o.Account, "key": o.Key}).Scan(append(r.scan(), &hash)...)
	if err == nil && !bytes.Equal(hash, o.Hash) {
		return books.Move{}, conflict("key_in_use", "the key was used for another order")
	}
	return r.move(), err
}

// claimSandbox takes the amount out of what the checkout has, under its lock. Each
// statement repeats the limit that books.Checkout.Refuses has explained.
func claimSandbox(ctx context.Context, tx pgx.Tx, o books.Order, now time.Time) error {
	const paid = ` WHERE c.account = @account AND c.payment_id = @payment
		AND c.closed_at IS NULL AND c.result = 'success' AND c.settles_at <= @now`
	const capture = `UPDATE sandbox_checkouts c SET captured_minor = c.captured_minor + @minor` + paid +
		` AND c.kind = 'authorization' AND c.voided_at IS NULL AND c.captured_minor + @minor <= c.amount_minor
		  AND c.settles_at + @hold::interval > @now`
	const void = `UPDATE sandbox_checkouts c SET voided_at = @now` + paid +
		` AND c.kind = 'authorization' AND c.captured_minor < c.amount_minor AND c.voided_at IS NULL`
	const refund = `UPDATE sandbox_checkouts c SET refunded_minor = c.refunded_minor + @reserve` + paid +
		` AND c.refunded_minor + @minor <= c.captured_minor`
	args := pgx.NamedArgs{"account": o.Account, "payment": o.PaymentID, "now": now, "minor": o.Amount.Minor}
	statement := ""
	switch o.Operation { //nolint:exhaustive // the others are not the sandbox's and end below
	case payment.OpCapture:
		statement, args["hold"] = capture, books.HoldLimit
	case payment.OpVoid:
		statement = void
	case payment.OpRefund:
		statement, args["reserve"] = refund, o.Amount.Minor
		if o.Verdict.Result == books.Failure {
			args["reserve"] = 0
		}
	default:
		return bug("operation", "the sandbox knows no %s", o.Operation)
	}
	tag, err := tx.Exec(ctx, statement, args)
	if err != nil {
		return err
	}
	return oneRow("sandbox payment")(tag)
}

func insertMove(ctx context.Context, tx pgx.Tx, o books.Order, m books.Move, now time.Time) error {
	const insert = `
		INSERT INTO sandbox_moves (id, account, key, body_hash, reference, payment_id, operation, amount_minor, currency,
		        refusal, result, decline, code, settles_at, created_at)
		VALUES (@id, @account, @key, @hash, @reference, @payment, @operation, @minor, @currency,
		        @refusal, @result, @decline, @code, @settles_at, @now)`
	_, err := tx.Exec(ctx, insert, pgx.NamedArgs{
		"id": m.ID, "account": o.Account, "key": o.Key, "hash": o.Hash, "reference": m.Reference, "payment": m.PaymentID,
		"operation": m.Operation, "minor": m.Amount.Minor, "currency": m.Amount.Currency, "refusal": m.Refusal,
		"result": m.Verdict.Result, "decline": m.Verdict.Decline, "code": m.Verdict.Code,
		"settles_at": nullable(m.SettlesAt), "now": now,
	})
	return err
}

// SandboxMoved reads the checkout that n.PaymentID names and what was done with
// its money under n.Reference: both of one moment, because a move that is
// carried out in between would look like somebody else's. The move is zero when
// there is none; refused orders are none.
func (s *Store) SandboxMoved(ctx context.Context, n books.Name) (books.Checkout, books.Move, error) {
	const both = `
		SELECT` + checkoutColumns + `,` + moveColumns + `
		FROM sandbox_checkouts c
		LEFT JOIN sandbox_moves m ON m.payment_id = c.payment_id AND m.reference = @reference AND m.refusal = ''
		WHERE c.account = @account AND c.payment_id = @payment`
	var m moveRow
	c, err := readCheckout(ctx, s.pool, both,
		pgx.NamedArgs{"account": n.Account, "payment": n.PaymentID, "reference": n.Reference}, m.scan()...)
	return c, m.move(), failure("read sandbox move", err)
}
