package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tillflow/internal/flow"
	"tillflow/internal/shopify/app"
)

const (
	// guardsAtOnce bounds the shops that one run looks at together: one that hangs
	// holds one place and no other shop.
	guardsAtOnce = 8
	// guardRounds bounds a run's history; the next one goes on within a minute.
	guardRounds = 20
)

// Guard looks after what Shopify should tell us. A schedule starts it; it holds
// no state: what is due stands in the rows, and comes up again when a run is lost.
func Guard(ctx workflow.Context, _ flow.GuardInput) (flow.GuardResult, error) {
	var res flow.GuardResult
	var problems []error
	for range guardRounds {
		due, err := doBare(guardStep(ctx, "claim shops to look at"), guard.GuardDue)
		if err != nil {
			problems = append(problems, err)
			break
		}
		if due.Versions {
			_, err := doBare(guardStep(ctx, "check the versions of Shopify's APIs"), guard.CheckVersions)
			problems = append(problems, err)
		}
		guardShops(ctx, due.Shops, &res)
		if len(due.Shops) == 0 {
			break
		}
	}
	sent, err := doBare(guardStep(ctx, "send warnings that are due"), guard.SendWarnings)
	res.Warnings, res.Failed = sent.Sent, res.Failed+sent.Failed
	return res, errors.Join(append(problems, err)...)
}

// guardShops looks at some shops side by side. What fails is counted and never
// stops the others.
func guardShops(ctx workflow.Context, shops []app.Guarded, res *flow.GuardResult) {
	places, all := workflow.NewSemaphore(ctx, guardsAtOnce), workflow.NewWaitGroup(ctx)
	for _, shop := range shops {
		if err := places.Acquire(ctx, 1); err != nil {
			break // cancelled: the claims come up again
		}
		all.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer all.Done()
			defer places.Release(1)
			done, err := do(guardWalk(ctx, fmt.Sprintf("look at %s", shop.Shop)), guard.GuardShop, shop)
			if err != nil || done.Trouble != "" {
				res.Failed++
				return
			}
			res.Shops, res.Made, res.Filled = res.Shops+1, res.Made+len(done.Made), res.Filled+done.Filled
		})
	}
	all.Wait(ctx)
}

// guardStep is for one short step on the record, or a few calls at most.
func guardStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, ScheduleToCloseTimeout: 3 * time.Minute,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
		Summary:     summary,
	})
}

// guardWalk is for a walk through a shop's orders, which waits for Shopify's
// points in between. It ends before its claim does: what it has not reached is
// reached by the next look.
func guardWalk(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Minute, ScheduleToCloseTimeout: 12 * time.Minute, HeartbeatTimeout: 2 * time.Minute,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
		Summary:     summary,
	})
}
