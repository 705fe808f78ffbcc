package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"tillflow/activities"
	"tillflow/activities/activitytest"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

var steps = []time.Duration{5 * time.Second, 10 * time.Second}

// run runs an activity of the shop as a worker does.
func (b *bundle) run(call func(context.Context, activities.TellInput) (payment.View, error), s []time.Duration) (payment.View, error) {
	b.t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(b.tell)
	value, err := env.ExecuteActivity(call, activities.TellInput{PaymentID: pay, Schedule: activities.Schedule{Steps: s, Slow: 4 * time.Hour}})
	if err != nil {
		return payment.View{}, err
	}
	var view payment.View
	require.NoError(b.t, value.Get(&view))
	return view, nil
}

func paid(t *testing.T) *bundle {
	t.Helper()
	b := setup(t, activitytest.Advisory())
	id := b.mustOpen()
	b.records.StoreEvent(id, payment.Done)
	_, err := b.settle(id)
	require.NoError(t, err)
	return b
}

func TestTellShop(t *testing.T) {
	t.Parallel()

	t.Run("success is resolved, once", func(t *testing.T) {
		t.Parallel()
		b := paid(t)
		for range 3 {
			view, err := b.run(b.tell.TellShop, steps)
			require.NoError(t, err)
			require.True(t, view.Told)
			require.True(t, view.Closed)
		}
		require.Equal(t, []string{"resolve gid-pay"}, b.shop.Heard())
		require.Equal(t, 1, b.shop.Tries())
	})

	t.Run("the decided reason is what the shop hears", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		_, err := b.records.DecideReject(t.Context(), pay, payment.TimedOut)
		require.NoError(t, err)
		_, err = b.run(b.tell.TellShop, steps)
		require.NoError(t, err)
		require.Equal(t, []string{"reject gid-pay"}, b.shop.Heard())
		require.Equal(t, []payment.DeclineReason{payment.TimedOut}, b.shop.Reasons())
	})

	t.Run("an undecided payment is never told", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		_, err := b.run(b.tell.TellShop, steps)
		require.NoError(t, err)
		require.Zero(t, b.shop.Tries())
	})

	t.Run("a lost acknowledgement repeats the same answer", func(t *testing.T) {
		t.Parallel()
		b := paid(t)
		b.shop.Script(activitytest.ShopAnswer{Done: true, Err: errors.New("reset")})
		_, err := b.run(b.tell.TellShop, steps)
		require.Error(t, err)
		_, err = b.run(b.tell.TellShop, steps)
		require.NoError(t, err)
		require.Equal(t, []string{"resolve gid-pay"}, b.shop.Heard())
		require.Equal(t, 2, b.shop.Tries())
	})

	t.Run("a refusal is an answer, not an error", func(t *testing.T) {
		t.Parallel()
		b := paid(t)
		b.shop.Script(activitytest.ShopAnswer{Refused: "SESSION_EXPIRED"})
		view, err := b.run(b.tell.TellShop, steps)
		require.NoError(t, err)
		require.True(t, view.Refused)
		require.False(t, view.Closed, "money is here that the shop does not know")
		require.Equal(t, payment.ResolveRefused, view.Operator)
	})
}

func TestPausesBetweenTries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		s    []time.Duration
		want time.Duration
	}{
		"the first try's pause is the first step":      {payment.Errorf(payment.Unavailable, "x"), steps, 5 * time.Second},
		"without steps the pause is the slow one":      {payment.Errorf(payment.Unavailable, "x"), nil, 4 * time.Hour},
		"the shop's own wish wins when it is longer":   {&payment.Error{Class: payment.RateLimited, RetryAfter: time.Minute}, steps, time.Minute},
		"the schedule wins when it is longer":          {&payment.Error{Class: payment.RateLimited, RetryAfter: time.Second}, steps, 5 * time.Second},
		"what carries no class may be repeated safely": {errors.New("reset"), steps, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := paid(t)
			b.shop.Script(activitytest.ShopAnswer{Err: c.err})
			_, err := b.run(b.tell.TellShop, c.s)
			app := failure(t, err)
			require.Equal(t, c.want, app.NextRetryDelay())
			require.False(t, app.NonRetryable())
			require.Equal(t, 1, int(app.Category()), "an unreachable shop is expected noise")
		})
	}

	for _, class := range []payment.Class{payment.Unauthorized, payment.Invalid, payment.Bug} {
		t.Run("waiting does not mend "+string(class), func(t *testing.T) {
			t.Parallel()
			b := paid(t)
			b.shop.Script(activitytest.ShopAnswer{Err: payment.Errorf(class, "x")})
			_, err := b.run(b.tell.TellShop, steps)
			hasClass(t, class, err)
			require.True(t, failure(t, err).NonRetryable())
		})
	}
}

func TestPendShop(t *testing.T) {
	t.Parallel()
	processing := func(t *testing.T) *bundle {
		t.Helper()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		b.acme.Set(id, psp.Processing)
		_, err := b.settle(id)
		require.NoError(t, err)
		return b
	}

	t.Run("pending is told once, until the deadline", func(t *testing.T) {
		t.Parallel()
		b := processing(t)
		for range 2 {
			view, err := b.run(b.tell.PendShop, steps)
			require.NoError(t, err)
			require.True(t, view.PendingTold)
			require.False(t, view.Told)
		}
		require.Equal(t, []time.Time{b.clock.Now().Add(48 * time.Hour)}, b.shop.Untils())
	})

	t.Run("a limit that the shop does not publish is approached by halves", func(t *testing.T) {
		t.Parallel()
		b := processing(t)
		b.shop.LimitPending(13 * time.Hour)
		view, err := b.run(b.tell.PendShop, steps)
		require.NoError(t, err)
		require.True(t, view.PendingTold)
		now := b.clock.Now()
		require.Equal(t, []time.Time{now.Add(48 * time.Hour), now.Add(24 * time.Hour), now.Add(12 * time.Hour)}, b.shop.Untils())
	})

	t.Run("a limit that nothing fits ends", func(t *testing.T) {
		t.Parallel()
		b := processing(t)
		b.shop.LimitPending(time.Second)
		_, err := b.run(b.tell.PendShop, steps)
		require.NoError(t, err)
		require.LessOrEqual(t, b.shop.Tries(), 8)
		require.Empty(t, b.shop.Heard())
	})

	t.Run("a decided payment is not pending any more", func(t *testing.T) {
		t.Parallel()
		b := paid(t)
		_, err := b.run(b.tell.PendShop, steps)
		require.NoError(t, err)
		require.Zero(t, b.shop.Tries())
	})

	t.Run("an unreachable shop is asked again on the schedule", func(t *testing.T) {
		t.Parallel()
		b := processing(t)
		b.shop.Script(activitytest.ShopAnswer{Err: errors.New("reset")})
		_, err := b.run(b.tell.PendShop, steps)
		require.Equal(t, 5*time.Second, failure(t, err).NextRetryDelay())
	})
}
