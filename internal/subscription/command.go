package subscription

import (
	"time"

	"tillflow/internal/money"
)

// Pause stops the subscription when its period ends: what is paid is served.
func (s Subscription) Pause() (Subscription, error) {
	if err := s.State.ask(CmdPause); err != nil {
		return s, err
	}
	switch {
	case s.CancelAtEnd:
		return s, refuse("subscription", Ending, "is set to be cancelled; withdraw that first")
	case s.PauseAtEnd:
		return s, refuse("subscription", NothingToDo, "is set to be paused already")
	}
	s.PauseAtEnd, s.SkipNext = true, false
	return s, nil
}

// Resume begins a new period now, after a pause or after recovery was given up.
// Its charge is open; only its success makes the subscription active again. The
// period is placed as with a new subscription, without a trial; what was owed
// when recovery was given up stays written off. A plan that has ended for its
// subscribers in the meantime is refused (Retired).
//
// A pause that has not come yet is withdrawn: see [Subscription.Withdraw].
func (s Subscription) Resume(m Moment) (Subscription, error) {
	if err := s.State.ask(CmdResume); err != nil {
		return s, err
	}
	if err := s.Schedule.in(m.Zone); err != nil {
		return s, err
	}
	if err := s.idle(); err != nil {
		return s, err
	}
	if s.Period.Number >= maxNumber {
		return s, refuse("subscription", TooMany, "had %d periods", maxNumber)
	}
	at := m.At
	if at.Before(s.Period.End) {
		at = s.Period.End // a clock that went back makes no period overlap
	}
	terms := s.Terms
	var ends bool
	if terms.Plan, ends = terms.Plan.Follow(m.Versions, at); ends {
		return s, refuse("plan", Retired, "has ended for its subscribers")
	}
	price, err := terms.Price()
	if err != nil {
		return s, err
	}
	after := After{Terms: terms, Schedule: begin(terms.Plan, at, m.Zone)}
	after.Period = after.Schedule.first(s.Period.Number+1, at, m.Zone)
	after.Period.Price = price
	return s.resume(after, m)
}

func (s Subscription) resume(after After, m Moment) (Subscription, error) {
	owed, err := after.Period.Rest(after.Period.Price, after.Period.Start)
	if err != nil {
		return s, err
	}
	key, err := s.extra(after.Period)
	if err != nil {
		return s, err
	}
	c, err := s.charge(key, ResumeCharge, owed)
	if err != nil {
		return s, err
	}
	c.After, c.SentAt = &after, whole(m.At)
	next, err := s.begun(c)
	if err != nil || next.Open != nil {
		return next, err
	}
	if next.State, err = s.State.become(Active); err != nil { // the balance has paid
		return s, err
	}
	return next, nil
}

// Skip leaves the next period out: nothing is charged and nothing served, and
// the one after begins on its usual day.
func (s Subscription) Skip() (Subscription, error) {
	if err := s.State.ask(CmdSkip); err != nil {
		return s, err
	}
	switch {
	case s.CancelAtEnd:
		return s, refuse("subscription", Ending, "is set to be cancelled; withdraw that first")
	case s.PauseAtEnd:
		return s, refuse("subscription", NothingToDo, "is set to be paused, so there is no next period to skip")
	case s.SkipNext:
		return s, refuse("subscription", NothingToDo, "is set to skip its next period already")
	}
	s.SkipNext = true
	return s, nil
}

// CancelAtPeriodEnd lets the subscription run until what is paid is served.
func (s Subscription) CancelAtPeriodEnd() (Subscription, error) {
	if err := s.State.ask(CmdCancelAtEnd); err != nil {
		return s, err
	}
	if s.CancelAtEnd {
		return s, refuse("subscription", NothingToDo, "is set to be cancelled already")
	}
	s.CancelAtEnd, s.PauseAtEnd, s.SkipNext, s.Next = true, false, false, nil
	return s, nil
}

// Cancel ends the subscription now. With refund it answers what is to be given
// back: the rest of a period that is paid, by [Period.Rest], and the balance.
// Without, nothing is given back. A charge that is under way stays open; should
// it succeed, [Subscription.Settle] says GiveBack.
func (s Subscription) Cancel(at time.Time, refund bool) (Subscription, money.Amount, error) {
	back := money.New(0, s.Balance.Currency)
	if err := s.State.ask(CmdCancel); err != nil {
		return s, back, err
	}
	next, err := s.stop(Cancelled)
	if err != nil {
		return s, back, err
	}
	next.cut(at)
	if next.Open != nil && next.Open.Owed {
		next.Open = nil
	}
	if !refund {
		return next, back, nil
	}
	back = s.Balance
	next.Balance = money.New(0, s.Balance.Currency)
	if s.State == Active && s.Period.Kind == Regular && s.isPaid() {
		rest, err := s.Period.Rest(s.Period.Price, next.Period.End)
		if err != nil {
			return s, back, err
		}
		if back, err = back.Add(rest); err != nil {
			return s, back, err
		}
	}
	return next, back, nil
}

// isPaid reports whether the current period's own charge was paid.
func (s Subscription) isPaid() bool { return s.Open == nil || s.Open.Kind == ChangeCharge }

// Withdraw takes back what was set for the period's end: CmdCancelAtEnd,
// CmdPause, CmdSkip or CmdChange. NothingToDo if it was not.
func (s Subscription) Withdraw(what Command) (Subscription, error) {
	if err := s.State.ask(CmdWithdraw); err != nil {
		return s, err
	}
	var set bool
	switch what {
	case CmdCancelAtEnd:
		set, s.CancelAtEnd = s.CancelAtEnd, false
	case CmdPause:
		set, s.PauseAtEnd = s.PauseAtEnd, false
	case CmdSkip:
		set, s.SkipNext = s.SkipNext, false
	case CmdChange:
		set, s.Next = s.Next != nil, nil
	case CmdRenew, CmdRetry, CmdGiveUp, CmdResume, CmdCancel, CmdWithdraw, CmdMethod:
		return s, refuse("command", NoRule, "%s cannot be withdrawn", what)
	default:
		return s, refuse("command", NoRule, "is not known")
	}
	if !set {
		return s, refuse("subscription", NothingToDo, "has no %s to withdraw", what)
	}
	return s, nil
}
