package stripe

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// Capture implements psp.Capturer. What is not captured of the hold is released.
func (c *Connector) Capture(ctx context.Context, acc psp.Account, m psp.Move) (psp.Outcome, error) {
	if err := checkMove(m); err != nil {
		return psp.Outcome{}, err
	}
	units, _, err := toStripe(m.Amount)
	if err != nil {
		return inexpressible(), nil //nolint:nilerr // said as an outcome
	}
	form := url.Values{
		"amount_to_capture": {strconv.FormatInt(units, 10)},
		"expand[]":          {expandIntent},
	}
	return c.moveIntent(ctx, acc, post(under("payment_intents", m.PaymentRef, "capture"), form, m.Key), captureOutcome)
}

// Void implements psp.Voider. It gives all of the hold back, whatever m.Amount says.
func (c *Connector) Void(ctx context.Context, acc psp.Account, m psp.Move) (psp.Outcome, error) {
	if err := checkMove(m); err != nil {
		return psp.Outcome{}, err
	}
	form := url.Values{}
	switch m.Reason {
	case "abandoned", "duplicate", "requested_by_customer":
		form.Set("cancellation_reason", m.Reason)
	}
	return c.moveIntent(ctx, acc, post(under("payment_intents", m.PaymentRef, "cancel"), form, m.Key), voidOutcome)
}

// Refund implements psp.Refunder. Stripe may accept a refund (Processing, even
// Succeeded) that its bank refuses days later.
func (c *Connector) Refund(ctx context.Context, acc psp.Account, m psp.Move) (psp.Outcome, error) {
	if err := checkMove(m); err != nil {
		return psp.Outcome{}, err
	}
	units, _, err := toStripe(m.Amount)
	if err != nil {
		return inexpressible(), nil //nolint:nilerr // said as an outcome
	}
	form := url.Values{
		"payment_intent":                {m.PaymentRef},
		"amount":                        {strconv.FormatInt(units, 10)},
		"metadata[" + metaAttempt + "]": {m.AttemptID},
	}
	switch m.Reason {
	case "duplicate", "requested_by_customer": // never "fraudulent": it puts card and mail on block lists
		form.Set("reason", m.Reason)
	}
	var r refund
	id, err := c.do(ctx, acc, post("/v1/refunds", form, m.Key), &r)
	if err != nil {
		return decided(err, id)
	}
	out, err := refundOutcome(r)
	if err != nil {
		return psp.Outcome{}, fmt.Errorf("refund at stripe: %w", err)
	}
	out.RequestID = id
	return out, nil
}

// moveIntent sends a request on a payment and judges what the payment is then.
func (c *Connector) moveIntent(
	ctx context.Context, acc psp.Account, r request, judge func(paymentIntent) (psp.Outcome, error),
) (psp.Outcome, error) {
	var p paymentIntent
	id, err := c.do(ctx, acc, r, &p)
	if err != nil {
		return decided(err, id)
	}
	if err := sameMode(acc, p.Livemode, p.ID); err != nil {
		return psp.Outcome{}, err
	}
	out, err := judge(p)
	if err != nil {
		// Accepted, and yet the payment is not what was asked: only a look tells.
		return psp.Outcome{}, payment.Errorf(payment.Unknown, "stripe accepted %s: %w", r.path, err)
	}
	out.RequestID = id
	return out, nil
}

func checkMove(m psp.Move) error {
	if m.PaymentRef == "" {
		return payment.Errorf(payment.Bug, "a move without the payment it acts on")
	}
	return checkNames(m.AttemptID, m.Key)
}
