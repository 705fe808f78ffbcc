package workflows

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

// Nil pointers: they only name methods.
var (
	gateway   *activities.Gateway
	shop      *activities.Shopify
	rows      *activities.Rows
	sweeper   *activities.Sweep
	guard     *activities.Guard
	members   *activities.Members
	recharger *activities.Recharge
)

// do runs an activity under the policy that ctx carries.
func do[I, O any](ctx workflow.Context, call func(context.Context, I) (O, error), in I) (O, error) {
	var out O
	err := workflow.ExecuteActivity(ctx, call, in).Get(ctx, &out)
	return out, err
}

// begin starts an activity and does not wait for it.
func begin[I, O any](ctx workflow.Context, call func(context.Context, I) (O, error), in I) workflow.Future {
	return workflow.ExecuteActivity(ctx, call, in)
}

// doRow runs a step on our own record: first as a local activity, which costs
// one event, and when Postgres is away as an ordinary one that waits for it.
func doRow[I, O any](ctx workflow.Context, summary string, call func(context.Context, I) (O, error), in I) (O, error) {
	var out O
	err := workflow.ExecuteLocalActivity(dbLocal(ctx, summary), call, in).Get(ctx, &out)
	if err == nil || final(classOf(err)) {
		return out, err
	}
	return do(dbDurable(ctx, summary), call, in)
}

// pspSend is for calls that may move money. Temporal may repeat them, because
// the activity's send log looks at the provider before it sends again; after
// the window the workflow looks around and comes back.
func pspSend(ctx workflow.Context, t flow.Timing, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    t.SendTimeout,
		ScheduleToCloseTimeout: t.SendWindow,
		WaitForCancellation:    true,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: t.RetryFirst, BackoffCoefficient: 2, MaximumInterval: t.RetryMax},
		Summary:                summary,
	})
}

// pspWatch is for looks that wait: "still pending" is a retryable error, so
// waiting costs no history. It ends by an answer or by cancellation.
func pspWatch(ctx workflow.Context, t flow.Timing, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: t.SendTimeout,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: min(30*t.RetryFirst, t.LookMax), BackoffCoefficient: 2, MaximumInterval: t.LookMax},
		Summary:             summary,
	})
}

// dbWatch is for the same on our own rows: what is awaited is mostly decided
// within seconds, and looking is cheap.
func dbWatch(ctx workflow.Context, t flow.Timing, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: t.RetryFirst, BackoffCoefficient: 2, MaximumInterval: t.LookMax},
		Summary:             summary,
	})
}

// shopify is for mutations at the shop. The pauses come from the activity's
// errors; within bounds the tries, zero means for ever.
func shopify(ctx workflow.Context, within time.Duration, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    20 * time.Second,
		ScheduleToCloseTimeout: within,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 5 * time.Second, BackoffCoefficient: 2, MaximumInterval: 4 * time.Hour},
		Summary:                summary,
	})
}

// dbLocal is for one short transaction on our own record.
func dbLocal(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout:    2 * time.Second,
		ScheduleToCloseTimeout: 5 * time.Second,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: time.Second},
		Summary:                summary,
	})
}

// dbDurable is for the same while Postgres restarts: a step on the record never
// fails for good.
func dbDurable(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
		Summary:             summary,
	})
}

// classOf reads what a failed call means. A call that timed out while running
// may have done anything; one that was never picked up has done nothing.
//
// The timeout is asked first: it carries the failure of an earlier try, which
// says nothing about the try that timed out.
func classOf(err error) payment.Class {
	if e, ok := errors.AsType[*temporal.TimeoutError](err); ok {
		if neverPickedUp(e) {
			return payment.Unavailable
		}
		return payment.Unknown
	}
	if e, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return payment.Class(e.Type())
	}
	return payment.Unknown
}

// final says which classes waiting cannot mend.
func final(c payment.Class) bool {
	switch c {
	case payment.Invalid, payment.NotFound, payment.Conflict, payment.Unsupported, payment.Bug:
		return true
	case payment.Unauthorized, payment.RateLimited, payment.Unavailable, payment.Unknown, payment.StillPending:
		return false
	}
	return false
}

// doBare runs an activity that takes no input.
func doBare[O any](ctx workflow.Context, call func(context.Context) (O, error)) (O, error) {
	var out O
	err := workflow.ExecuteActivity(ctx, call).Get(ctx, &out)
	return out, err
}
