package store

import (
	"bytes"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/payment"
	"tillflow/internal/psp/sandbox/books"
)

// A method that is joined may be absent.
const keptColumns = `
	coalesce(k.id, ''), coalesce(k.account, ''), coalesce(k.customer, ''), coalesce(k.decline, ''), coalesce(k.code, ''),
	coalesce(k.declines_left, -1), k.ends_at`

// keptRow is a books.Kept while it is read.
type keptRow struct {
	books.Kept
	left int // -1: always
	ends *time.Time
}

func (r *keptRow) scan() []any {
	return []any{&r.ID, &r.Account, &r.Customer, &r.Bank.Decline, &r.Bank.Code, &r.left, &r.ends}
}

func (r *keptRow) kept() books.Kept {
	k := r.Kept
	k.EndsAt = instant(r.ends)
	switch {
	case r.left > 0:
		k.Bank.Left = r.left
	case r.left == 0:
		k.Bank = books.Bank{} // its declines are used up
	}
	return k
}

// keepSandbox writes down the card that a checkout keeps, in the transaction that
// decides the checkout.
func keepSandbox(ctx context.Context, tx pgx.Tx, paymentID string, bank books.Bank, now time.Time) error {
	const keep = `
		INSERT INTO sandbox_methods (id, account, customer, payment_id, decline, code, declines_left, ends_at, created_at)
		SELECT @id, account, @customer, payment_id, @decline, @code, nullif(@left::int, 0), @ends, @now
		FROM sandbox_checkouts WHERE payment_id = @payment AND remember AND result = 'success'`
	_, err := tx.Exec(ctx, keep, pgx.NamedArgs{
		"id": sandboxID("sbk"), "customer": sandboxID("sbu"), "payment": paymentID, "decline": bank.Decline, "code": bank.Code,
		"left": bank.Left, "ends": books.KeptUntil(now), "now": now,
	})
	return err
}

// SandboxKept reads the checkout that n.PaymentID names and the card that it kept;
// zero: none, or it was taken away.
func (s *Store) SandboxKept(ctx context.Context, n books.Name) (books.Checkout, books.Kept, error) {
	const both = `
		SELECT` + checkoutColumns + `,` + keptColumns + `
		FROM sandbox_checkouts c LEFT JOIN sandbox_methods k ON k.payment_id = c.payment_id
		WHERE c.account = @account AND c.payment_id = @payment`
	var k keptRow
	c, err := readCheckout(ctx, s.pool, both, pgx.NamedArgs{"account": n.Account, "payment": n.PaymentID}, k.scan()...)
	return c, k.kept(), failure("read sandbox method", err)
}

// SandboxCharge charges a kept card, or answers what its key was answered before.
// A decline is written down like a success. Errors: payment.Conflict for the same
// key with another charge and for a reference used under another key.
func (s *Store) SandboxCharge(ctx context.Context, o books.Charge) (books.Checkout, error) {
	var out books.Checkout
	err := s.sandboxTx(ctx, "charge sandbox method", func(tx pgx.Tx) error {
		// The lock puts all charges of one card into one order.
		const lock = `SELECT` + keptColumns + ` FROM sandbox_methods k WHERE k.account = @account AND k.id = @method FOR UPDATE`
		var k keptRow
		err := tx.QueryRow(ctx, lock, pgx.NamedArgs{"account": o.Account, "method": o.Method}).Scan(k.scan()...)
		if err != nil && !none(err) {
			return err
		}
		if out, err = answeredCharge(ctx, tx, o); !none(err) {
			return err
		}
		now := s.now()
		v, struck := k.kept().Says(o, now)
		if out, err = readCheckout(ctx, tx, insertCharged, chargedRow(o, v, now)); none(err) {
			// Only a card that is gone lets two of one key come so far.
			if out, err = answeredCharge(ctx, tx, o); none(err) {
				return conflict("reference_in_use", "the reference was used under another key")
			}
		}
		if err != nil || !struck {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE sandbox_methods SET declines_left = declines_left - 1 WHERE id = @id`, pgx.NamedArgs{"id": o.Method})
		return err
	})
	return out, err
}

// answeredCharge is what the charge's key has.
func answeredCharge(ctx context.Context, tx pgx.Tx, o books.Charge) (books.Checkout, error) {
	const byKey = `SELECT` + checkoutColumns + `, c.body_hash FROM sandbox_checkouts c WHERE c.account = @account AND c.key = @key`
	var hash []byte
	c, err := readCheckout(ctx, tx, byKey, pgx.NamedArgs{"account": o.Account, "key": o.Key}, &hash)
	if err == nil && !bytes.Equal(hash, o.Hash) {
		return books.Checkout{}, conflict("key_in_use", "the key was used for another request")
	}
	return c, err
}

// A charge of a kept card is a checkout that nobody saw: it is over when it begins.
const insertCharged = `
	INSERT INTO sandbox_checkouts AS c (id, account, key, body_hash, reference, kind, amount_minor, currency, description,
	        return_url, cancel_url, delay_ms, created_at, expires_at, result, slow, decline, code, decided_at, settles_at,
	        payment_id, captured_minor, method)
	VALUES (@id, @account, @key, @hash, @reference, 'sale', @minor, @currency, @description,
	        '', '', @delay_ms, @now, @expires_at, @result, @slow, @decline, @code, @now, @settles_at,
	        @payment_id, @captured, @method)
	ON CONFLICT DO NOTHING
	RETURNING` + checkoutColumns

func chargedRow(o books.Charge, v books.Verdict, now time.Time) pgx.NamedArgs {
	captured := int64(0)
	if v.Result == books.Success {
		captured = o.Amount.Minor
	}
	return pgx.NamedArgs{
		"id": sandboxID("sbc"), "account": o.Account, "key": o.Key, "hash": o.Hash, "reference": o.Reference,
		"minor": o.Amount.Minor, "currency": o.Amount.Currency, "description": o.Description, "delay_ms": o.Delay.Milliseconds(),
		"now": now, "expires_at": now.Add(time.Minute), "result": v.Result, "slow": v.Slow, "decline": v.Decline, "code": v.Code,
		"settles_at": settles(v, now, o.Delay), "payment_id": sandboxID("sbp"), "captured": captured, "method": o.Method,
	}
}

// keeps reports whether a verdict about a checkout leaves a card.
func keeps(c books.Checkout) bool {
	return c.Remember && c.Verdict.Result == books.Success && c.Kind == payment.Sale
}
