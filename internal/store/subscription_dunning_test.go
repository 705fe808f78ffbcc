package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

func TestDunning(t *testing.T) {
	t.Parallel()
	t.Run("a soft decline is sent again under a new key of the same payment, and recovered once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r := b.renewed(b.active().ID)
		first := b.attempt(r.ID, "000002")
		b.find(first, payment.Declined, declined(payment.DeclinedOther))
		view := b.tell(first.PaymentID)
		require.False(t, view.Closed, "it is owed")
		b.tell(first.PaymentID) // a repeat is no second decline
		r = b.reads(r.ID)
		require.Equal(t, subscription.PastDue, r.State)
		require.Len(t, r.Failures, 1)
		require.Equal(t, subscription.TaskRetry, r.Task)
		require.Positive(t, b.step(r.ID).Wait, "not before its time")
		r = b.renewed(r.ID)
		require.False(t, r.Open.Owed)
		second := b.attempt(r.ID, "000002")
		require.Equal(t, first.PaymentID, second.PaymentID)
		require.NotEqual(t, first.Key, second.Key)
		b.find(second, payment.Done)
		require.True(t, b.tell(first.PaymentID).Closed)
		r = b.reads(r.ID)
		require.Equal(t, subscription.Active, r.State)
		require.Equal(t, []string{"began", "declined", "recovered"}, b.news(r.ID))
		require.Equal(t, int64(6000), b.balances()["live/provider:"+b.live+" EUR"])
	})
	t.Run("a hard decline ends in the final action, and nothing more can be paid", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r := b.renewed(b.active().ID)
		b.settle(r.ID, "000002", payment.Declined, declined(payment.LostOrStolen))
		r = b.reads(r.ID)
		require.Equal(t, subscription.TaskGiveUp, r.Task)
		view := b.step(r.ID)
		require.Equal(t, subscription.Unpaid, view.State)
		require.Len(t, view.Stir, 1, "the renewal's run must end")
		pay := b.paymentOf(r.ID, "000002")
		done, err := b.DecideReject(t.Context(), pay, payment.Cancelled)
		require.NoError(t, err)
		require.Equal(t, payment.Reject, done.Final)
		require.True(t, b.tell(pay).Closed)
		require.Equal(t, subscription.Unpaid, b.reads(r.ID).State)
		require.Equal(t, []string{"began", "declined", "given_up"}, b.news(r.ID))
	})
	t.Run("the final action waits for a page on which money may still come", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r := b.renewed(b.active().ID)
		b.settle(r.ID, "000002", payment.Declined, declined(payment.LostOrStolen))
		_, err := b.Choose(t.Context(), b.reads(r.ID).Pay, b.live)
		require.NoError(t, err)
		page := b.attempt(r.ID, "000002")
		require.Empty(t, page.Method)
		b.find(page, payment.Open)
		view := b.step(r.ID)
		require.Equal(t, subscription.PastDue, view.State)
		require.Positive(t, view.Wait, "later")
		b.find(page, payment.Done) // paid while it is being shut
		require.True(t, b.tell(page.PaymentID).Closed)
		require.Equal(t, subscription.Active, b.reads(r.ID).State)
		require.NotEmpty(t, b.step(r.ID).Keep, "the new method is kept")
	})
	t.Run("money that comes after the final action goes back", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r := b.renewed(b.active().ID)
		send := b.attempt(r.ID, "000002")
		b.find(send, payment.Declined, declined(payment.LostOrStolen))
		b.tell(send.PaymentID)
		require.Equal(t, subscription.Unpaid, b.step(r.ID).State)
		b.find(send, payment.Done) // the provider has changed its mind
		view := b.tell(send.PaymentID)
		require.Len(t, view.Reversals, 1)
		require.Len(t, b.tell(send.PaymentID).Reversals, 1, "told twice, given back once")
		b.giveBack(view.Reversals[0].OperationID)
		require.Equal(t, subscription.Unpaid, b.reads(r.ID).State)
		require.Equal(t, int64(3000), b.balances()["live/provider:"+b.live+" EUR"])
	})
	t.Run("without a method nothing is sent, and the customer is asked for one", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r := b.active()
		_, err := b.pool.Exec(t.Context(), `UPDATE subscriptions SET method_id = NULL, method_account = NULL`)
		require.NoError(t, err)
		r = b.renewed(r.ID)
		require.Equal(t, subscription.PastDue, r.State)
		require.Equal(t, payment.NotSupported, r.Failures[0].Reason)
		require.Zero(t, b.count(`SELECT count(*) FROM attempts WHERE payment_id = $1`, b.paymentOf(r.ID, "000002")))
		b.clock.Add(time.Second) // of one second it could not be told whether the charge had had it
		answer := b.command(r.ID, subscription.CmdMethod, subscription.Args{Method: uuid.NewString(), Account: b.live})
		require.Nil(t, answer.Refused)
		b.step(r.ID)
		b.settle(r.ID, "000002", payment.Done)
		require.Equal(t, subscription.Active, b.reads(r.ID).State)
	})
}

// A period is charged once, whoever races: the clock of two runs, a customer who
// pays now, results that are told at the same time.
func TestAPeriodIsChargedOnceWhoeverRaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.plan()
	r := b.active()
	b.until(r)
	race(func() { _, _ = b.StepSubscription(t.Context(), r.ID) })
	require.Equal(t, 2, b.reads(r.ID).Period.Number)
	require.Equal(t, 1, b.count(`SELECT count(*) FROM payments WHERE source = 'renewal'`))
	pay := b.paymentOf(r.ID, "000002")
	race(func() { _, _ = b.BeginCheckout(t.Context(), pay) })
	require.Equal(t, 1, b.count(`SELECT count(*) FROM attempts WHERE payment_id = $1`, pay))
	b.find(b.attempt(r.ID, "000002"), payment.Declined, declined(payment.InsufficientFunds))
	race(func() { _, _ = b.TellSubscription(t.Context(), pay) })
	require.Len(t, b.reads(r.ID).Failures, 1)

	// The clock's retry and the customer's "pay now" at one moment: one attempt.
	b.until(b.reads(r.ID))
	line, err := b.InsertCommand(t.Context(), subscription.Request{
		SubscriptionID: r.ID, Shop: shop, Command: subscription.CmdRetry, By: subscription.Customer,
	})
	require.NoError(t, err)
	race(func() {
		_, _ = b.StepSubscription(t.Context(), r.ID)
		_, _, _ = b.ApplyCommand(t.Context(), r.ID, line.ID)
	})
	require.Equal(t, 2, b.count(`SELECT choice_seq FROM payments WHERE id = $1`, pay))
	b.settle(r.ID, "000002", payment.Done)
	race(func() { _, _ = b.TellSubscription(t.Context(), pay) })
	require.Equal(t, subscription.Active, b.reads(r.ID).State)
	require.Equal(t, 1, b.count(`SELECT count(*) FROM ledger_entries WHERE payment_id = $1 AND kind = 'charge'`, pay))
}

// race has eight do the same at one time.
func race(do func()) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(do)
	}
	all.Wait()
}

func TestCommands(t *testing.T) {
	t.Parallel()
	t.Run("a repeat is answered and not carried out again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r := b.active()
		in := subscription.Request{
			SubscriptionID: r.ID, Shop: shop, Command: subscription.CmdChange, By: "anna", IdempotencyKey: "k1", RequestHash: []byte("h"),
			Args: subscription.Args{Quantity: 3, When: subscription.Prorated},
		}
		line, err := b.InsertCommand(t.Context(), in)
		require.NoError(t, err)
		first, _, err := b.ApplyCommand(t.Context(), r.ID, line.ID)
		require.NoError(t, err)
		require.Equal(t, "000001-0001", first.Charge)
		in.ID = ""
		again, err := b.InsertCommand(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, line.ID, again.ID)
		second, _, err := b.ApplyCommand(t.Context(), r.ID, again.ID)
		require.NoError(t, err)
		require.Equal(t, first, second)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM payments WHERE charge_key = '000001-0001'`))
		in.RequestHash = []byte("other")
		_, err = b.InsertCommand(t.Context(), in)
		requireClass(t, payment.Conflict, "idempotency_key_reused", err)
		b.settle(r.ID, "000001-0001", payment.Done)
		require.Equal(t, int64(3), b.reads(r.ID).Terms.Quantity, "dearer terms stand once they are paid")
	})
	t.Run("a declined change leaves everything as it was, and its payment ends", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r := b.active()
		answer := b.command(r.ID, subscription.CmdChange, subscription.Args{Quantity: 3, When: subscription.Prorated})
		require.Equal(t, "000001-0001", answer.Charge)
		view := b.settle(r.ID, "000001-0001", payment.Declined, declined(payment.InsufficientFunds))
		require.Equal(t, payment.Cancelled, view.Shut)
		r = b.reads(r.ID)
		require.Nil(t, r.Open)
		require.Equal(t, int64(1), r.Terms.Quantity)
	})
	t.Run("what is refused changes nothing and is an answer", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r := b.active()
		answer := b.command(r.ID, subscription.CmdResume, subscription.Args{})
		require.NotNil(t, answer.Refused)
		require.Equal(t, subscription.WrongState, answer.Refused.Reason)
	})
	t.Run("a cancellation with refund asks the payments for what is left of the period", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r := b.active()
		b.clock.Add(r.Period.End.Sub(r.Period.Start) / 2)
		answer := b.command(r.ID, subscription.CmdCancel, subscription.Args{Refund: true})
		require.Nil(t, answer.Refused)
		require.InDelta(t, 1500, answer.Refund.Minor, 2)
		require.Equal(t, int(answer.Refund.Minor), b.count(`SELECT sum(amount_minor) FROM move_sessions WHERE kind = 'refund'`))
		require.False(t, b.reads(r.ID).EndedAt.IsZero())
		moves, err := b.DueMoves(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, moves, 1)
		claimed, err := b.ClaimMove(t.Context(), moves[0].OperationID)
		require.NoError(t, err)
		require.True(t, claimed.Claimed)
	})
	t.Run("one that nobody carried out is done by the next step", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r := b.active()
		_, err := b.InsertCommand(t.Context(), subscription.Request{SubscriptionID: r.ID, Shop: shop, Command: subscription.CmdPause, By: "anna"})
		require.NoError(t, err)
		b.clock.Add(time.Minute)
		refs, err := b.DueSubscriptions(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, refs, 1)
		b.step(r.ID)
		require.True(t, b.reads(r.ID).PauseAtEnd)
	})
	t.Run("a trial that waits for its method can be cancelled, and is over", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan(trialOf(14))
		r := b.subscribe()
		require.Nil(t, b.command(r.ID, subscription.CmdCancel, subscription.Args{}).Refused)
		require.False(t, b.reads(r.ID).EndedAt.IsZero())
	})
	t.Run("another shop's subscription is not found", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.plan()
		r := b.active()
		_, err := b.InsertCommand(t.Context(), subscription.Request{SubscriptionID: r.ID, Shop: "other", Command: subscription.CmdPause, By: "anna"})
		requireClass(t, payment.NotFound, "", err)
	})
}

func TestATrialWaitsForItsMethod(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.plan(trialOf(14))
	r := b.subscribe()
	require.Equal(t, "000000", r.Open.Key)
	require.Equal(t, subscription.TaskExpire, r.Task)
	require.Zero(t, b.count(`SELECT count(*) FROM payments`))
	late := b.subscribe()
	require.Nil(t, b.command(r.ID, subscription.CmdMethod, subscription.Args{Method: uuid.NewString(), Account: b.live}).Refused)
	require.Equal(t, subscription.Trialing, b.reads(r.ID).State)
	b.until(b.reads(late.ID))
	require.True(t, b.step(late.ID).Ended)
	require.Equal(t, subscription.Abandoned, b.reads(late.ID).State)
	r = b.renewed(r.ID)
	require.Equal(t, "000001", r.Open.Key)
	b.settle(r.ID, "000001", payment.Done)
	require.Equal(t, subscription.Active, b.reads(r.ID).State)
}

func TestPlansHaveVersions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.plan()
	require.Equal(t, o.Plan, b.plan().Plan, "a repeat answers what stands")
	_, err := b.CreatePlan(t.Context(), subscription.NewOffer{Shop: shop, Name: "Other", By: "anna", Draft: subscription.Draft{
		ID: planOfTests, Price: "31.00", Currency: "EUR", Zone: "Europe/Berlin", Interval: o.Plan.Interval,
	}})
	requireClass(t, payment.Conflict, "different_plan", err)
	next := subscription.OfferUpdate{Shop: shop, Plan: planOfTests, By: "anna", Update: subscription.Update{
		Expected: 1, Running: subscription.Move,
		Draft: subscription.Draft{Price: "35.00", Currency: "EUR", Zone: "Europe/Berlin", Interval: o.Plan.Interval},
	}}
	r := b.active()
	other, err := b.UpdatePlan(t.Context(), next)
	require.NoError(t, err)
	require.Equal(t, 2, other.Plan.Version)
	_, err = b.UpdatePlan(t.Context(), next)
	var refused *subscription.Refusal
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 2, refused.Current)
	r = b.renewed(r.ID)
	require.Equal(t, eur(3500), r.Open.Amount, "running subscriptions move with their next period")
	versions, err := b.PlanVersions(t.Context(), shop, planOfTests)
	require.NoError(t, err)
	require.Len(t, versions, 2)
}

// news lists what somebody is told of a subscription, in order.
func (b *bundle) news(id string) []string {
	b.t.Helper()
	list, err := b.DueNews(b.t.Context(), 100)
	require.NoError(b.t, err)
	var kinds []string
	for _, n := range list {
		if n.SubscriptionID == id {
			kinds = append(kinds, string(n.Kind))
		}
	}
	return kinds
}

// command has a command carried out and answers what became of it.
func (b *bundle) command(id string, c subscription.Command, a subscription.Args) subscription.Answer {
	b.t.Helper()
	line, err := b.InsertCommand(b.t.Context(), subscription.Request{SubscriptionID: id, Shop: shop, Command: c, Args: a, By: "anna"})
	require.NoError(b.t, err)
	answer, _, err := b.ApplyCommand(b.t.Context(), id, line.ID)
	require.NoError(b.t, err)
	return answer
}
