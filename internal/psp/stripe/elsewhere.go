package stripe

import (
	"context"
	"fmt"
	"net/url"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// ListElsewhere implements psp.ElsewhereLister: refunds of a payment without
// our reference, and its disputes.
func (c *Connector) ListElsewhere(ctx context.Context, acc psp.Account, paymentRef string) ([]payment.Elsewhere, error) {
	if paymentRef == "" {
		return nil, payment.Errorf(payment.Bug, "a list of movements without their payment")
	}
	var found []payment.Elsewhere
	var unread error
	keep := func(e *payment.Elsewhere, err error) bool {
		if e != nil {
			found = append(found, *e)
		}
		unread = err
		return err != nil
	}
	err := walk(ctx, c, acc, search[refund]{
		path: "/v1/refunds", query: url.Values{"payment_intent": {paymentRef}},
		match: func(r refund) bool { return keep(elsewhereRefund(r)) },
	})
	if err == nil && unread == nil {
		err = walk(ctx, c, acc, search[dispute]{
			path: "/v1/disputes", query: url.Values{"payment_intent": {paymentRef}},
			match: func(d dispute) bool {
				if unread = sameMode(acc, d.Livemode, d.ID); unread != nil {
					return true
				}
				return keep(elsewhereDispute(d))
			},
		})
	}
	if err == nil {
		err = unread
	}
	if err != nil {
		return nil, fmt.Errorf("list movements elsewhere at stripe: %w", err)
	}
	return found, nil
}

// elsewhereRefund says what a refund without our reference is: nil for one of
// ours, and for one that moved no money. Stripe shows what a capture or a
// cancellation releases of a hold as a refund too; such a one never touched the
// merchant's balance, so it has no balance transaction (U).
func elsewhereRefund(r refund) (*payment.Elsewhere, error) {
	if r.Metadata[metaAttempt] != "" || r.Reason == "expired_uncaptured_charge" {
		return nil, nil //nolint:nilnil // nothing moved elsewhere
	}
	var state payment.AttemptState
	switch r.Status {
	case "pending", "requires_action":
		state = payment.Working
	case "succeeded":
		if r.BalanceTransaction.ID == "" {
			return nil, nil //nolint:nilnil // the rest of a hold
		}
		state = payment.Done
	case "failed", "canceled":
		state = payment.Closed
	default:
		return nil, unknownStatus("refund", r.ID, r.Status)
	}
	amount, err := fromStripe(r.Amount, r.Currency)
	return elsewhere(payment.ElsewhereRefund, r.ID, state, amount), unreadable(r.ID, err)
}

// elsewhereDispute says what a dispute does with our money: nil while it does
// nothing. An inquiry (warning_…) and a prevented dispute never withdraw funds;
// an inquiry that becomes a dispute does, and is told by a message of its own.
func elsewhereDispute(d dispute) (*payment.Elsewhere, error) {
	var state payment.AttemptState
	switch d.Status {
	case "needs_response", "under_review":
		if len(d.BalanceTransactions) == 0 {
			return nil, nil //nolint:nilnil // the funds are still there
		}
		state = payment.Working
	case "lost":
		state = payment.Done
	case "won":
		state = payment.Closed
	case "warning_needs_response", "warning_under_review", "warning_closed", "prevented":
		return nil, nil //nolint:nilnil // no funds were withdrawn
	default:
		return nil, unknownStatus("dispute", d.ID, d.Status)
	}
	amount, err := fromStripe(d.Amount, d.Currency)
	return elsewhere(payment.ElsewhereDispute, d.ID, state, amount), unreadable(d.ID, err)
}

func elsewhere(kind payment.ElsewhereKind, id string, state payment.AttemptState, amount money.Amount) *payment.Elsewhere {
	return &payment.Elsewhere{Kind: kind, Ref: id, State: state, Amount: amount}
}
