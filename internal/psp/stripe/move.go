package stripe

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// Capture implements psp.Capturer. A payment is captured once, and what is not
// captured of its hold is released. A hold that is over is Declined with
// payment.CodeAuthorizationExpired.
func (c *Connector) Capture(ctx context.Context, acc psp.Account, m psp.Move) (psp.Outcome, error) {
	if err := checkMove(m); err != nil {
		return psp.Outcome{}, err
	}
	units, _, err := toStripe(m.Amount)
	if err != nil {
		return inexpressible(), nil //nolint:nilerr // said as an outcome
	}
	form := url.Values{
		"amount_to_capture":             {strconv.FormatInt(units, 10)},
		"metadata[" + metaCapture + "]": {m.AttemptID},
		"expand[]":                      {expandIntent},
	}
	return c.moveIntent(ctx, acc, m, post(under("payment_intents", m.PaymentRef, "capture"), form, m.Key), captureOutcome(m.AttemptID))
}

// Void implements psp.Voider. It gives all of the hold back, whatever m.Amount
// says. A hold that was given back before is Succeeded, one that was captured,
// even in part, is Declined: its rest was released by the capture.
func (c *Connector) Void(ctx context.Context, acc psp.Account, m psp.Move) (psp.Outcome, error) {
	if err := checkMove(m); err != nil {
		return psp.Outcome{}, err
	}
	form := url.Values{}
	switch m.Reason {
	case "abandoned", "duplicate", "requested_by_customer":
		form.Set("cancellation_reason", m.Reason)
	}
	return c.moveIntent(ctx, acc, m, post(under("payment_intents", m.PaymentRef, "cancel"), form, m.Key), voidOutcome)
}

// Refund implements psp.Refunder. Stripe may accept a refund (Processing, even
// Succeeded) that its bank refuses days later. What cannot be refunded (any
// more, or not so much, or not while it is disputed) is Declined.
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
	if out, ok := refundRefused(err, id); ok {
		return out, nil
	}
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
	ctx context.Context, acc psp.Account, m psp.Move, r request, judge func(paymentIntent) (psp.Outcome, error),
) (psp.Outcome, error) {
	var p paymentIntent
	id, err := c.do(ctx, acc, r, &p)
	if refusedByState(err) {
		return c.afterRefusal(ctx, acc, m, err, judge)
	}
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

// afterRefusal looks why the state of a payment did not allow a request. Where
// the payment's state decides it (captured, cancelled), that is the outcome;
// where it does not, or cannot be seen, the refusal stands as it came.
func (c *Connector) afterRefusal(
	ctx context.Context, acc psp.Account, m psp.Move, refusal error, judge func(paymentIntent) (psp.Outcome, error),
) (psp.Outcome, error) {
	out, err := c.lookAtIntent(ctx, acc, psp.Ref{PaymentRef: m.PaymentRef}, judge)
	if err != nil {
		return psp.Outcome{}, payment.Errorf(payment.Conflict, "%w; then %w", refusal, err)
	}
	return out, nil
}

func checkMove(m psp.Move) error {
	if m.PaymentRef == "" {
		return payment.Errorf(payment.Bug, "a move without the payment it acts on")
	}
	return checkNames(m.AttemptID, m.Key)
}
