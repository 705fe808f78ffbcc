package chaos

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"tillflow/standin/shopify"
)

// op is one request and its answer, in seconds after noon.
func op(kind shopify.SessionType, minor int64, yes bool, from, to int) porcupine.Operation {
	at := func(s int) int64 { return noon.Add(time.Duration(s) * time.Second).UnixNano() }
	return porcupine.Operation{
		Input: asked{kind: kind, hold: kind == shopify.PaymentSession && minor < 0, minor: max(minor, -minor)}, Output: yes, Call: at(from), Return: at(to),
	}
}

func TestAnswersThatFitTogether(t *testing.T) {
	t.Parallel()
	const (
		charge, refund, capture, void = shopify.PaymentSession, shopify.RefundSession, shopify.CaptureSession, shopify.VoidSession
		yes, no                       = true, false
	)
	tests := []struct {
		name string
		ops  []porcupine.Operation
		fits bool
	}{
		{"two refunds of 60 on 100: one of them", []porcupine.Operation{op(charge, 100, yes, 0, 1), op(refund, 60, yes, 2, 5), op(refund, 60, no, 2, 5)}, true},
		{"two refunds of 60 on 100: both", []porcupine.Operation{op(charge, 100, yes, 0, 1), op(refund, 60, yes, 2, 5), op(refund, 60, yes, 2, 5)}, false},
		{"two refunds of 60 on 100: none", []porcupine.Operation{op(charge, 100, yes, 0, 1), op(refund, 60, no, 2, 5), op(refund, 60, no, 2, 5)}, false},
		{"a refund that is asked for while the charge is in doubt waits", []porcupine.Operation{op(charge, 100, yes, 0, 5), op(refund, 100, yes, 1, 6)}, true},
		{"a refund answered before the charge was asked for", []porcupine.Operation{op(charge, 100, yes, 3, 5), op(refund, 100, yes, 0, 1)}, false},
		{"a refund of a hold before its capture", []porcupine.Operation{op(charge, -100, yes, 0, 1), op(refund, 100, yes, 2, 3), op(capture, 100, yes, 4, 5)}, false},
		{"a refund of a captured part", []porcupine.Operation{op(charge, -100, yes, 0, 1), op(capture, 70, yes, 2, 3), op(refund, 70, yes, 4, 5), op(refund, 1, no, 6, 7)}, true},
		{"the rest of a hold is gone after its capture", []porcupine.Operation{op(charge, -100, yes, 0, 1), op(capture, 70, yes, 2, 3), op(capture, 30, no, 4, 5), op(void, 0, no, 4, 5)}, true},
		{"a void and a capture at once: both", []porcupine.Operation{op(charge, -100, yes, 0, 1), op(capture, 100, yes, 2, 5), op(void, 0, yes, 2, 5)}, false},
		{"a void and a capture at once: the void", []porcupine.Operation{op(charge, -100, yes, 0, 1), op(capture, 100, no, 2, 5), op(void, 0, yes, 2, 5)}, true},
		{"nothing of a charge that was refused", []porcupine.Operation{op(charge, 100, no, 0, 1), op(refund, 100, yes, 2, 3)}, false},
		{"zero is never given", []porcupine.Operation{op(charge, 100, yes, 0, 1), op(refund, 0, yes, 2, 3)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.fits, porcupine.CheckOperations(model(), tt.ops), describe(tt.ops))
		})
	}
}

func TestHistoriesThatBindNobody(t *testing.T) {
	t.Parallel()
	row := func(j *judge) paymentRow { return j.record.payments[0] }
	t.Run("what the provider itself refused", func(t *testing.T) {
		t.Parallel()
		j := sound()
		j.record.requests[1].Reason = "provider_refused"
		_, whole := j.history(j.sessions[0], row(j))
		require.False(t, whole)
	})
	t.Run("a refund that failed later", func(t *testing.T) {
		t.Parallel()
		j := sound()
		j.provider["acct_0"].Refunds[0].Status = "failed"
		_, whole := j.history(j.sessions[0], row(j))
		require.False(t, whole)
	})
	t.Run("a request that was never accepted is not part of it", func(t *testing.T) {
		t.Parallel()
		j := sound()
		j.sessions[3].Posts.Accepted = 0
		ops, whole := j.history(j.sessions[0], row(j))
		require.True(t, whole)
		require.Len(t, ops, 2)
	})
}
