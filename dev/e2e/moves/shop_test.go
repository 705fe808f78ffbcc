package moves

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/dev/temporalserver"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// The buyers' cards.
const (
	goodCard   = "success"
	slowRefund = "refund_pending"
	lostRefund = "refund_fails_later"
)

// sale is one payment session.
type sale struct {
	*story
	shopify.SessionAnswer
}

// decimal writes minor units of euros.
func decimal(minor int64) string { return fmt.Sprintf("%d.%02d", minor/100, minor%100) }

// begin has a payment session accepted.
func (s *story) begin(kind shopify.PaymentKind) *sale {
	s.Helper()
	answer, err := s.Shopify.StartSession(s.Context(), shopify.SessionRequest{
		Shop: s.shop, Amount: decimal(taken), Currency: "EUR", Kind: kind, Test: true, Tries: 3,
		Customer: &shopify.Customer{Email: "buyer@example.com", Locale: "en"},
	})
	require.NoError(s, err)
	require.True(s, answer.Accepted, "%d %s %s", answer.Status, answer.Body, answer.Error)
	return &sale{story: s, SessionAnswer: answer}
}

// choose presses the card's button and answers the provider's page.
func (x *sale) choose() string {
	x.Helper()
	page, err := x.buyer.Choose(x.Context(), x.RedirectURL, "Card")
	require.NoError(x, err)
	return page
}

// pay pays on the provider's page and answers where the buyer goes then.
func (x *sale) pay(page, card string) string {
	x.Helper()
	back, err := x.buyer.PayStripe(x.Context(), page, card)
	require.NoError(x, err)
	return back
}

// taken is what every payment here takes or holds, in cents.
const taken = 100_00

// bought is a sale or hold that was paid and resolved.
func (s *story) bought(kind shopify.PaymentKind, card string) *sale {
	s.Helper()
	x := s.begin(kind)
	back := x.pay(x.choose(), card)
	_, err := x.buyer.Return(x.Context(), back)
	require.NoError(x, err)
	x.resolved()
	return x
}

func (x *sale) resolved() {
	x.Helper()
	x.soon("the payment is resolved", func() bool { return x.booked().State == shopify.StateResolved })
}

// booked is Shopify's own record of the session.
func (x *sale) booked() shopify.Session {
	booked, _ := x.Shopify.Session(x.GID)
	return booked
}

// intent is the story's money at Stripe, of which there is one.
func (s *story) intent() stripe.IntentEntry {
	s.Helper()
	books := s.books()
	require.Len(s, books.Intents, 1)
	return books.Intents[0]
}

// move is one capture, void or refund session.
type move struct {
	*story
	shopify.SessionAnswer
}

// refund, capture and void ask for it and answer when the session was accepted.
func (x *sale) refund(minor int64) *move { return x.ask(shopify.RefundSession, decimal(minor), "EUR") }

func (x *sale) capture(minor int64) *move {
	return x.ask(shopify.CaptureSession, decimal(minor), "EUR")
}

func (x *sale) void() *move { return x.ask(shopify.VoidSession, "", "") }

func (x *sale) ask(t shopify.SessionType, amount, currency string) *move {
	x.Helper()
	answer, err := x.Shopify.StartSession(x.Context(), shopify.SessionRequest{
		Type: t, Shop: x.shop, PaymentID: x.ID, Amount: amount, Currency: currency, Test: true, Tries: 3,
	})
	require.NoError(x, err)
	require.True(x, answer.Accepted, "%d %s %s", answer.Status, answer.Body, answer.Error)
	return &move{story: x.story, SessionAnswer: answer}
}

// booked is Shopify's own record of the session.
func (m *move) booked() shopify.Session {
	booked, _ := m.Shopify.Session(m.GID)
	return booked
}

func (m *move) answered() bool { return m.booked().Final != nil }

// is waits for the answer: the one, once, and never the other.
func (m *move) is(want shopify.State) shopify.Session {
	m.Helper()
	m.soon(m.GID+" is answered", m.answered)
	booked := m.booked()
	require.Equal(m, want, booked.State, m.story)
	effective := 0
	for _, mutation := range booked.Mutations {
		require.Equal(m, booked.Final.Op, mutation.Op, "the other answer was given too")
		if mutation.Result == shopify.ResultEffective {
			effective++
		}
	}
	require.Equal(m, 1, effective, "effective final answers")
	return booked
}

func (m *move) resolved() {
	m.Helper()
	m.is(shopify.StateResolved)
}

// rejected waits for the refusal and checks that the merchant reads why.
func (m *move) rejected(code string) {
	m.Helper()
	booked := m.is(shopify.StateRejected)
	require.Equal(m, code, booked.RejectCode)
	require.NotEmpty(m, booked.MerchantMessage)
}

// Reasons that Shopify knows.
const (
	processingError = "PROCESSING_ERROR"
	holdExpired     = "AUTHORIZATION_EXPIRED"
)

// show reads what our record says of a payment.
func (x *sale) show() payment.Details {
	x.Helper()
	d, err := x.Service.Store.ShowPayment(x.Context(), x.ID, false)
	require.NoError(x, err)
	return d
}

// becomes waits for a state of the payment.
func (x *sale) becomes(state payment.State) {
	x.Helper()
	x.soon("the payment is "+string(state), func() bool { return x.show().State == state })
}

// needs waits until a person is called for a reason, and until the shop has its mail.
func (x *sale) needs(why payment.OperatorReason) {
	x.Helper()
	x.soon("a person is called because of "+string(why), func() bool { return x.show().Operator == why })
	id := x.show().Run.PaymentID
	x.soon("a mail about it", func() bool {
		for _, m := range x.Mail.Books().Messages {
			if strings.Contains(m.Text, id) {
				return true
			}
		}
		return false
	})
}

// expire lets a person end the payment, as the command line does: a row first, then its id to the run.
func (x *sale) expire() {
	x.Helper()
	d := x.show()
	id, err := x.Service.Store.InsertAction(x.Context(), payment.Action{PaymentID: d.Run.PaymentID, Actor: "clerk", Action: "expire", Text: "nobody pays"})
	require.NoError(x, err)
	_, err = x.Service.Runs.Act(x.Context(), flow.ChargeID(d.Run.Source, d.Run.Shop, d.Run.ExternalID), flow.UpdateExpire, id)
	require.NoError(x, err)
}

// run is the id of the move's workflow.
func (m *move) run() string {
	booked := m.booked()
	return flow.MoveID(payment.MoveRef{Kind: payment.Operation(booked.Type), Source: payment.SourceShopify, Shop: m.shop, ExternalRef: booked.ID})
}

// skip moves the run's clock, and nothing else.
func (m *move) skip(d time.Duration) {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), patience)
	defer cancel()
	require.NoError(m, temporalserver.FastForward(ctx, m.Service.Temporal, m.Config.TemporalNamespace, m.run(), d))
}
