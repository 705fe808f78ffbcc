package activities_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/activities/activitytest"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// paidTwice is a payment with a winner and a second success that goes back.
func paidTwice(t *testing.T, contract psp.Contract) (b *bundle, operationID string) {
	t.Helper()
	b = setup(t, contract)
	first := b.mustOpen()
	_, err := b.shut(first)
	require.NoError(t, err)
	b.records.Choose(pay, "acme")
	second := b.mustOpen()
	for _, id := range []string{second, first} {
		b.acme.Set(id, psp.Succeeded)
		b.records.StoreEvent(id, payment.Done)
		_, err = b.settle(id)
		require.NoError(t, err)
	}
	back := b.records.View(pay).Reversals
	require.Len(t, back, 1)
	return b, back[0].OperationID
}

func TestMove(t *testing.T) {
	t.Parallel()

	t.Run("taken money is refunded once", func(t *testing.T) {
		t.Parallel()
		b, op := paidTwice(t, activitytest.Advisory())
		for range 3 {
			view, err := b.SubmitMove(b.ctx, activities.MoveInput{OperationID: op})
			require.NoError(t, err)
			require.True(t, view.Done)
		}
		require.Equal(t, []string{"tf:pay:reversal:refund:1"}, b.acme.Keys(activitytest.CallRefund))
		require.Empty(t, b.records.View(pay).Reversals)
	})

	t.Run("a lost reply is looked up before anything is sent again", func(t *testing.T) {
		t.Parallel()
		b, op := paidTwice(t, activitytest.Advisory())
		b.acme.Script(activitytest.CallRefund, lost())
		_, err := b.SubmitMove(b.ctx, activities.MoveInput{OperationID: op})
		hasClass(t, payment.Unknown, err)
		view, err := b.SubmitMove(b.ctx, activities.MoveInput{OperationID: op})
		require.NoError(t, err)
		require.True(t, view.Done)
		require.Equal(t, 1, b.acme.Calls(activitytest.CallRefund))
		require.Equal(t, payment.OpRefund, b.acme.LastRef().Operation, "a reversal is looked up as what it was sent as")
	})

	t.Run("money that a person saw is named by a look before it is moved", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		b.records.WriteAction(payment.Action{ID: "seen", PaymentID: pay, Action: "resolve", AttemptID: id, Choice: payment.DecidePaid})
		_, err := b.rows.ApplyAction(b.ctx, activities.ActionInput{PaymentID: pay, ActionID: "seen"})
		require.NoError(t, err)
		_, err = b.run(b.tell.TellShop, steps)
		require.NoError(t, err)
		b.asks()
		_, err = b.rows.ClaimMove(b.ctx, asked)
		require.NoError(t, err)
		_, err = b.SubmitMove(b.ctx, asked)
		hasClass(t, payment.Unavailable, err)
		require.Zero(t, b.acme.Calls(activitytest.CallRefund), "the provider does not show the money yet")
		b.acme.Set(id, psp.Succeeded)
		view, err := b.SubmitMove(b.ctx, asked)
		require.NoError(t, err)
		require.True(t, view.Done)
		require.Equal(t, 1, b.acme.Calls(activitytest.CallRefund))
	})

	t.Run("a refund that the provider refuses shows what was refunded elsewhere", func(t *testing.T) {
		t.Parallel()
		b := claimed(t)
		away := payment.Elsewhere{Kind: payment.ElsewhereRefund, Ref: "re_away", State: payment.Done, Amount: money.New(1230, "EUR")}
		b.Connectors = activitytest.Neighbours{"acme": lister{Provider: b.acme, found: away}}
		b.acme.Script(activitytest.CallRefund, activitytest.Answer{Out: &psp.Outcome{Status: psp.Declined, Decline: payment.DeclinedOther, Code: "already_refunded"}})
		view, err := b.SubmitMove(b.ctx, asked)
		require.NoError(t, err)
		require.True(t, view.Refused)
		require.Equal(t, []payment.Elsewhere{away}, b.records.Elsewhere())
	})

	t.Run("a key that may not list what was done elsewhere does not hold up the answer", func(t *testing.T) {
		t.Parallel()
		b := claimed(t)
		b.Connectors = activitytest.Neighbours{"acme": lister{Provider: b.acme, fault: payment.Errorf(payment.Unauthorized, "key may not read disputes")}}
		b.acme.Script(activitytest.CallRefund, activitytest.Answer{Out: &psp.Outcome{Status: psp.Declined, Decline: payment.DeclinedOther}})
		view, err := b.SubmitMove(b.ctx, asked)
		require.NoError(t, err)
		require.True(t, view.Refused)
	})

	t.Run("a list that cannot be had now is asked for again before the answer", func(t *testing.T) {
		t.Parallel()
		b := claimed(t)
		b.Connectors = activitytest.Neighbours{"acme": lister{Provider: b.acme, fault: payment.Errorf(payment.Unavailable, "no route")}}
		b.acme.Script(activitytest.CallRefund, activitytest.Answer{Out: &psp.Outcome{Status: psp.Declined, Decline: payment.DeclinedOther}})
		_, err := b.SubmitMove(b.ctx, asked)
		hasClass(t, payment.Unavailable, err)
		require.Equal(t, 1, b.acme.Calls(activitytest.CallRefund))
		away := payment.Elsewhere{Kind: payment.ElsewhereRefund, Ref: "re_away", State: payment.Done, Amount: money.New(1230, "EUR")}
		b.Connectors = activitytest.Neighbours{"acme": lister{Provider: b.acme, found: away}}
		view, err := b.SubmitMove(b.ctx, asked)
		require.NoError(t, err)
		require.True(t, view.Refused)
		require.Equal(t, 1, b.acme.Calls(activitytest.CallRefund), "the refusal stands: nothing is sent again")
		require.Equal(t, []payment.Elsewhere{away}, b.records.Elsewhere())
	})

	t.Run("what is accepted and not final is watched", func(t *testing.T) {
		t.Parallel()
		b, op := paidTwice(t, activitytest.Advisory())
		b.acme.Script(activitytest.CallRefund, activitytest.Answer{Out: &psp.Outcome{Status: psp.Processing, Ref: "re_1"}})
		view, err := b.SubmitMove(b.ctx, activities.MoveInput{OperationID: op})
		require.NoError(t, err)
		require.Len(t, view.Unfinished, 1)
		b.acme.Script(activitytest.CallInquire, activitytest.Answer{Out: &psp.Outcome{Status: psp.Processing, Ref: "re_1"}})
		_, err = b.InquireMove(b.ctx, activities.MoveInput{OperationID: op})
		hasClass(t, payment.StillPending, err)
		b.acme.Script(activitytest.CallInquire, activitytest.Answer{Out: &psp.Outcome{Status: psp.Succeeded, Ref: "re_1"}})
		view, err = b.InquireMove(b.ctx, activities.MoveInput{OperationID: op})
		require.NoError(t, err)
		require.True(t, view.Done)
		view, err = b.InquireMove(b.ctx, activities.MoveInput{OperationID: op})
		require.NoError(t, err)
		require.True(t, view.Done)
	})

	t.Run("a provider that cannot do it is a routing fault", func(t *testing.T) {
		t.Parallel()
		b, op := paidTwice(t, activitytest.Advisory())
		b.Connectors = activitytest.Neighbours{"acme": looker{b.acme}}
		_, err := b.SubmitMove(b.ctx, activities.MoveInput{OperationID: op})
		hasClass(t, payment.Unsupported, err)
		require.True(t, failure(t, err).NonRetryable())
	})
}

// lister is a provider that lists what somebody did in its dashboard.
type lister struct {
	*activitytest.Provider

	found payment.Elsewhere
	fault error
}

func (l lister) ListElsewhere(_ context.Context, _ psp.Account, paymentRef string) ([]payment.Elsewhere, error) {
	if paymentRef == "" {
		return nil, payment.Errorf(payment.Bug, "a list without its payment")
	}
	if l.fault != nil {
		return nil, l.fault
	}
	return []payment.Elsewhere{l.found}, nil
}

// looker is a connector that can only look.
type looker struct{ psp.Connector }
