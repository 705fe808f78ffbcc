package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/activities/activitytest"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// TestTheSecondCallChangesNothing runs every activity twice, as Temporal may: the
// second run finds what the first one did, writes nothing and moves nothing.
func TestTheSecondCallChangesNothing(t *testing.T) {
	t.Parallel()
	open := func(b *bundle) string { return b.mustOpen() }
	none := func(*bundle) string { return "" }
	for name, c := range map[string]struct {
		before func(b *bundle) string
		call   func(b *bundle, id string) error
	}{
		"OpenCheckout": {none, func(b *bundle, _ string) error { _, err := b.open(); return err }},
		"SettleAttempt": {open, func(b *bundle, id string) error {
			b.acme.Set(id, psp.Succeeded)
			_, err := b.settle(id)
			return err
		}},
		"WatchAttempt": {open, func(b *bundle, id string) error {
			b.acme.Set(id, psp.Declined)
			_, err := b.watch(id)
			return err
		}},
		"CloseCheckout": {open, func(b *bundle, id string) error { _, err := b.shut(id); return err }},
		"LoadCharge": {open, func(b *bundle, _ string) error {
			_, err := b.rows.LoadCharge(b.ctx, activities.PaymentInput{PaymentID: pay})
			return err
		}},
		"ShutDoor": {open, func(b *bundle, _ string) error {
			_, err := b.rows.ShutDoor(b.ctx, activities.WhyInput{PaymentID: pay, Why: payment.Cancelled})
			return err
		}},
		"DecideReject": {none, func(b *bundle, _ string) error {
			_, err := b.rows.DecideReject(b.ctx, activities.WhyInput{PaymentID: pay, Why: payment.TimedOut})
			return err
		}},
		"CallOperator": {none, func(b *bundle, _ string) error {
			_, err := b.rows.CallOperator(b.ctx, activities.OperatorInput{PaymentID: pay, Why: payment.InDoubt})
			return err
		}},
		"GiveBack": {open, func(b *bundle, id string) error {
			b.acme.Set(id, psp.Succeeded)
			_, err := b.settle(id)
			require.NoError(b.t, err)
			_, err = b.rows.GiveBack(b.ctx, activities.OperatorInput{PaymentID: pay, Why: payment.ResolveRefused})
			return err
		}},
		"ApplyAction": {none, func(b *bundle, _ string) error {
			b.records.WriteAction(payment.Action{ID: "act", PaymentID: pay, Action: "expire"})
			_, err := b.rows.ApplyAction(b.ctx, activities.ActionInput{PaymentID: pay, ActionID: "act"})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, activitytest.Authoritative(time.Minute))
			id := c.before(b)
			require.NoError(t, c.call(b, id))
			changes, view := b.records.Changes(), b.records.View(pay)
			opened, shut := b.acme.Calls(activitytest.CallOpen), b.acme.Calls(activitytest.CallClose)
			if name == "ApplyAction" {
				_, err := b.rows.ApplyAction(b.ctx, activities.ActionInput{PaymentID: pay, ActionID: "act"})
				require.NoError(t, err)
			} else {
				require.NoError(t, c.call(b, id))
			}
			require.Equal(t, changes, b.records.Changes())
			require.Equal(t, view, b.records.View(pay))
			require.Equal(t, opened, b.acme.Calls(activitytest.CallOpen))
			require.Equal(t, shut, b.acme.Calls(activitytest.CallClose))
		})
	}
}

func TestActionsBelongToTheirPayment(t *testing.T) {
	t.Parallel()
	b := setup(t, activitytest.Advisory())
	b.records.Accept(session("other", b.clock.Now()))
	b.records.WriteAction(payment.Action{ID: "foreign", PaymentID: "other", Action: "expire"})
	changes := b.records.Changes()
	for id, class := range map[string]payment.Class{"foreign": payment.Invalid, "forged": payment.NotFound} {
		_, err := b.rows.ApplyAction(b.ctx, activities.ActionInput{PaymentID: pay, ActionID: id})
		hasClass(t, class, err)
		require.True(t, failure(t, err).NonRetryable())
	}
	require.Equal(t, changes, b.records.Changes())
}
