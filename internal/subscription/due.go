package subscription

import (
	"fmt"
	"time"
)

// Task is the next thing that a subscription's clock does. Its text stands in
// rows: never rename one.
type Task string

// Tasks.
const (
	NoTask     Task = ""        // only an event leads on: a result, a command
	TaskExpire Task = "expire"  // the mandate for a trial never came
	TaskNotice Task = "notice"  // the customer is told of the coming renewal
	TaskRenew  Task = "renew"   // the period is over
	TaskRetry  Task = "retry"   // an owed charge is sent again
	TaskGiveUp Task = "give_up" // the final action of dunning
	TaskReview Task = "review"  // a person looks at a decline that is none
)

// Tasks lists every task.
var Tasks = []Task{NoTask, TaskExpire, TaskNotice, TaskRenew, TaskRetry, TaskGiveUp, TaskReview}

// MandateDays is how long a customer may take to leave a method for a trial.
const MandateDays = 7

// Due is a task and the moment from which it is to be done. Next is set with
// TaskRetry, TaskGiveUp and TaskReview.
type Due struct {
	Task Task
	At   time.Time
	Next Step
}

// Due says what the clock does next if nothing happens before. noticed is the
// number of the last period whose end the customer was told of, -1 for none. A
// task whose time has passed is for now.
func (s Subscription) Due(policy Policy, m Moment, noticed int) (Due, error) {
	switch s.State {
	case Pending:
		if s.Open == nil || s.Open.Amount.IsPositive() {
			return Due{}, nil // the page that it is paid on has a deadline of its own
		}
		return Due{Task: TaskExpire, At: WallAt(s.Period.Start, m.Zone).addDays(MandateDays).In(m.Zone)}, nil
	case Trialing, Active:
		return s.dueRunning(m, noticed)
	case PastDue:
		return s.dueOwed(policy, m)
	case Paused, Unpaid, Cancelled, Abandoned:
		return Due{}, nil
	}
	return Due{}, fmt.Errorf("a subscription in no known state: %q", s.State)
}

func (s Subscription) dueRunning(m Moment, noticed int) (Due, error) {
	if s.Open != nil {
		return Due{}, nil // its result comes first; then the period is renewed, however late
	}
	renew := Due{Task: TaskRenew, At: s.Period.End}
	if noticed >= s.Period.Number || !m.At.Before(s.Period.End) {
		return renew, nil
	}
	at, tell, err := s.NoticeAt(m)
	if err != nil || !tell {
		return renew, err
	}
	return Due{Task: TaskNotice, At: at}, nil
}

func (s Subscription) dueOwed(policy Policy, m Moment) (Due, error) {
	if s.Open == nil || !s.Open.Owed {
		return Due{}, nil
	}
	step, err := s.NextStep(policy, m)
	if err != nil {
		return Due{}, err
	}
	switch step.Action {
	case ActRetry:
		return Due{Task: TaskRetry, At: step.At, Next: step}, nil
	case ActFinal:
		return Due{Task: TaskGiveUp, At: step.At, Next: step}, nil
	case ActReview:
		// Nobody collects for ever: with the period, collecting ends.
		if !m.At.Before(s.Period.End) {
			return Due{Task: TaskGiveUp, At: s.Period.End, Next: step}, nil
		}
		return Due{Task: TaskReview, At: step.At, Next: step}, nil
	}
	return Due{}, fmt.Errorf("dunning knows no step %q", step.Action)
}
