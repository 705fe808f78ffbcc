package subscription

import (
	"slices"
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// Moment is when and where a command happens.
type Moment struct {
	At time.Time
	// Zone is the one that the subscription's schedule names.
	Zone *time.Location
	// Versions are all versions of the plans concerned, in ascending order.
	Versions []Plan
}

// Renew is the end of a period: the next one begins, with its charge open, or
// the subscription is cancelled or paused as was agreed. It opens one period a
// call, however late it comes, and refuses (NotDue) before the period is over,
// so a clock that jumps ahead and back cannot open one twice: its number stays
// used. While a charge is open it is refused (WouldChargeTwice); the period then
// begins when that is settled, without moving its boundaries.
//
// What the balance covers, a skipped period and an agreed end leave no charge.
func (s Subscription) Renew(m Moment) (Subscription, error) {
	if err := s.State.ask(CmdRenew); err != nil {
		return s, err
	}
	if err := s.Schedule.in(m.Zone); err != nil {
		return s, err
	}
	if err := s.idle(); err != nil {
		return s, err
	}
	if m.At.Before(s.Period.End) {
		return s, refuse("at", NotDue, "is before the end of period %s", s.Period.ID())
	}
	terms, ends := s.following(m.Versions)
	if s.CancelAtEnd || ends {
		return s.stop(Cancelled)
	}
	if s.PauseAtEnd {
		return s.stop(Paused)
	}
	return s.advance(terms, m)
}

// following are the terms of the next period.
func (s Subscription) following(versions []Plan) (terms Terms, ends bool) {
	terms = s.Terms
	if s.Next != nil {
		terms = *s.Next
	}
	terms.Plan, ends = terms.Plan.Follow(versions, s.Period.End)
	return terms, ends
}

// advance opens the next period.
func (s Subscription) advance(terms Terms, m Moment) (Subscription, error) {
	if s.Period.Number >= maxNumber {
		return s, refuse("subscription", TooMany, "had %d periods", maxNumber)
	}
	price, err := terms.Price()
	if err != nil {
		return s, err
	}
	next := s
	next.Terms, next.Next, next.SkipNext, next.Failures = terms, nil, false, nil
	switch {
	case s.Period.Kind == Trial:
		next.Schedule = begin(terms.Plan, s.Period.End, m.Zone)
		next.Period = next.Schedule.first(1, s.Period.End, m.Zone)
	case s.Schedule.fits(terms.Plan):
		next.Period = s.Schedule.after(s.Period, m.Zone)
	default:
		next.Schedule = s.Schedule.rebase(terms.Plan, s.Period, m.Zone)
		next.Period = next.Schedule.first(s.Period.Number+1, s.Period.End, m.Zone)
	}
	if next.State, err = s.State.become(Active); err != nil {
		return s, err
	}
	if s.SkipNext {
		next.Period.Kind, next.Period.Price = Skipped, money.New(0, price.Currency)
		return next, nil
	}
	next.Period.Price = price
	owed, err := next.Period.Rest(price, next.Period.Start)
	if err != nil {
		return s, err
	}
	c, err := next.charge(next.Period.ID(), RenewalCharge, owed)
	if err != nil {
		return s, err
	}
	c.SentAt = whole(m.At)
	return next.begun(c)
}

// stop ends the periods, for good or for a time.
func (s Subscription) stop(state State) (Subscription, error) {
	next, err := s.State.become(state)
	if err != nil {
		return s, err
	}
	s.State = next
	s.Next, s.SkipNext, s.CancelAtEnd, s.PauseAtEnd = nil, false, false, false
	return s, nil
}

// cut ends the current period at a moment, if it lasts longer.
func (s *Subscription) cut(at time.Time) {
	at = whole(at)
	if at.Before(s.Period.Start) {
		at = s.Period.Start
	}
	if at.Before(s.Period.End) {
		s.Period.End = at
	}
}

// Result is what became of a charge, on evidence: never for a timeout.
type Result struct {
	Key    string
	Paid   bool
	Reason payment.DeclineReason // when not paid
	At     time.Time
	Zone   *time.Location
}

// Verdict says what a result meant.
type Verdict string

// Verdicts.
const (
	// Applied: the subscription is what the result makes it.
	Applied Verdict = "applied"
	// GiveBack: the money came for something that is over. It is to be reversed.
	GiveBack Verdict = "give_back"
	// NotOpen: no such charge is open. The caller's rows say whether the same
	// result was applied before (a repeat), or whether the charge had been
	// decided otherwise: a success then is money that nobody wants any more.
	NotOpen Verdict = "not_open"
)

// Settle applies the result of a charge. A first payment begins the
// subscription, or its trial, at the moment of the success; declined, it
// abandons it, so it is told only once the page is shut. A declined renewal
// leaves the charge owed and the subscription past due; a declined change or
// return leaves everything as it was.
func (s Subscription) Settle(r Result) (Subscription, Verdict, error) {
	if s.Open == nil || s.Open.Key != r.Key {
		return s, NotOpen, nil
	}
	if err := s.Schedule.in(r.Zone); err != nil {
		return s, NotOpen, err
	}
	c := *s.Open
	if s.State.Over() {
		s.Open = nil
		if r.Paid {
			return s, GiveBack, nil
		}
		return s, Applied, nil
	}
	if !r.Paid {
		next, err := s.declined(c, r)
		return next, Applied, err
	}
	next, err := s.succeeded(c, r)
	return next, Applied, err
}

func (s Subscription) succeeded(c Charge, r Result) (Subscription, error) {
	next, err := s.paid(c)
	if err != nil {
		return s, err
	}
	state := Active
	switch c.Kind {
	case FirstCharge:
		if s.Period.Kind == Trial {
			state = Trialing
		}
		fixed := s.Terms.Plan.Anchor != (Anchor{}) && s.Period.Kind != Trial
		if !fixed && r.At.After(s.Period.Start) {
			next.open(r.At, r.Zone)
		}
	case ResumeCharge:
		if next.Terms.Plan.Anchor == (Anchor{}) && r.At.After(next.Period.Start) {
			price := next.Period.Price
			next.Schedule = begin(next.Terms.Plan, r.At, r.Zone)
			next.Period = next.Schedule.first(next.Period.Number, r.At, r.Zone)
			next.Period.Price = price
		}
	case RenewalCharge, ChangeCharge:
	}
	if next.State, err = s.State.become(state); err != nil {
		return s, err
	}
	return next, nil
}

func (s Subscription) declined(c Charge, r Result) (Subscription, error) {
	next := s
	var err error
	switch c.Kind {
	case FirstCharge:
		next.Open = nil
		next.State, err = s.State.become(Abandoned)
	case RenewalCharge:
		c.Owed = true
		next.Open = &c
		next.Failures = append(slices.Clone(s.Failures), Failure{SentAt: c.SentAt, At: whole(r.At), Reason: r.Reason})
		next.State, err = s.State.become(PastDue)
	case ChangeCharge, ResumeCharge:
		next.Open = nil
	}
	if err != nil {
		return s, err
	}
	return next, nil
}

// Retry sends an owed charge again: by the dunning's clock, or because the
// customer pays now. Of two who want that at one moment, the second is refused
// (WouldChargeTwice).
func (s Subscription) Retry(at time.Time) (Subscription, error) {
	if err := s.State.ask(CmdRetry); err != nil {
		return s, err
	}
	if s.Open == nil || !s.Open.Owed {
		return s, refuse("subscription", WouldChargeTwice, "has an attempt under way; its result is awaited first")
	}
	if !at.Before(s.Period.End) {
		return s, refuse("at", OutOfRange, "is after the end of period %s, which is not collected any more", s.Period.ID())
	}
	c := *s.Open
	c.Owed, c.SentAt = false, whole(at)
	s.Open = &c
	return s, nil
}

// NewMethod notes that the customer gave a payment method: see [Policy.Next].
// A subscription that is over has no use for one.
func (s Subscription) NewMethod(at time.Time) (Subscription, error) {
	if err := s.State.ask(CmdMethod); err != nil {
		return s, err
	}
	s.MethodAt = whole(at)
	return s, nil
}

// GiveUp is the final action of dunning. The owed charge is written off and the
// period, which nobody paid, ends now. While an attempt is under way it is
// refused (WouldChargeTwice): the money may yet come.
func (s Subscription) GiveUp(action FinalAction, at time.Time) (Subscription, error) {
	if err := s.State.ask(CmdGiveUp); err != nil {
		return s, err
	}
	if s.Open == nil || !s.Open.Owed {
		return s, refuse("subscription", WouldChargeTwice, "has an attempt under way; its result is awaited first")
	}
	state, err := action.state()
	if err != nil {
		return s, err
	}
	next, err := s.stop(state)
	if err != nil {
		return s, err
	}
	next.Open = nil
	next.cut(at)
	return next, nil
}
