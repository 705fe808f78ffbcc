package activities_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"tillflow/activities"
	"tillflow/activities/activitytest"
	"tillflow/internal/payment"
)

func TestClassesBecomeApplicationErrors(t *testing.T) {
	t.Parallel()
	for class, final := range map[payment.Class]bool{
		payment.Invalid: true, payment.Unauthorized: true, payment.Conflict: true, payment.Unsupported: true, payment.Bug: true,
		payment.RateLimited: false, payment.Unavailable: false, payment.Unknown: false, payment.StillPending: false,
	} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			b := setup(t, activitytest.Advisory())
			id := b.mustOpen()
			b.acme.Script(activitytest.CallInquire, activitytest.Answer{
				Err: fmt.Errorf("look up: %w", &payment.Error{Class: class, Code: "c_1", Message: "said so", RetryAfter: 9 * time.Second}),
			})
			_, err := b.settle(id)
			app := failure(t, err)
			require.Equal(t, string(class), app.Type())
			require.Equal(t, final, app.NonRetryable())
			require.Equal(t, 9*time.Second, app.NextRetryDelay())
			require.Equal(t, string(class)+": said so (c_1)", app.Message())
			benign := class == payment.RateLimited || class == payment.StillPending
			require.Equal(t, benign, app.Category() == temporal.ApplicationErrorCategoryBenign)
		})
	}
}

func TestUnclassifiedFailures(t *testing.T) {
	t.Parallel()

	t.Run("of a call that may move money are unknown", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		b.acme.Script(activitytest.CallOpen, activitytest.Answer{Err: errors.New("boom")})
		_, err := b.open()
		hasClass(t, payment.Unknown, err)
		require.Equal(t, "Unknown: in doubt: unclassified failure, see the log", failure(t, err).Message())
	})

	t.Run("of any other call are unavailable", func(t *testing.T) {
		t.Parallel()
		b := setup(t, activitytest.Advisory())
		id := b.mustOpen()
		b.acme.Script(activitytest.CallInquire, activitytest.Answer{Err: errors.New("boom")})
		_, err := b.settle(id)
		hasClass(t, payment.Unavailable, err)
		b.records.Break("LoadCharge", errors.New("database is starting"))
		_, err = b.rows.LoadCharge(t.Context(), activities.PaymentInput{PaymentID: pay})
		hasClass(t, payment.Unavailable, err)
	})

	t.Run("say in our words what a context ended", func(t *testing.T) {
		t.Parallel()
		for cause, want := range map[error]string{context.DeadlineExceeded: "no answer in time", context.Canceled: "cancelled"} {
			b := setup(t, activitytest.Advisory())
			b.acme.Script(activitytest.CallOpen, activitytest.Answer{Err: fmt.Errorf("post: %w", cause)})
			_, err := b.open()
			require.Contains(t, failure(t, err).Message(), want)
		}
	})
}

func TestForeignTextStaysOutOfHistories(t *testing.T) {
	t.Parallel()
	const canary = "jane.doe@example.com"
	for name, cause := range map[string]error{
		"an unclassified error":           errors.New("card of " + canary + " was declined"),
		"a text around a classified one":  fmt.Errorf("for %s: %w", canary, payment.Errorf(payment.Unavailable, "no answer")),
		"the cause of a classified error": &payment.Error{Class: payment.Unknown, Message: "no answer", Err: errors.New(canary)},
		"joined errors":                   errors.Join(errors.New(canary), payment.Errorf(payment.Unknown, "no answer")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, activitytest.Advisory())
			b.acme.Script(activitytest.CallOpen, activitytest.Answer{Err: cause})
			b.acme.Script(activitytest.CallInquire, activitytest.Answer{Err: cause})
			_, err := b.open()
			requireClean(t, err, canary)
			_, err = b.settle(b.attempt().ID)
			requireClean(t, err, canary)

			b = paid(t)
			b.shop.Script(activitytest.ShopAnswer{Err: cause})
			_, err = b.run(b.tell.TellShop, steps)
			requireClean(t, err, canary)
		})
	}
}

// requireClean walks the whole chain: all of it would be stored.
func requireClean(t *testing.T, err error, canary string) {
	t.Helper()
	require.Error(t, err)
	for ; err != nil; err = errors.Unwrap(err) {
		require.NotContains(t, err.Error(), canary)
	}
}
