package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/recharge"
)

const (
	// rechargeLanes bounds the stores that one run visits side by side. Each lane
	// takes the next store when it is through with one, so that a store with many
	// charges, or one that hangs, keeps one lane and nobody else.
	rechargeLanes = 8
	// rechargeVisits bounds a run's history; the next run goes on within a minute.
	rechargeVisits = 200
)

// Recharge looks after failed subscription charges at Recharge: it reads what
// failed, tells the merchants, and follows their policies. A schedule starts it; it
// holds no state: which store is due, and how far the walk over its charges is,
// stands in the rows.
func Recharge(ctx workflow.Context, _ flow.RechargeInput) (flow.RechargeResult, error) {
	r := rechargeRun{turns: workflow.NewMutex(ctx)}
	all := workflow.NewWaitGroup(ctx)
	for range rechargeLanes {
		all.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer all.Done()
			for {
				visit, due := r.next(ctx)
				if !due {
					return
				}
				r.visit(ctx, visit)
			}
		})
	}
	all.Wait(ctx)
	return r.res, errors.Join(r.problems...)
}

// rechargeRun is what a run keeps in memory.
type rechargeRun struct {
	turns    workflow.Mutex
	queue    []recharge.Visit
	visits   int
	over     bool // no store is due, or the run is long enough
	res      flow.RechargeResult
	problems []error
}

// next gives a lane its store. One lane at a time claims more.
func (r *rechargeRun) next(ctx workflow.Context) (recharge.Visit, bool) {
	if err := r.turns.Lock(ctx); err != nil {
		return recharge.Visit{}, false // cancelled: the claims come up again
	}
	defer r.turns.Unlock()
	if len(r.queue) == 0 && !r.over {
		due, err := doBare(rechargeStep(ctx, "claim stores to visit"), recharger.DueStores)
		if err != nil {
			r.problems = append(r.problems, err)
		}
		r.queue = due
		r.visits += len(due)
		r.over = len(due) == 0 || r.visits >= rechargeVisits
	}
	if len(r.queue) == 0 {
		return recharge.Visit{}, false
	}
	visit := r.queue[0]
	r.queue = r.queue[1:]
	return visit, true
}

// visit reads a store's failed charges, tells its merchant and follows its policy.
// What fails is counted and stops neither the rest of the visit nor another store:
// what was found before the trouble is reported all the same.
func (r *rechargeRun) visit(ctx workflow.Context, visit recharge.Visit) {
	done, err := do(rechargeVisit(ctx, fmt.Sprintf("read failed charges of %s", visit.Shop)), recharger.VisitStore, visit)
	bad := err != nil || done.Trouble != ""
	r.res.Fresh += done.Fresh
	in := activities.StoreInput{Shop: visit.Shop}
	reports, err := do(rechargeVisit(ctx, fmt.Sprintf("tell %s", visit.Shop)), recharger.ReportStore, in)
	r.res.Reported += reports.Sent
	bad = bad || err != nil || reports.Failed > 0
	if visit.Process {
		processed, err := do(rechargeVisit(ctx, fmt.Sprintf("charge again at %s, by its policy", visit.Shop)), recharger.ProcessStore, in)
		r.res.Processed += processed.Paid + processed.Declined
		bad = bad || err != nil
	}
	if bad {
		r.res.Failed++
		return
	}
	r.res.Stores++
}

// rechargeStep is for one short step on the record.
func rechargeStep(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 30 * time.Second, ScheduleToCloseTimeout: 2 * time.Minute,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
		Summary:     summary,
	})
}

// rechargeVisit is for the calls of one visit, which pause as Recharge asks. Its
// parts together end before the store's claim does; the heartbeat is longer than
// one call, so that the death of a worker is noticed within a minute.
func rechargeVisit(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 4 * time.Minute, ScheduleToCloseTimeout: 5 * time.Minute, HeartbeatTimeout: 45 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
		Summary:     summary,
	})
}
