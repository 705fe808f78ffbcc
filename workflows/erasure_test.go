package workflows_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/privacy"
	"tillflow/workflows"
)

// law is a request with its neighbours in memory, in virtual time.
type law struct {
	activities.Requests // what a story does not need is not there

	t     *testing.T
	env   *testsuite.TestWorkflowEnvironment
	start time.Time
	input flow.ErasureInput

	mu       sync.Mutex
	view     privacy.View
	open     int // payments that are not over
	residue  int
	mailGone bool // the merchant has no address
	broken   int  // so many tries to erase fail
	steps    []string
	warnings []privacy.Warning
}

func askedFor(t *testing.T, kind privacy.Kind) *law {
	t.Helper()
	l := &law{t: t, start: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), view: privacy.View{State: privacy.Received}}
	l.input = flow.ErasureInput{
		RequestID: "r1", Shop: "a.myshopify.com", Kind: kind, ReceivedAt: l.start, DueAt: l.start.Add(30 * 24 * time.Hour), Timing: flow.DefaultErasureTiming(),
	}
	l.fresh(l.start)
	return l
}

// fresh makes an environment for another run over the same row.
func (l *law) fresh(at time.Time) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	l.env = suite.NewTestWorkflowEnvironment()
	l.env.SetStartTime(at)
	l.env.SetTestTimeout(20 * time.Second)
	workflows.Register(l.env)
	l.env.RegisterActivity(&activities.Erasure{Requests: l, Searches: l, Mail: l, Now: func() time.Time { return l.env.Now() }, Log: zerolog.Nop()})
	server := &likeServer{cancelled: map[string]bool{}}
	l.env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{server}})
	l.env.SetOnActivityCanceledListener(func(info *activity.Info) { server.cancel(info.ActivityID) })
}

// change does something to the row under its lock and answers how it stands.
func (l *law) change(step string, do func()) privacy.View {
	l.mu.Lock()
	defer l.mu.Unlock()
	if do != nil {
		do()
	}
	if step != "" {
		l.steps = append(l.steps, step)
	}
	l.view.Open = l.open
	return l.view
}

func (l *law) MatchRequest(context.Context, string, func() error) (privacy.View, error) {
	return l.change("match", func() { l.view.State, l.view.Subjects = privacy.Waiting, 1 }), nil
}

func (l *law) LoadRequest(context.Context, string) (privacy.View, error) {
	return l.change("", nil), nil
}

func (l *law) EraseRequest(context.Context, string, func() error) (privacy.View, error) {
	var err error
	v := l.change("erase", func() {
		switch {
		case l.broken > 0:
			l.broken--
			err = payment.Errorf(payment.Unavailable, "the database is away")
		case l.open > 0:
			err = &payment.Error{Class: payment.Conflict, Code: "open_payments", Message: "open"}
		default:
			l.view.State, l.view.Trouble, l.view.Payments = privacy.Erased, privacy.NoTrouble, 2
		}
	})
	return v, err
}

func (l *law) RequestWords(context.Context, string) (privacy.Words, error) {
	return privacy.Words{}, nil
}

func (l *law) SearchRecord(context.Context, *privacy.Matcher, func() error) (privacy.Place, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return privacy.Place{Name: "database", Found: l.residue}, nil
}

func (l *law) RequestRuns(context.Context, string) (privacy.Runs, error) { return privacy.Runs{}, nil }

func (l *law) SearchHistories(context.Context, privacy.Runs, *privacy.Matcher, func() error) (privacy.Place, error) {
	return privacy.Place{Name: "histories"}, nil
}

func (l *law) SearchFiles(context.Context, *privacy.Matcher, func() error) ([]privacy.Place, error) {
	return []privacy.Place{{Name: "logs"}, {Name: "mails"}}, nil
}

func (l *law) RecordScan(_ context.Context, _ string, s privacy.Scan) (privacy.View, error) {
	return l.change("scan", func() {
		l.view.Residue = s.Found()
		if l.view.Residue == 0 {
			l.view.Trouble = privacy.NoTrouble
		}
	}), nil
}

func (l *law) CertifyRequest(context.Context, string) (privacy.View, error) {
	return l.change("certify", func() { l.view.State, l.view.Trouble = privacy.Done, privacy.NoTrouble }), nil
}

func (l *law) CallForRequest(_ context.Context, _ string, why privacy.Trouble) (privacy.View, error) {
	return l.change("call "+string(why), func() { l.view.Trouble = why }), nil
}

func (l *law) ExportRequest(context.Context, string, func() error) (privacy.Letter, error) {
	return privacy.Letter{RequestID: "r1", Link: "secret"}, nil
}

func (l *law) SendExport(context.Context, privacy.Letter) error {
	var err error
	l.change("mail", func() {
		if l.mailGone {
			err = &payment.Error{Class: payment.Invalid, Code: "no_address", Message: "none"}
		}
	})
	return err
}

func (l *law) ExportSent(context.Context, string) (privacy.View, error) {
	return l.change("sent", func() { l.view.State, l.view.Trouble = privacy.Done, privacy.NoTrouble }), nil
}

func (l *law) SendWarning(_ context.Context, w privacy.Warning) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.warnings = append(l.warnings, w)
	return nil
}

// run serves the request and answers when it was done, from its receipt.
func (l *law) run() time.Duration {
	l.t.Helper()
	l.env.ExecuteWorkflow(workflows.Erasure, l.input)
	require.True(l.t, l.env.IsWorkflowCompleted())
	require.NoError(l.t, l.env.GetWorkflowError())
	var result flow.ErasureResult
	require.NoError(l.t, l.env.GetWorkflowResult(&result))
	require.Equal(l.t, privacy.Done, result.State)
	require.Less(l.t, len(l.steps), 60, "no hot loop")
	return l.env.Now().Sub(l.start)
}

func (l *law) at(d time.Duration, do func()) {
	l.env.RegisterDelayedCallback(func() { l.change("", do) }, d)
}

const lawDay = 24 * time.Hour

func (l *law) ahead() []time.Duration {
	var list []time.Duration
	for _, w := range l.warnings {
		if w.Trouble == privacy.NoTrouble {
			list = append(list, w.Ahead)
		}
	}
	return list
}

func TestErasure(t *testing.T) {
	t.Parallel()
	t.Run("a person without open payments is erased, looked for and certified at once", func(t *testing.T) {
		t.Parallel()
		l := askedFor(t, privacy.Customer)
		require.Less(t, l.run(), time.Minute)
		require.Equal(t, []string{"match", "erase", "scan", "certify"}, l.steps)
		require.Empty(t, l.warnings)
	})
	t.Run("open payments finish first, and the sweep's signal ends the wait", func(t *testing.T) {
		t.Parallel()
		l := askedFor(t, privacy.Customer)
		l.open = 1
		l.at(5*lawDay, func() { l.open = 0 })
		l.env.RegisterDelayedCallback(func() { l.env.SignalWorkflow(flow.SignalLook, nil) }, 5*lawDay+time.Second)
		took := l.run()
		require.Less(t, took-5*lawDay, time.Minute, "it does not wait for the next look")
		require.Equal(t, []string{"match", "erase", "scan", "certify"}, l.steps)
	})
	t.Run("without a signal the next look finds them over", func(t *testing.T) {
		t.Parallel()
		l := askedFor(t, privacy.Shop)
		l.open = 2
		l.at(lawDay, func() { l.open = 0 })
		require.LessOrEqual(t, l.run()-lawDay, l.input.Timing.LookMax+time.Minute)
	})
	t.Run("warnings go out ten, three and one day before the law's last moment, and at it", func(t *testing.T) {
		t.Parallel()
		l := askedFor(t, privacy.Customer)
		l.open = 1
		l.at(31*lawDay, func() { l.open = 0 })
		l.run()
		require.Equal(t, []time.Duration{10 * lawDay, 3 * lawDay, lawDay, 0}, l.ahead())
		require.Contains(t, l.steps, "call open_payments")
		require.Equal(t, []string{"erase", "scan", "certify"}, l.steps[len(l.steps)-3:], "money is never cut off, and late is better than never")
	})
	t.Run("what was served in time warns nobody", func(t *testing.T) {
		t.Parallel()
		l := askedFor(t, privacy.Customer)
		l.open = 1
		l.at(19*lawDay, func() { l.open = 0 })
		l.run()
		require.Empty(t, l.warnings)
	})
	t.Run("who is found again is not certified away", func(t *testing.T) {
		t.Parallel()
		l := askedFor(t, privacy.Customer)
		l.residue = 3
		l.at(lawDay, func() { l.residue = 0 })
		took := l.run()
		require.Equal(t, []string{"match", "erase", "scan", "call residue", "scan"}, l.steps[:5])
		require.Equal(t, "certify", l.steps[len(l.steps)-1])
		require.Less(t, took-lawDay, l.input.Timing.Retry+time.Minute)
		require.Len(t, l.warnings, 1)
		require.Equal(t, privacy.Residue, l.warnings[0].Trouble)
	})
	t.Run("a person who has removed it need not wait", func(t *testing.T) {
		t.Parallel()
		l := askedFor(t, privacy.Customer)
		l.residue = 1
		l.at(time.Minute, func() { l.residue = 0 })
		l.env.RegisterDelayedCallback(func() { l.env.SignalWorkflow(flow.SignalLook, nil) }, 2*time.Minute)
		require.Less(t, l.run(), 10*time.Minute)
	})
	t.Run("a step that fails for long calls a person and is tried on", func(t *testing.T) {
		t.Parallel()
		l := askedFor(t, privacy.Customer)
		l.broken = 25
		l.run()
		require.Contains(t, l.steps, "call overdue")
		require.Equal(t, "certify", l.steps[len(l.steps)-1])
	})
	t.Run("cancelling in Temporal does not take the law back", func(t *testing.T) {
		t.Parallel()
		l := askedFor(t, privacy.Customer)
		l.open = 1
		l.env.RegisterDelayedCallback(l.env.CancelWorkflow, time.Hour)
		l.at(lawDay, func() { l.open = 0 })
		l.run()
		require.Equal(t, "certify", l.steps[len(l.steps)-1])
	})
	t.Run("another run takes the row up where it stands, and warns only of what is next", func(t *testing.T) {
		t.Parallel()
		l := askedFor(t, privacy.Customer)
		l.fresh(l.start.Add(28 * lawDay))
		l.open = 1
		l.at(36*time.Hour, func() { l.open = 0 })
		l.run()
		require.Equal(t, []time.Duration{3 * lawDay, lawDay}, l.ahead())
	})
}

func TestDataRequest(t *testing.T) {
	t.Parallel()
	t.Run("the export is mailed at once, also while payments are open", func(t *testing.T) {
		t.Parallel()
		l := askedFor(t, privacy.DataRequest)
		l.open = 1
		require.Less(t, l.run(), time.Minute)
		require.Equal(t, []string{"match", "mail", "sent"}, l.steps)
	})
	t.Run("a merchant who cannot be mailed is a person's matter until there is an address", func(t *testing.T) {
		t.Parallel()
		l := askedFor(t, privacy.DataRequest)
		l.mailGone = true
		l.at(lawDay, func() { l.mailGone = false })
		require.Less(t, l.run()-lawDay, l.input.Timing.Retry+time.Minute)
		require.Contains(t, l.steps, "call no_address")
		require.Equal(t, privacy.NoAddress, l.warnings[0].Trouble)
	})
}

// purges is retention in memory.
type purges struct{ err error }

func (p purges) Purge(context.Context, func() error) ([]privacy.Purged, error) {
	return []privacy.Purged{{Rule: "mails", Rows: 7}}, p.err
}

func TestPurge(t *testing.T) {
	t.Parallel()
	purge := func(err error) *testsuite.TestWorkflowEnvironment {
		var suite testsuite.WorkflowTestSuite
		suite.SetLogger(quiet{})
		env := suite.NewTestWorkflowEnvironment()
		workflows.Register(env)
		env.RegisterActivity(&activities.Purge{Retention: purges{err}, Log: zerolog.Nop()})
		env.ExecuteWorkflow(workflows.Purge, flow.PurgeInput{})
		require.True(t, env.IsWorkflowCompleted())
		return env
	}
	env := purge(nil)
	require.NoError(t, env.GetWorkflowError())
	var done []privacy.Purged
	require.NoError(t, env.GetWorkflowResult(&done))
	require.Equal(t, []privacy.Purged{{Rule: "mails", Rows: 7}}, done)
	require.ErrorContains(t, purge(payment.Errorf(payment.Bug, "a rule")).GetWorkflowError(), "a rule", "a purge that has not done everything shows red")
}
