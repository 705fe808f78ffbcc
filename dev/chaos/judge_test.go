package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// told is a session's final answer.
func told(s *shopify.Session, state shopify.State, op string, at time.Duration) {
	s.State, s.Final = state, &shopify.Final{Op: op, At: noon.Add(at)}
	s.Posts.Accepted = 1
	s.Mutations = []shopify.Mutation{{Op: op, Result: shopify.ResultEffective}}
}

// sound is a story in which everything is right: a sale of 100.00 of which 60.00 went back, and a hold that was given
// back because the buyer's other tab was faster.
func sound() *judge {
	sale := shopify.Session{ID: "s0", Type: shopify.PaymentSession, Group: "g", Kind: shopify.KindSale}
	told(&sale, shopify.StateResolved, resolve, time.Second)
	hold := shopify.Session{ID: "s1", Type: shopify.PaymentSession, Group: "g", Kind: shopify.KindAuthorization}
	told(&hold, shopify.StateRejected, reject, time.Second)
	back := shopify.Session{ID: "s0m1", Type: shopify.RefundSession, PaymentID: "s0"}
	told(&back, shopify.StateResolved, refundResolve, 3*time.Second)
	too := shopify.Session{ID: "s0m2", Type: shopify.RefundSession, PaymentID: "s0"}
	told(&too, shopify.StateRejected, refundReject, 3*time.Second)
	sure := func(attempt, state string) transition {
		id, shows := "e", state
		return transition{AttemptID: attempt, Before: "sent", After: state, Evidence: &id, Shows: &shows}
	}
	return &judge{
		keys: true, rows: []string{"row0", "row1"}, sessions: []shopify.Session{sale, hold, back, too},
		sent: map[string]time.Time{"s0": noon, "s1": noon, "s0m1": noon.Add(2 * time.Second), "s0m2": noon.Add(2 * time.Second)},
		provider: map[string]stripe.AccountBooks{"acct_0": {
			Checkouts: []stripe.CheckoutEntry{{ID: "cs0", Reference: "a0", Status: "complete"}, {ID: "cs1", Reference: "a1", Status: "complete"}},
			Intents: []stripe.IntentEntry{
				{ID: "pi0", Reference: "a0", Captured: 10000, Refunded: 6000}, {ID: "pi1", Reference: "a1", Status: "canceled"},
			},
			Refunds: []stripe.RefundEntry{{ID: "re0", Intent: "pi0", Amount: 6000, Status: "succeeded", Metadata: map[string]string{attemptTag: "a2"}}},
			Totals:  map[string]stripe.Totals{"eur": {Captured: 10000, Refunded: 6000}},
		}},
		record: record{
			payments: []paymentRow{
				{ID: "p0", ExternalID: "s0", Kind: "sale", Final: "resolve", Told: true, Minor: 10000, Currency: "EUR", Winner: "a0"},
				{ID: "p1", ExternalID: "s1", Kind: "authorization", Final: "reject", Told: true, Minor: 10000, Currency: "EUR"},
			},
			attempts: []attemptRow{
				{ID: "a0", PaymentID: "p0", Kind: "charge", State: "done"},
				{ID: "a1", PaymentID: "p1", Kind: "charge", State: "authorized"},
				{ID: "a2", PaymentID: "p0", OperationID: "o1", Kind: "refund", State: "done"},
			},
			requests: []requestRow{
				{ID: "o1", ExternalID: "s0m1", Kind: "refund", PaymentID: "p0", Final: "resolve", Told: true, Minor: 6000},
				{ID: "o2", ExternalID: "s0m2", Kind: "refund", PaymentID: "p0", Final: "reject", Reason: "too_large", Told: true, Minor: 6000},
			},
			lines: []transition{{AttemptID: "a0", After: "sent"}, sure("a0", "done"), sure("a1", "authorized"), sure("a2", "done")},
			postings: []posting{
				{PaymentID: "p0", Account: "test/provider:row0", Currency: "EUR", Minor: 3700},
				{PaymentID: "p0", Account: "test/fees:row0", Currency: "EUR", Minor: 300},
				{PaymentID: "p0", Account: "test/merchant:shop", Currency: "EUR", Minor: -4000},
			},
		},
	}
}

func TestSoundStory(t *testing.T) {
	t.Parallel()
	require.Empty(t, sound().verdict())
}

// TestEveryRuleCanFail breaks one thing at a time and expects the rule about it.
func TestEveryRuleCanFail(t *testing.T) {
	t.Parallel()
	acct := func(j *judge, change func(*stripe.AccountBooks)) {
		books := j.provider["acct_0"]
		change(&books)
		j.provider["acct_0"] = books
	}
	tests := []struct {
		name, kind string
		spoil      func(*judge)
	}{
		{"something is open at the end", restless, func(j *judge) { j.open.Attempts = 1 }},
		{"a run is left", restless, func(j *judge) { j.open.runs = []string{"charge/…"} }},
		{"accepted without a row", acceptanceLost, func(j *judge) { j.record.payments = j.record.payments[:1] }},
		{"no answer", unanswered, func(j *judge) { j.sessions[0].Final, j.sessions[0].State = nil, shopify.StateOpen }},
		{"two answers", answeredTwice, func(j *judge) {
			j.sessions[0].Mutations = append(j.sessions[0].Mutations, j.sessions[0].Mutations[0])
		}},
		{"the other answer, refused", otherAnswer, func(j *judge) {
			j.sessions[0].Mutations = append(j.sessions[0].Mutations, shopify.Mutation{Op: reject, Result: shopify.ResultRefused})
		}},
		{"another link on repeat", otherLink, func(j *judge) { j.sessions[0].Posts.OtherRedirects = 1 }},
		{"a hold without an end", holdUndated, func(j *judge) { told(&j.sessions[1], shopify.StateResolved, resolve, time.Second) }},
		{"our row says otherwise", rowsDiffer, func(j *judge) { j.record.requests[0].Final = "reject" }},
		{"told, and the row does not know", rowsDiffer, func(j *judge) { j.record.payments[0].Told = false }},
		{"two checkouts of one attempt", movedTwice, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) { b.Checkouts = append(b.Checkouts, stripe.CheckoutEntry{Reference: "a0"}) })
		}},
		{"two refunds of one attempt", movedTwice, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) { b.Refunds = append(b.Refunds, b.Refunds[0]) })
		}},
		{"a checkout of nobody", unknownMoney, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) { b.Checkouts[0].Reference = "a9" })
		}},
		{"a refund of nobody", unknownMoney, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) { b.Refunds[0].Metadata = nil })
		}},
		{"a page that can be paid", openDoor, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) { b.Checkouts[1].Status = "open" })
		}},
		{"rejected and held", moneyLost, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) { b.Intents[1].Held = 10000 })
		}},
		{"resolved and not captured", moneyLost, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) { b.Intents[0].Captured, b.Intents[0].Refunded = 0, 0 })
		}},
		{"refunded and nobody asked", moneyLost, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) { b.Intents[0].Refunded = 8000 })
		}},
		{"more refunded than taken", tooMuch, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) { b.Intents[0].Refunded = 12000 })
		}},
		{"two sessions keep money", twoWinners, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) { b.Intents[1].Captured = 10000 })
		}},
		{"a refund that was told and not made", moveUntrue, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) { b.Refunds = nil })
		}},
		{"a refund of another amount", moveUntrue, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) { b.Refunds[0].Amount = 5999 })
		}},
		{"a refund that was refused and made", moneyLost, func(j *judge) {
			j.record.attempts[2].OperationID = "o2"
		}},
		{"our ledger is short", booksDiffer, func(j *judge) { j.record.postings[0].Minor-- }},
		{"our ledger does not balance", booksUneven, func(j *judge) { j.record.postings[2].Minor++ }},
		{"a hold that is not booked", booksDiffer, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) {
				b.Totals["eur"] = stripe.Totals{Captured: 10000, Refunded: 6000, Held: 1}
			})
		}},
		{"a change without evidence", noEvidence, func(j *judge) { j.record.lines[1].Evidence = nil }},
		{"evidence of something else", noEvidence, func(j *judge) { *j.record.lines[1].Shows = "open" }},
		{"a state that no line explains", noEvidence, func(j *judge) { j.record.attempts[2].State = "declined" }},
		{"a person called for nothing", personForNil, func(j *judge) { j.record.payments[0].Operator = "in_doubt" }},
		{"a person called for a move that is over", personForNil, func(j *judge) { j.record.requests[0].Operator = "in_doubt" }},
		{"money went elsewhere and nobody knows", personUntold, func(j *judge) {
			acct(j, func(b *stripe.AccountBooks) { b.Intents[0].RefundedElsewhere = 100 })
		}},
		{"a no that was not needed", notLinear, func(j *judge) { j.record.requests[1].Minor = 1000 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := sound()
			tt.spoil(j)
			var kinds []string
			for _, v := range j.verdict() {
				kinds = append(kinds, v.Kind)
			}
			require.Contains(t, kinds, tt.kind)
		})
	}
}

// TestWhatPeopleMayBeCalledFor: money that moved without us, or that a provider took back, is theirs to look at.
func TestWhatPeopleMayBeCalledFor(t *testing.T) {
	t.Parallel()
	j := sound()
	books := j.provider["acct_0"]
	books.Intents[0].Refunded, books.Intents[0].RefundedElsewhere = 7000, 1000
	books.Totals["eur"] = stripe.Totals{Captured: 10000, Refunded: 7000}
	books.Refunds = append(books.Refunds, stripe.RefundEntry{ID: "re1", Intent: "pi0", Amount: 1000, Status: "succeeded", Dashboard: true})
	j.provider["acct_0"] = books
	j.story.Steps = []Step{{Do: Dashboard}}
	j.record.payments[0].Operator, j.record.payments[0].Notices = "refund_elsewhere", []string{"refund_elsewhere"}
	j.record.postings[0].Minor, j.record.postings[2].Minor = 2700, -3000
	require.Empty(t, j.verdict())
}
