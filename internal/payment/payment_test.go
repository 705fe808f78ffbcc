package payment_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
)

func TestTransitionsAreTheTableOfTheDesign(t *testing.T) {
	t.Parallel()
	legal := map[string]bool{}
	for _, p := range []string{
		"created>awaiting_buyer", "created>processing", "created>authorized", "created>captured", "created>rejected",
		"awaiting_buyer>processing", "awaiting_buyer>authorized", "awaiting_buyer>captured", "awaiting_buyer>rejected",
		"processing>awaiting_buyer", "processing>authorized", "processing>captured", "processing>rejected",
		"authorized>captured", "authorized>voided", "authorized>expired", "authorized>reversed",
		"captured>partially_refunded", "captured>refunded", "captured>reversed",
		"partially_refunded>captured", "partially_refunded>refunded", "partially_refunded>reversed",
		"refunded>partially_refunded", "refunded>captured",
		"rejected>reversed",
		"voided>captured", "expired>captured",
		"reversed>authorized", "reversed>captured", "reversed>rejected",
	} {
		legal[p] = true
	}
	for _, from := range payment.States {
		for _, to := range payment.States {
			pair := fmt.Sprintf("%s>%s", from, to)
			require.Equal(t, legal[pair], from.CanBecome(to), pair)
		}
	}
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	for _, s := range payment.AttemptStates {
		for _, next := range payment.AttemptStates {
			got, changed := s.Advance(next)
			name := fmt.Sprintf("%s sees %s", s, next)
			require.Equal(t, changed, got != s, name)
			if s.Succeeded() {
				require.True(t, got.Succeeded(), "success is never taken back: "+name)
			}
			if next.Succeeded() && s != payment.Done {
				require.Equal(t, next, got, "success always counts: "+name)
			}
			if s.Decided() && !next.Decided() {
				require.Equal(t, s, got, "an unfinished state never overwrites a decided one: "+name)
			}
			if s.Decided() && !next.Succeeded() {
				require.Equal(t, s, got, "only success overwrites a decision: "+name)
			}
		}
	}
	got, _ := payment.Working.Advance(payment.Open)
	require.Equal(t, payment.Working, got, "processing is never nothing")
	got, _ = payment.Held.Advance(payment.Done)
	require.Equal(t, payment.Done, got, "a held amount may be captured")
}

func TestAdvanceReturn(t *testing.T) {
	t.Parallel()
	ended := func(s payment.AttemptState) bool { return s == payment.Declined || s == payment.Closed }
	for _, s := range payment.AttemptStates {
		for _, next := range payment.AttemptStates {
			for _, known := range []bool{false, true} {
				got, changed := s.AdvanceReturn(next, known)
				name := fmt.Sprintf("%s sees %s, known %t", s, next, known)
				require.Equal(t, changed, got != s, name)
				switch {
				case s == payment.Done && ended(next):
					require.Equal(t, next, got, "money that was given back may come back: "+name)
				case s == payment.Done:
					require.Equal(t, s, got, name)
				case known && ended(s):
					require.Equal(t, s, got, "what the provider gave up stays given up: "+name)
				default:
					want, _ := s.Advance(next)
					require.Equal(t, want, got, name)
				}
			}
		}
	}
}

func TestKeysOfDifferentAttemptsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, op := range []payment.Operation{payment.OpCharge, payment.OpCapture, payment.OpVoid, payment.OpRefund, payment.OpReversal} {
		for seq := 1; seq < 4; seq++ {
			for _, leg := range []string{"", "void", "refund"} {
				k := payment.Key("0192f0c1-2222-7333-8444-555566667777", op, leg, seq)
				require.False(t, seen[k], k)
				require.LessOrEqual(t, len(k), 100)
				seen[k] = true
			}
		}
	}
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("capture at stripe: %w", payment.Errorf(payment.RateLimited, "slow down"))
	require.Equal(t, payment.RateLimited, payment.ClassOf(err, payment.Unknown))
	require.Equal(t, payment.Unknown, payment.ClassOf(fmt.Errorf("connection reset"), payment.Unknown))
}
