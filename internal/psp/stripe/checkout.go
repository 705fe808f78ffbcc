package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// Longest values that Stripe takes (S for the reference, D for the key).
const (
	maxReference = 200
	maxKey       = 255
)

// OpenCheckout implements psp.Redirector. An amount that Stripe cannot take is
// Declined. What is wrong with the times of the checkout only Stripe says: the
// call may be a repetition, and then the answer is the page that exists.
func (c *Connector) OpenCheckout(ctx context.Context, acc psp.Account, checkout psp.Checkout) (psp.Outcome, error) {
	if err := checkNames(checkout.AttemptID, checkout.Key); err != nil {
		return psp.Outcome{}, err
	}
	if checkout.Kind != payment.Sale && checkout.Kind != payment.Authorization {
		return psp.Outcome{}, payment.Errorf(payment.Bug, "checkout of unknown kind %q", checkout.Kind)
	}
	form, err := checkoutForm(checkout)
	if err != nil {
		return inexpressible(), nil //nolint:nilerr // said as an outcome: the buyer may choose another provider
	}
	var s session
	id, err := c.do(ctx, acc, post("/v1/checkout/sessions", form, checkout.Key), &s)
	if err != nil {
		return decided(err, id)
	}
	if err := c.checkSession(acc, s, checkout.AttemptID); err != nil {
		return psp.Outcome{}, err
	}
	out, err := sessionOutcome(s)
	if err != nil {
		return psp.Outcome{}, fmt.Errorf("open checkout at stripe: %w", err)
	}
	if out.Status == psp.Open && !isWebAddress(out.URL) {
		return psp.Outcome{}, payment.Errorf(payment.Unknown, "session %s has no address", brief(s.ID))
	}
	out.RequestID = id
	return out, nil
}

// CloseCheckout implements psp.Redirector. Stripe expires open pages only and
// answers 400 for all others, which are then looked at. Expiring is idempotent
// by nature, so no key is sent.
func (c *Connector) CloseCheckout(ctx context.Context, acc psp.Account, ref psp.Ref) (psp.Outcome, error) {
	sessionID, err := c.sessionID(ctx, acc, ref)
	if err != nil {
		return psp.Outcome{}, fmt.Errorf("close checkout at stripe: %w", err)
	}
	ref.Ref = sessionID
	var s session
	id, err := c.do(ctx, acc, post(under("checkout/sessions", sessionID, "expire"), nil, ""), &s)
	if refused, ok := errors.AsType[*refusal](err); ok && refused.Status == http.StatusBadRequest {
		return c.Inquire(ctx, acc, ref)
	}
	if err != nil {
		return psp.Outcome{}, fmt.Errorf("close checkout at stripe: %w", err)
	}
	if err := c.checkSession(acc, s, ref.AttemptID); err != nil {
		return psp.Outcome{}, err
	}
	out, err := sessionOutcome(s)
	if err != nil {
		return psp.Outcome{}, fmt.Errorf("close checkout at stripe: %w", err)
	}
	out.RequestID = id
	return out, nil
}

// checkSession refuses a session that is not the one we mean.
func (c *Connector) checkSession(acc psp.Account, s session, attempt string) error {
	if err := sameMode(acc, s.Livemode, s.ID); err != nil {
		return err
	}
	if s.ClientReferenceID != attempt {
		return payment.Errorf(payment.Bug, "session %s belongs to another attempt than %s", brief(s.ID), attempt)
	}
	return nil
}

// checkNames refuses what would be sent without a name of ours or with one that
// Stripe cuts off.
func checkNames(attempt, key string) error {
	switch {
	case attempt == "", len(attempt) > maxReference:
		return payment.Errorf(payment.Bug, "attempt id has %d characters", len(attempt))
	case key == "", len(key) > maxKey, !printable(key):
		return payment.Errorf(payment.Bug, "idempotency key has %d characters or strange ones", len(key))
	}
	return nil
}

// decided gives a decline as the outcome it is, everything else as the error.
func decided(err error, requestID string) (psp.Outcome, error) {
	if out, ok := declined(err, requestID); ok {
		return out, nil
	}
	return psp.Outcome{}, err
}

// inexpressible is the outcome for an amount that Stripe has no way to take;
// nothing is sent.
func inexpressible() psp.Outcome {
	return psp.Outcome{Status: psp.Declined, Decline: payment.NotSupported, Code: "amount_not_representable"}
}

func isWebAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
