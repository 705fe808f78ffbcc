package subscription

import (
	"time"

	"tillflow/internal/payment"
)

// FinalAction is what becomes of a subscription whose money does not come.
type FinalAction string

// Final actions.
const (
	FinalCancel FinalAction = "cancel" // over
	FinalPause  FinalAction = "pause"  // until somebody resumes it
	FinalUnpaid FinalAction = "unpaid" // until the customer pays again
)

// FinalActions lists every final action.
var FinalActions = []FinalAction{FinalCancel, FinalPause, FinalUnpaid}

func (a FinalAction) state() (State, error) {
	switch a {
	case FinalCancel:
		return Cancelled, nil
	case FinalPause:
		return Paused, nil
	case FinalUnpaid:
		return Unpaid, nil
	}
	return "", refuse("final", NoRule, "must be cancel, pause or unpaid")
}

// Failure is one decline of a period's charge.
type Failure struct {
	SentAt time.Time // when the attempt was begun, so which method it was made with
	At     time.Time // when it was known
	Reason payment.DeclineReason
}

// Severity says what a decline allows.
type Severity string

// Severities.
const (
	Soft         Severity = "soft"         // may work another day
	NoFunds      Severity = "no_funds"     // may work once money has come
	BadMethod    Severity = "bad_method"   // works with another card, or with its new data
	Authenticate Severity = "authenticate" // works when the customer is there
	Hard         Severity = "hard"         // the issuer will never approve it; asking again costs a fee
	Unclear      Severity = "unclear"      // no decline of a renewal; a person looks
)

// SeverityOf sorts the reasons. Card networks forbid to repeat what is Hard here
// (Visa's category 1), and count the others. Where a reason does not say enough,
// the side is taken on which the card is not asked again.
func SeverityOf(reason payment.DeclineReason) Severity {
	switch reason {
	case payment.DeclinedOther, payment.ProcessingError:
		return Soft
	case payment.InsufficientFunds:
		return NoFunds
	case payment.ExpiredCard, payment.IncorrectNumber, payment.IncorrectCVC,
		payment.AmountTooLarge, payment.NotSupported:
		return BadMethod
	case payment.AuthenticationFailed, payment.TimedOut:
		return Authenticate // nobody finished the page that was opened for it
	case payment.Fraud, payment.LostOrStolen, payment.Cancelled, payment.TooManyAttempts:
		return Hard // Cancelled: the mandate was revoked
	case payment.AmountTooSmall, payment.Duplicate:
		return Unclear
	}
	return Unclear
}

// Policy is how patient a shop is. All days are of the subscription's local
// calendar.
type Policy struct {
	// Retries are the days from one soft decline to the next attempt: as many
	// attempts as there are numbers. FundsRetries are those after a decline for
	// want of funds.
	Retries, FundsRetries []int
	// PayDays are days of the month on which salaries come; 31 is the last. An
	// attempt for want of funds waits for one that is at most PayDayReach days
	// later.
	PayDays     []int
	PayDayReach int
	// Hour is the local hour of attempts, 0 to 23.
	Hour int
	// MethodDays is how long a customer may take for a new method, or to
	// authenticate; HardDays is the same after a hard decline, 0: not at all.
	MethodDays, HardDays int
	// GraceDays is how long access goes on after the first decline.
	GraceDays int
	Final     FinalAction
}

// Limits of a policy.
const (
	// MaxAttempts bounds the attempts for one period, the first included. Visa
	// counts 20 repeats in 30 days before it charges for them (Core Rules of
	// April 2026; 15 before May 2025, which acquirers still enforce).
	MaxAttempts = 15
	// MaxDays bounds every number of days.
	MaxDays = 60
)

// DefaultPolicy is what a shop has that has chosen nothing.
func DefaultPolicy() Policy {
	return Policy{
		Retries: []int{1, 3, 5}, FundsRetries: []int{3, 5, 7},
		PayDays: []int{1, 15, 31}, PayDayReach: 3, Hour: 9,
		MethodDays: 14, HardDays: 0, GraceDays: 7, Final: FinalUnpaid,
	}
}

// Check refuses what is outside of the limits.
func (p Policy) Check() error {
	lists := []struct {
		field       string
		days        []int
		least, most int
	}{
		{"retries", p.Retries, 1, MaxDays},
		{"funds_retries", p.FundsRetries, 1, MaxDays},
		{"pay_days", p.PayDays, 1, 31},
		{"pay_day_reach", []int{p.PayDayReach}, 0, 31},
		{"hour", []int{p.Hour}, 0, 23},
		{"method_days", []int{p.MethodDays}, 0, MaxDays},
		{"hard_days", []int{p.HardDays}, 0, MaxDays},
		{"grace_days", []int{p.GraceDays}, 0, MaxDays},
	}
	for _, l := range lists {
		for _, d := range l.days {
			if d < l.least || d > l.most {
				return refuse(l.field, OutOfRange, "must be between %d and %d", l.least, l.most)
			}
		}
	}
	if max(len(p.Retries), len(p.FundsRetries)) >= MaxAttempts {
		return refuse("retries", TooMany, "must be fewer than %d: card networks charge for more", MaxAttempts)
	}
	_, err := p.Final.state()
	return err
}

// Dunning is what has happened with the charge of one period.
type Dunning struct {
	Failures []Failure // oldest first, at least one
	MethodAt time.Time // when the customer last gave a method
	End      time.Time // of the period: collecting ends there at the latest
	Zone     *time.Location
}

// dunning is the subscription's part of what a policy needs.
func (s Subscription) dunning(zone *time.Location) Dunning {
	return Dunning{Failures: s.Failures, MethodAt: s.MethodAt, End: s.Period.End, Zone: zone}
}

// NextStep is what follows for a subscription that is past due: see [Policy.Next].
// A step whose time has passed is for now; an attempt that nobody made before
// the period ended is not made any more.
func (s Subscription) NextStep(policy Policy, m Moment) (Step, error) {
	if s.State != PastDue || s.Open == nil || !s.Open.Owed || len(s.Failures) == 0 {
		return Step{}, refuse("subscription", NotDue, "owes nothing that was declined")
	}
	d := s.dunning(m.Zone)
	step := policy.Next(d)
	if step.Action == ActRetry && !m.At.Before(d.End) {
		return d.final(d.End, AskMethod), nil
	}
	return step, nil
}

// Action is the next step of dunning.
type Action string

// Actions.
const (
	ActRetry  Action = "retry"  // send the charge again at the time
	ActFinal  Action = "final"  // give up at the time, unless the customer acts before
	ActReview Action = "review" // a person looks now
)

// Ask is what the customer is asked for in the mail about a decline.
type Ask string

// What customers are asked for.
const (
	AskNothing      Ask = "nothing"      // we try again; he may pay now
	AskFunds        Ask = "funds"        // money on the account by the time
	AskMethod       Ask = "method"       // another card, or the card's new data
	AskAuthenticate Ask = "authenticate" // a visit to the link
)

// Step says what happens next, when, and what the customer is asked meanwhile.
type Step struct {
	Action Action
	At     time.Time
	Ask    Ask
}

// Next says what follows the last decline:
//   - a method given since is tried at once, and its declines count anew;
//   - soft declines and want of funds are tried again, each by its own spacing,
//     want of funds on a pay day if one is near;
//   - an expired or wrong card and a missing authentication are not tried again:
//     the customer has MethodDays;
//   - a hard decline stops at once: the final action comes after HardDays;
//   - when the attempts are used up, the final action comes when the grace
//     period ends, or now if it has.
//
// Nothing is tried, and nobody waits, beyond the end of the period. Next is for
// a dunning with a decline; without one it answers ActReview.
func (p Policy) Next(d Dunning) Step {
	if len(d.Failures) == 0 {
		return Step{Action: ActReview, Ask: AskNothing}
	}
	last := d.Failures[len(d.Failures)-1]
	if d.MethodAt.After(last.SentAt) {
		if at := later(d.MethodAt, last.At); at.Before(d.End) {
			return Step{Action: ActRetry, At: at, Ask: AskNothing}
		}
		return d.final(d.End, AskNothing)
	}
	switch SeverityOf(last.Reason) {
	case Soft:
		return p.again(d, p.Retries, AskNothing)
	case NoFunds:
		return p.again(d, p.FundsRetries, AskFunds)
	case BadMethod:
		return d.final(d.plus(last.At, p.MethodDays), AskMethod)
	case Authenticate:
		return d.final(d.plus(last.At, p.MethodDays), AskAuthenticate)
	case Hard:
		return d.final(d.plus(last.At, p.HardDays), AskMethod)
	case Unclear:
		return Step{Action: ActReview, At: last.At, Ask: AskNothing}
	}
	return Step{Action: ActReview, At: last.At, Ask: AskNothing}
}

// GraceEnd is until when access goes on after the first decline; never beyond
// the period.
func (p Policy) GraceEnd(d Dunning) time.Time {
	if len(d.Failures) == 0 {
		return d.End
	}
	return earlier(d.plus(d.Failures[0].At, p.GraceDays), d.End)
}

// again is the next attempt by a spacing, or the end when it is used up.
func (p Policy) again(d Dunning, spacing []int, ask Ask) Step {
	last := d.Failures[len(d.Failures)-1]
	tried := 0
	for _, f := range d.Failures {
		if !f.SentAt.Before(d.MethodAt) {
			tried++
		}
	}
	if tried <= len(spacing) && len(d.Failures) < MaxAttempts {
		if at := p.attempt(d, last, spacing[tried-1]); at.Before(d.End) {
			return Step{Action: ActRetry, At: at, Ask: ask}
		}
	}
	return d.final(p.GraceEnd(d), AskMethod)
}

// attempt is the moment of an attempt some days after a decline.
func (p Policy) attempt(d Dunning, last Failure, days int) time.Time {
	w := WallAt(last.At, d.Zone).addDays(days)
	if SeverityOf(last.Reason) == NoFunds {
		for wait := range p.PayDayReach + 1 {
			if day := w.addDays(wait); p.pays(day) {
				w = day
				break
			}
		}
	}
	w.Hour, w.Minute, w.Second = p.Hour, 0, 0
	return w.In(d.Zone)
}

// pays reports whether salaries come on a date.
func (p Policy) pays(w Wall) bool {
	for _, day := range p.PayDays {
		if w.Day == min(day, daysIn(w.Year, w.Month)) {
			return true
		}
	}
	return false
}

// final is the end of dunning: not before the last decline, not after the period.
func (d Dunning) final(at time.Time, ask Ask) Step {
	last := d.Failures[len(d.Failures)-1]
	return Step{Action: ActFinal, At: later(earlier(at, d.End), last.At), Ask: ask}
}

// plus is some days later at the same time of day.
func (d Dunning) plus(at time.Time, days int) time.Time {
	return WallAt(at, d.Zone).addDays(days).In(d.Zone)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
