package activities_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/activities/activitytest"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// due is a record of what the sweep owes, runs and a mailer in one.
type due struct {
	mu       sync.Mutex
	charges  []payment.RunRef
	held     []payment.RunRef
	moves    []payment.MoveRef
	events   []payment.EventRef
	watches  []payment.EventRef
	notices  []payment.Notice
	ended    []payment.EndedRun
	hastened []payment.EndedRun
	sent     []int64
	did      []string
	broken   map[string]error
}

func (d *due) do(what string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.broken[what]; err != nil {
		return err
	}
	d.did = append(d.did, what)
	return nil
}

func (d *due) DueCharges(context.Context, int) ([]payment.RunRef, error) {
	return d.charges, d.broken["charges"]
}

func (d *due) DueMoves(context.Context, int) ([]payment.MoveRef, error) {
	return d.moves, d.broken["moves"]
}

func (d *due) DueEvents(context.Context, int) ([]payment.EventRef, error) {
	return d.events, d.broken["events"]
}

func (d *due) DueWatches(context.Context, int) ([]payment.EventRef, error) {
	return d.watches, d.broken["watches"]
}

func (d *due) DueNotices(context.Context, int) ([]payment.Notice, error) {
	return d.notices, d.broken["notices"]
}

func (d *due) Ended(context.Context, time.Duration) ([]payment.EndedRun, error) {
	return d.ended, d.broken["ended"]
}

func (d *due) Hasten(_ context.Context, ended []payment.EndedRun) error {
	d.hastened = append(d.hastened, ended...)
	return nil
}

func (d *due) NoticeSent(_ context.Context, id int64) error {
	d.sent = append(d.sent, id)
	return nil
}

func (d *due) StartCharge(_ context.Context, ref payment.RunRef) error {
	return d.do("charge " + ref.PaymentID)
}

func (d *due) StartMove(_ context.Context, ref payment.MoveRef) error {
	return d.do(string(ref.Kind) + " " + ref.OperationID)
}

func (d *due) HeldBack(_ context.Context, limit int) ([]payment.RunRef, error) {
	return d.held[:min(limit, len(d.held))], d.broken["held"]
}

func (d *due) SignalChoice(_ context.Context, ref payment.RunRef) error {
	return d.do("wake " + ref.PaymentID)
}

func (d *due) SignalEvent(_ context.Context, ref payment.EventRef) error {
	return d.do("event " + ref.AttemptID)
}

func (d *due) SendNotice(_ context.Context, n payment.Notice) error {
	return d.do(fmt.Sprintf("mail %d", n.ID))
}

func (b *bundle) sweep(d *due) *activities.Sweep {
	return &activities.Sweep{Due: d, Runs: d, Gateway: b.Gateway, Mail: d, Log: zerolog.Nop()}
}

func TestSweep(t *testing.T) {
	t.Parallel()

	t.Run("starts what has no run and wakes what waits", func(t *testing.T) {
		t.Parallel()
		d := &due{
			charges: []payment.RunRef{{PaymentID: "p1"}, {PaymentID: "p2"}},
			moves:   []payment.MoveRef{{OperationID: "o1", Kind: payment.OpReversal}, {OperationID: "o2", Kind: payment.OpRefund}},
			held:    []payment.RunRef{{PaymentID: "p3"}},
			events:  []payment.EventRef{{AttemptID: "a1"}},
		}
		res, err := setup(t, activitytest.Advisory()).sweep(d).SweepRows(t.Context())
		require.NoError(t, err)
		require.Equal(t, activities.SweepResult{Charges: 2, Moves: 2, HeldBack: 1, Events: 1}, res)
		require.Equal(t, []string{"charge p1", "charge p2", "reversal o1", "refund o2", "wake p3", "event a1"}, d.did)
	})

	t.Run("one row that fails does not stop the others", func(t *testing.T) {
		t.Parallel()
		d := &due{
			charges: []payment.RunRef{{PaymentID: "p1"}, {PaymentID: "p2"}},
			watches: []payment.EventRef{{AttemptID: "no-such-attempt", Closed: true}},
			broken:  map[string]error{"charge p1": errors.New("temporal is away"), "ended": errors.New("no visibility")},
		}
		res, err := setup(t, activitytest.Advisory()).sweep(d).SweepRows(t.Context())
		require.NoError(t, err)
		require.Equal(t, activities.SweepResult{Charges: 1, Failed: 2}, res)
	})

	t.Run("a record that does not answer is tried again", func(t *testing.T) {
		t.Parallel()
		for _, what := range []string{"charges", "moves", "held", "events", "watches"} {
			d := &due{broken: map[string]error{what: errors.New("database is starting")}}
			_, err := setup(t, activitytest.Advisory()).sweep(d).SweepRows(t.Context())
			hasClass(t, payment.Unavailable, err)
			require.False(t, failure(t, err).NonRetryable())
		}
	})

	t.Run("what somebody terminated is due at once", func(t *testing.T) {
		t.Parallel()
		d := &due{ended: []payment.EndedRun{{Shop: "a", Ref: "r"}}}
		_, err := setup(t, activitytest.Advisory()).sweep(d).SweepRows(t.Context())
		require.NoError(t, err)
		require.Equal(t, d.ended, d.hastened)
	})

	t.Run("the event of an ended charge is settled here", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		b.records.StoreEvent(id, payment.Done)
		d := &due{events: []payment.EventRef{{AttemptID: id, Closed: true}}}
		res, err := b.sweep(d).SweepRows(t.Context())
		require.NoError(t, err)
		require.Equal(t, activities.SweepResult{Events: 1}, res)
		require.Equal(t, payment.Done, b.attempt().State)
		require.Empty(t, d.did)
	})

	t.Run("a success whose webhook was lost is found after the end and goes back", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		_, err := b.shut(id)
		require.NoError(t, err)
		_, err = b.records.DecideReject(t.Context(), pay, payment.TimedOut)
		require.NoError(t, err)
		d := &due{watches: []payment.EventRef{{AttemptID: id, Closed: true}}}

		res, err := b.sweep(d).SweepRows(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, res.Watches)
		require.Empty(t, b.records.View(pay).Reversals)

		b.acme.Set(id, psp.Succeeded)
		_, err = b.sweep(d).SweepRows(t.Context())
		require.NoError(t, err)
		require.Len(t, b.records.View(pay).Reversals, 1)
		changes := b.records.Changes()
		_, err = b.sweep(d).SweepRows(t.Context())
		require.NoError(t, err)
		require.Equal(t, changes, b.records.Changes())
	})

	t.Run("late money wakes its run also when the list of what was done elsewhere fails", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		_, err := b.shut(id)
		require.NoError(t, err)
		b.acme.Set(id, psp.Succeeded)
		b.Connectors = activitytest.Neighbours{"acme": lister{Provider: b.acme, fault: payment.Errorf(payment.Unavailable, "no route")}}
		d := &due{watches: []payment.EventRef{{AttemptID: id}}}
		res, err := b.sweep(d).SweepRows(t.Context())
		require.NoError(t, err)
		require.Equal(t, activities.SweepResult{Failed: 1}, res)
		require.Equal(t, []string{"event " + id}, d.did)
	})

	t.Run("what the provider does not know was not paid late", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Authoritative(lag))
		id := b.mustOpen()
		_, err := b.shut(id)
		require.NoError(t, err)
		b.acme.Forget(id)
		res, err := b.sweep(&due{watches: []payment.EventRef{{AttemptID: id, Closed: true}}}).SweepRows(t.Context())
		require.NoError(t, err)
		require.Equal(t, activities.SweepResult{Watches: 1}, res)
		require.Equal(t, payment.Closed, b.attempt().State)
	})
}

func TestALookThatHangsDelaysNoOther(t *testing.T) {
	t.Parallel()
	b := setup(t, activitytest.Advisory())
	first := b.mustOpen()
	_, err := b.shut(first)
	require.NoError(t, err)
	b.records.Choose(pay, "acme")
	second := b.mustOpen()
	_, err = b.shut(second)
	require.NoError(t, err)
	before := b.acme.Calls(activitytest.CallInquire)
	otherLooked := func() bool { return b.acme.Calls(activitytest.CallInquire) == before+2 }
	b.acme.Script(activitytest.CallInquire, activitytest.Answer{First: func() {
		require.Eventually(t, otherLooked, 10*time.Second, time.Millisecond)
	}})
	res, err := b.sweep(&due{watches: []payment.EventRef{{AttemptID: first, Closed: true}, {AttemptID: second, Closed: true}}}).SweepRows(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, res.Watches)
}

func TestNotices(t *testing.T) {
	t.Parallel()
	d := &due{
		notices: []payment.Notice{{ID: 1}, {ID: 2}, {ID: 3}},
		broken:  map[string]error{"mail 2": errors.New("mailbox is full")},
	}
	res, err := setup(t, activitytest.Advisory()).sweep(d).SendNotices(t.Context())
	require.NoError(t, err)
	require.Equal(t, activities.SweepResult{Notices: 2, Failed: 1}, res)
	require.Equal(t, []int64{1, 3}, d.sent, "what did not go out is not noted as sent")

	d.broken = map[string]error{"notices": errors.New("database is starting")}
	_, err = setup(t, activitytest.Advisory()).sweep(d).SendNotices(t.Context())
	hasClass(t, payment.Unavailable, err)
}
