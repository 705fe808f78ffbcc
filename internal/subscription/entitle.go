package subscription

import (
	"fmt"
	"time"

	"tillflow/internal/money"
)

// Standing says why a customer has access, or has not.
type Standing string

// Standings. The first four have access.
const (
	StandingTrial    Standing = "trial"    // free for a time
	StandingPaid     Standing = "paid"     // the period is paid
	StandingSettling Standing = "settling" // its payment is under way: a debit may take days
	StandingGrace    Standing = "grace"    // declined, and the shop is patient

	StandingPending Standing = "pending" // not begun
	StandingOverdue Standing = "overdue" // declined, and patience is over
	StandingSkipped Standing = "skipped" // the customer left this period out
	StandingPaused  Standing = "paused"  //
	StandingUnpaid  Standing = "unpaid"  // recovery was given up
	StandingEnded   Standing = "ended"   // cancelled, or never begun
)

// Entitlement answers whether a customer is paid up, for a portal.
type Entitlement struct {
	PaidUp   bool // give access
	Standing Standing
	// Until is when the answer may change by itself; zero: not by time alone.
	Until time.Time
}

// Entitlement answers for a moment. Trouble of ours never shuts a customer out:
// between a period's end and the result of its successor's payment he has
// access, unless it was agreed that there is no successor.
func (s Subscription) Entitlement(at time.Time, policy Policy, zone *time.Location) Entitlement {
	over := !at.Before(s.Period.End)
	switch s.State {
	case Pending:
		return Entitlement{Standing: StandingPending}
	case Trialing, Active:
		return s.running(over)
	case PastDue:
		if grace := policy.GraceEnd(s.dunning(zone)); at.Before(grace) {
			return Entitlement{PaidUp: true, Standing: StandingGrace, Until: grace}
		}
		return Entitlement{Standing: StandingOverdue}
	case Paused:
		return Entitlement{Standing: StandingPaused}
	case Unpaid:
		return Entitlement{Standing: StandingUnpaid}
	case Cancelled, Abandoned:
		return Entitlement{Standing: StandingEnded}
	}
	return Entitlement{Standing: StandingEnded}
}

func (s Subscription) running(over bool) Entitlement {
	switch {
	case over && s.CancelAtEnd:
		return Entitlement{Standing: StandingEnded}
	case over && s.PauseAtEnd:
		return Entitlement{Standing: StandingPaused}
	case over && s.SkipNext:
		return Entitlement{Standing: StandingSkipped}
	case over:
		return Entitlement{PaidUp: true, Standing: StandingSettling}
	case s.Period.Kind == Trial:
		return Entitlement{PaidUp: true, Standing: StandingTrial, Until: s.Period.End}
	case s.Period.Kind == Skipped:
		return Entitlement{Standing: StandingSkipped, Until: s.Period.End}
	case !s.isPaid():
		return Entitlement{PaidUp: true, Standing: StandingSettling, Until: s.Period.End}
	}
	return Entitlement{PaidUp: true, Standing: StandingPaid, Until: s.Period.End}
}

// Upcoming is the next period as it will be if nothing happens before.
type Upcoming struct {
	Period Period
	Charge money.Amount // after the balance; zero: nothing will be charged
}

// Upcoming tells what the end of the current period brings; false when it brings
// no period: the subscription ends or pauses, does not run, or has a charge open
// that comes first. The moment's At does not matter.
func (s Subscription) Upcoming(m Moment) (Upcoming, bool, error) {
	if !s.State.Permits(CmdRenew) || s.Open != nil {
		return Upcoming{}, false, nil
	}
	m.At = s.Period.End
	next, err := s.Renew(m)
	if err != nil {
		return Upcoming{}, false, fmt.Errorf("look ahead of period %s: %w", s.Period.ID(), err)
	}
	if next.State != Active {
		return Upcoming{}, false, nil
	}
	u := Upcoming{Period: next.Period, Charge: money.New(0, s.Balance.Currency)}
	if next.Open != nil {
		u.Charge = next.Open.Amount
	}
	return u, true, nil
}

// NoticeAt is when the customer is told of the coming renewal: the plan's
// NoticeDays of the local calendar before it, at the same time of day, and not
// before the current period, so that a weekly plan with a month's notice tells
// at each start. False: there is nothing to tell.
func (s Subscription) NoticeAt(m Moment) (time.Time, bool, error) {
	days := s.Terms.Plan.NoticeDays
	next, renews, err := s.Upcoming(m)
	if err != nil || days == 0 || !renews || next.Charge.IsZero() {
		return time.Time{}, false, err
	}
	at := WallAt(s.Period.End, m.Zone).addDays(-days).In(m.Zone)
	if at.Before(s.Period.Start) {
		at = s.Period.Start
	}
	return at, true, nil
}
