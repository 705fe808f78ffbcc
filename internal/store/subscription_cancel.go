package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// cancel ends the subscription now. What goes back is asked for as refunds of
// the payments that paid it, in the transaction that ends it.
func (m *member) cancel(ctx context.Context, tx pgx.Tx, c subscription.CommandLine, answer subscription.Answer) (subscription.Answer, error) {
	next, back, err := m.is.Cancel(m.now, c.Args.Refund)
	if err != nil {
		return answer, err
	}
	m.is, answer.Refund = next, back
	if c := m.is.Open; c != nil && m.charge.PaymentID == "" {
		// The mandate alone was awaited: there is no payment whose end would tell.
		if m.is, _, err = m.is.Settle(subscription.Result{Key: c.Key, Reason: payment.Cancelled, At: m.now, Zone: m.zone}); err != nil {
			return answer, bug("settle", "%s", err.Error())
		}
	}
	if !back.IsPositive() {
		return answer, nil
	}
	rest, err := m.refund(ctx, tx, c.ID, back)
	if err != nil {
		return answer, err
	}
	if rest.IsPositive() {
		// More than the payments have left: refunded elsewhere, disputed, or older than is looked at.
		m.row.Operator = payment.Overdrawn
		m.note("refund", "", "short", rest.String())
	}
	return answer, nil
}

// refundsAtOnce bounds how many payments one cancellation gives back from.
const refundsAtOnce = 12

const selectPaidCharges = `
	SELECT p.id::text, p.external_id FROM subscription_charges c JOIN payments p ON p.id = c.payment_id
	WHERE c.subscription_id = @id AND c.state = 'paid' AND p.currency = @currency
	ORDER BY p.received_at DESC LIMIT @limit`

const insertRefund = `
	INSERT INTO move_sessions (id, source, shop, kind, external_id, payment_ref, payment_id, amount_minor, currency, test, received_at, sweep_at)
	VALUES (@id, 'api', @shop, 'refund', @external, @ref, @payment, @minor, @currency, @test, @now, @now)`

// refund asks for an amount back, from the newest payment on, each as far as it
// has money left, and answers what no payment could give. The claim itself is
// made, and guarded, by each refund's own run: what somebody else refunds in the
// meantime is not given back twice.
func (m *member) refund(ctx context.Context, tx pgx.Tx, commandID string, amount money.Amount) (money.Amount, error) {
	rows, err := tx.Query(ctx, selectPaidCharges, pgx.NamedArgs{"id": m.row.ID, "currency": amount.Currency, "limit": refundsAtOnce})
	if err != nil {
		return amount, err
	}
	var id, ref string
	type paid struct{ id, ref string }
	var all []paid
	if _, err := pgx.ForEachRow(rows, []any{&id, &ref}, func() error {
		all = append(all, paid{id, ref})
		return nil
	}); err != nil {
		return amount, err
	}
	for i, p := range all {
		if !amount.IsPositive() {
			break
		}
		part, err := m.s.leftOf(ctx, tx, p.id, amount)
		if err != nil || !part.IsPositive() {
			if err != nil {
				return amount, err
			}
			continue
		}
		session, err := newID()
		if err != nil {
			return amount, err
		}
		m.batch.Queue(insertRefund, pgx.NamedArgs{
			"id": session, "shop": m.row.Shop, "external": fmt.Sprintf("%s.%d", commandID, i+1), "ref": p.ref, "payment": p.id,
			"minor": part.Minor, "currency": part.Currency, "test": m.row.Test, "now": m.now,
		})
		m.note("refund", "", "asked", p.ref+" "+part.String())
		if amount, err = amount.Sub(part); err != nil {
			return amount, bug("refund", "%s", err.Error())
		}
	}
	return amount, nil
}

// leftOf is how much of an amount a payment can still give back, as it stands.
func (s *Store) leftOf(ctx context.Context, tx pgx.Tx, paymentID string, amount money.Amount) (money.Amount, error) {
	none := money.New(0, amount.Currency)
	b := &pgx.Batch{}
	r := s.queueRead(b, byPayment, paymentID)
	if err := send(ctx, tx, b); err != nil {
		return none, err
	}
	winner := r.winner()
	if winner == nil {
		return none, nil
	}
	p, err := r.purse(winner)
	if err != nil {
		return none, err
	}
	left, err := p.left()
	if err != nil {
		return none, err
	}
	order, err := left.Cmp(amount)
	if err != nil {
		return none, bug("refund", "%s", err.Error())
	}
	if order > 0 {
		return amount, nil
	}
	return left, nil
}
