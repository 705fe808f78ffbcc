package activities

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/activity"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// Gateway calls payment providers. Every method that sends something writes
// the send log before and the finding after the call.
type Gateway struct {
	Records    Records
	Accounts   Accounts
	Connectors Connectors
	Links      Links
	Methods    Methods
	Flights    *Flights
	Now        func() time.Time
	Log        zerolog.Logger
}

// Links builds the buyer's addresses of a payment.
type Links interface {
	Return(token string) string
	Back(token string) string // the pay page, after leaving a provider's page
}

// CheckoutInput names a payment whose buyer has chosen.
type CheckoutInput struct{ PaymentID string }

// AttemptInput names an attempt.
type AttemptInput struct{ AttemptID string }

// OpenCheckout opens the provider's hosted page for the buyer's choice. Where the
// choice is a method that the buyer left, it is charged instead.
//
// A repeat is safe: the attempt row with its key was committed before the first
// send, so a repeat finds it and looks at the provider before it sends again,
// with the same key, and only while the provider's contract allows it.
func (g *Gateway) OpenCheckout(ctx context.Context, in CheckoutInput) (payment.View, error) {
	send, err := g.Records.BeginCheckout(ctx, in.PaymentID)
	if err != nil {
		return payment.View{}, plainErr(err)
	}
	if send.Nothing {
		return g.view(ctx, in.PaymentID)
	}
	line, err := g.open(ctx, send)
	if err != nil {
		return payment.View{}, plainErr(err)
	}
	if send.Method != "" {
		return g.chargeMethod(ctx, line)
	}
	redirector, ok := line.connector.(psp.Redirector)
	if !ok {
		return payment.View{}, plainErr(payment.Errorf(payment.Unsupported, "%s has no hosted page", line.connector.Name()))
	}
	return g.submit(ctx, line, func(ctx context.Context) (psp.Outcome, error) {
		contract := line.connector.Contract()
		return redirector.OpenCheckout(ctx, line.account, psp.Checkout{
			AttemptID: send.Attempt.ID, Key: send.Key, Kind: send.Kind, Amount: send.Amount,
			Description: send.Description, Locale: send.Locale,
			ReturnURL: g.Links.Return(send.Token), CancelURL: g.Links.Back(send.Token),
			ExpiresAt: expiry(send, g.Now(), contract), Remember: send.Remember,
		})
	})
}

// expiry is the end of a checkout: as long as the provider allows, never past
// the moment at which we must decide, and never too near for the provider.
//
// It counts from the first send, in steps, so that a repeat under the same key
// has the same body. Only a provider that was away for half of a checkout's life,
// or for minutes shortly before the decision, is asked for a later end.
func expiry(send payment.Send, now time.Time, c psp.Contract) time.Time {
	passed := max(now.Sub(send.FirstSent), 0)
	end := send.FirstSent.Add(passed.Truncate(c.CheckoutMax / 2)).Add(c.CheckoutMax)
	if send.DecideAt.Before(end) {
		end = send.DecideAt
	}
	if end.Before(now.Add(c.CheckoutMin)) {
		return send.FirstSent.Add(passed.Truncate(time.Minute)).Add(c.CheckoutMin + time.Minute)
	}
	return end
}

// MoveInput names an operation on money that a provider holds for us.
type MoveInput struct{ OperationID string }

// SubmitMove sends a capture, void or refund. A repeat is safe for the reasons
// of OpenCheckout.
func (g *Gateway) SubmitMove(ctx context.Context, in MoveInput) (payment.MoveView, error) {
	send, err := g.begin(ctx, in.OperationID)
	if err != nil {
		return payment.MoveView{}, plainErr(err)
	}
	if !send.Nothing {
		line, err := g.open(ctx, send)
		if err != nil {
			return payment.MoveView{}, plainErr(err)
		}
		call, err := line.move()
		if err != nil {
			// A call that does not exist was never made: decided.
			return payment.MoveView{}, g.failed(ctx, line, fresh(send), err)
		}
		if _, err := g.submit(ctx, line, call); err != nil {
			return payment.MoveView{}, err
		}
	}
	return g.moved(ctx, in)
}

// begin begins a move. Where we know of the money without its name at the
// provider, a look learns that first.
func (g *Gateway) begin(ctx context.Context, operationID string) (payment.Send, error) {
	send, err := g.Records.BeginMove(ctx, operationID)
	if err != nil || send.Unnamed == "" {
		return send, err
	}
	if _, err := g.lookLate(ctx, send.Unnamed); err != nil {
		return send, err
	}
	send, err = g.Records.BeginMove(ctx, operationID)
	if err == nil && send.Unnamed != "" {
		err = payment.Errorf(payment.Unavailable, "the provider does not show the money of attempt %s: nothing was sent", send.Unnamed)
	}
	return send, err
}

// InquireMove looks an unfinished move up until it is decided; see WatchAttempt.
func (g *Gateway) InquireMove(ctx context.Context, in MoveInput) (payment.MoveView, error) {
	view, err := g.Records.LoadMove(ctx, in.OperationID)
	if err != nil {
		return payment.MoveView{}, plainErr(err)
	}
	if len(view.Unfinished) > 0 {
		if _, err := g.WatchAttempt(ctx, AttemptInput{AttemptID: view.Unfinished[0].ID}); err != nil {
			return payment.MoveView{}, err
		}
	}
	return g.moved(ctx, in)
}

// SettleAttempt records what is known of an attempt now: the proof in a stored
// webhook, else the provider's own answer. A repeat records nothing twice.
func (g *Gateway) SettleAttempt(ctx context.Context, in AttemptInput) (payment.View, error) {
	view, _, err := g.settle(ctx, in.AttemptID)
	return view, plainErr(err)
}

// WatchAttempt does the same and fails with StillPending while the attempt is
// not decided, so that waiting happens in this activity's retries and costs no
// history.
func (g *Gateway) WatchAttempt(ctx context.Context, in AttemptInput) (payment.View, error) {
	view, pending, err := g.settle(ctx, in.AttemptID)
	if err != nil {
		return payment.View{}, plainErr(err)
	}
	if pending != nil {
		return payment.View{}, plainErr(pending)
	}
	return view, nil
}

// settle answers the view and, while the attempt is undecided, why and for how long.
func (g *Gateway) settle(ctx context.Context, attemptID string) (payment.View, *payment.Error, error) {
	send, err := g.Records.LoadAttempt(ctx, attemptID)
	if err != nil {
		return payment.View{}, nil, err
	}
	events, err := g.Records.PendingEvents(ctx, attemptID)
	if err != nil {
		return payment.View{}, nil, err
	}
	if f, ok := proof(events); ok {
		view, err := g.proven(ctx, send, f)
		return view, nil, err
	}
	if send.Attempt.State.Decided() && len(events) == 0 {
		view, err := g.Records.LoadCharge(ctx, send.PaymentID)
		return view, nil, err
	}
	line, err := g.open(ctx, send)
	if err != nil {
		return payment.View{}, nil, err
	}
	out, err := line.inquire(ctx)
	if err != nil {
		return g.absent(ctx, line, events, err)
	}
	f := line.finding(out, payment.ByLookup)
	f.EventIDs = ids(events)
	view, err := g.Records.RecordFinding(ctx, f)
	if err != nil || f.State.Decided() || send.Attempt.State.Decided() {
		return view, nil, err
	}
	return view, &payment.Error{Class: payment.StillPending, Message: "the provider says " + string(f.State), RetryAfter: out.CheckAfter}, nil
}

// proven records what a stored message proves. The message cannot say how long
// a success may still follow what was given up; the connector can.
func (g *Gateway) proven(ctx context.Context, send payment.Send, f payment.Finding) (payment.View, error) {
	if !f.State.Succeeded() {
		connector, err := g.Connectors.Connector(send.Attempt.Provider)
		if err != nil {
			return payment.View{}, err
		}
		f.LateSuccess = connector.Contract().LateSuccess
	}
	return g.Records.RecordFinding(ctx, f)
}

// absent reads a look-up that failed. Only the provider's own "not found",
// where its contract calls absence authoritative and its lag is over, decides.
func (g *Gateway) absent(ctx context.Context, line *line, events []payment.EventRow, err error) (payment.View, *payment.Error, error) {
	if payment.ClassOf(err, payment.Unavailable) != payment.NotFound {
		return payment.View{}, nil, err
	}
	contract := line.connector.Contract()
	switch {
	case line.send.Attempt.State.Decided():
		// A message made us look at what was decided before, and it is not there.
		if err := g.Records.DispatchEvents(ctx, ids(events), "looked up, not found"); err != nil {
			return payment.View{}, nil, err
		}
		view, err := g.Records.LoadCharge(ctx, line.send.PaymentID)
		return view, nil, err
	case contract.AbsenceCounts(line.operation(), line.send.LastSent, g.Now()):
		f := line.notDone("absent")
		f.EventIDs = ids(events)
		view, err := g.Records.RecordFinding(ctx, f)
		return view, nil, err
	}
	pending := &payment.Error{Class: payment.StillPending, Message: "not found, which proves nothing yet"}
	if contract.Absence[line.operation()] == psp.Authoritative {
		pending.RetryAfter = contract.LookupLag - g.Now().Sub(line.send.LastSent)
	}
	view, err := g.Records.LoadCharge(ctx, line.send.PaymentID)
	return view, pending, err
}

// lookLate looks whether money came after all to an attempt that was given up,
// and for the provider's fee where a message proved the success without it.
// Whatever else the provider says changes nothing. found: late money is here,
// also when err says that something else could not be written down after it.
func (g *Gateway) lookLate(ctx context.Context, attemptID string) (found bool, err error) {
	send, err := g.Records.LoadAttempt(ctx, attemptID)
	if err != nil {
		return false, err
	}
	if !send.Attempt.State.Decided() {
		return false, nil // its run looks after it
	}
	line, err := g.open(ctx, send)
	if err != nil {
		return false, err
	}
	out, err := line.inquire(ctx)
	if isClass(err, payment.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f := line.finding(out, payment.ByLookup)
	if _, err := g.Records.RecordFinding(ctx, f); err != nil {
		return false, err
	}
	found = f.State.Succeeded() && !send.Attempt.State.Succeeded()
	if f.State == payment.Done {
		send.Attempt.PaymentRef = f.PaymentRef
		err = g.bookElsewhere(ctx, send)
	}
	return found, err
}

// proof gives the finding of the first event that proves a final state, acting
// on all events of the attempt; success before anything else.
func proof(events []payment.EventRow) (payment.Finding, bool) {
	best := -1
	for i, e := range events {
		if e.Proves && (best < 0 || e.Finding.State.Succeeded() && !events[best].Finding.State.Succeeded()) {
			best = i
		}
	}
	if best < 0 {
		return payment.Finding{}, false
	}
	f := events[best].Finding
	f.EventIDs = ids(events)
	return f, true
}

func ids(events []payment.EventRow) []int64 {
	out := make([]int64, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}

// CloseCheckout shuts the provider's page so that nothing can be paid there any
// more, and records what the object is then. A repeat finds it closed.
func (g *Gateway) CloseCheckout(ctx context.Context, in AttemptInput) (payment.View, error) {
	send, err := g.Records.LoadAttempt(ctx, in.AttemptID)
	if err != nil {
		return payment.View{}, plainErr(err)
	}
	if send.Attempt.State.Decided() {
		return g.view(ctx, send.PaymentID)
	}
	line, err := g.open(ctx, send)
	if err != nil {
		return payment.View{}, plainErr(err)
	}
	if send.Attempt.State == payment.Allocated {
		// Every send so far certainly failed: there is nothing to close.
		return recorded(g.Records.RecordFinding(ctx, line.neverSent()))
	}
	switch {
	case send.Method != "":
		return g.closeKept(ctx, line)
	case send.Attempt.Ref == "":
		return g.closeUnnamed(ctx, line)
	}
	return g.close(ctx, line)
}

func (g *Gateway) close(ctx context.Context, line *line) (payment.View, error) {
	redirector, ok := line.connector.(psp.Redirector)
	if !ok {
		return payment.View{}, plainErr(payment.Errorf(payment.Unsupported, "%s has no hosted page", line.connector.Name()))
	}
	var out psp.Outcome
	err := line.ask(ctx, func(ctx context.Context) (err error) {
		out, err = redirector.CloseCheckout(ctx, line.account, line.ref())
		return err
	})
	if err != nil {
		return payment.View{}, plainErr(err) // shutting moves no money and may be repeated
	}
	return recorded(g.Records.RecordFinding(ctx, line.finding(out, payment.ByAnswer)))
}

// closeUnnamed closes a checkout whose answer was lost: find it first.
func (g *Gateway) closeUnnamed(ctx context.Context, line *line) (payment.View, error) {
	view, pending, err := g.settle(ctx, line.send.Attempt.ID)
	if err != nil || pending == nil {
		return view, plainErr(err)
	}
	send, err := g.Records.LoadAttempt(ctx, line.send.Attempt.ID)
	if err != nil {
		return payment.View{}, plainErr(err)
	}
	if send.Attempt.Ref == "" {
		return payment.View{}, plainErr(pending)
	}
	line.send = send
	return g.close(ctx, line)
}

func (g *Gateway) view(ctx context.Context, paymentID string) (payment.View, error) {
	return recorded(g.Records.LoadCharge(ctx, paymentID))
}

func recorded(view payment.View, err error) (payment.View, error) { return view, plainErr(err) }

// attemptOf tells whether this is a repeat by Temporal, for the log only: a
// reset sets it back, so the send log and not this number decides anything.
func attemptOf(ctx context.Context) int32 {
	if !activity.IsActivity(ctx) {
		return 1
	}
	return activity.GetInfo(ctx).Attempt
}

func isClass(err error, c payment.Class) bool {
	e, ok := errors.AsType[*payment.Error](err)
	return ok && e.Class == c
}
