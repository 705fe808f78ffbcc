package browser_test

import (
	"net/http"
	"path"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/dev/stack"
	"tillflow/internal/psp/sandbox/books"
	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// order starts a checkout at the stand-in Shopify, as its checkout button does.
// Every story has an amount of its own, so that pictures tell them apart.
func (w *world) order(t *testing.T, request shopify.SessionRequest) shopify.SessionAnswer {
	t.Helper()
	if request.Shop == "" {
		request.Shop = stack.Shop
	}
	request.Currency = "EUR"
	request.Customer = &shopify.Customer{Email: "ada.lovelace@example.com", Locale: "en", BillingAddress: &shopify.Address{
		GivenName: "Ada", FamilyName: "Lovelace", Line1: "Invalidenstraße 117", City: "Berlin", PostalCode: "10115", CountryCode: "DE",
	}}
	answer, err := w.Shopify.StartSession(t.Context(), request)
	require.NoError(t, err)
	require.True(t, answer.Accepted, "%d %s %s", answer.Status, answer.Body, answer.Error)
	return answer
}

// sessionOf finds the session whose link the buyer was given.
func (w *world) sessionOf(t *testing.T, payURL string) string {
	t.Helper()
	for _, s := range w.Shopify.Books(stack.Shop, false).Shops[stack.Shop].Sessions {
		if s.RedirectURL == payURL {
			return s.ID
		}
	}
	t.Fatalf("no session was answered with %s", payURL)
	return ""
}

// told waits until Shopify's books show the session's state, and counts the
// answers that had an effect: one when it is final, none before.
func (w *world) told(t *testing.T, session string, state shopify.State) {
	t.Helper()
	var s shopify.Session
	require.Eventually(t, func() bool {
		s, _ = w.Shopify.Session(session)
		return s.State == state
	}, patience, 20*time.Millisecond, "session %s is to be %s", session, state)
	finals := 0
	for _, m := range s.Mutations {
		if m.Result == shopify.ResultEffective && m.Op != "paymentSessionPending" {
			finals++
		}
	}
	want := 0
	if state == shopify.StateResolved || state == shopify.StateRejected {
		want = 1
	}
	require.Equal(t, want, finals, "effective final answers: %+v", s.Mutations)
}

// atStripe is what Stripe's books say about the checkout whose page has the address.
func (w *world) atStripe(t *testing.T, page string) (stripe.CheckoutEntry, stripe.IntentEntry) {
	t.Helper()
	id := path.Base(page)
	for _, account := range w.Stripe.Books("").Accounts {
		for _, checkout := range account.Checkouts {
			if checkout.ID != id {
				continue
			}
			for _, intent := range account.Intents {
				if intent.Checkout == id {
					return checkout, intent
				}
			}
			return checkout, stripe.IntentEntry{}
		}
	}
	t.Fatalf("Stripe knows no checkout %s", id)
	return stripe.CheckoutEntry{}, stripe.IntentEntry{}
}

// nothingAtStripe: the checkout is shut, and no money moved there.
func (w *world) nothingAtStripe(t *testing.T, page string) {
	t.Helper()
	checkout, intent := w.atStripe(t, page)
	require.Equal(t, "expired", checkout.Status)
	require.Zero(t, intent.Captured)
	require.Zero(t, intent.Held)
}

// atSandbox is the state in the sandbox's books of the page with the address.
func (w *world) atSandbox(t *testing.T, page string) books.State {
	t.Helper()
	checkout, err := w.Service.Store.SandboxPage(t.Context(), path.Base(page))
	require.NoError(t, err)
	return checkout.At(w.Clock.Now())
}

// settle ends what Stripe is processing, as the bank does days later.
func (w *world) settle(t *testing.T, page, result string) {
	t.Helper()
	resp, err := http.Post(w.StripeURL+"/_settle/"+path.Base(page)+"?result="+result, "", nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
}
