package clock_test

import (
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// moved is what the stand-in Stripe's books say of all checkouts of a session, in minor units.
type moved struct {
	captured, refunded, held int64
	captures, refunds        int
}

// stripeBooks reads the books by the references that our attempts were sent with.
func (x *session) stripeBooks() moved {
	x.Helper()
	var sum moved
	for _, a := range x.charges() {
		for _, account := range x.Stripe.Books(a.ID).Accounts {
			for _, t := range account.Totals {
				sum.captured += t.Captured
				sum.refunded += t.Refunded
				sum.held += t.Held
				sum.captures += t.Captures
				sum.refunds += t.Refunds
			}
		}
	}
	return sum
}

// checkouts lists the stand-in Stripe's checkouts of a session.
func (x *session) checkouts() []stripe.CheckoutEntry {
	x.Helper()
	var all []stripe.CheckoutEntry
	for _, a := range x.charges() {
		for _, account := range x.Stripe.Books(a.ID).Accounts {
			all = append(all, account.Checkouts...)
		}
	}
	return all
}

// charges are the attempts to take the money.
func (x *session) charges() []payment.AttemptDetails {
	x.Helper()
	var all []payment.AttemptDetails
	for _, a := range x.show().Attempts {
		if a.Operation == payment.OpCharge {
			all = append(all, a)
		}
	}
	return all
}

// shop reads the stand-in Shopify's books of the session.
func (x *session) shop() shopify.Session {
	x.Helper()
	booked, known := x.Shopify.Session(x.id)
	require.True(x, known)
	return booked
}

// untold: the shop has heard nothing, not even a refused word.
func (x *session) untold() {
	x.Helper()
	booked := x.shop()
	require.Equal(x, shopify.StateOpen, booked.State)
	require.Empty(x, booked.Mutations)
}

// answered checks the shop's books: one effective final answer, and never the other one.
func (x *session) answered(want shopify.State) shopify.Session {
	x.Helper()
	booked := x.shop()
	require.Equal(x, want, booked.State)
	require.NotNil(x, booked.Final)
	effective := 0
	for _, m := range booked.Mutations {
		if strings.HasSuffix(m.Op, "Pending") {
			continue
		}
		require.Equal(x, booked.Final.Op, m.Op, "the other answer was given too")
		if m.Result == shopify.ResultEffective {
			effective++
		}
	}
	require.Equal(x, 1, effective, "effective final answers")
	return booked
}

// toldAfter is how long after the session was received the shop had its answer.
func (x *session) toldAfter() time.Duration {
	x.Helper()
	booked := x.shop()
	require.NotNil(x, booked.Final)
	return booked.Final.At.Sub(x.received)
}

// toldInTime checks that we decided at 47 h and Shopify heard it inside 48.
func (x *session) toldInTime() time.Duration {
	x.Helper()
	after := x.toldAfter()
	require.GreaterOrEqual(x, after, 47*time.Hour, "decided before its time")
	require.Less(x, after, 48*time.Hour, "told too late")
	return after
}

// ends checks the provider's books against the story and ours against the provider's.
func (x *session) ends(state payment.State, want moved) {
	x.Helper()
	d := x.show()
	require.Equal(x, state, d.State, readable(d))
	require.Equal(x, payment.NobodyNeeded, d.Operator)
	require.Equal(x, want, x.stripeBooks())
	x.booksEqual()
	x.proven()
}

// booksEqual compares our ledger of the payment with the provider's books. A fee moves between two accounts of ours
// that are both summed.
func (x *session) booksEqual() {
	x.Helper()
	var there, owed, held int64
	for _, p := range x.show().Postings {
		switch _, rest, _ := strings.Cut(p.Account, "/"); {
		case strings.HasPrefix(rest, "provider:"), strings.HasPrefix(rest, "fees:"):
			there += p.Amount.Minor
		case strings.HasPrefix(rest, "merchant:"):
			owed -= p.Amount.Minor
		case strings.HasPrefix(rest, "authorized:"):
			held += p.Amount.Minor
		}
	}
	provider := x.stripeBooks()
	require.Equal(x, provider.captured-provider.refunded, there, "money at the provider")
	require.Equal(x, provider.captured-provider.refunded, owed, "money owed to the merchant")
	require.Equal(x, provider.held, held, "money held")
}

// proven checks rule 1: no decided attempt without evidence of that very decision, which the timeline names.
func (x *session) proven() {
	x.Helper()
	d := x.show()
	kinds := map[string]payment.EvidenceKind{}
	for _, e := range d.Evidence {
		kinds[e.ID] = e.Kind
	}
	for _, l := range d.Timeline {
		if l.What == "attempt" && payment.AttemptState(l.After).Decided() {
			require.Contains(x, kinds, l.EvidenceID, "%s became %s without evidence", l.AttemptID, l.After)
		}
	}
	for _, a := range d.Attempts {
		if a.State.Decided() {
			require.False(x, a.DecidedAt.IsZero())
		}
	}
}

// knownBy is the kind of the evidence on which an attempt came to a state.
func (x *session) knownBy(state payment.AttemptState) payment.EvidenceKind {
	x.Helper()
	d := x.show()
	for _, l := range d.Timeline {
		for _, e := range d.Evidence {
			if l.What == "attempt" && l.After == string(state) && l.EvidenceID == e.ID {
				return e.Kind
			}
		}
	}
	require.Fail(x, "no attempt became "+string(state), readable(d))
	return ""
}

// mails counts the mails to the shop about this payment and a reason, after a sweep.
func (x *session) mails(title string) int {
	x.Helper()
	x.sweep()
	n := 0
	for _, m := range x.Mail.Books().Messages {
		if strings.Contains(m.Text, x.payment) && strings.Contains(m.Subject+m.Text, title) {
			n++
		}
	}
	return n
}

// balanced checks all books of the service.
func (s *story) balanced() {
	s.Helper()
	require.NoError(s, s.Service.Store.TrialBalance(s.Context()))
}
