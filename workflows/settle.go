package workflows

import (
	"go.temporal.io/sdk/workflow"

	"tillflow/internal/payment"
)

// next is what a failed call leaves to do.
type next string

const (
	tryAgain  next = "try again"  // certainly not accepted: same attempt, after a pause
	lookFirst next = "look first" // may have been accepted: only evidence leads on
	askPerson next = "ask"        // waiting does not mend it
)

// after reads a failed call. It is the one place that maps classes to deeds,
// and no class leads to "failed": what may have moved money is looked up until
// the provider, a webhook or a person says what happened.
func after(err error) (next, payment.OperatorReason) {
	switch classOf(err) {
	case payment.Unavailable, payment.RateLimited:
		return tryAgain, payment.NobodyNeeded
	case payment.Unknown, payment.Conflict, payment.NotFound, payment.StillPending:
		return lookFirst, payment.NobodyNeeded
	case payment.Unauthorized:
		return askPerson, payment.AccountBlocked
	case payment.Invalid, payment.Unsupported, payment.Bug:
		return askPerson, payment.RoutingFault
	}
	return lookFirst, payment.NobodyNeeded
}

// settleFailure pauses as the failure asks and calls a person where needed.
// The story goes on from the rows afterwards: an attempt that may have been
// accepted is there as unfinished and is looked up before anything is sent.
func (d *desk) settleFailure(ctx workflow.Context, err error, what string, call func(payment.OperatorReason) error) error {
	workflow.GetLogger(ctx).Warn(what+" failed", "class", string(classOf(err)))
	todo, why := after(err)
	switch todo {
	case tryAgain:
		d.backOffAsked(ctx, err, what+" again", d.timing.RetryMax)
		return nil
	case lookFirst:
		d.backOffAsked(ctx, err, "look again: "+what, d.timing.LookMax)
		if d.pause < d.timing.LookMax {
			return nil
		}
		return call(payment.InDoubt) // no evidence came in all that time
	case askPerson:
	}
	d.restFor(ctx, d.timing.OperatorRetry, what+" again unless a person is faster")
	return call(why)
}
