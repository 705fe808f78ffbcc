package stripe

import (
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// checkAgain is the hint for what Stripe works on: delayed methods take hours to
// days, and a webhook tells their end.
const checkAgain = 15 * time.Minute

// sessionOutcome says what a session is. The payment behind it is asked first:
// money counts whatever the page's own status says.
func sessionOutcome(s session) (psp.Outcome, error) {
	out := psp.Outcome{Ref: s.ID, PaymentRef: s.PaymentIntent.ID}
	intent := s.PaymentIntent.Object
	if intent != nil {
		switch intent.Status {
		case "succeeded", "requires_capture", "processing":
			paid, err := chargeOutcome(*intent)
			paid.Ref = s.ID
			return paid, err
		}
	}
	switch s.Status {
	case "open":
		out.Status, out.URL, out.ExpiresAt = psp.Open, s.URL, unix(s.ExpiresAt)
		if intent != nil && intent.LastPaymentError != nil {
			out.Decline, out.Code = lastDecline(*intent)
		}
		return out, nil
	case "expired":
		out.Status = psp.Closed
		return out, nil
	case "complete":
		if intent == nil {
			return psp.Outcome{}, payment.Errorf(payment.Unknown, "session %s is complete without its payment", brief(s.ID))
		}
		over, err := chargeOutcome(*intent)
		over.Ref = s.ID
		return over, err
	}
	return psp.Outcome{}, unknownStatus("session", s.ID, s.Status)
}

// chargeOutcome says what became of the payment of a page that its buyer has
// completed.
func chargeOutcome(p paymentIntent) (psp.Outcome, error) {
	out := psp.Outcome{PaymentRef: p.ID}
	var err error
	switch p.Status {
	case "succeeded":
		return capturedOutcome(p)
	case "requires_capture":
		out.Status, out.ExpiresAt = psp.Authorized, captureBefore(p)
		out.Amount, err = fromStripe(p.AmountCapturable, p.Currency)
		return out, unreadable(p.ID, err)
	case "processing", "requires_action", "requires_confirmation":
		// requires_action after completion is a voucher or transfer on its way.
		out.Status, out.CheckAfter = psp.Processing, checkAgain
		return out, nil
	case "requires_payment_method":
		out.Status = psp.Declined
		out.Decline, out.Code = lastDecline(p)
		return out, nil
	case "canceled":
		out.Status, out.Decline, out.Code = psp.Declined, payment.Cancelled, brief(p.CancellationReason)
		if p.CaptureMethod == captureManual && lapsed(p) {
			out.Decline, out.Code = payment.TimedOut, payment.CodeAuthorizationExpired
		}
		return out, nil
	}
	return psp.Outcome{}, unknownStatus("payment", p.ID, p.Status)
}

// alreadyCaptured is our code for a capture that another one came before.
const alreadyCaptured = "already_captured"

// captureOutcome says whether a hold was captured by the given attempt. Stripe
// captures a payment once, so a capture by anybody else decides against it.
func captureOutcome(attempt string) func(paymentIntent) (psp.Outcome, error) {
	return func(p paymentIntent) (psp.Outcome, error) {
		out := psp.Outcome{Ref: p.ID, PaymentRef: p.ID, Status: psp.Declined}
		switch p.Status {
		case "succeeded":
			if p.Metadata[metaCapture] != attempt {
				out.Decline, out.Code = payment.DeclinedOther, alreadyCaptured
				return out, nil
			}
			out, err := capturedOutcome(p)
			out.Ref = p.ID
			return out, err
		case "canceled":
			out.Decline, out.Code = payment.Cancelled, brief(p.CancellationReason)
			if lapsed(p) {
				out.Decline, out.Code = payment.TimedOut, payment.CodeAuthorizationExpired
			}
			return out, nil
		case "requires_payment_method":
			out.Decline, out.Code = lastDecline(p)
			return out, nil
		case "processing":
			out.Status, out.CheckAfter = psp.Processing, checkAgain
			return out, nil
		case "requires_capture":
			return psp.Outcome{}, payment.Errorf(payment.NotFound, "payment %s is held and not captured", brief(p.ID))
		case "requires_action", "requires_confirmation":
			return psp.Outcome{}, payment.Errorf(payment.Conflict, "payment %s is %s and was never held", brief(p.ID), p.Status)
		}
		return psp.Outcome{}, unknownStatus("payment", p.ID, p.Status)
	}
}

// lapsed reports whether nobody cancelled a payment but the time (S).
func lapsed(p paymentIntent) bool {
	return p.CancellationReason == "automatic" || p.CancellationReason == "expired"
}

// voidOutcome says whether a hold was given back.
func voidOutcome(p paymentIntent) (psp.Outcome, error) {
	out := psp.Outcome{Ref: p.ID, PaymentRef: p.ID}
	var err error
	switch p.Status {
	case "canceled":
		out.Status, out.Code = psp.Succeeded, brief(p.CancellationReason)
		out.Amount, err = fromStripe(p.Amount, p.Currency)
		return out, unreadable(p.ID, err)
	case "succeeded":
		out.Status, out.Decline, out.Code = psp.Declined, payment.DeclinedOther, "payment_intent_succeeded"
		return out, nil
	case "processing":
		out.Status, out.CheckAfter = psp.Processing, checkAgain
		return out, nil
	case "requires_capture", "requires_payment_method", "requires_action", "requires_confirmation":
		return psp.Outcome{}, payment.Errorf(payment.NotFound, "payment %s is %s and not cancelled", brief(p.ID), p.Status)
	}
	return psp.Outcome{}, unknownStatus("payment", p.ID, p.Status)
}

// refundOutcome says what became of a refund.
func refundOutcome(r refund) (psp.Outcome, error) {
	amount, err := fromStripe(r.Amount, r.Currency)
	if err != nil {
		return psp.Outcome{}, unreadable(r.ID, err)
	}
	out := psp.Outcome{Ref: r.ID, PaymentRef: r.PaymentIntent.ID, Amount: amount}
	switch r.Status {
	case "succeeded":
		out.Status = psp.Succeeded
		return out, nil
	case "pending", "requires_action":
		out.Status, out.CheckAfter = psp.Processing, checkAgain
		return out, nil
	case "failed":
		out.Status, out.Decline, out.Code = psp.Declined, declineWord(r.FailureReason), brief(r.FailureReason)
		return out, nil
	case "canceled":
		out.Status, out.Decline, out.Code = psp.Declined, payment.Cancelled, "canceled"
		return out, nil
	}
	return psp.Outcome{}, unknownStatus("refund", r.ID, r.Status)
}

func capturedOutcome(p paymentIntent) (psp.Outcome, error) {
	out := psp.Outcome{Status: psp.Succeeded, PaymentRef: p.ID, Fee: fee(p)}
	var err error
	out.Amount, err = fromStripe(p.AmountReceived, p.Currency)
	return out, unreadable(p.ID, err)
}

// fee is what Stripe keeps, in the currency of settlement. It is not always
// known yet; a fee that we cannot read must not hide that money moved.
func fee(p paymentIntent) money.Amount {
	if p.LatestCharge.Object == nil || p.LatestCharge.Object.BalanceTransaction.Object == nil {
		return money.Amount{}
	}
	line := p.LatestCharge.Object.BalanceTransaction.Object
	amount, err := fromStripe(line.Fee, line.Currency)
	if err != nil {
		return money.Amount{}
	}
	return amount
}

func captureBefore(p paymentIntent) time.Time {
	if p.LatestCharge.Object == nil {
		return time.Time{}
	}
	return unix(p.LatestCharge.Object.Details.Card.CaptureBefore)
}

func lastDecline(p paymentIntent) (payment.DeclineReason, string) {
	if p.LastPaymentError == nil {
		return payment.DeclinedOther, ""
	}
	e := p.LastPaymentError
	return declineReason(e.Code, e.DeclineCode), brief(e.reason())
}

// unknownStatus is the end of every status switch: a word that this version of
// the API does not have. What it means for the money is unknown.
func unknownStatus(what, id, status string) error {
	return payment.Errorf(payment.Unknown, "%s %s has the unknown status %q", what, brief(id), brief(status))
}

// unreadable is the error for an amount that cannot be read, nil for none.
func unreadable(id string, err error) error {
	if err == nil {
		return nil
	}
	return payment.Errorf(payment.Unknown, "amount of %s: %w", brief(id), err)
}

// unix is a moment of Stripe's, and the zero time for none.
func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
