package pay_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/pay"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

var lateNovember = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

// desk is the record of one customer's page.
type desk struct {
	portal  subscription.Portal
	broken  error
	asleep  error // of the workflow
	pressed int
	woken   []subscription.Ref
}

func (d *desk) Portal(_ context.Context, link string) (subscription.Portal, error) {
	if link != "secret" {
		return subscription.Portal{}, payment.Errorf(payment.NotFound, "no such link")
	}
	return d.portal, d.broken
}

func (d *desk) ChargeAgain(_ context.Context, link string) (subscription.Ref, error) {
	if link != "secret" {
		return subscription.Ref{}, payment.Errorf(payment.NotFound, "no such link")
	}
	d.pressed++
	return subscription.Ref{ID: "s1", Shop: "acme"}, d.broken
}

func (d *desk) WakeSubscription(_ context.Context, ref subscription.Ref) error {
	d.woken = append(d.woken, ref)
	return d.asleep
}

// member is an active subscription of 30 EUR a month, with a card.
func member(change ...func(*subscription.Portal)) *desk {
	p := subscription.Portal{
		Plan: "Gold <b>", Label: "Acme", Zone: time.UTC, Price: money.New(3000, "EUR"),
		Method:   payment.KeptMethod{ID: "m1", Label: "visa 4242", ExpiresYear: 2027, ExpiresMonth: 8},
		Standing: subscription.Entitlement{PaidUp: true, Standing: subscription.StandingPaid, Until: lateNovember},
		Next:     subscription.Upcoming{Period: subscription.Period{Start: lateNovember}, Charge: money.New(3000, "EUR")}, Renews: true,
	}
	p.State = subscription.Active
	for _, c := range change {
		c(&p)
	}
	return &desk{portal: p}
}

// owes makes the renewal declined, with what is asked for.
func owes(reason payment.DeclineReason, ask subscription.Ask) func(*subscription.Portal) {
	return func(p *subscription.Portal) {
		p.State, p.Renews, p.Standing = subscription.PastDue, false, subscription.Entitlement{Standing: subscription.StandingOverdue}
		p.Open = &subscription.Charge{Key: "000002", Kind: subscription.RenewalCharge, Amount: money.New(2500, "EUR"), Owed: true}
		p.Failures = []subscription.Failure{{Reason: reason}}
		p.Step = subscription.Step{Action: subscription.ActRetry, At: lateNovember, Ask: ask}
		p.Pay = "pay-token"
	}
}

func state(s subscription.State) func(*subscription.Portal) {
	return func(p *subscription.Portal) { p.State, p.Renews = s, false }
}

func visit(t *testing.T, d *desk, method, path, language string) *httptest.ResponseRecorder {
	t.Helper()
	h, err := pay.NewSubscriptions(d, d, zerolog.Nop())
	require.NoError(t, err)
	req := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	req.Header.Set("Accept-Language", language)
	rec := httptest.NewRecorder()
	api.New(zerolog.Nop(), func(context.Context) error { return nil }, h).ServeHTTP(rec, req)
	return rec
}

func TestSubscriptionPage(t *testing.T) {
	t.Parallel()
	payHere := `href="/pay/pay-token?back=1"`
	again := `action="/subscription/secret/again"`
	for name, tc := range map[string]struct {
		d     *desk
		says  []string
		never []string
	}{
		"who has paid reads what comes next": {
			member(), []string{"Your subscription is paid", "Gold &lt;b&gt;", "visa 4242", "2027-08", "2026-11-30, 30.00 EUR"}, []string{"/pay/", again},
		},
		"a charge under way is waited for, not paid twice": {
			member(func(p *subscription.Portal) {
				p.Open = &subscription.Charge{Kind: subscription.RenewalCharge, Amount: money.New(3000, "EUR")}
			}),
			[]string{"Your payment is on its way", "Please do not pay a second time", `content="2;url=/subscription/secret"`},
			[]string{"/pay/", again},
		},
		"want of funds may be tried again with the same card": {
			member(owes(payment.InsufficientFunds, subscription.AskFunds)),
			[]string{"Your payment is due", "25.00 EUR", "does not have enough funds", payHere, again, "visa 4242", "2026-11-30", "Paused until it is paid"},
			nil,
		},
		"an expired card asks for another one": {
			member(owes(payment.ExpiredCard, subscription.AskMethod)), []string{"The card has expired", "Pay now with another card", payHere}, []string{again},
		},
		"the bank's question is answered where it is paid": {
			member(owes(payment.AuthenticationFailed, subscription.AskAuthenticate)),
			[]string{"wants you to confirm", "Confirm and pay now", payHere},
			[]string{again, "could not confirm"},
		},
		"what cannot be paid any more says so": {
			member(owes(payment.ExpiredCard, subscription.AskMethod), func(p *subscription.Portal) { p.Pay = "" }),
			[]string{"cannot be paid here any more"},
			[]string{"/pay/", again},
		},
		"a first payment waits for its customer": {
			member(state(subscription.Pending), func(p *subscription.Portal) {
				p.Pay = "pay-token"
				p.Open = &subscription.Charge{Kind: subscription.FirstCharge, Amount: money.New(3000, "EUR")}
			}),
			[]string{"has not begun yet", payHere},
			[]string{again},
		},
		"a trial":     {member(state(subscription.Trialing)), []string{"Your trial is running"}, []string{"/pay/"}},
		"a pause":     {member(state(subscription.Paused)), []string{"paused", "Nothing is charged"}, []string{"/pay/"}},
		"an unpaid":   {member(state(subscription.Unpaid)), []string{"has stopped", "It was not paid"}, []string{"/pay/"}},
		"an end":      {member(state(subscription.Cancelled)), []string{"has ended", "Nothing more is charged"}, []string{"/pay/"}},
		"an unbegun":  {member(state(subscription.Abandoned)), []string{"has ended"}, []string{"/pay/"}},
		"a last time": {member(func(p *subscription.Portal) { p.CancelAtEnd, p.Period.End = true, lateNovember }), []string{"Ends on", "2026-11-30"}, nil},
		"test money":  {member(func(p *subscription.Portal) { p.Test = true }), []string{"Test mode: no real money moves."}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := visit(t, tc.d, http.MethodGet, "/subscription/secret", "en")
			require.Equal(t, http.StatusOK, rec.Code)
			for _, text := range tc.says {
				require.Contains(t, rec.Body.String(), text)
			}
			for _, text := range append(tc.never, "<script", "style=", "<b>") {
				require.NotContains(t, rec.Body.String(), text)
			}
			require.Contains(t, rec.Header().Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'")
			require.Equal(t, "no-referrer", rec.Header().Get("Referrer-Policy"), "the link is a secret")
		})
	}
}

func TestSubscriptionPageInTheReadersLanguage(t *testing.T) {
	t.Parallel()
	for language, says := range map[string][]string{
		"de": {"Ihre Zahlung ist fällig", "Die Karte ist abgelaufen.", "Jetzt mit einer anderen Karte bezahlen", "Ihr Tarif"},
		"fr": {"Votre paiement est dû", "Payer maintenant avec une autre carte", "Prochaine tentative"},
		"es": {"Su pago está pendiente", "Pagar ahora con otra tarjeta", "Próximo intento"},
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			rec := visit(t, member(owes(payment.ExpiredCard, subscription.AskMethod)), http.MethodGet, "/subscription/secret", language)
			for _, text := range says {
				require.Contains(t, rec.Body.String(), text)
			}
			require.Contains(t, rec.Body.String(), `<html lang="`+language+`">`)
		})
	}
}

func TestChargingAgain(t *testing.T) {
	t.Parallel()
	t.Run("a press is written down, wakes the run and leads back to the page", func(t *testing.T) {
		t.Parallel()
		d := member(owes(payment.InsufficientFunds, subscription.AskFunds))
		rec := visit(t, d, http.MethodPost, "/subscription/secret/again", "en")
		require.Equal(t, http.StatusSeeOther, rec.Code)
		require.Equal(t, "/subscription/secret", rec.Header().Get("Location"))
		require.Equal(t, 1, d.pressed)
		require.Equal(t, []subscription.Ref{{ID: "s1", Shop: "acme"}}, d.woken)
	})
	t.Run("a run that does not wake loses nothing", func(t *testing.T) {
		t.Parallel()
		d := member()
		d.asleep = payment.Errorf(payment.Unavailable, "no temporal")
		require.Equal(t, http.StatusSeeOther, visit(t, d, http.MethodPost, "/subscription/secret/again", "en").Code)
	})
	t.Run("a look presses nothing", func(t *testing.T) {
		t.Parallel()
		d := member()
		require.Equal(t, http.StatusMethodNotAllowed, visit(t, d, http.MethodGet, "/subscription/secret/again", "en").Code)
		require.Zero(t, d.pressed)
	})
}

func TestSubscriptionPageInTrouble(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		path := map[string]string{http.MethodGet: "", http.MethodPost: "/again"}[method]
		t.Run(method+" of an unknown link says no more than that", func(t *testing.T) {
			t.Parallel()
			rec := visit(t, member(), method, "/subscription/guess"+path, "en")
			require.Equal(t, http.StatusNotFound, rec.Code)
			require.Contains(t, rec.Body.String(), "We do not know this link")
			require.NotContains(t, rec.Body.String(), "Acme")
		})
		t.Run(method+" without the record tries again by itself, and presses nothing again", func(t *testing.T) {
			t.Parallel()
			d := member()
			d.broken = payment.Errorf(payment.Unavailable, "secret detail")
			rec := visit(t, d, method, "/subscription/secret"+path, "en")
			require.Equal(t, http.StatusServiceUnavailable, rec.Code)
			require.Contains(t, rec.Body.String(), `content="2;url=/subscription/secret"`)
			require.NotContains(t, rec.Body.String(), "secret detail")
		})
	}
}
