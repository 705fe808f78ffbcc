package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"tillflow/activities"
	"tillflow/activities/activitytest"
	"tillflow/internal/flow"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/workflows"
)

const (
	pay     = "pay"
	resolve = "resolve gid-pay"
	reject  = "reject gid-pay"
	pending = "pending gid-pay"
	cart    = "cart" // a group of sessions
)

// story is one payment with real activities over neighbours in memory, in
// virtual time. The neighbours outlive a run: resume begins a fresh one over them.
type story struct {
	t          *testing.T
	env        *testsuite.TestWorkflowEnvironment
	records    *activitytest.Records
	acme       *activitytest.Provider
	bank       *activitytest.Provider
	shop       *activitytest.Shop
	gateway    *activities.Gateway
	neighbours activitytest.Neighbours
	start      time.Time
	input      flow.ChargeInput
}

type option func(*payment.Session, *psp.Contract)

func authorization(s *payment.Session, _ *psp.Contract) { s.Kind = payment.Authorization }
func group(s *payment.Session, _ *psp.Contract)         { s.Group = cart }
func fromAPI(s *payment.Session, _ *psp.Contract)       { s.Source = payment.SourceAPI }

// advisory: the provider's "not found" proves nothing.
func advisory(_ *payment.Session, c *psp.Contract) { *c = activitytest.Advisory() }

func begin(t *testing.T, options ...option) *story {
	t.Helper()
	s := &story{t: t, start: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	session := payment.Session{
		ID: pay, Source: payment.SourceShopify, Shop: "a.myshopify.com", ExternalID: "sess1", GID: "gid-pay", Kind: payment.Sale,
		Amount: money.New(1230, "EUR"), Token: "token", ReceivedAt: s.start,
	}
	contract := activitytest.Authoritative(2 * time.Minute)
	for _, o := range options {
		o(&session, &contract)
	}
	now := func() time.Time { return s.env.Now().UTC() }
	s.records = activitytest.NewRecords(now)
	s.acme, s.bank = activitytest.NewProvider("acme", contract), activitytest.NewProvider("bank", contract)
	s.shop = activitytest.NewShop(now)
	s.neighbours = activitytest.Neighbours{"acme": s.acme, "bank": s.bank}
	s.gateway = &activities.Gateway{
		Records: s.records, Accounts: s.neighbours, Connectors: s.neighbours, Links: activitytest.Links{},
		Flights: activities.NewFlights(activities.FlightOptions{Pauses: &activitytest.Pauses{}, Worker: "w1", Now: now, Log: zerolog.Nop()}),
		Now:     now, Log: zerolog.Nop(),
	}
	s.input = flow.ChargeInput{
		PaymentID: pay, Source: session.Source, Shop: session.Shop, ExternalID: session.ExternalID, Kind: session.Kind,
		Amount: session.Amount, ReceivedAt: s.start, Timing: flow.DefaultTiming(),
	}
	s.fresh(s.start)
	s.records.Accept(session)
	return s
}

// fresh makes an environment for another run over the same neighbours.
func (s *story) fresh(at time.Time) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	s.env = suite.NewTestWorkflowEnvironment()
	s.env.SetStartTime(at)
	s.env.SetTestTimeout(20 * time.Second)
	workflows.Register(s.env)
	s.env.RegisterActivity(s.gateway)
	s.env.RegisterActivity(&activities.Rows{Records: s.records})
	s.env.RegisterActivity(&activities.Shopify{Records: s.records, Shop: s.shop, Now: s.gateway.Now})
	server := &likeServer{cancelled: map[string]bool{}}
	s.env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{server}})
	s.env.SetOnActivityCanceledListener(func(info *activity.Info) { server.cancel(info.ActivityID) })
}

// at does something after so much of the run's time.
func (s *story) at(d time.Duration, act func()) { s.env.RegisterDelayedCallback(act, d) }

// run runs the charge to its end. Whatever happened, it asked for a bounded
// number of things.
func (s *story) run() flow.ChargeResult {
	s.t.Helper()
	return s.runWithin(200)
}

// runWithin is run for stories that need more calls of providers.
func (s *story) runWithin(calls int) flow.ChargeResult {
	s.t.Helper()
	s.execute()
	require.NoError(s.t, s.env.GetWorkflowError())
	var result flow.ChargeResult
	require.NoError(s.t, s.env.GetWorkflowResult(&result))
	view := s.records.View(pay)
	require.Equal(s.t, flow.ChargeResult{State: result.State, Final: view.Final, Reason: view.FinalReason}, result)
	require.True(s.t, view.Closed)
	s.bounded(calls)
	return result
}

func (s *story) execute() {
	s.t.Helper()
	s.env.ExecuteWorkflow(workflows.Charge, s.input)
	require.True(s.t, s.env.IsWorkflowCompleted())
}

// bounded guards against hot loops.
func (s *story) bounded(calls int) {
	s.t.Helper()
	require.LessOrEqual(s.t, s.records.Calls(""), 5*calls+5, "calls of the record")
	require.LessOrEqual(s.t, s.acme.Calls("")+s.bank.Calls(""), calls, "calls of providers")
}

// told checks the one effective final answer.
func (s *story) told(heard ...string) {
	s.t.Helper()
	require.Equal(s.t, heard, s.shop.Heard())
}

func (s *story) choose(account string) {
	s.records.Choose(pay, account)
	s.env.SignalWorkflow(flow.SignalChoice, nil)
}

func (s *story) leave() {
	s.records.Leave(pay)
	s.env.SignalWorkflow(flow.SignalChoice, nil)
}

func (s *story) returns() { s.env.SignalWorkflow(flow.SignalReturned, nil) }

// webhook stores a provider's message about an attempt and wakes the run.
func (s *story) webhook(attemptID string, state payment.AttemptState) {
	id := s.records.StoreEvent(attemptID, state)
	s.env.SignalWorkflow(flow.SignalEvent, flow.EventSignal{EventID: id, AttemptID: attemptID})
}

// attempt is the id of the payment's n-th attempt of the charge.
func attempt(n int) string { return pay + "-charge-" + string(rune('0'+n)) }

// pays is a buyer who pays, and the webhook that says so.
func (s *story) pays(attemptID string) {
	s.acme.Set(attemptID, psp.Succeeded)
	s.webhook(attemptID, payment.Done)
}

// states lists the states of all attempts.
func (s *story) states() []payment.AttemptState {
	var list []payment.AttemptState
	for _, a := range s.records.Attempts(pay) {
		list = append(list, a.State)
	}
	return list
}

func (s *story) operator() payment.OperatorReason { return s.records.View(pay).Operator }

// asked is what came of an update.
type asked struct {
	rejected error
	err      error
	result   flow.ActionResult
	done     bool
}

// ask sends an update with the id of an action row.
func (s *story) ask(update, actionID string) *asked {
	a := &asked{}
	s.env.UpdateWorkflow(update, "", &testsuite.TestUpdateCallback{
		OnAccept: func() {},
		OnReject: func(err error) { a.rejected = err },
		OnComplete: func(value any, err error) {
			a.done, a.err = true, err
			if r, ok := value.(flow.ActionResult); ok {
				a.result = r
			}
		},
	}, flow.ActionUpdate{ActionID: actionID})
	return a
}

// act is a person who writes an action and presses its button.
func (s *story) act(update string, action payment.Action) *asked {
	action.PaymentID = pay
	s.records.WriteAction(action)
	return s.ask(update, action.ID)
}

// newest is the id of the newest attempt.
func (s *story) newest() string {
	all := s.records.Attempts(pay)
	require.NotEmpty(s.t, all)
	return all[len(all)-1].ID
}

// use puts another connector in the place of one.
func (s *story) use(name string, p *activitytest.Provider) { s.neighbours[name] = p }

// wonByAnother lets another session of the same checkout win the group.
func (s *story) wonByAnother() {
	s.t.Helper()
	s.records.Accept(payment.Session{
		ID: "other", Source: payment.SourceShopify, Shop: s.input.Shop, ExternalID: "other", Group: cart, Kind: payment.Sale,
		Amount: s.input.Amount, ReceivedAt: s.start,
	})
	s.records.Choose("other", "bank")
	ctx := context.Background()
	send, err := s.records.BeginCheckout(ctx, "other")
	require.NoError(s.t, err)
	view, err := s.records.RecordFinding(ctx, payment.Finding{AttemptID: send.Attempt.ID, Evidence: payment.ByWebhook, State: payment.Done})
	require.NoError(s.t, err)
	require.Equal(s.t, payment.Resolve, view.Final)
}

// state asks the run how it stands.
func (s *story) state() flow.StateAnswer {
	s.t.Helper()
	value, err := s.env.QueryWorkflow(flow.QueryState)
	require.NoError(s.t, err)
	var answer flow.StateAnswer
	require.NoError(s.t, value.Get(&answer))
	return answer
}

// typeOf is the class with which a run refused.
func typeOf(t *testing.T, err error) string {
	t.Helper()
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok, "%v", err)
	return app.Type()
}
