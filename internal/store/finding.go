package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// RecordFinding records evidence about an attempt and everything that follows
// from it in one transaction: the attempt's state, the place in the group, the
// final answer, the books, a reversal, the timeline. Evidence that tells nothing
// new only marks its events as acted on.
//
// A sale that the provider only holds so far is read as processing: the capture
// follows by itself. Once nobody waits for it any more (the door is shut, the
// answer decided, the attempt given up) such a hold is money that nobody wants,
// and is voided.
func (s *Store) RecordFinding(ctx context.Context, f payment.Finding) (payment.View, error) {
	const action = "record finding"
	if err := checkFinding(f); err != nil {
		return payment.View{}, failure(action, err)
	}
	view, err := s.change(ctx, byAttempt, f.AttemptID, func(tx pgx.Tx, r *record) error {
		return r.find(ctx, tx, f)
	})
	return view, failure(action, err)
}

func checkFinding(f payment.Finding) error {
	switch f.State {
	case payment.Open, payment.Working, payment.Held, payment.Done, payment.Declined, payment.Closed, payment.NotDone:
	case payment.Allocated, payment.Sent, payment.Doubtful:
		return bug("finding_state", "%s is no finding: it says what we did, not what we know", f.State)
	default:
		return bug("finding_state", "a finding without a state")
	}
	switch f.Evidence {
	case payment.ByAbsence:
		if f.State != payment.NotDone {
			return bug("finding_state", "absence proves nothing but not done")
		}
	case payment.ByAnswer, payment.ByLookup, payment.ByWebhook, payment.BySettlement, payment.ByPerson:
	default:
		return bug("finding_evidence", "a finding without evidence")
	}
	if f.Amount.Minor < 0 {
		return bug("finding_amount", "a negative amount")
	}
	return nil
}

// find applies a finding to the locked record.
func (r *record) find(ctx context.Context, tx pgx.Tx, f payment.Finding) error {
	a, err := r.attempt(f.AttemptID)
	if err != nil {
		return err
	}
	f.Code = clip(f.Code)
	shown := f.State
	if r.holdOfSale(a, f.State) && r.awaited(a) {
		f.State = payment.Working
	}
	if limit := r.s.holds(a.Provider).Limit; shown == payment.Held && a.State != payment.Held && f.ExpiresAt.IsZero() && limit > 0 {
		// Neither every provider nor a person says how long it holds: its contract does.
		f.ExpiresAt = a.FirstSentAt.Add(limit)
	}
	if settled, err := r.aboutHold(ctx, tx, a, f); settled || err != nil {
		return err
	}
	r.dispatch(f.EventIDs, a, "")
	was, no := a.State, a.Decline
	next, changed := a.advance(f.State)
	contradicted := !changed && a.contradicts(f.State, f.Amount) && r.p.Operator != payment.WrongAmount
	if learned := a.learn(f, next, changed); !changed && !learned && !contradicted {
		return nil
	}
	a.State = next
	if changed && next.Decided() {
		a.DecidedAt = &r.now
	}
	evidence, err := r.evidence(a, f, shown)
	if err != nil {
		return err
	}
	fee := f.Fee.IsPositive() && a.State.Succeeded() && !a.FeeBooked
	a.FeeBooked = a.FeeBooked || fee
	r.updateAttempt(a, was)
	r.adopt(a)
	if err := r.disown(ctx, tx, a, f); err != nil {
		return err
	}
	if changed && a.State.Succeeded() {
		r.dispatchSame(a)
	}
	if changed {
		if err := r.follow(ctx, tx, a, step{was, f.Evidence, evidence, f.LateSuccess}); err != nil {
			return err
		}
	} else if a.Decline != no {
		// A refusal on the provider's page, where the buyer may try again.
		r.noteAttempt(a, evidence, line{what: "refused", detail: orElse(a.Code, string(a.Decline))})
	}
	if contradicted {
		r.call(payment.WrongAmount)
	}
	if fee {
		return r.bookFee(a, f.Fee)
	}
	return nil
}

// contradicts reports evidence of the same success with another amount than
// was believed, and booked, when the first evidence named none. What is left of
// a hold shrinks, and a void names all of it.
func (a *attemptRow) contradicts(shown payment.AttemptState, amount money.Amount) bool {
	return a.Operation != payment.OpVoid && shown == a.State && shown.Succeeded() && !amount.IsZero() && amount != a.actual()
}

// step is how an attempt came to its new state.
type step struct {
	was         payment.AttemptState
	by          payment.EvidenceKind
	evidence    string
	lateSuccess time.Duration
}

// follow does what a new state of an attempt means for its operation.
func (r *record) follow(ctx context.Context, tx pgx.Tx, a *attemptRow, from step) error {
	r.noteAttempt(a, from.evidence, line{what: "attempt", before: string(from.was), after: string(a.State), detail: orElse(a.Code, string(a.Decline))})
	defer r.easeDoubt(from.was, a)
	switch a.Operation {
	case payment.OpCharge:
		if a.State.Succeeded() {
			return r.succeed(ctx, tx, a, from.was)
		}
		return r.checkout(a, from.lateSuccess)
	case payment.OpReversal:
		return r.reversed(a, from)
	case payment.OpCapture, payment.OpVoid, payment.OpRefund, payment.OpDispute:
		if a.Origin == elsewhere {
			return r.movedElsewhere(a, from)
		}
		return r.moved(a, from)
	}
	return bug("operation", "nothing follows from an attempt of a %s", a.Operation)
}

func (r *record) holdOfSale(a *attemptRow, s payment.AttemptState) bool {
	return s == payment.Held && a.Operation == payment.OpCharge && r.p.Kind == payment.Sale
}

// awaited reports whether somebody still waits for this attempt to succeed.
func (r *record) awaited(a *attemptRow) bool {
	return !a.State.Decided() && r.p.Shut == "" && r.p.Final == payment.Undecided
}

// learn takes over what the evidence adds to an attempt. next is the state it
// reaches. It reports whether anything is new, apart from the state.
func (a *attemptRow) learn(f payment.Finding, next payment.AttemptState, changed bool) bool {
	before := *a
	if a.Ref == "" {
		a.Ref = f.Ref // what we asked for keeps its name
	}
	// A hosted page makes a new payment for each card; the one that succeeded counts.
	if f.PaymentRef != "" && (a.PaymentRef == "" || !a.State.Decided() || changed) {
		a.PaymentRef = f.PaymentRef
	}
	if changed && next.Succeeded() {
		a.held, a.ExpiresAt = a.actual(), nil // the checkout's end is not the hold's
	}
	if !f.ExpiresAt.IsZero() && (changed || next == f.State && (next == payment.Open || next == payment.Held)) {
		if at := stored(f.ExpiresAt); a.ExpiresAt == nil || !a.ExpiresAt.Equal(at) {
			a.ExpiresAt = &at
		}
	}
	if changed || next == payment.Open && f.State == payment.Open {
		a.URL = orElse(f.URL, a.URL)
		// A page that is shut after a refusal keeps the refusal.
		if f.Decline != "" || changed && next != payment.Closed {
			a.Decline, a.Code = f.Decline, f.Code
		}
	}
	if changed && next.Succeeded() {
		took := f.Amount
		if took.IsZero() || a.Operation == payment.OpVoid {
			took = a.expected() // a void gives back what is there, whatever amount its answer names
		}
		a.ActualMinor, a.ActualCurrency = took.Minor, took.Currency
	}
	return *a != before || f.Fee.IsPositive() && next.Succeeded() && !a.FeeBooked
}

// expected is what a success means when its evidence names no amount: what is
// held already, else what was asked.
func (a *attemptRow) expected() money.Amount {
	if a.ActualMinor != 0 {
		return a.actual()
	}
	return a.asked()
}

const insertEvidence = `
	INSERT INTO evidence (id, attempt_id, kind, ref, state, amount_minor, currency, code, at)
	VALUES (@id, @attempt_id, @kind, @ref, @state, nullif(@amount_minor, 0), nullif(@currency, ''), @code, @now)`

// evidence writes what makes us know, as it was shown.
func (r *record) evidence(a *attemptRow, f payment.Finding, shown payment.AttemptState) (string, error) {
	id, err := newID()
	if err != nil {
		return "", err
	}
	r.batch.Queue(insertEvidence, pgx.NamedArgs{
		"id": id, "attempt_id": a.ID, "kind": f.Evidence, "ref": f.EvidenceRef, "state": shown,
		"amount_minor": f.Amount.Minor, "currency": f.Amount.Currency, "code": orElse(f.Code, string(f.Decline)), "now": r.now,
	})
	return id, nil
}

const updateAttempt = `
	UPDATE attempts SET state = @state, ref = @ref, payment_ref = @payment_ref, url = @url, expires_at = @expires_at,
	       decline = @decline, code = @code, decided_at = @decided_at,
	       fee_booked = @fee_booked, actual_minor = nullif(@actual_minor::bigint, 0), actual_currency = nullif(@actual_currency, '')
	WHERE id = @id AND state = @was`

func (r *record) updateAttempt(a *attemptRow, was payment.AttemptState) {
	r.batch.Queue(updateAttempt, pgx.NamedArgs{
		"id": a.ID, "was": was, "state": a.State, "ref": a.Ref, "payment_ref": a.PaymentRef, "url": a.URL,
		"expires_at": a.ExpiresAt, "decline": a.Decline, "code": a.Code, "decided_at": a.DecidedAt, "fee_booked": a.FeeBooked,
		"actual_minor": a.ActualMinor, "actual_currency": a.ActualCurrency,
	}).Exec(oneRow("attempt"))
}

// checkout does what a state of a checkout without money means for the payment.
func (r *record) checkout(a *attemptRow, lateSuccess time.Duration) error {
	switch a.State {
	case payment.Open:
		r.moveIfLegal(payment.AwaitingBuyer)
	case payment.Working:
		r.moveIfLegal(payment.Processing)
	case payment.Declined:
		r.moveIfLegal(payment.AwaitingBuyer)
		r.watch(lateSuccess)
		r.capTries()
	case payment.Closed, payment.NotDone:
		if r.p.State == payment.Processing {
			r.moveIfLegal(payment.AwaitingBuyer)
		}
		r.watch(lateSuccess)
		r.capTries()
	case payment.Allocated, payment.Sent, payment.Doubtful, payment.Held, payment.Done:
		return bug("finding_state", "a checkout cannot be found %s here", a.State)
	}
	return nil
}

// capTries shuts the door after too many refusals, against card testing.
//
// Nobody tests cards with a renewal: its attempts are counted by the shop's
// dunning policy, and what its customer chooses on a page by the choices.
func (r *record) capTries() {
	if r.p.Source == payment.SourceRenewal {
		return
	}
	if r.declined() >= r.p.MaxAttempts {
		r.shut(payment.TooManyAttempts)
	}
}

// declined counts the attempts of this payment that were refused, also those
// whose page was left after a refusal.
func (r *record) declined() int {
	n := 0
	for _, a := range r.attempts {
		if a.Operation == payment.OpCharge && (a.State == payment.Declined || a.State == payment.Closed && a.Decline != "") {
			n++
		}
	}
	return n
}

// shut forbids new checkouts. The first reason stays.
func (r *record) shut(why payment.DeclineReason) {
	if r.p.Shut == "" && r.p.Final == payment.Undecided {
		r.p.Shut = why
		r.note("shut", "", string(why), "")
	}
}

// A success that may still appear is looked for about watchLooks times more,
// each pause a part of the time that is left, and never more often than minWatch.
// A webhook is faster; these looks are for the one that gets lost.
const (
	watchLooks = 6
	minWatch   = time.Minute
)

// watch keeps looking for a success as long as one may still appear.
func (r *record) watch(lateSuccess time.Duration) {
	if lateSuccess <= 0 {
		return
	}
	r.look(r.now.Add(min(max(lateSuccess/watchLooks, minWatch), lateSuccess)), r.now.Add(lateSuccess))
}

// look has the provider asked from next on, until the later of until and what
// was wanted before.
func (r *record) look(next, until time.Time) {
	if r.p.WatchUntil == nil || until.After(*r.p.WatchUntil) {
		r.p.WatchUntil = &until
	}
	if r.p.WatchAt == nil || next.Before(*r.p.WatchAt) {
		r.p.WatchAt = &next
	}
}

// holdWatch is how long after its end a hold is looked for that nobody said had
// ended: providers cancel some time after the end, and nobody promises when.
const holdWatch = 24 * time.Hour

// feeWatch is how long a provider's fee is looked for when the evidence of the
// success did not tell it. Providers that take none are asked in vain a few times.
const feeWatch = 24 * time.Hour

const dispatchEvents = `
	UPDATE provider_events SET dispatched_at = @now, note = CASE WHEN @note = '' THEN note ELSE @note END
	WHERE id = ANY (@ids::bigint[]) AND attempt_id = @attempt AND dispatched_at IS NULL`

// dispatchSame marks what proves just the state and amount that the attempt has
// now as acted on: a message that came while we were looking tells nothing new.
func (r *record) dispatchSame(a *attemptRow) {
	r.batch.Queue(`
		UPDATE provider_events SET dispatched_at = @now, note = 'nothing new'
		WHERE attempt_id = @attempt AND status = @status AND dispatched_at IS NULL
		  AND (amount_minor IS NULL OR amount_minor = @minor AND currency = @currency) AND fee_minor IS NULL`,
		pgx.NamedArgs{"attempt": a.ID, "status": a.State, "minor": a.ActualMinor, "currency": a.ActualCurrency, "now": r.now})
}

// dispatch marks events of the attempt as acted on.
func (r *record) dispatch(ids []int64, a *attemptRow, note string) {
	if len(ids) > 0 {
		r.batch.Queue(dispatchEvents, pgx.NamedArgs{"ids": ids, "attempt": a.ID, "note": note, "now": r.now})
	}
}
