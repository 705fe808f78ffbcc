package clock_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/dev/buyer"
	"tillflow/dev/stack"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

const (
	patience = 20 * time.Second
	glance   = 10 * time.Millisecond

	// The shop's two ways to pay: an account at the stand-in Stripe, and the built-in sandbox.
	card, sandbox = "Card", "Sandbox"
)

// world is one stack, whose clock only goes forward: its stories follow each other.
type world struct {
	*stack.Stack
	buyer *buyer.Buyer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711)) // the user that root lends PostgreSQL passes through
	s, err := stack.Start(t.Context(), stack.Options{
		Dir: dir, Volatile: true, Service: true,
		// Sweeps run when a story asks for one.
		Settings: map[string]string{"SWEEP_EVERY": "1h"},
		// A story has hundreds of jumps, and by default a timer may be a second late.
		DynamicConfig: map[string]any{"history.timerProcessorMaxTimeShift": 20 * time.Millisecond},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return &world{Stack: s, buyer: buyer.New()}
}

// story is one subtest in the world.
type story struct {
	*testing.T
	*world
}

// tell runs a story and prints its proof, the figure that it returns.
func (w *world) tell(t *testing.T, name, rule string, play func(*story) string) {
	t.Helper()
	t.Run(name+": "+rule, func(t *testing.T) {
		s := &story{T: t, world: w}
		t.Cleanup(s.mend)
		figure := play(s)
		s.balanced()
		t.Logf("PROOF 5.%s ok %s", name, figure)
	})
}

// mend takes every fault back.
func (s *story) mend() {
	s.Stripe.Faults().Clear()
	s.Shopify.Faults().Clear()
}

// loseWebhooks: the provider's messages get lost from now on.
func (s *story) loseWebhooks() { s.stripeFails("*", faults.WebhookDrop) }

func (s *story) stripeFails(call string, kind faults.Kind) {
	s.Helper()
	_, err := s.Stripe.Faults().Arm(faults.Rule{Call: call, Kind: kind, Times: -1})
	require.NoError(s, err)
}

// stripeAway: no call of the API is answered; buyers still reach the provider's page.
func (s *story) stripeAway() {
	s.Helper()
	for _, calls := range []string{"checkout.sessions.*", "payment_intents.*", "refunds.*"} {
		s.stripeFails(calls, faults.LoseRequest)
	}
}

func (s *story) shopFails(call string, kind faults.Kind) {
	s.Helper()
	_, err := s.Shopify.Faults().Arm(faults.Rule{Call: call, Kind: kind, Times: -1})
	require.NoError(s, err)
}

// session is a payment session as the shop sent it, with its payment here.
type session struct {
	*story
	id, gid, group string
	payURL         string
	payment        string // our id
	run            string // workflow id of the charge
	received       time.Time
}

// order says what is bought; the zero value is a sale of 49.90 EUR.
type order struct {
	kind             shopify.PaymentKind
	amount, currency string
	group            string
}

// begin lets the shop send a session and brings its run to the stack's clock.
func (s *story) begin(o order) *session {
	s.Helper()
	req := shopify.SessionRequest{Shop: stack.Shop, Amount: "49.90", Currency: "EUR", Kind: o.kind, Group: o.group, Test: true, Tries: 3}
	if o.amount != "" {
		req.Amount, req.Currency = o.amount, o.currency
	}
	answer, err := s.Shopify.StartSession(s.Context(), req)
	require.NoError(s, err)
	require.True(s, answer.Accepted, "%d %s %s", answer.Status, answer.Body, answer.Error)
	found, err := s.Service.Store.FindPayment(s.Context(), answer.ID)
	require.NoError(s, err)
	x := &session{
		story: s, id: answer.ID, gid: answer.GID, group: answer.Group, payURL: answer.RedirectURL, payment: found.Run.PaymentID,
		run: flow.ChargeID(found.Run.Source, found.Run.Shop, found.Run.ExternalID), received: found.Run.ReceivedAt,
	}
	require.Eventually(s, func() bool { return s.exists(x.run) }, patience, glance, "the charge has a run")
	s.follow(x.run)
	return x
}

// choose presses the button of the Stripe account and answers the address of the provider's page.
func (x *session) choose() string {
	x.Helper()
	page, err := x.buyer.Choose(x.Context(), x.payURL, card)
	require.NoError(x, err)
	return page
}

// pay pays on the provider's page and answers where the buyer would go then.
func (x *session) pay(page, method string) string {
	x.Helper()
	back, err := x.buyer.PayStripe(x.Context(), page, method)
	require.NoError(x, err)
	return back
}

// comeBack lets the buyer go back, until the shop's own page.
func (x *session) comeBack(address string) {
	x.Helper()
	at, err := x.buyer.Return(x.Context(), address)
	require.NoError(x, err)
	require.True(x, strings.HasPrefix(at, x.ShopURL), "the buyer ends in the shop, not at %s", at)
}

// checkoutOf is the id of the checkout that a provider's page shows.
func checkoutOf(page string) string { return page[strings.LastIndex(page, "/")+1:] }

// hand presses one of the stand-in Stripe's switches for a checkout.
func (s *story) hand(path string, query url.Values) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.StripeURL+path+"?"+query.Encode(), nil)
	require.NoError(s, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s, err)
	require.NoError(s, resp.Body.Close())
	require.Equal(s, http.StatusOK, resp.StatusCode, path)
}

// settles decides a payment that the provider works on.
func (s *story) settles(page, result string) {
	s.Helper()
	s.hand("/_settle/"+checkoutOf(page), url.Values{"result": {result}})
}

// paysLate makes the provider take the money of a page that it had closed.
func (s *story) paysLate(page string) {
	s.Helper()
	s.hand("/_late/"+checkoutOf(page), nil)
}

// show reads what our record says.
func (x *session) show() payment.Details {
	x.Helper()
	d, err := x.Service.Store.ShowPayment(x.Context(), x.payment, false)
	require.NoError(x, err)
	return d
}

// await waits until the record fits.
func (x *session) await(what string, fits func(payment.Details) bool) {
	x.Helper()
	var last payment.Details
	ok := x.eventually(func(ctx context.Context) bool {
		d, err := x.Service.Store.ShowPayment(ctx, x.payment, false)
		if err == nil {
			last = d
		}
		return err == nil && fits(d)
	})
	require.True(x, ok, "never came: %s\n%s", what, readable(last))
}

// eventually asks until it holds or patience ends. Unlike require.Eventually it leaves nothing running behind.
func (s *story) eventually(holds func(context.Context) bool) bool {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		if holds(ctx) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func closed(d payment.Details) bool { return !d.ClosedAt.IsZero() }

func needs(why payment.OperatorReason) func(payment.Details) bool {
	return func(d payment.Details) bool { return d.Operator == why }
}

// readable prints a record for a failed wait.
func readable(d payment.Details) string {
	var b strings.Builder
	fmt.Fprintf(&b, "state %s, answer %q %s, needs %q, told %v, closed %v\n", d.State, d.Final, d.FinalReason, d.Operator, d.ToldAt, d.ClosedAt)
	for _, a := range d.Attempts {
		fmt.Fprintf(&b, "  attempt %s %s%s %s %s\n", a.ID, a.Operation, a.Leg, a.State, a.Code)
	}
	for _, l := range d.Timeline {
		fmt.Fprintf(&b, "  %s %s %s → %s %s\n", l.At.Format("02 15:04:05"), l.What, l.Before, l.After, l.Detail)
	}
	return b.String()
}

// presses chooses an option in another tab, without waiting for the provider's page.
func (x *session) presses(label string) {
	x.Helper()
	token := x.show().Token
	page, err := x.Service.Store.Page(x.Context(), token)
	require.NoError(x, err)
	for _, o := range page.Options {
		if o.Label == label {
			run, err := x.Service.Store.Choose(x.Context(), token, o.AccountID)
			require.NoError(x, err)
			require.NoError(x, x.Service.Runs.SignalChoice(x.Context(), run))
			return
		}
	}
	require.Fail(x, "the pay page offers no "+label)
}

// decides lets a person decide, as the command line does: a row first, then its id to the run.
func (x *session) decides(choice payment.Decision) error {
	x.Helper()
	id, err := x.Service.Store.InsertAction(x.Context(), payment.Action{
		PaymentID: x.payment, Actor: "clerk", Action: "resolve", Choice: choice, Text: "seen in the dashboard",
	})
	require.NoError(x, err)
	ctx, cancel := context.WithTimeout(x.Context(), patience)
	defer cancel()
	_, err = x.Service.Runs.Act(ctx, x.run, flow.UpdateResolve, id)
	return err
}
