package store_test

import (
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

const planOfTests = "gold"

// plan makes a plan of 30 EUR a month; change makes it another one.
func (b *bundle) plan(change ...func(*subscription.Draft)) subscription.Offer {
	b.t.Helper()
	d := subscription.Draft{
		ID: planOfTests, Price: "30.00", Currency: "EUR", Zone: "Europe/Berlin",
		Interval: subscription.Interval{Unit: subscription.Month, Count: 1},
	}
	for _, c := range change {
		c(&d)
	}
	o, err := b.CreatePlan(b.t.Context(), subscription.NewOffer{Shop: shop, Name: "Gold", Draft: d, By: "anna"})
	require.NoError(b.t, err)
	return o
}

func trialOf(days int) func(*subscription.Draft) {
	return func(d *subscription.Draft) { d.TrialDays = days }
}

// signup wishes for one unit of the plan.
func (b *bundle) signup(change ...func(*subscription.Signup)) subscription.Signup {
	in := subscription.Signup{
		Shop: shop, Ref: "sub-" + uuid.NewString(), Plan: planOfTests, Expected: 1, Quantity: 1, Locale: "de",
		ReturnURL: "https://merchant/thanks", Token: "t-" + uuid.NewString(), Providers: []string{"psp"},
		Buyer: []byte(`{"email":"buyer@example.com"}`), BuyerKey: "buyer@example.com", Resolution: 48 * time.Hour, By: "key1",
	}
	for _, c := range change {
		c(&in)
	}
	return in
}

func (b *bundle) subscribe(change ...func(*subscription.Signup)) subscription.Record {
	b.t.Helper()
	r, isNew, err := b.Subscribe(b.t.Context(), b.signup(change...))
	require.NoError(b.t, err)
	require.True(b.t, isNew)
	return r
}

// reads is the subscription as it stands.
func (b *bundle) reads(id string) subscription.Record {
	b.t.Helper()
	r, err := b.Subscription(b.t.Context(), shop, id)
	require.NoError(b.t, err)
	return r
}

// paymentOf is the id of the payment that takes a charge.
func (b *bundle) paymentOf(id, key string) string {
	b.t.Helper()
	var payment string
	require.NoError(b.t, b.pool.QueryRow(b.t.Context(),
		`SELECT payment_id::text FROM subscription_charges WHERE subscription_id = $1 AND key = $2`, id, key).Scan(&payment))
	return payment
}

// attempt begins the attempt that the open charge's payment waits for.
func (b *bundle) attempt(id, key string) payment.Send {
	b.t.Helper()
	send, err := b.BeginCheckout(b.t.Context(), b.paymentOf(id, key))
	require.NoError(b.t, err)
	require.False(b.t, send.Nothing, "nothing to begin")
	return send
}

// settle gives the open charge a result and tells it.
func (b *bundle) settle(id, key string, state payment.AttemptState, change ...func(*payment.Finding)) payment.View {
	b.t.Helper()
	send := b.attempt(id, key)
	b.find(send, state, change...)
	return b.tell(send.PaymentID)
}

func (b *bundle) tell(paymentID string) payment.View {
	b.t.Helper()
	view, err := b.TellSubscription(b.t.Context(), paymentID)
	require.NoError(b.t, err)
	return view
}

func (b *bundle) step(id string) subscription.View {
	b.t.Helper()
	view, err := b.StepSubscription(b.t.Context(), id)
	require.NoError(b.t, err)
	return view
}

// active subscribes, pays the first period and keeps the method.
func (b *bundle) active() subscription.Record {
	b.t.Helper()
	r := b.subscribe()
	b.settle(r.ID, "000001", payment.Done)
	view := b.step(r.ID)
	require.Equal(b.t, subscription.Active, view.State)
	require.NotEmpty(b.t, view.Keep, "the page left a method")
	_, err := b.UseMethod(b.t.Context(), r.ID, view.Keep, uuid.NewString(), b.live)
	require.NoError(b.t, err)
	return b.reads(r.ID)
}

// until moves the clock to the moment of the next task.
func (b *bundle) until(r subscription.Record) {
	b.t.Helper()
	require.False(b.t, r.DueAt.IsZero(), "nothing is due")
	b.clock.Add(max(r.DueAt.Sub(b.clock.Now()), 0))
}

// renewed opens the next period on time.
func (b *bundle) renewed(id string) subscription.Record {
	b.t.Helper()
	b.until(b.reads(id))
	b.step(id)
	return b.reads(id)
}

func declined(why payment.DeclineReason) func(*payment.Finding) {
	return func(f *payment.Finding) { f.Decline, f.Code = why, string(why) }
}
