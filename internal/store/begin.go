package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/safety"
)

// BeginCheckout writes the send log row of a checkout for the buyer's open
// choice, or answers the unfinished attempt that exists. The row with its key
// is committed before the caller sends anything, so a repeat finds it and has
// Again set. Nothing is set when there is no choice to serve, when the door is
// shut, the answer decided, or the group won by another payment; the last shuts
// this payment's door too.
func (s *Store) BeginCheckout(ctx context.Context, paymentID string) (payment.Send, error) {
	out := payment.Send{PaymentID: paymentID, Nothing: true}
	_, err := s.change(ctx, byPayment, paymentID, func(_ pgx.Tx, r *record) error {
		charge, err := r.charge()
		if err != nil {
			return err
		}
		if open := r.unfinished(); len(open) > 0 {
			out = r.send(open[0], safety.SendLog.On())
			return nil
		}
		if r.wanted() == 0 {
			return nil
		}
		if r.p.ChoiceMethod != nil && !r.p.ChoiceEnabled {
			return &payment.Error{Class: payment.Unauthorized, Code: "account_disabled", Message: "the account that keeps the method is switched off"}
		}
		if r.holder != "" && r.holder != r.p.ID && safety.GroupWinner.On() {
			r.shut(payment.Duplicate)
			return nil
		}
		a, err := r.begin(charge, attemptRow{
			AccountID: *r.p.ChoiceAccount, Provider: r.p.ChoiceProvider, ChoiceSeq: r.p.ChoiceSeq, MethodID: r.p.ChoiceMethod,
		})
		if err != nil {
			return err
		}
		out = r.send(a, false)
		return nil
	})
	return out, failure("begin checkout", err)
}

// BeginMove does the same for an operation on money that a provider holds for
// us. A new attempt follows only one that is decided not done, and only while
// the operation's claim is still covered: what has moved elsewhere since it was
// claimed is booked and counts. Where it is not, nothing that was sent stands in
// the way, so the claim is refused; a reversal gives back what is left. Money
// whose name at the provider is not known is Unnamed, and nothing is begun.
func (s *Store) BeginMove(ctx context.Context, operationID string) (payment.Send, error) {
	out := payment.Send{OperationID: operationID, Nothing: true}
	_, err := s.change(ctx, byOperation, operationID, func(_ pgx.Tx, r *record) error {
		out.PaymentID, out.Shop = r.p.ID, r.p.Shop
		o, err := r.operation(operationID)
		switch {
		case err != nil:
			return err
		case o.Origin == elsewhere:
			return bug("elsewhere", "what moved elsewhere is not sent by us")
		case o.State != operationOpen:
			return nil
		}
		for _, a := range r.attempts {
			if a.OperationID == o.ID && !a.State.Decided() {
				out = r.send(a, safety.SendLog.On())
				return nil
			}
		}
		parent, err := r.parent(o)
		if err != nil {
			return err
		}
		leg, err := r.nextLeg(o, parent)
		if err != nil || o.State != operationOpen {
			return err
		}
		if parent.PaymentRef == "" {
			out.Unnamed = parent.ID
			return nil
		}
		a, err := r.begin(o, attemptRow{
			AccountID: parent.AccountID, Provider: parent.Provider, ParentAttempt: o.ParentAttempt,
			Leg: leg, PaymentRef: parent.PaymentRef,
		})
		if err != nil {
			return err
		}
		out = r.send(a, false)
		return nil
	})
	return out, failure("begin move", err)
}

// parent is the attempt whose money an operation acts on.
func (r *record) parent(o *operationRow) (*attemptRow, error) {
	if o.ParentAttempt == nil {
		return nil, bug("no_parent", "a %s acts on no attempt", o.Kind)
	}
	return r.attempt(*o.ParentAttempt)
}

// giveUp refuses a claim before anything of it is sent.
func (r *record) giveUp(o *operationRow, root *attemptRow, why payment.Refusal) error {
	if err := r.refuse(o, why); err != nil {
		return err
	}
	return r.reckon(root)
}

// nextLeg makes sure that a claim is covered before it is sent, and says by which
// way a reversal goes; the other moves have one way only. What is not covered
// ends here.
func (r *record) nextLeg(o *operationRow, parent *attemptRow) (string, error) {
	root, err := r.root(parent)
	if err != nil {
		return "", err
	}
	p, err := r.purse(root)
	if err != nil {
		return "", err
	}
	switch o.Kind {
	case payment.OpReversal:
		return r.reversalLeg(o, parent, p)
	case payment.OpRefund:
		if left, err := p.left(); err != nil || left.Minor < 0 && safety.ClaimGuard.On() {
			return "", r.giveUp(o, root, payment.RefusedTooLarge)
		}
	case payment.OpCapture, payment.OpVoid:
		rest, err := p.rest()
		switch {
		case err != nil:
			return "", bug("amount", "the rest of a hold cannot be reckoned")
		case r.p.State == payment.Expired && o.Kind == payment.OpCapture:
			return "", r.giveUp(o, root, payment.RefusedAuthorizationExpired)
		case !root.holds():
			return "", r.giveUp(o, root, payment.RefusedNotHeld)
		case rest.Minor < 0:
			return "", r.giveUp(o, root, payment.RefusedTooLarge)
		}
	case payment.OpCharge, payment.OpDispute:
		return "", bug("operation", "no attempt is made for a %s", o.Kind)
	}
	return "", nil
}

// reversalLeg follows from the money's state at this moment: held is voided,
// taken is refunded; so when a void came too late, the next attempt is a refund.
// It gives back what is left and not what refunds gave already; with nothing
// left the reversal is over.
func (r *record) reversalLeg(o *operationRow, parent *attemptRow, p purse) (string, error) {
	if !parent.State.Succeeded() {
		return "", bug("no_money", "a reversal of an attempt that is %s", parent.State)
	}
	leg, amount, err := p.wayBack()
	switch {
	case err != nil:
		return "", err
	case !amount.IsPositive():
		return "", r.endReversal(o, parent)
	}
	return string(leg), r.resize(o, amount)
}

const insertAttempt = `
	INSERT INTO attempts (id, operation_id, payment_id, account_id, seq, leg, choice_seq, key, amount_minor, currency,
	                      state, first_sent_at, last_sent_at, sends, payment_ref, method_id)
	VALUES (@id, @operation_id, @payment_id, @account_id, @seq, @leg, @choice_seq, @key, @amount_minor, @currency,
	        @state, @now, @now, @sends, @payment_ref, @method_id)`

// begin adds an attempt of an operation in state sent: from here on the
// provider may hear of it. The sequence is the next one of the payment and
// operation's kind, counted under the payment's lock and kept unique by the
// key, so no reset and no second run can use a number twice.
func (r *record) begin(o *operationRow, a attemptRow) (*attemptRow, error) {
	id, err := newID()
	if err != nil {
		return nil, err
	}
	for _, other := range r.attempts {
		if other.Operation == o.Kind && other.Origin == ours {
			a.Seq = max(a.Seq, other.Seq)
		}
	}
	a.Seq++
	a.ID, a.OperationID, a.Operation, a.Origin, a.State = id, o.ID, o.Kind, ours, payment.Sent
	a.AmountMinor, a.Currency = o.AmountMinor, o.Currency
	a.FirstSentAt, a.LastSentAt, a.Sends = r.now, r.now, 1
	a.Key = payment.Key(r.p.ID, o.Kind, a.Leg, a.Seq)
	r.batch.Queue(insertAttempt, pgx.NamedArgs{
		"id": a.ID, "operation_id": o.ID, "payment_id": r.p.ID, "account_id": a.AccountID, "seq": a.Seq, "leg": a.Leg,
		"choice_seq": a.ChoiceSeq, "key": a.Key, "amount_minor": a.AmountMinor, "currency": a.Currency,
		"state": a.State, "now": r.now, "sends": a.Sends, "payment_ref": a.PaymentRef, "method_id": a.MethodID,
	})
	r.attempts = append(r.attempts, &a)
	r.noteAttempt(&a, "", line{what: "begun", after: string(a.State), detail: a.Provider + " " + a.Key})
	return &a, nil
}

func (r *record) send(a *attemptRow, again bool) payment.Send {
	return payment.Send{
		PaymentID: r.p.ID, Shop: r.p.Shop, OperationID: a.OperationID, Attempt: a.brief(), Key: a.Key,
		Kind: r.p.Kind, Amount: money.New(a.AmountMinor, a.Currency), Again: again,
		FirstSent: a.FirstSentAt, LastSent: a.LastSentAt, Sends: a.Sends, Token: r.p.Token,
		Description: r.p.Description, Locale: r.p.Locale, DecideAt: r.p.DeadlineAt.Add(-r.s.decideAhead),
		Method: text(a.MethodID), Remember: r.p.SubscriptionID != nil,
	}
}

// MarkSent notes one more send of an attempt, before the send, and answers how
// many there are. An attempt that is decided must not be sent again, and who
// read the log before another send was noted must read it anew: payment.Conflict.
func (s *Store) MarkSent(ctx context.Context, attemptID string, sends int) (int, error) {
	const action = "mark sent"
	const mark = `
		UPDATE attempts SET last_sent_at = @now, sends = sends + 1,
		       state = CASE state WHEN 'allocated' THEN 'sent' ELSE state END
		WHERE id = @id AND sends = @sends AND state IN ('allocated', 'sent', 'in_doubt', 'open', 'processing')`
	if err := known("attempt", attemptID); err != nil {
		return 0, failure(action, err)
	}
	// One statement that decides nothing about money: its own row's lock is enough.
	tag, err := s.pool.Exec(ctx, mark, pgx.NamedArgs{"id": attemptID, "sends": sends, "now": s.now()})
	if err != nil {
		return 0, failure(action, err)
	}
	return sends + 1, failure(action, oneRow("attempt")(tag))
}

// NotSent notes that the last of that many sends of an attempt certainly never
// reached the provider, nor did any before it: sent goes back to allocated. Any
// other state is left alone, because it knows more. So is an attempt that was
// sent again meanwhile: a worker that slept through its time knows nothing of it.
func (s *Store) NotSent(ctx context.Context, attemptID string, sends int, code string) error {
	return s.changeAttempt(ctx, "note that nothing was sent", attemptID, func(r *record, a *attemptRow) {
		if a.State == payment.Sent && a.Sends == sends {
			r.setState(a, payment.Allocated, code)
		}
	})
}

// Doubt notes that a call about the attempt ended without an answer. It is no
// evidence: only a state that knew less becomes in doubt.
func (s *Store) Doubt(ctx context.Context, attemptID, code string) error {
	return s.changeAttempt(ctx, "note doubt", attemptID, func(r *record, a *attemptRow) {
		if next, changed := a.State.Advance(payment.Doubtful); changed {
			r.setState(a, next, code)
		}
	})
}

func (s *Store) changeAttempt(ctx context.Context, action, attemptID string, decide func(*record, *attemptRow)) error {
	_, err := s.change(ctx, byAttempt, attemptID, func(_ pgx.Tx, r *record) error {
		a, err := r.attempt(attemptID)
		if err == nil {
			decide(r, a)
		}
		return err
	})
	return failure(action, err)
}

// setState changes an attempt without evidence, which no decided state allows.
func (r *record) setState(a *attemptRow, next payment.AttemptState, code string) {
	const set = `UPDATE attempts SET state = @next, code = @code WHERE id = @id AND state = @was`
	r.batch.Queue(set, pgx.NamedArgs{"id": a.ID, "next": next, "was": a.State, "code": code}).Exec(oneRow("attempt"))
	r.noteAttempt(a, "", line{what: "attempt", before: string(a.State), after: string(next), detail: code})
	a.State, a.Code = next, code
}

// LoadAttempt reads an attempt as it was sent, with Again set. It writes
// nothing and answers decided attempts too.
func (s *Store) LoadAttempt(ctx context.Context, attemptID string) (payment.Send, error) {
	const action = "load attempt"
	if err := known("attempt", attemptID); err != nil {
		return payment.Send{}, failure(action, err)
	}
	r, err := s.read(ctx, byAttempt, attemptID)
	if err != nil {
		return payment.Send{}, failure(action, err)
	}
	a, err := r.attempt(attemptID)
	if err != nil {
		return payment.Send{}, failure(action, err)
	}
	return r.send(a, true), nil
}
