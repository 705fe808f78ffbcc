package activities

import (
	"context"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/safety"
)

// line is an open line to a provider for one attempt.
type line struct {
	connector psp.Connector
	account   psp.Account
	send      payment.Send
	method    payment.KeptMethod // that the attempt charges; zero: it opens a page
	flights   *Flights
}

func (g *Gateway) open(ctx context.Context, send payment.Send) (*line, error) {
	provider, credentials, live, err := g.Accounts.Account(ctx, send.Attempt.AccountID)
	if err != nil {
		return nil, err
	}
	connector, err := g.Connectors.Connector(provider)
	if err != nil {
		return nil, err
	}
	l := &line{
		connector: connector, send: send, flights: g.Flights,
		account: psp.Account{ID: send.Attempt.AccountID, Shop: send.Shop, Live: live, Credentials: credentials},
	}
	if send.Method != "" {
		l.method, err = g.kept(ctx, send)
	}
	return l, err
}

// submit is the bracket around every call that may move money:
// look if it was begun before ▸ send ▸ record what came back.
func (g *Gateway) submit(ctx context.Context, line *line, call func(context.Context) (psp.Outcome, error)) (payment.View, error) {
	send := line.send
	if !fresh(send) && safety.InquireFirst.On() {
		view, goOn, err := g.lookFirst(ctx, line)
		if err != nil || !goOn {
			return view, err
		}
	}
	land, err := g.Flights.send(ctx, line)
	if err != nil {
		return payment.View{}, g.heldBack(ctx, line, err)
	}
	if send.Again {
		if line.send.Sends, err = g.Records.MarkSent(ctx, send.Attempt.ID, send.Sends); err != nil {
			land(notSent())
			return payment.View{}, plainErr(err)
		}
	}
	out, err := line.call(ctx, land, call)
	if err == nil {
		return recorded(g.Records.RecordFinding(ctx, line.finding(out, payment.ByAnswer)))
	}
	return payment.View{}, g.failed(ctx, line, fresh(send), err)
}

// notSent ends a flight that had a place and made no call: it says nothing of
// the provider.
func notSent() error { return payment.Errorf(payment.Bug, "no call was made") }

// heldBack answers for a send that got no place or is paused. It wrote nothing,
// so an attempt that was never sent is noted as that, once; one that was sent
// before is as unknown as it was, and its state stays.
func (g *Gateway) heldBack(ctx context.Context, line *line, err error) error {
	if !fresh(line.send) {
		return plainErr(stillUnknown(err, "in doubt: an earlier send has no answer, and it was not sent again now"))
	}
	if line.send.Attempt.State == payment.Sent {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWithin)
		defer cancel()
		if note := g.Records.NotSent(ctx, line.send.Attempt.ID, line.send.Sends, codeOf(err)); note != nil {
			g.Log.Error().Err(note).Str("attempt_id", line.send.Attempt.ID).Msg("send that was held back could not be noted, the send log stands")
		}
	}
	return moneyErr(err)
}

// fresh: nothing of the attempt has reached the provider so far.
func fresh(send payment.Send) bool { return !send.Again || send.Attempt.State == payment.Allocated }

// lookFirst asks the provider about an attempt that was begun before. goOn
// allows the same request to be written again under the same key.
func (g *Gateway) lookFirst(ctx context.Context, line *line) (view payment.View, goOn bool, err error) {
	out, err := line.inquire(ctx)
	if err == nil {
		view, err = recorded(g.Records.RecordFinding(ctx, line.finding(out, payment.ByLookup)))
		return view, false, err
	}
	if !isClass(err, payment.NotFound) {
		return payment.View{}, false, plainErr(stillUnknown(err, "in doubt: the look-up got no answer"))
	}
	contract, now := line.connector.Contract(), g.Now()
	absent := contract.AbsenceCounts(line.operation(), line.send.LastSent, now)
	switch {
	case line.resendHelps(now):
		return payment.View{}, true, nil
	case absent:
		view, err = recorded(g.Records.RecordFinding(ctx, line.notDone("absent")))
		return view, false, err
	case contract.Absence[line.operation()] == psp.Authoritative:
		return payment.View{}, false, plainErr(&payment.Error{
			Class: payment.Unknown, Message: "not found, which proves nothing before the provider's lag is over",
			RetryAfter: contract.LookupLag - now.Sub(line.send.LastSent),
		})
	}
	return payment.View{}, false, plainErr(payment.Errorf(payment.Unknown, "%s may have it and knows no key any more: only evidence leads on", line.connector.Name()))
}

// stillUnknown is the failure of a step that an earlier send waits for. That the
// step certainly did nothing says nothing about that send: it is as unknown as
// before, and a person must hear of it when that lasts.
func stillUnknown(err error, message string) error {
	class := payment.ClassOf(err, payment.Unavailable)
	if class != payment.Unavailable && class != payment.RateLimited {
		return err
	}
	unknown := &payment.Error{Class: payment.Unknown, Message: message, Err: err}
	if e, ok := asPaymentError(err); ok {
		unknown.Code, unknown.RetryAfter = e.Code, e.RetryAfter
	}
	return unknown
}

// resendGiveUp is how long one key is tried while the provider answers with
// failures: a provider that stores its first answer replays that failure for
// ever, and authoritative absence then decides "not done".
const resendGiveUp = 30 * time.Second

// resendHelps reports whether the same request may be written again under the
// same key and may still bring an answer.
func (l *line) resendHelps(now time.Time) bool {
	contract := l.connector.Contract()
	if !contract.MayResend(l.send.FirstSent, now) {
		return false
	}
	return contract.Absence[l.operation()] != psp.Authoritative || l.send.Attempt.State != payment.Doubtful || now.Sub(l.send.FirstSent) < resendGiveUp
}

// noteWithin bounds a note that is taken after the caller's own time.
const noteWithin = 5 * time.Second

// failed records what a failed send means and answers its class.
func (g *Gateway) failed(ctx context.Context, line *line, fresh bool, err error) error {
	class, id := payment.ClassOf(err, payment.Unknown), line.send.Attempt.ID
	g.Log.Warn().Err(err).Str("payment_id", line.send.PaymentID).Str("attempt_id", id).
		Str("psp", line.connector.Name()).Str("class", string(class)).Int32("try", attemptOf(ctx)).Msg("send failed")
	// The note about what we do not know must not be lost with the caller's time.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWithin)
	defer cancel()
	var note error
	switch class {
	case payment.Unavailable, payment.RateLimited, payment.Unauthorized:
		if fresh {
			note = g.Records.NotSent(ctx, id, line.send.Sends, string(class))
		}
	case payment.Invalid, payment.Unsupported:
		// Decided: the provider refuses to read it, so nothing happened.
		if fresh {
			_, note = g.Records.RecordFinding(ctx, line.refused(err))
		}
	case payment.Unknown, payment.Conflict, payment.NotFound, payment.StillPending, payment.Bug:
		note = g.Records.Doubt(ctx, id, string(class))
	}
	if note != nil {
		g.Log.Error().Err(note).Str("attempt_id", id).Msg("failed send could not be noted, the send log stands")
	}
	return moneyErr(err)
}

// call makes one call within the provider's time and lands it.
func (l *line) call(ctx context.Context, land func(error), call func(context.Context) (psp.Outcome, error)) (out psp.Outcome, err error) {
	err = notSent() // stands when the connector panics
	defer func() { land(err) }()
	ctx, cancel := context.WithTimeout(ctx, l.connector.Contract().CallTimeout)
	defer cancel()
	out, err = call(ctx)
	return out, err
}

// ask makes a call that moves no money, within the account's places for those
// and the provider's time.
func (l *line) ask(ctx context.Context, call func(context.Context) error) error {
	leave, err := l.flights.look(ctx, l)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, l.connector.Contract().CallTimeout)
	defer cancel()
	return call(ctx)
}

func (l *line) inquire(ctx context.Context) (out psp.Outcome, err error) {
	err = l.ask(ctx, func(ctx context.Context) error {
		out, err = l.connector.Inquire(ctx, l.account, l.ref())
		return err
	})
	return out, err
}

func (l *line) ref() psp.Ref {
	a := l.send.Attempt
	return psp.Ref{
		AttemptID: a.ID, Key: l.send.Key, Operation: l.operation(), Kind: l.send.Kind,
		Ref: a.Ref, PaymentRef: a.PaymentRef, Amount: l.send.Amount, FirstSent: l.send.FirstSent,
		Customer: l.method.Customer,
	}
}

// operation is what the provider was really asked for: a reversal goes out as
// its leg, void or refund.
func (l *line) operation() payment.Operation {
	if l.send.Attempt.Leg != "" {
		return payment.Operation(l.send.Attempt.Leg)
	}
	return l.send.Attempt.Operation
}

// move picks the connector's call for an operation on existing money.
func (l *line) move() (func(context.Context) (psp.Outcome, error), error) {
	m := psp.Move{
		AttemptID: l.send.Attempt.ID, Key: l.send.Key, PaymentRef: l.send.Attempt.PaymentRef,
		Amount: l.send.Amount, Reason: string(l.send.Attempt.Operation),
	}
	switch op := l.operation(); op {
	case payment.OpCapture:
		if c, ok := l.connector.(psp.Capturer); ok {
			return func(ctx context.Context) (psp.Outcome, error) { return c.Capture(ctx, l.account, m) }, nil
		}
	case payment.OpVoid:
		if c, ok := l.connector.(psp.Voider); ok {
			return func(ctx context.Context) (psp.Outcome, error) { return c.Void(ctx, l.account, m) }, nil
		}
	case payment.OpRefund:
		if c, ok := l.connector.(psp.Refunder); ok {
			return func(ctx context.Context) (psp.Outcome, error) { return c.Refund(ctx, l.account, m) }, nil
		}
	case payment.OpCharge, payment.OpReversal, payment.OpDispute:
		return nil, payment.Errorf(payment.Bug, "%s is not a move", op)
	}
	return nil, payment.Errorf(payment.Unsupported, "%s cannot %s", l.connector.Name(), l.operation())
}

func (l *line) finding(out psp.Outcome, by payment.EvidenceKind) payment.Finding {
	if l.send.Method != "" && out.Status == psp.Processing && out.ExpiresAt.IsZero() {
		// The clock of a renewal: how long its provider may work on it.
		out.ExpiresAt = l.send.FirstSent.Add(l.connector.Contract().Settles())
	}
	return payment.Finding{
		AttemptID: l.send.Attempt.ID, Evidence: by, EvidenceRef: out.RequestID, State: out.Status.AttemptState(),
		Ref: out.Ref, PaymentRef: out.PaymentRef, Amount: out.Amount, Fee: out.Fee,
		Decline: out.Decline, Code: out.Code, URL: out.URL, ExpiresAt: out.ExpiresAt,
		LateSuccess: l.connector.Contract().LateSuccess,
	}
}

func (l *line) notDone(code string) payment.Finding {
	return payment.Finding{AttemptID: l.send.Attempt.ID, Evidence: payment.ByAbsence, State: payment.NotDone, Code: code}
}

// neverSent is what the send log proves: each send of the attempt was answered
// with a failure that certainly did not reach the provider.
func (l *line) neverSent() payment.Finding {
	return payment.Finding{AttemptID: l.send.Attempt.ID, Evidence: payment.ByAnswer, State: payment.NotDone, Code: "never sent"}
}

func (l *line) refused(err error) payment.Finding {
	return payment.Finding{
		AttemptID: l.send.Attempt.ID, Evidence: payment.ByAnswer, State: payment.Declined,
		Decline: payment.ProcessingError, Code: codeOf(err),
	}
}
