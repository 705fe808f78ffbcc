package recharge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/recharge"
	"tillflow/standin/faults"
	standin "tillflow/standin/recharge"
)

// failed is one failed charge at the stand-in and its mark.
func (b *bundle) failed(spec standin.ChargeSpec) recharge.Mark {
	b.t.Helper()
	charge, err := b.client.Charge(b.t.Context(), b.add(1, spec)[0])
	require.NoError(b.t, err)
	return charge.Mark()
}

func (b *bundle) arm(kind faults.Kind, call string, nth int) {
	b.t.Helper()
	_, err := b.server.Faults().Arm(faults.Rule{Call: call, Kind: kind, Nth: nth})
	require.NoError(b.t, err)
}

// processed is how often the stand-in was asked to charge.
func (b *bundle) processed() int { return b.books().Calls["charges.process"] }

func TestProcessCharge(t *testing.T) {
	t.Parallel()
	t.Run("a card that pays", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		mark := b.failed(standin.ChargeSpec{Card: "good"})
		got, err := b.client.ProcessCharge(t.Context(), mark)
		require.NoError(t, err)
		require.Equal(t, recharge.Paid, got.Verdict)
		require.True(t, got.Sent)
		require.NotEmpty(t, got.Charge.ShopifyOrderID)

		got, err = b.client.ProcessCharge(t.Context(), mark)
		require.NoError(t, err)
		require.Equal(t, recharge.Paid, got.Verdict, "the same mark again is told what happened")
		require.False(t, got.Sent)
		require.Equal(t, 1, b.processed())
		require.Equal(t, 1, b.books().Charges[0].Paid)
	})
	t.Run("a card that declines is a verdict and no error", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		got, err := b.client.ProcessCharge(t.Context(), b.failed(standin.ChargeSpec{Card: "INSUFFICIENT_FUNDS"}))
		require.NoError(t, err)
		require.Equal(t, recharge.Refused, got.Verdict)
		require.Equal(t, recharge.InsufficientFunds, got.Charge.Category())
		require.Equal(t, int64(2), got.Charge.Attempts)
	})
	t.Run("a card that takes its time", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		mark := b.failed(standin.ChargeSpec{Card: "slow"})
		got, err := b.client.ProcessCharge(t.Context(), mark)
		require.NoError(t, err)
		require.Equal(t, recharge.Pending, got.Verdict)
		b.clock.advance(time.Minute)
		b.server.Advance()
		got, err = b.client.InquireCharge(t.Context(), mark)
		require.NoError(t, err)
		require.Equal(t, recharge.Paid, got.Verdict)
	})
	for _, kind := range []faults.Kind{faults.LoseReply, faults.ErrorAfter} {
		t.Run(string(kind)+" is decided by looking, and nothing is charged twice", func(t *testing.T) {
			t.Parallel()
			for card, want := range map[string]recharge.Verdict{"good": recharge.Paid, "CARD_DECLINED": recharge.Refused} {
				b := setup(t)
				mark := b.failed(standin.ChargeSpec{Card: card})
				b.arm(kind, "charges.process", 1)
				got, err := b.client.ProcessCharge(t.Context(), mark)
				require.NoError(t, err)
				require.Equal(t, want, got.Verdict)
				require.Equal(t, 1, b.processed())
			}
		})
	}
	for _, kind := range []faults.Kind{faults.LoseRequest, faults.ErrorBefore} {
		t.Run(string(kind)+" stays in doubt, because a charge that shows nothing new proves nothing", func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			mark := b.failed(standin.ChargeSpec{Card: "good"})
			b.arm(kind, "charges.process", 1)
			_, err := b.client.ProcessCharge(t.Context(), mark)
			require.Equal(t, recharge.CodeNotDecided, failure(t, payment.Unknown, err).Code)
			require.Empty(t, b.books().Payments)
			_, err = b.client.InquireCharge(t.Context(), mark)
			require.Equal(t, recharge.CodeNotDecided, failure(t, payment.Unknown, err).Code)
		})
	}
	t.Run("a call that is carried out late is found by the later look", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		mark := b.failed(standin.ChargeSpec{Card: "good"})
		_, err := b.server.Faults().Arm(faults.Rule{Call: "charges.process", Kind: faults.Delay, DelayMS: 3_600_000})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() {
			_, err := b.client.ProcessCharge(ctx, mark)
			ended <- err
		}()
		require.Eventually(t, func() bool { return b.server.Faults().Status().Delayed == 1 }, eventually, time.Millisecond)
		cancel() // the caller gives up while Recharge still works on it
		require.Equal(t, recharge.CodeNotDecided, failure(t, payment.Unknown, <-ended).Code)
		require.Empty(t, b.books().Payments)
		b.server.Faults().Close() // and now it comes to it
		require.Eventually(t, func() bool { return len(b.books().Payments) == 1 }, eventually, time.Millisecond)
		got, err := b.client.InquireCharge(t.Context(), mark)
		require.NoError(t, err)
		require.Equal(t, recharge.Paid, got.Verdict)
		require.Equal(t, 1, b.books().Charges[0].Paid)
	})
	t.Run("when the later look fails too, Recharge's own answer decides", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		mark := b.failed(standin.ChargeSpec{Card: "good"})
		b.arm(faults.LoseReply, "charges.retrieve", 2)
		got, err := b.client.ProcessCharge(t.Context(), mark)
		require.NoError(t, err)
		require.Equal(t, recharge.Paid, got.Verdict)
	})
	t.Run("no answer and no look is in doubt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		mark := b.failed(standin.ChargeSpec{Card: "good"})
		b.arm(faults.LoseReply, "charges.process", 1)
		b.arm(faults.LoseReply, "charges.retrieve", 2)
		_, err := b.client.ProcessCharge(t.Context(), mark)
		requireClass(t, payment.Unknown, err)
		got, err := b.client.InquireCharge(t.Context(), mark)
		require.NoError(t, err)
		require.Equal(t, recharge.Paid, got.Verdict)
	})
	t.Run("nothing is sent when the charge cannot be read before", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		mark := b.failed(standin.ChargeSpec{Card: "good"})
		b.arm(faults.ErrorBefore, "charges.retrieve", 1)
		_, err := b.client.ProcessCharge(t.Context(), mark)
		requireClass(t, payment.Unavailable, err)
		require.Zero(t, b.processed())
	})
	t.Run("a charge that Recharge's own schedule has paid meanwhile is left alone", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		mark := b.failed(standin.ChargeSpec{Card: "good"})
		b.clock.advance(25 * time.Hour)
		b.server.Advance()
		got, err := b.client.ProcessCharge(t.Context(), mark)
		require.NoError(t, err)
		require.Equal(t, recharge.Paid, got.Verdict)
		require.False(t, got.Sent)
		require.Zero(t, b.processed())
	})
	t.Run("a refusal for the rate limit has done nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		mark := b.failed(standin.ChargeSpec{Card: "good"})
		b.arm(faults.TooManyRequests, "charges.process", 1)
		_, err := b.client.ProcessCharge(t.Context(), mark)
		requireClass(t, payment.RateLimited, err)
		require.Empty(t, b.books().Payments)
	})
	t.Run("a plan that may not", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(o *standin.Options) { o.Stores[0].Plus = false })
		_, err := b.client.ProcessCharge(t.Context(), b.failed(standin.ChargeSpec{Card: "good"}))
		require.Equal(t, recharge.CodeScope, failure(t, payment.Unauthorized, err).Code)
	})
	t.Run("a mark survives storage", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		mark := b.failed(standin.ChargeSpec{Card: "good"})
		data, err := json.Marshal(mark)
		require.NoError(t, err)
		var stored recharge.Mark
		require.NoError(t, json.Unmarshal(data, &stored))
		got, err := b.client.ProcessCharge(t.Context(), stored)
		require.NoError(t, err)
		require.True(t, got.Sent)
	})
}

// TestProcessAnswers are answers that the stand-in does not give.
func TestProcessAnswers(t *testing.T) {
	t.Parallel()
	const before = `{"charge":{"id":1,"status":"error","error_type":"CARD_DECLINED","charge_attempts":1,"total_price":"1.00","currency":"USD"}}`
	mark := recharge.Mark{ChargeID: 1, Status: recharge.StatusError, Attempts: 1}
	process := func(t *testing.T, status int, after string) (recharge.Processed, error) {
		t.Helper()
		sent := false
		client, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				sent = true
				w.WriteHeader(status)
				fmt.Fprint(w, `{"error":"x"}`)
			case sent:
				fmt.Fprint(w, after)
			default:
				fmt.Fprint(w, before)
			}
		})
		return client.ProcessCharge(t.Context(), mark)
	}
	t.Run("402 is a decline, even if the charge does not show it", func(t *testing.T) {
		t.Parallel()
		got, err := process(t, http.StatusPaymentRequired, before)
		require.NoError(t, err)
		require.Equal(t, recharge.Refused, got.Verdict)
	})
	for _, status := range []int{http.StatusConflict, http.StatusUnprocessableEntity, http.StatusBadRequest, http.StatusNotFound} {
		t.Run(fmt.Sprintf("%d with a charge that stands still is a refusal", status), func(t *testing.T) {
			t.Parallel()
			_, err := process(t, status, before)
			require.ErrorContains(t, err, "nothing was done")
		})
		t.Run(fmt.Sprintf("%d with a charge that has moved is decided by the charge", status), func(t *testing.T) {
			t.Parallel()
			got, err := process(t, status, `{"charge":{"id":1,"status":"success","charge_attempts":2,"processed_at":"2026-10-06"}}`)
			require.NoError(t, err)
			require.Equal(t, recharge.Paid, got.Verdict)
		})
	}
	t.Run("a good answer with a charge that shows nothing new is in doubt", func(t *testing.T) {
		t.Parallel()
		_, err := process(t, http.StatusOK, before)
		require.Equal(t, recharge.CodeNotDecided, failure(t, payment.Unknown, err).Code)
	})
	for status, want := range map[string]recharge.Verdict{
		"success": recharge.Paid, "refunded": recharge.Paid, "PARTIALLY_REFUNDED": recharge.Paid, "queued": recharge.Pending,
		"pending": recharge.Pending, "pending_manual_payment": recharge.Pending, "skipped": recharge.Skipped, "eaten": recharge.Unclear,
	} {
		t.Run(status+" is "+string(want), func(t *testing.T) {
			t.Parallel()
			got, err := process(t, http.StatusOK, `{"charge":{"id":1,"status":"`+status+`","charge_attempts":2}}`)
			require.NoError(t, err)
			require.Equal(t, want, got.Verdict)
		})
	}
}
