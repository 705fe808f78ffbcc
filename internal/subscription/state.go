package subscription

import (
	"fmt"
	"slices"
)

// State is where a subscription stands.
type State string

// States.
const (
	// Pending: accepted; the first payment, or the mandate for a trial, has not come.
	Pending State = "pending"
	// Trialing: free of charge for a time.
	Trialing State = "trialing"
	// Active: its period is paid, is being paid, or was skipped.
	Active State = "active"
	// PastDue: its period's charge was declined and is being recovered.
	PastDue State = "past_due"
	// Paused: no periods, until somebody resumes it.
	Paused State = "paused"
	// Unpaid: recovery was given up; no periods, until the customer pays again.
	Unpaid State = "unpaid"
	// Cancelled: over, for good.
	Cancelled State = "cancelled"
	// Abandoned: over before it began.
	Abandoned State = "abandoned"
)

// States lists every state, for tests and for checks on stored rows.
var States = []State{Pending, Trialing, Active, PastDue, Paused, Unpaid, Cancelled, Abandoned}

// transitions is the one table of legal moves. A repeated state is not a move.
// Who gives up or comes back passes PastDue or a payment; nothing leads out of
// Cancelled: who wants to return subscribes anew.
var transitions = map[State][]State{
	Pending:   {Trialing, Active, Abandoned, Cancelled},
	Trialing:  {Active, Paused, Cancelled},
	Active:    {PastDue, Paused, Cancelled},
	PastDue:   {Active, Paused, Unpaid, Cancelled},
	Paused:    {Active, Cancelled},
	Unpaid:    {Active, Cancelled},
	Cancelled: {},
	Abandoned: {},
}

// CanBecome reports whether a subscription in s may become next.
func (s State) CanBecome(next State) bool { return slices.Contains(transitions[s], next) }

// Over reports whether nothing happens to the subscription any more.
func (s State) Over() bool { return s == Cancelled || s == Abandoned }

// Command is something that a person or the clock wants of a subscription.
type Command string

// Commands.
const (
	CmdRenew       Command = "renew"         // the clock: the period is over
	CmdRetry       Command = "retry"         // the clock, or a customer who pays now
	CmdGiveUp      Command = "give_up"       // the clock: recovery has failed
	CmdPause       Command = "pause"         //
	CmdResume      Command = "resume"        //
	CmdChange      Command = "change"        // of plan or quantity
	CmdSkip        Command = "skip"          //
	CmdCancel      Command = "cancel"        // now
	CmdCancelAtEnd Command = "cancel_at_end" //
	CmdWithdraw    Command = "withdraw"      // what was scheduled for the period's end
	CmdMethod      Command = "method"        // the customer gave a payment method
)

// Commands lists every command.
var Commands = []Command{
	CmdRenew, CmdRetry, CmdGiveUp, CmdPause, CmdResume, CmdChange, CmdSkip, CmdCancel, CmdCancelAtEnd, CmdWithdraw, CmdMethod,
}

// permitted is the one table of who may be asked for what.
var permitted = map[State][]Command{
	Pending:   {CmdCancel, CmdMethod},
	Trialing:  {CmdRenew, CmdPause, CmdChange, CmdCancel, CmdCancelAtEnd, CmdWithdraw, CmdMethod},
	Active:    {CmdRenew, CmdPause, CmdChange, CmdSkip, CmdCancel, CmdCancelAtEnd, CmdWithdraw, CmdMethod},
	PastDue:   {CmdRetry, CmdGiveUp, CmdPause, CmdCancel, CmdCancelAtEnd, CmdWithdraw, CmdMethod},
	Paused:    {CmdResume, CmdCancel, CmdMethod},
	Unpaid:    {CmdResume, CmdCancel, CmdMethod},
	Cancelled: {},
	Abandoned: {},
}

// Permits reports whether a subscription in s may be asked for c at all. More
// may stand against it: see the command itself.
func (s State) Permits(c Command) bool { return slices.Contains(permitted[s], c) }

// ask refuses (WrongState) a command that the state does not permit.
func (s State) ask(c Command) error {
	if s.Permits(c) {
		return nil
	}
	return refuse("subscription", WrongState, "is %s and cannot be asked for %s", s, c)
}

// become moves along the table. A move that it does not have is a fault of this
// package, not of the caller.
func (s State) become(next State) (State, error) {
	if s == next {
		return s, nil
	}
	if !s.CanBecome(next) {
		return s, fmt.Errorf("a subscription that is %s cannot become %s", s, next)
	}
	return next, nil
}
