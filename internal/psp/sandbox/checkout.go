package sandbox

import (
	"context"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/sandbox/books"
)

// OpenCheckout implements psp.Redirector.
func (c *Connector) OpenCheckout(ctx context.Context, acc psp.Account, checkout psp.Checkout) (psp.Outcome, error) {
	const action = "open checkout"
	if err := usable(acc); err != nil {
		return psp.Outcome{}, err
	}
	if err := checkCheckout(checkout); err != nil {
		return psp.Outcome{}, err
	}
	sum, err := hash(checkout)
	if err != nil {
		return psp.Outcome{}, err
	}
	ends := checkout.ExpiresAt
	if ends.IsZero() {
		ends = c.now().Add(c.Contract().CheckoutMax)
	}
	ctx, cancel, err := begin(ctx, action)
	if err != nil {
		return psp.Outcome{}, err
	}
	defer cancel()
	opened, err := c.books.SandboxOpen(ctx, books.Opening{
		Account: acc.ID, Key: checkout.Key, Hash: sum, Reference: checkout.AttemptID, Kind: checkout.Kind, Amount: checkout.Amount,
		Description: checkout.Description, ReturnURL: checkout.ReturnURL, CancelURL: checkout.CancelURL,
		ExpiresAt: ends, Delay: c.delay, Remember: checkout.Remember && checkout.Kind == payment.Sale,
	})
	if err != nil {
		return psp.Outcome{}, failed(action, payment.Unknown, err)
	}
	return c.charge(opened), nil
}

func checkCheckout(checkout psp.Checkout) error {
	if err := named(checkout.AttemptID, checkout.Key); err != nil {
		return err
	}
	if checkout.Kind != payment.Sale && checkout.Kind != payment.Authorization {
		return payment.Errorf(payment.Bug, "checkout of unknown kind %q", checkout.Kind)
	}
	if checkout.Amount.Minor <= 0 {
		return payment.Errorf(payment.Invalid, "a checkout needs an amount above zero")
	}
	if _, err := checkout.Amount.Currency.Exponent(); err != nil {
		return payment.Errorf(payment.Invalid, "currency of the checkout: %w", err)
	}
	if !isWebAddress(checkout.ReturnURL) || checkout.CancelURL != "" && !isWebAddress(checkout.CancelURL) {
		return payment.Errorf(payment.Invalid, "the buyer could not come back: no web address")
	}
	return nil
}

// CloseCheckout implements psp.Redirector.
func (c *Connector) CloseCheckout(ctx context.Context, acc psp.Account, ref psp.Ref) (psp.Outcome, error) {
	const action = "close checkout"
	if err := usable(acc); err != nil {
		return psp.Outcome{}, err
	}
	if ref.AttemptID == "" {
		return psp.Outcome{}, payment.Errorf(payment.Bug, "a checkout is closed without its attempt")
	}
	ctx, cancel, err := begin(ctx, action)
	if err != nil {
		return psp.Outcome{}, err
	}
	defer cancel()
	closed, err := c.books.SandboxClose(ctx, chargeName(acc, ref))
	if err != nil {
		return psp.Outcome{}, failed(action, payment.Unknown, missing(ref, err))
	}
	if err := ours(closed, ref); err != nil {
		return psp.Outcome{}, err
	}
	return c.charge(closed), nil
}

// chargeName is the best name that we have for a checkout.
func chargeName(acc psp.Account, ref psp.Ref) books.Name {
	return books.Name{Account: acc.ID, ID: ref.Ref, PaymentID: ref.PaymentRef, Reference: ref.AttemptID}
}

// missing reads NotFound for an id that the sandbox has given us: its books are
// not the ones we have used before. That is no absence, and nothing follows from it.
func missing(ref psp.Ref, err error) error {
	if (ref.Ref != "" || ref.PaymentRef != "") && payment.ClassOf(err, "") == payment.NotFound {
		return payment.Errorf(payment.Bug, "the sandbox does not know an id that it gave: %w", err)
	}
	return err
}

// ours refuses a checkout that is not the one we mean.
func ours(checkout books.Checkout, ref psp.Ref) error {
	if checkout.Reference != ref.AttemptID {
		return payment.Errorf(payment.Bug, "checkout %s belongs to another attempt than %s", checkout.ID, ref.AttemptID)
	}
	return nil
}

// lookSlowly is the hint for what never comes to an end.
const lookSlowly = 5 * time.Minute

// charge says what a checkout is now.
func (c *Connector) charge(checkout books.Checkout) psp.Outcome {
	now := c.now()
	out := psp.Outcome{Ref: checkout.ID, PaymentRef: checkout.PaymentID, Code: checkout.Verdict.Code}
	switch checkout.At(now) {
	case books.Open:
		out.Status, out.URL, out.ExpiresAt = psp.Open, c.pages+checkout.ID, checkout.ExpiresAt
		out.PaymentRef = "" // nothing was paid: there is no money to name
		if checkout.DecidedAt.IsZero() {
			out.Decline = checkout.Verdict.Decline
			return out
		}
		// A magic amount: what it will come to is not told before.
		out.Code, out.CheckAfter = "", wait(checkout.DecidedAt, now)
	case books.Closed:
		out.Status, out.PaymentRef, out.Code = psp.Closed, "", ""
	case books.Processing:
		out.Status, out.CheckAfter, out.Code = psp.Processing, wait(checkout.SettlesAt, now), ""
	case books.Held:
		out.Status, out.Amount, out.ExpiresAt = psp.Authorized, checkout.Amount, checkout.HoldUntil()
	case books.Taken:
		out.Status, out.Amount = psp.Succeeded, checkout.CapturedAmount()
	case books.Voided:
		out.Status, out.Decline, out.Code = psp.Declined, payment.Cancelled, "voided"
	case books.Lapsed:
		out.Status, out.Decline, out.Code = psp.Declined, payment.TimedOut, books.HoldExpired
	case books.Declined:
		out.Status, out.Decline = psp.Declined, checkout.Verdict.Decline
	}
	return out
}

// wait is the time until a moment, long for none at all.
func wait(until, now time.Time) time.Duration {
	if until.IsZero() {
		return lookSlowly
	}
	return max(until.Sub(now), time.Second)
}
