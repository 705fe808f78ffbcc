package chaos

import (
	"context"
	"net/http"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/stripe"
)

// How quick the provider is here. What a call did shows in its look-ups at the latest lookupLag after it was sent, also
// when it was carried out slow milliseconds late; nothing waits longer than callTimeout for an answer.
const (
	callTimeout = time.Second
	lookupLag   = 4 * time.Second
	lookAgain   = 300 * time.Millisecond
)

// Profile says how much the provider does on its own to keep a request from being carried out twice. What the service
// promises must hold with each; a safety of ours that is switched off must show where the provider has none like it.
type Profile string

// Profiles.
const (
	// Stripe knows idempotency keys and lists everything at once.
	Stripe Profile = "stripe"
	// NoKeys ignores idempotency keys; what it does not list was not done.
	NoKeys Profile = "nokeys"
	// Unchecked knows keys and gives back more than was taken when it is asked to.
	Unchecked Profile = "unchecked"
)

// Profiles lists every profile.
var Profiles = []Profile{Stripe, NoKeys, Unchecked}

// provider is the Stripe connector with a provider of some profile behind it, that answers and shows in seconds.
type provider struct {
	*stripe.Connector
	profile Profile
}

// Contract is Stripe's with shorter times, and what else the profile says.
func (p provider) Contract() psp.Contract {
	c := p.Connector.Contract()
	c.CallTimeout, c.LookupLag = callTimeout, lookupLag
	if p.profile == NoKeys {
		c.KeyRetention = 0
		c.Absence = map[payment.Operation]psp.Absence{
			payment.OpCharge: psp.Authoritative, payment.OpCapture: psp.Authoritative, payment.OpVoid: psp.Authoritative,
			payment.OpRefund: psp.Authoritative,
		}
	}
	return c
}

// Inquire is Stripe's look-up, without its advice to come again in a quarter of an hour.
func (p provider) Inquire(ctx context.Context, acc psp.Account, ref psp.Ref) (psp.Outcome, error) {
	out, err := p.Connector.Inquire(ctx, acc, ref)
	out.CheckAfter = min(out.CheckAfter, lookAgain)
	return out, err
}

// before puts what the profile takes away between the service and the stand-in.
func (p Profile) before(h http.Handler) http.Handler {
	switch p {
	case NoKeys:
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Idempotency-Key")
			h.ServeHTTP(w, r)
		})
	case Stripe, Unchecked:
	}
	return h
}
