package activities

import (
	"context"

	"github.com/rs/zerolog"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/subscription"
)

// Methods is the part of the record that keeps what customers pay with.
type Methods interface {
	// KeptMethod opens a kept method; payment.NotFound when it was forgotten.
	KeptMethod(ctx context.Context, id string) (payment.KeptMethod, error)
	// KeepMethod keeps what the page of a payment left, once, and answers what stands.
	KeepMethod(ctx context.Context, m payment.KeptMethod) (payment.KeptMethod, error)
}

// Subscriptions is the part of the record that subscriptions need. Every method
// is one transaction, and a repeat changes nothing.
type Subscriptions interface {
	// StepSubscription does one thing that is to be done, if there is one.
	StepSubscription(ctx context.Context, id string) (subscription.View, error)
	// ApplyCommand carries out what somebody asked, or answers what became of it.
	ApplyCommand(ctx context.Context, subscriptionID, commandID string) (subscription.Answer, subscription.View, error)
	// TellSubscription tells a subscription what became of a payment of it.
	TellSubscription(ctx context.Context, paymentID string) (payment.View, error)
	// UseMethod makes a kept method the one that renewals charge; without an id
	// there is none.
	UseMethod(ctx context.Context, subscriptionID, paymentID, methodID, accountID string) (subscription.View, error)
}

// Members are the steps of subscriptions. Each reads the rows, applies the rule
// of the domain and saves under a guard, so any may be repeated, by any run.
type Members struct {
	Records Subscriptions
	Gateway *Gateway
	Runs    MemberCalls
	Log     zerolog.Logger
}

// MemberCalls lets the runs of subscriptions and of their charges wake each other.
type MemberCalls interface {
	MemberRuns
	// SignalChoice lets the run of a charge look at the rows, and starts it when there is none.
	SignalChoice(ctx context.Context, ref payment.RunRef) error
}

// SubscriptionInput names a subscription.
type SubscriptionInput struct{ SubscriptionID string }

// CommandInput names what somebody asked of a subscription.
type CommandInput struct {
	SubscriptionID string
	CommandID      string
}

// KeepInput names the payment whose page left a method for a subscription.
type KeepInput struct {
	SubscriptionID string
	PaymentID      string
}

// Commanded is what became of a command, and how the subscription then stands.
type Commanded struct {
	Answer subscription.Answer
	View   subscription.View
}

// StepSubscription does one thing that is to be done: apply a result, carry out
// a command that waits, do the clock's task that is due.
func (m *Members) StepSubscription(ctx context.Context, in SubscriptionInput) (subscription.View, error) {
	view, err := m.Records.StepSubscription(ctx, in.SubscriptionID)
	return view, plainErr(err)
}

// ApplyCommand carries out what somebody asked. The row is the authority: the
// message that named it could have been sent by anybody.
func (m *Members) ApplyCommand(ctx context.Context, in CommandInput) (Commanded, error) {
	answer, view, err := m.Records.ApplyCommand(ctx, in.SubscriptionID, in.CommandID)
	return Commanded{Answer: answer, View: view}, plainErr(err)
}

// ResultInput names a payment and the subscription that it is a charge of.
type ResultInput struct {
	PaymentID    string
	Subscription subscription.Ref
}

// TellSubscription tells a subscription what its payment's rows show, and wakes
// its run: it has the result to act on. A run that cannot be reached is woken by
// the sweep.
func (m *Members) TellSubscription(ctx context.Context, in ResultInput) (payment.View, error) {
	view, err := recorded(m.Records.TellSubscription(ctx, in.PaymentID))
	if err != nil {
		return view, err
	}
	if err := m.Runs.WakeSubscription(ctx, in.Subscription); err != nil {
		m.Log.Warn().Err(err).Str("subscription_id", in.Subscription.ID).Msg("subscription not woken here, the sweep wakes it")
	}
	return view, nil
}

// WakeInput names a charge whose rows have changed.
type WakeInput struct{ Charge payment.RunRef }

// WakeCharge lets the run of a charge look at the rows, and starts it when there
// is none: the id of the run is the charge's, so there is one, whoever starts it.
func (m *Members) WakeCharge(ctx context.Context, in WakeInput) (struct{}, error) {
	return struct{}{}, plainErr(m.Runs.SignalChoice(ctx, in.Charge))
}

// KeepMethod asks the provider which method a paid page left, keeps it and makes
// it the one that renewals charge. It moves no money, and a repeat keeps the same.
func (m *Members) KeepMethod(ctx context.Context, in KeepInput) (subscription.View, error) {
	method, err := m.Gateway.methodOf(ctx, in.PaymentID)
	if isClass(err, payment.NotFound) || isClass(err, payment.Unsupported) || isClass(err, payment.Conflict) {
		// None, and none will come: the customer is asked when the next renewal is due.
		view, err := m.Records.UseMethod(ctx, in.SubscriptionID, in.PaymentID, "", "")
		return view, plainErr(err)
	}
	if err != nil {
		return subscription.View{}, plainErr(err)
	}
	view, err := m.Records.UseMethod(ctx, in.SubscriptionID, in.PaymentID, method.ID, method.AccountID)
	return view, plainErr(err)
}

// methodOf keeps the method that the page of a payment left.
func (g *Gateway) methodOf(ctx context.Context, paymentID string) (payment.KeptMethod, error) {
	view, err := g.Records.LoadCharge(ctx, paymentID)
	if err != nil {
		return payment.KeptMethod{}, err
	}
	if view.Winner == "" {
		return payment.KeptMethod{}, payment.Errorf(payment.Bug, "a payment that nobody won left no method")
	}
	send, err := g.Records.LoadAttempt(ctx, view.Winner)
	if err != nil {
		return payment.KeptMethod{}, err
	}
	line, err := g.open(ctx, send)
	if err != nil {
		return payment.KeptMethod{}, err
	}
	recurrer, err := line.recurrer()
	if err != nil {
		return payment.KeptMethod{}, err
	}
	var m psp.Method
	err = line.ask(ctx, func(ctx context.Context) (err error) {
		m, err = recurrer.MethodOf(ctx, line.account, send.Attempt.PaymentRef)
		return err
	})
	if err != nil {
		return payment.KeptMethod{}, err
	}
	return g.Methods.KeepMethod(ctx, payment.KeptMethod{
		AccountID: line.account.ID, PaymentID: paymentID, Customer: m.Customer, Ref: m.Ref, Kind: m.Kind, Label: m.Label,
		ExpiresYear: m.ExpiresYear, ExpiresMonth: m.ExpiresMonth,
	})
}

func (l *line) recurrer() (psp.Recurrer, error) {
	r, ok := l.connector.(psp.Recurrer)
	if !ok {
		return nil, payment.Errorf(payment.Unsupported, "%s keeps no methods", l.connector.Name())
	}
	return r, nil
}

// kept opens the method that an attempt charges. One that was forgotten together
// with its customer leaves the attempt to the provider's own reference.
func (g *Gateway) kept(ctx context.Context, send payment.Send) (payment.KeptMethod, error) {
	if g.Methods == nil {
		return payment.KeptMethod{}, payment.Errorf(payment.Bug, "no kept methods are wired")
	}
	method, err := g.Methods.KeptMethod(ctx, send.Method)
	if err != nil && !isClass(err, payment.NotFound) {
		return method, err
	}
	return method, nil
}

// chargeMethod charges the method that the buyer left, with the send log of
// every call that moves money around it.
func (g *Gateway) chargeMethod(ctx context.Context, line *line) (payment.View, error) {
	if line.method.Ref == "" && fresh(line.send) {
		// Nothing was sent, and nothing can be: the customer is asked for another one.
		return recorded(g.Records.RecordFinding(ctx, payment.Finding{
			AttemptID: line.send.Attempt.ID, Evidence: payment.ByAnswer, State: payment.Declined,
			Decline: payment.NotSupported, Code: "method_forgotten",
		}))
	}
	recurrer, err := line.recurrer()
	if err != nil {
		// A call that cannot be made was never made: decided, unless one was.
		return payment.View{}, g.failed(ctx, line, fresh(line.send), err)
	}
	return g.submit(ctx, line, func(ctx context.Context) (psp.Outcome, error) {
		if line.method.Ref == "" {
			return psp.Outcome{}, payment.Errorf(payment.Unavailable, "the method was forgotten: it cannot be sent again")
		}
		return recurrer.ChargeMethod(ctx, line.account, psp.Recurring{
			AttemptID: line.send.Attempt.ID, Key: line.send.Key, Customer: line.method.Customer, Method: line.method.Ref,
			Amount: line.send.Amount, Description: line.send.Description,
		})
	})
}

// closeKept is for what was wanted no more while a kept method was charged: there
// is no page to shut, so it is found out what became of it.
func (g *Gateway) closeKept(ctx context.Context, line *line) (payment.View, error) {
	view, pending, err := g.settle(ctx, line.send.Attempt.ID)
	if err != nil {
		return view, plainErr(err)
	}
	if pending != nil {
		return view, plainErr(pending)
	}
	return view, nil
}
