package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/activities/activitytest"
	"tillflow/internal/flow"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/workflows"
)

const asked1 = "m1" // the id of the first session about existing money

// bought is a payment of 12.30 EUR that was paid and whose shop knows it: taken,
// or held for a week when it is an authorization.
func bought(t *testing.T, options ...option) *story {
	t.Helper()
	s := begin(t, options...)
	s.records.Choose(pay, "acme")
	send, err := s.records.BeginCheckout(t.Context(), pay)
	require.NoError(t, err)
	f := payment.Finding{AttemptID: send.Attempt.ID, Evidence: payment.ByWebhook, State: payment.Done, PaymentRef: "money-1"}
	if s.input.Kind == payment.Authorization {
		f.State, f.ExpiresAt = payment.Held, s.start.Add(week)
	}
	_, err = s.records.RecordFinding(t.Context(), f)
	require.NoError(t, err)
	view, err := s.records.RecordTold(t.Context(), payment.Told{PaymentID: pay})
	require.NoError(t, err)
	require.True(t, view.Closed)
	return s
}

const week = 7 * 24 * time.Hour

func eur(minor int64) money.Amount { return money.New(minor, "EUR") }

// asks commits a session about the payment; its gid and external id follow from its id.
func (s *story) asks(kind payment.Operation, id string, amount money.Amount, change ...func(*payment.MoveSession)) flow.MoveInput {
	session := payment.MoveSession{
		ID: id, Source: s.input.Source, Shop: s.input.Shop, Kind: kind, ExternalID: "sess-" + id, GID: "gid-" + id,
		PaymentRef: s.input.ExternalID, Amount: amount, ReceivedAt: s.env.Now(),
	}
	for _, c := range change {
		c(&session)
	}
	s.records.AcceptMove(session)
	return flow.MoveInput{OperationID: id, Operation: kind, Shop: session.Shop, Amount: amount, Timing: flow.DefaultTiming()}
}

// refunded is a payment of which a part is asked back.
func refunded(t *testing.T, options ...option) (*story, flow.MoveInput) {
	t.Helper()
	s := bought(t, options...)
	return s, s.asks(payment.OpRefund, asked1, eur(500))
}

// startMove runs a move until it ends or continues as new.
func (s *story) startMove(in flow.MoveInput) {
	s.t.Helper()
	s.env.ExecuteWorkflow(map[payment.Operation]any{
		payment.OpCapture: workflows.Capture, payment.OpVoid: workflows.Void,
		payment.OpRefund: workflows.Refund, payment.OpReversal: workflows.Reversal,
	}[in.Operation], in)
	require.True(s.t, s.env.IsWorkflowCompleted())
}

// move runs a move to its end, with a bounded number of calls.
func (s *story) move(in flow.MoveInput, calls int) flow.MoveResult {
	s.t.Helper()
	rows, called := s.records.Calls(""), s.acme.Calls("")
	s.startMove(in)
	require.NoError(s.t, s.env.GetWorkflowError())
	var result flow.MoveResult
	require.NoError(s.t, s.env.GetWorkflowResult(&result))
	view := s.records.MoveView(in.OperationID)
	require.True(s.t, view.Closed)
	require.Equal(s.t, flow.MoveResult{Done: view.Done, Final: view.Final, Refusal: view.Refusal}, result)
	require.LessOrEqual(s.t, s.acme.Calls("")-called, calls, "calls of the provider")
	require.LessOrEqual(s.t, s.records.Calls("")-rows, 5*calls+80, "calls of the record")
	return result
}

// nextMove is an environment for another run over the same neighbours.
func (s *story) nextMove() { s.fresh(s.env.Now()) }

func (s *story) moveOperator() payment.OperatorReason { return s.records.MoveView(asked1).Operator }

const refund1 = pay + "-refund-1" // the first attempt to give money back

// reset: the provider did it, and its reply never arrived.
func reset() activitytest.Answer {
	return activitytest.Answer{Done: true, Err: errors.New("connection reset")}
}

func says(o psp.Outcome) activitytest.Answer { return activitytest.Answer{Out: &o} }

var (
	done      = flow.MoveResult{Done: true, Final: payment.Resolve}
	ctxOfTest = context.Background
)
