package cli

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"

	"tillflow/internal/flow"
	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// sold is a payment that was paid and whose charge has ended.
func (o *office) sold() payment.Details {
	o.t.Helper()
	ctx := o.t.Context()
	run := o.pay("order-" + uuid.NewString())
	accounts, err := o.Accounts(ctx, o.shop)
	require.NoError(o.t, err)
	d, err := o.ShowPayment(ctx, run.PaymentID, false)
	require.NoError(o.t, err)
	_, err = o.Choose(ctx, d.Token, accounts[0].ID)
	require.NoError(o.t, err)
	send, err := o.BeginCheckout(ctx, run.PaymentID)
	require.NoError(o.t, err)
	_, err = o.RecordFinding(ctx, payment.Finding{
		AttemptID: send.Attempt.ID, Evidence: payment.ByAnswer, State: payment.Done, Ref: "c1", PaymentRef: "p-" + uuid.NewString(),
	})
	require.NoError(o.t, err)
	d, err = o.ShowPayment(ctx, run.PaymentID, false)
	require.NoError(o.t, err)
	require.False(o.t, d.ClosedAt.IsZero())
	return d
}

// refund accepts a refund of 1.00 EUR.
func (o *office) refund(d payment.Details) payment.MoveRef {
	o.t.Helper()
	accepted, err := o.AcceptMove(o.t.Context(), payment.MoveSession{
		ID: uuid.Must(uuid.NewV7()).String(), Source: payment.SourceAPI, Shop: o.shop, Kind: payment.OpRefund, ExternalID: "refund-" + uuid.NewString(),
		PaymentRef: d.Run.ExternalID, Amount: money.New(100, "EUR"), Test: true, ReceivedAt: time.Now(),
	})
	require.NoError(o.t, err)
	return accepted.Ref
}

// hears lets a run of a refund exist and answer an action.
func hears(c *mocks.Client, ref payment.MoveRef, answer error) {
	handle := &mocks.WorkflowUpdateHandle{}
	handle.On("Get", mock.Anything, mock.Anything).Return(answer)
	c.On("ExecuteWorkflow", mock.Anything, mock.MatchedBy(func(o client.StartWorkflowOptions) bool { return o.ID == flow.MoveID(ref) }), "Refund", mock.Anything).
		Return(&mocks.WorkflowRun{}, nil).Once()
	c.On("UpdateWorkflow", mock.Anything, mock.MatchedBy(func(u client.UpdateWorkflowOptions) bool { return u.WorkflowID == flow.MoveID(ref) })).
		Return(handle, nil).Once()
}

func TestActOnMoves(t *testing.T) {
	t.Parallel()
	retry := func(d payment.Details) payment.Action {
		return payment.Action{PaymentID: d.Run.PaymentID, Actor: "ada", Action: "retry", Text: "mended"}
	}

	t.Run("every open move of the payment hears it, and the ended charge does not", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		d := o.sold()
		s, c := o.desk()
		for range 3 {
			hears(c, o.refund(d), nil)
		}
		term := at(o.vars, "")
		require.NoError(t, s.act(t.Context(), term.env, flow.UpdateRetry, retry(d), d))
		require.Contains(t, term.out.String(), "done: payment "+d.Run.PaymentID)
	})

	t.Run("a move that ends meanwhile is no failure", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		d := o.sold()
		s, c := o.desk()
		hears(c, o.refund(d), nil)
		hears(c, o.refund(d), serviceerror.NewNotFound("completed"))
		require.NoError(t, s.act(t.Context(), at(o.vars, "").env, flow.UpdateRetry, retry(d), d))
	})

	t.Run("a run's no is said", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		d := o.sold()
		s, c := o.desk()
		hears(c, o.refund(d), temporal.NewNonRetryableApplicationError("not applied", "Conflict", nil))
		require.ErrorContains(t, s.act(t.Context(), at(o.vars, "").env, flow.UpdateRetry, retry(d), d), "was not applied")
	})

	t.Run("where nothing runs any more the row takes it", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		d := o.sold()
		s, _ := o.desk()
		require.NoError(t, s.act(t.Context(), at(o.vars, "").env, flow.UpdateNote, payment.Action{
			PaymentID: d.Run.PaymentID, Actor: "ada", Action: "note", Text: "seen",
		}, d))
		after, err := o.ShowPayment(t.Context(), d.Run.PaymentID, false)
		require.NoError(t, err)
		require.Equal(t, "applied", after.Actions[0].Result)
	})

	t.Run("a payment that has its answer is not expired, and nothing is written", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		d := o.sold()
		o.refund(d)
		code, out, errOut := o.command("", "payment", "expire", "-actor", "ada", "-reason", "r", d.Run.PaymentID)
		require.Equal(t, 1, code)
		require.Empty(t, out)
		require.Contains(t, errOut, "there is nothing to expire")
		after, err := o.ShowPayment(t.Context(), d.Run.PaymentID, false)
		require.NoError(t, err)
		require.Empty(t, after.Actions)
	})

	t.Run("show lists the payment's moves", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		d := o.sold()
		ref := o.refund(d)
		out := o.must("", "payment", "show", d.Run.PaymentID)
		for _, id := range []string{ref.ExternalRef, ref.OperationID} {
			require.Equal(t, out, o.must("", "payment", "show", id), "its session names the payment, too")
		}
		require.Regexp(t, `refund +1\.00 EUR +accepted +- +- +`+ref.ExternalRef+` +`+ref.OperationID, out)
	})
}

func TestHoldTerms(t *testing.T) {
	t.Parallel()
	providers, err := newConnectors(console, nil, time.Now, nil)
	require.NoError(t, err)
	terms := holdTerms(providers)
	require.Equal(t, payment.HoldTerms{Once: true, RestReleased: true, Limit: 162 * time.Hour}, terms("stripe"))
	require.Equal(t, payment.HoldTerms{Limit: 7 * 24 * time.Hour}, terms("sandbox"))
	require.Equal(t, payment.HoldTerms{}, terms("unknown"))
}
