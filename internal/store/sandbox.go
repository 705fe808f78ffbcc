package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp/sandbox/books"
)

// The methods of this file and of sandbox_move.go are the built-in sandbox
// provider's books. To the service they are another party's: they share the
// database and the clock with the record, and nothing else.

// sandboxTx runs a write of the sandbox. To its caller the sandbox is a
// provider, so a lost answer must not pass for "not done": once COMMIT may have
// been written, a failure is payment.Unknown. Before that it is certain that
// nothing was done.
func (s *Store) sandboxTx(ctx context.Context, action string, fn func(tx pgx.Tx) error) error {
	committing := false
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		err := fn(tx)
		committing = err == nil
		return err
	})
	if err != nil && committing {
		return &payment.Error{Class: payment.Unknown, Code: "commit", Message: action + ": the answer to the commit was lost", Err: err}
	}
	return failure(action, err)
}

const checkoutColumns = `
	c.id, c.account, c.reference, c.kind, c.amount_minor, c.currency, c.description, c.return_url, c.cancel_url, c.delay_ms,
	c.expires_at, c.closed_at, c.result, c.slow, c.decline, c.code, c.decided_at, c.settles_at, c.payment_id,
	c.captured_minor, c.refunded_minor, c.voided_at, c.remember, c.method`

// checkoutRow is a books.Checkout while it is read.
type checkoutRow struct {
	books.Checkout
	minor, delay                int64
	currency                    money.Currency
	closed, decided, settles, v *time.Time
}

func (r *checkoutRow) scan() []any {
	c := &r.Checkout
	return []any{
		&c.ID, &c.Account, &c.Reference, &c.Kind, &r.minor, &r.currency, &c.Description, &c.ReturnURL, &c.CancelURL, &r.delay,
		&c.ExpiresAt, &r.closed, &c.Verdict.Result, &c.Verdict.Slow, &c.Verdict.Decline, &c.Verdict.Code, &r.decided, &r.settles,
		&c.PaymentID, &c.Captured, &c.Refunded, &r.v, &c.Remember, &c.Method,
	}
}

func (r *checkoutRow) checkout() books.Checkout {
	c := r.Checkout
	c.Amount, c.Delay = money.New(r.minor, r.currency), time.Duration(r.delay)*time.Millisecond
	c.ClosedAt, c.DecidedAt, c.SettlesAt, c.VoidedAt = instant(r.closed), instant(r.decided), instant(r.settles), instant(r.v)
	return c
}

// querier is a transaction or the pool.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func readCheckout(ctx context.Context, q querier, sql string, args pgx.NamedArgs, more ...any) (books.Checkout, error) {
	var r checkoutRow
	err := q.QueryRow(ctx, sql, args).Scan(append(r.scan(), more...)...)
	return r.checkout(), err
}

// checkoutNamed is the condition under which n names a checkout, within its account.
func checkoutNamed(n books.Name) (string, pgx.NamedArgs) {
	switch {
	case n.ID != "":
		return `c.account = @account AND c.id = @name`, pgx.NamedArgs{"account": n.Account, "name": n.ID}
	case n.PaymentID != "":
		return `c.account = @account AND c.payment_id = @name`, pgx.NamedArgs{"account": n.Account, "name": n.PaymentID}
	}
	return `c.account = @account AND c.reference = @name`, pgx.NamedArgs{"account": n.Account, "name": n.Reference}
}

const insertCheckout = `
	INSERT INTO sandbox_checkouts AS c (id, account, key, body_hash, reference, kind, amount_minor, currency, description,
	        return_url, cancel_url, delay_ms, created_at, expires_at, result, slow, decline, code, decided_at, settles_at,
	        payment_id, captured_minor, remember)
	VALUES (@id, @account, @key, @hash, @reference, @kind, @minor, @currency, @description,
	        @return_url, @cancel_url, @delay_ms, @now, @expires_at, @result, @slow, @decline, @code, @decided_at, @settles_at,
	        @payment_id, @captured, @remember)
	ON CONFLICT DO NOTHING
	RETURNING` + checkoutColumns

// SandboxOpen writes a checkout down, or answers the one that its key already
// has. Errors: payment.Conflict for the same key with another request and for a
// reference that has a checkout under another key, payment.Invalid for an end
// in the past or before a magic amount has come to its result.
func (s *Store) SandboxOpen(ctx context.Context, o books.Opening) (books.Checkout, error) {
	var out books.Checkout
	err := s.sandboxTx(ctx, "open sandbox checkout", func(tx pgx.Tx) error {
		args, fits := s.opening(o)
		if fits {
			var err error
			out, err = readCheckout(ctx, tx, insertCheckout, args)
			if err == nil && keeps(out) { // a magic amount
				return keepSandbox(ctx, tx, out.PaymentID, books.Bank{}, s.now())
			}
			if !none(err) {
				return err
			}
		}
		const byKey = `SELECT` + checkoutColumns + `, c.body_hash FROM sandbox_checkouts c WHERE c.account = @account AND c.key = @key`
		var hash []byte
		found, err := readCheckout(ctx, tx, byKey, pgx.NamedArgs{"account": o.Account, "key": o.Key}, &hash)
		switch {
		case none(err) && !fits:
			return invalid("expires_at", "the checkout would end too early")
		case none(err):
			return conflict("reference_in_use", "the reference has a checkout under another key")
		case err != nil:
			return err
		case !bytes.Equal(hash, o.Hash):
			return conflict("key_in_use", "the key was used for another request")
		}
		out = found
		return nil
	})
	return out, err
}

// opening is the row of a new checkout; a magic amount is decided in advance.
// It does not fit when the page would end before its result.
func (s *Store) opening(o books.Opening) (row pgx.NamedArgs, fits bool) {
	now, ends := s.now(), stored(o.ExpiresAt)
	args := pgx.NamedArgs{
		"id": sandboxID("sbc"), "account": o.Account, "key": o.Key, "hash": o.Hash, "reference": o.Reference, "kind": o.Kind,
		"minor": o.Amount.Minor, "currency": o.Amount.Currency, "description": o.Description,
		"return_url": o.ReturnURL, "cancel_url": o.CancelURL, "delay_ms": o.Delay.Milliseconds(), "now": now, "expires_at": ends,
		"payment_id": sandboxID("sbp"), "result": books.Undecided, "slow": false, "decline": "", "code": "",
		"decided_at": nil, "settles_at": nil, "captured": 0, "remember": o.Remember,
	}
	v, magic := books.Magic(o.Amount)
	if !magic {
		return args, ends.After(now)
	}
	decided := now.Add(o.Delay)
	args["result"], args["slow"], args["decline"], args["code"] = v.Result, v.Slow, v.Decline, v.Code
	args["decided_at"], args["settles_at"] = decided, settles(v, decided, o.Delay)
	if v.Result == books.Success && o.Kind == payment.Sale {
		args["captured"] = o.Amount.Minor
	}
	return args, ends.After(decided)
}

// settles is the moment from which a verdict of decided counts; null for never.
func settles(v books.Verdict, decided time.Time, delay time.Duration) *time.Time {
	switch {
	case v.Result == books.Undecided, v.Result == books.Never:
		return nil
	case v.Slow:
		decided = decided.Add(delay)
	}
	return &decided
}

// SandboxCheckout reads a checkout of an account. It writes nothing.
func (s *Store) SandboxCheckout(ctx context.Context, n books.Name) (books.Checkout, error) {
	where, args := checkoutNamed(n)
	c, err := readCheckout(ctx, s.pool, `SELECT`+checkoutColumns+` FROM sandbox_checkouts c WHERE `+where, args)
	return c, failure("read sandbox checkout", err)
}

// SandboxPage reads the checkout whose hosted page has this id. It writes nothing.
func (s *Store) SandboxPage(ctx context.Context, id string) (books.Checkout, error) {
	const byID = `SELECT` + checkoutColumns + ` FROM sandbox_checkouts c WHERE c.id = @id`
	c, err := readCheckout(ctx, s.pool, byID, pgx.NamedArgs{"id": id})
	return c, failure("read sandbox page", err)
}

// SandboxClose shuts a checkout that is open, so that nothing can be paid there
// any more, and answers what it is then.
func (s *Store) SandboxClose(ctx context.Context, n books.Name) (books.Checkout, error) {
	// The same condition as books.Checkout.At for open.
	const shut = `
		UPDATE sandbox_checkouts c SET closed_at = @now
		WHERE c.closed_at IS NULL AND c.expires_at > @now AND (c.result = '' OR c.decided_at > @now) AND `
	var out books.Checkout
	err := s.sandboxTx(ctx, "close sandbox checkout", func(tx pgx.Tx) error {
		where, args := checkoutNamed(n)
		args["now"] = s.now()
		var err error
		if out, err = readCheckout(ctx, tx, shut+where+` RETURNING`+checkoutColumns, args); !none(err) {
			return err
		}
		out, err = readCheckout(ctx, tx, `SELECT`+checkoutColumns+` FROM sandbox_checkouts c WHERE `+where, args)
		return err
	})
	return out, err
}

const decideCheckout = `
	UPDATE sandbox_checkouts c
	SET result = @result, slow = @slow, decline = @decline, code = @code,
	    decided_at = CASE WHEN @result::text <> '' THEN @now::timestamptz END,
	    settles_at = CASE WHEN @result::text IN ('success', 'failure')
	                 THEN @now::timestamptz + CASE WHEN @slow::boolean THEN c.delay_ms ELSE 0 END * interval '1 millisecond' END,
	    captured_minor = CASE WHEN @result::text = 'success' AND c.kind = 'sale' THEN c.amount_minor ELSE 0 END
	WHERE c.id = @id AND c.closed_at IS NULL AND c.expires_at > @now AND c.result = ''
	RETURNING` + checkoutColumns

// SandboxDecide writes down what the buyer chose on the page. Errors:
// payment.NotFound, and payment.Conflict when the page is over or belongs to a
// magic amount.
func (s *Store) SandboxDecide(ctx context.Context, id string, v books.Verdict) (books.Checkout, error) {
	var out books.Checkout
	err := s.sandboxTx(ctx, "decide sandbox checkout", func(tx pgx.Tx) error {
		var err error
		out, err = readCheckout(ctx, tx, decideCheckout, pgx.NamedArgs{
			"id": id, "now": s.now(), "result": v.Result, "slow": v.Slow, "decline": v.Decline, "code": v.Code,
		})
		if err == nil && keeps(out) {
			return keepSandbox(ctx, tx, out.PaymentID, v.Later, s.now())
		}
		if !none(err) {
			return err
		}
		var exists bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM sandbox_checkouts WHERE id = $1)`, id).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			return pgx.ErrNoRows
		}
		return conflict("moved_on", "the page is over")
	})
	return out, err
}

// sandboxID is a new id of the sandbox: it names a page that anybody may open,
// so nobody may guess it.
func sandboxID(kind string) string { return kind + "_" + strings.ToLower(rand.Text()) }
