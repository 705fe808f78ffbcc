package activities_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"tillflow/activities"
	"tillflow/activities/activitytest"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

var asked = activities.MoveInput{OperationID: "move"}

// asks commits a refund session of 5.00 EUR about the bundle's payment.
func (b *bundle) asks(change ...func(*payment.MoveSession)) {
	s := payment.MoveSession{
		ID: asked.OperationID, Source: payment.SourceShopify, Shop: "a.myshopify.com", Kind: payment.OpRefund, ExternalID: "m1",
		GID: "gid-move", PaymentRef: pay, Amount: money.New(500, "EUR"), ReceivedAt: b.clock.Now(),
	}
	for _, c := range change {
		c(&s)
	}
	b.records.AcceptMove(s)
}

// resolved is a bundle whose payment was paid and whose shop knows it, with a refund asked for.
func resolved(t *testing.T, change ...func(*payment.MoveSession)) *bundle {
	t.Helper()
	b := paid(t)
	_, err := b.run(b.tell.TellShop, steps)
	require.NoError(t, err)
	b.asks(change...)
	return b
}

func claimed(t *testing.T) *bundle {
	t.Helper()
	b := resolved(t)
	view, err := b.rows.ClaimMove(b.ctx, asked)
	require.NoError(t, err)
	require.True(t, view.Claimed)
	return b
}

// tells runs TellMove as a worker does.
func (b *bundle) tells() (payment.MoveView, error) {
	b.t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(b.tell)
	value, err := env.ExecuteActivity(b.tell.TellMove, activities.TellMoveInput{
		OperationID: asked.OperationID, Schedule: activities.Schedule{Steps: steps, Slow: 4 * time.Hour},
	})
	if err != nil {
		return payment.MoveView{}, err
	}
	var view payment.MoveView
	require.NoError(b.t, value.Get(&view))
	return view, nil
}

func TestClaim(t *testing.T) {
	t.Parallel()

	t.Run("what is there is claimed once", func(t *testing.T) {
		t.Parallel()
		b := claimed(t)
		changes := b.records.Changes()
		for _, call := range []func() (payment.MoveView, error){
			func() (payment.MoveView, error) { return b.rows.ClaimMove(b.ctx, asked) },
			func() (payment.MoveView, error) { return b.rows.AwaitClaim(b.ctx, asked) },
		} {
			view, err := call()
			require.NoError(t, err)
			require.True(t, view.Claimed)
		}
		require.Equal(t, changes, b.records.Changes())
	})

	t.Run("what is not there is refused, which is an answer and not an error", func(t *testing.T) {
		t.Parallel()
		b := resolved(t, func(m *payment.MoveSession) { m.Amount.Minor = 1231 })
		view, err := b.rows.ClaimMove(b.ctx, asked)
		require.NoError(t, err)
		require.Equal(t, payment.RefusedTooLarge, view.Refusal)
		require.False(t, view.Claimed)
	})

	t.Run("while the payment's own money is in doubt nothing is claimed, and waiting is retried", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.mustOpen()
		b.asks()
		changes := b.records.Changes()
		view, err := b.rows.ClaimMove(b.ctx, asked)
		require.NoError(t, err)
		require.True(t, view.Waits)
		_, err = b.rows.AwaitClaim(b.ctx, asked)
		hasClass(t, payment.StillPending, err)
		require.False(t, failure(t, err).NonRetryable())
		require.Zero(t, failure(t, err).NextRetryDelay(), "the policy's own pauses, which double")
		require.Equal(t, changes, b.records.Changes())
	})

	t.Run("a move that does not exist is final, a record that is away is not", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		for _, call := range []func() (payment.MoveView, error){
			func() (payment.MoveView, error) { return b.rows.ClaimMove(b.ctx, asked) },
			func() (payment.MoveView, error) { return b.rows.AwaitClaim(b.ctx, asked) },
			func() (payment.MoveView, error) { return b.rows.LoadMove(b.ctx, asked) },
			b.tells,
		} {
			_, err := call()
			hasClass(t, payment.NotFound, err)
			require.True(t, failure(t, err).NonRetryable())
		}
		b.records.Break("ClaimMove", errors.New("database is starting"))
		_, err := b.rows.ClaimMove(b.ctx, asked)
		hasClass(t, payment.Unavailable, err)
	})
}

func TestAskedMove(t *testing.T) {
	t.Parallel()

	t.Run("the amount that was asked for is sent, once", func(t *testing.T) {
		t.Parallel()
		b := claimed(t)
		for range 3 {
			view, err := b.SubmitMove(b.ctx, asked)
			require.NoError(t, err)
			require.True(t, view.Done)
			require.Equal(t, payment.Resolve, view.Final)
		}
		require.Equal(t, []string{"tf:pay:refund:1"}, b.acme.Keys(activitytest.CallRefund))
		send, err := b.records.LoadAttempt(b.ctx, "pay-refund-1")
		require.NoError(t, err)
		require.Equal(t, money.New(500, "EUR"), send.Amount)
	})

	t.Run("a provider that cannot do it has decided", func(t *testing.T) {
		t.Parallel()
		b := claimed(t)
		b.Connectors = activitytest.Neighbours{"acme": looker{b.acme}}
		_, err := b.SubmitMove(b.ctx, asked)
		hasClass(t, payment.Unsupported, err)
		view := b.records.MoveView(asked.OperationID)
		require.Equal(t, payment.Reject, view.Final)
		require.Empty(t, view.Unfinished)
	})

	t.Run("unless an attempt was begun that may have been sent by another build", func(t *testing.T) {
		t.Parallel()
		b := claimed(t)
		b.acme.Script(activitytest.CallRefund, lost())
		_, err := b.SubmitMove(b.ctx, asked)
		hasClass(t, payment.Unknown, err)
		b.Connectors = activitytest.Neighbours{"acme": looker{b.acme}}
		_, err = b.SubmitMove(b.ctx, asked)
		hasClass(t, payment.Unsupported, err)
		require.Equal(t, payment.Undecided, b.records.MoveView(asked.OperationID).Final, "only evidence leads out of doubt")
		view, err := b.InquireMove(b.ctx, asked)
		require.NoError(t, err)
		require.True(t, view.Done)
	})

	t.Run("a person is called on the move", func(t *testing.T) {
		t.Parallel()
		b := claimed(t)
		for range 2 {
			view, err := b.rows.CallOperatorMove(b.ctx, activities.OperatorMoveInput{OperationID: asked.OperationID, Why: payment.InDoubt})
			require.NoError(t, err)
			require.Equal(t, payment.InDoubt, view.Operator)
		}
		require.Equal(t, payment.NobodyNeeded, b.records.View(pay).Operator)
	})

	t.Run("the event of an ended move is settled by the sweep, which books back what failed late", func(t *testing.T) {
		t.Parallel()
		b := claimed(t)
		b.acme.Slow(true)
		_, err := b.SubmitMove(b.ctx, asked)
		require.NoError(t, err)
		b.acme.Set("pay-refund-1", psp.Declined)
		b.records.StoreEvent("pay-refund-1", "")
		move := payment.MoveRef{OperationID: asked.OperationID, Kind: payment.OpRefund}
		res, err := b.sweep(&due{events: []payment.EventRef{{AttemptID: "pay-refund-1", Move: &move, Closed: true}}}).SweepRows(t.Context())
		require.NoError(t, err)
		require.Equal(t, activities.SweepResult{Events: 1}, res)
		require.True(t, b.records.MoveView(asked.OperationID).Refused)
		require.Equal(t, payment.RefundFailed, b.records.MoveView(asked.OperationID).Operator)

		d := &due{events: []payment.EventRef{{AttemptID: "pay-refund-1", Move: &move}}}
		_, err = b.sweep(d).SweepRows(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"event pay-refund-1"}, d.did, "a run that lives is woken instead")
	})
}

func TestTellMove(t *testing.T) {
	t.Parallel()
	submitted := func(t *testing.T) *bundle {
		t.Helper()
		b := claimed(t)
		_, err := b.SubmitMove(b.ctx, asked)
		require.NoError(t, err)
		return b
	}

	t.Run("what was done is resolved, once", func(t *testing.T) {
		t.Parallel()
		b := submitted(t)
		for range 3 {
			view, err := b.tells()
			require.NoError(t, err)
			require.True(t, view.Told)
			require.True(t, view.Closed)
		}
		require.Equal(t, []string{"resolve gid-pay", "resolve refund gid-move"}, b.shop.Heard())
		require.Equal(t, 2, b.shop.Tries())
	})

	t.Run("what was refused is rejected with its reason", func(t *testing.T) {
		t.Parallel()
		b := resolved(t, func(m *payment.MoveSession) { m.Amount.Currency = "USD" })
		_, err := b.rows.ClaimMove(b.ctx, asked)
		require.NoError(t, err)
		_, err = b.tells()
		require.NoError(t, err)
		require.Equal(t, []string{"resolve gid-pay", "reject refund gid-move"}, b.shop.Heard())
		require.Equal(t, []payment.Refusal{payment.RefusedOtherCurrency}, b.shop.Refusals())
	})

	t.Run("an undecided move is never told", func(t *testing.T) {
		t.Parallel()
		b := claimed(t)
		tries := b.shop.Tries()
		view, err := b.tells()
		require.NoError(t, err)
		require.False(t, view.Told)
		require.Equal(t, tries, b.shop.Tries())
	})

	t.Run("nobody waits for a mutation about a request of our own API", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.asks(func(m *payment.MoveSession) { m.Source, m.PaymentRef = payment.SourceAPI, "no such payment" })
		_, err := b.rows.ClaimMove(b.ctx, asked)
		require.NoError(t, err)
		view, err := b.tells()
		require.NoError(t, err)
		require.True(t, view.Told)
		require.Zero(t, b.shop.Tries())
	})

	t.Run("a refusal is an answer, not an error", func(t *testing.T) {
		t.Parallel()
		b := submitted(t)
		b.shop.Script(activitytest.ShopAnswer{Refused: "REFUND_SESSION_INVALID_STATE"})
		view, err := b.tells()
		require.NoError(t, err)
		require.True(t, view.TellRefused)
		require.False(t, view.Closed)
		require.Equal(t, payment.ResolveRefused, view.Operator)
	})

	t.Run("an unreachable shop is tried on the schedule", func(t *testing.T) {
		t.Parallel()
		b := submitted(t)
		b.shop.Script(activitytest.ShopAnswer{Err: errors.New("reset")}, activitytest.ShopAnswer{Err: payment.Errorf(payment.Unauthorized, "revoked")})
		_, err := b.tells()
		require.Equal(t, 5*time.Second, failure(t, err).NextRetryDelay())
		_, err = b.tells()
		hasClass(t, payment.Unauthorized, err)
		require.True(t, failure(t, err).NonRetryable())
	})
}
