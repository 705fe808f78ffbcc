package browser_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tillflow/dev/buyer"
	runs "tillflow/dev/control"
	"tillflow/dev/stack"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/standin/faults"
	"tillflow/standin/shopify"
)

// stuckTiming makes tries follow each other quickly, and leaves what waits for a
// person or for days as production has it.
const stuckTiming = `{"SendTimeout":"4s","SendWindow":"15s","RetryFirst":"100ms","RetryMax":"1s","TellSteps":["200ms","500ms","1s"]}`

// stuckAmount is what every payment here is about.
const stuckAmount = "100.00 EUR"

// answers is what a page has to say of a stuck payment, and what may be pressed.
type answers struct {
	title, happened, money string
	waits                  string // for what, and until when
	tell                   string
	press                  []string // what an operator, finance and an administrator find
}

// stuckCase is one payment that is stuck.
type stuckCase struct {
	name  string
	stick func(*stuckStory) payment.Details // until it stands as it shall be read
	answers
	button string            // what the operator presses
	after  func(*stuckStory) // what is so after the press
}

// stuckStory is one case while it is told.
type stuckStory struct {
	*testing.T
	*world
	people  map[string]*tab
	buyer   *buyer.Buyer
	id      string // our id of the payment
	session shopify.SessionAnswer
	lift    func() // ends what keeps it stuck
}

// begun is a new payment that the shop has sent.
func (s *stuckStory) begun(kind shopify.PaymentKind) {
	s.Helper()
	answer, err := s.Shopify.StartSession(s.Context(), shopify.SessionRequest{
		Shop: stack.Shop, Amount: "100.00", Currency: "EUR", Kind: kind, Test: true, Tries: 3,
	})
	require.NoError(s, err)
	require.True(s, answer.Accepted, "%d %s %s", answer.Status, answer.Body, answer.Error)
	found, err := s.Service.Store.FindPayment(s.Context(), answer.ID)
	require.NoError(s, err)
	s.session, s.id, s.lift = answer, found.Run.PaymentID, func() {}
}

// chooses the card and answers the provider's page.
func (s *stuckStory) chooses() string {
	s.Helper()
	page, err := s.buyer.Choose(s.Context(), s.session.RedirectURL, "Card")
	require.NoError(s, err)
	return page
}

// presses the card's button, when its page cannot be opened.
func (s *stuckStory) presses() {
	s.Helper()
	page, err := s.Service.Store.Page(s.Context(), s.show().Token)
	require.NoError(s, err)
	for _, o := range page.Options {
		if o.Label == "Card" {
			run, err := s.Service.Store.Choose(s.Context(), s.show().Token, o.AccountID)
			require.NoError(s, err)
			require.NoError(s, s.Service.Runs.SignalChoice(s.Context(), run))
			return
		}
	}
	s.Fatal("the pay page offers no card")
}

func (s *stuckStory) pays(page, card string) {
	s.Helper()
	_, err := s.buyer.PayStripe(s.Context(), page, card)
	require.NoError(s, err)
}

// bought is a payment that was paid and told.
func (s *stuckStory) bought(kind shopify.PaymentKind, card string) {
	s.Helper()
	s.begun(kind)
	s.pays(s.chooses(), card)
	s.await("told", func(d payment.Details) bool { return !d.ToldAt.IsZero() })
}

func (s *stuckStory) show() payment.Details {
	s.Helper()
	d, err := s.Service.Store.ShowPayment(s.Context(), s.id, false)
	require.NoError(s, err)
	return d
}

// await waits until the record fits, and answers it.
func (s *stuckStory) await(what string, fits func(payment.Details) bool) payment.Details {
	s.Helper()
	var last payment.Details
	require.Eventually(s, func() bool {
		d, err := s.Service.Store.ShowPayment(s.Context(), s.id, false)
		last = d
		return err == nil && fits(d)
	}, 2*patience, 50*time.Millisecond, "never came: %s; %s", what, lazy(func() string { return fmt.Sprintf("%s %s %s", last.State, last.Final, last.Operator) }))
	return last
}

// needs waits until a person is called.
func (s *stuckStory) needs(why payment.OperatorReason) payment.Details {
	s.Helper()
	return s.await("a person because of "+string(why), func(d payment.Details) bool { return d.Operator == why })
}

// swept waits for what the sweep takes up by the service's clock, which moves on meanwhile.
func (s *stuckStory) swept(what string, fits func(payment.Details) bool) {
	s.Helper()
	require.Eventually(s, func() bool {
		d, err := s.Service.Store.ShowPayment(s.Context(), s.id, false)
		if err == nil && fits(d) {
			return true
		}
		s.Clock.Skip(20 * time.Second)
		return false
	}, 2*patience, time.Second, "never came: %s", what)
}

// try waits until one of our tries has come to a state.
func (s *stuckStory) try(op payment.Operation, state payment.AttemptState) payment.Details {
	s.Helper()
	return s.await(string(op)+" "+string(state), func(d payment.Details) bool {
		for _, a := range d.Attempts {
			if a.Operation == op && a.State == state {
				return true
			}
		}
		return false
	})
}

// breaks arms faults of a stand-in, until the story lifts them.
func (s *stuckStory) breaks(board *faults.Switchboard, rules ...faults.Rule) {
	s.Helper()
	before := s.lift
	var ids []string
	for _, r := range rules {
		if r.Times == 0 {
			r.Times = -1
		}
		armed, err := board.Arm(r)
		require.NoError(s, err)
		ids = append(ids, armed.ID)
	}
	s.lift = func() {
		for _, id := range ids {
			board.Disarm(id)
		}
		before()
	}
}

// blind loses every look-up at the provider in which match occurs.
func (s *stuckStory) blind(match string) {
	s.Helper()
	var rules []faults.Rule
	for _, call := range []string{
		"payment_intents.retrieve", "payment_intents.list", "payment_intents.search", "checkout.sessions.retrieve", "checkout.sessions.list",
		"checkout.sessions.expire", "charges.retrieve", "charges.list", "refunds.retrieve", "refunds.list",
	} {
		rules = append(rules, faults.Rule{Call: call, Kind: faults.LoseRequest, Match: match})
	}
	s.breaks(s.Stripe.Faults(), append(rules, faults.Rule{Call: "*", Kind: faults.WebhookDrop, Match: match})...)
}

// hand presses one of the stand-in Stripe's switches.
func (s *stuckStory) hand(path string) { postTo(s.T, s.StripeURL+path) }

// intent is the payment's money at Stripe.
func (s *stuckStory) intent() string {
	s.Helper()
	for _, a := range s.show().Attempts {
		if a.PaymentRef != "" {
			return a.PaymentRef
		}
	}
	s.Fatal("the money has no name at the provider yet")
	return ""
}

// skip moves the service and the stand-ins, and the runs of some payments with them.
func (w *world) skip(t *testing.T, d time.Duration, with ...*stuckStory) {
	t.Helper()
	const stride = 4 * time.Hour
	all := runs.Temporal{Client: w.Service.Temporal, Namespace: w.Config.TemporalNamespace}
	for d > 0 {
		step := min(d, stride)
		w.Clock.Skip(step)
		d -= step
		for _, s := range with {
			run := flow.ChargeID(payment.SourceShopify, stack.Shop, s.session.ID)
			var err error
			require.Eventually(t, func() bool { // a call that a busy machine was too slow for is made again
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				err = all.Follow(ctx, run, w.Clock.Now)
				return err == nil
			}, 4*patience, 100*time.Millisecond, "%s follows the clock: %v", run, lazy(func() string { return fmt.Sprint(err) }))
		}
	}
}

// reads opens the payment's page for everybody and checks that it answers: what
// happened, where the money is, what is awaited until when, what may be pressed,
// whom to tell.
func (s *stuckStory) reads(name string, want answers) {
	s.Helper()
	for role, b := range s.people {
		b.T = s.T
		text := ""
		require.Eventually(s, func() bool { // until a try that is just being made is over
			b.visit(s.PayURL + "/console/payments/" + s.id)
			b.sees(stuckAmount)
			text = b.text()
			return strings.Contains(text, want.title)
		}, patience, time.Second, "%s, for the %s; there is: %s", want.title, role, lazy(b.text))
		for question, answer := range map[string]string{
			"what happened": "What happened " + want.happened, "the money": "The money " + want.money,
			"what is awaited": want.waits, "whom to tell": "Whom to tell " + want.tell,
		} {
			require.NotEmpty(s, answer)
			require.Contains(s, text, answer, "%s, for the %s", question, role)
		}
		buttons := steady(b, chromedp.Evaluate[[]string](`[...document.querySelectorAll("#press a")].map((a) => a.innerText.trim())`))
		if role == "viewer" {
			require.Contains(s, text, "An operator presses.")
			require.Empty(s, buttons)
			continue
		}
		require.ElementsMatch(s, want.press, buttons, "what the %s may press", role)
		if role == "operator" {
			b.keep("stuck-" + name)
			b.scheme("dark")
			b.keep("stuck-" + name + "-dark")
			b.scheme("")
		}
	}
}

// operates presses a button as the operator, with a reason, and sees that it was applied.
func (s *stuckStory) operates(button string) {
	s.Helper()
	b := s.people["operator"]
	b.visit(s.PayURL + "/console/payments/" + s.id)
	b.sees(stuckAmount)
	b.press(button)
	b.sees(button+"?", stuckAmount)
	b.do(chromedp.SetValue(chromedp.ID("reason"), "seen in the dashboard, ticket 4711"))
	b.press(button)
	b.sees(stuckAmount, "Done: ")
	require.NotContains(s, b.at(), "ticket", "an address holds nothing that people write")
}

func (s *stuckStory) tell(c stuckCase) {
	s.Run(c.name, func(t *testing.T) {
		one := *s
		one.T = t
		for _, b := range one.people {
			b.T = t
		}
		c.stick(&one)
		defer func() { one.lift() }()
		one.reads(strings.ReplaceAll(c.name, " ", "-"), c.answers)
		one.lift()
		one.lift = func() {}
		one.operates(c.button)
		c.after(&one)
	})
}
