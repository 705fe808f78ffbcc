package notify

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	t.Run("every reason that calls a person is explained, with something to do", func(t *testing.T) {
		t.Parallel()
		for _, why := range []payment.OperatorReason{
			payment.InDoubt, payment.AccountBlocked, payment.WrongAmount, payment.ResolveRefused, payment.RejectRefused, payment.TellOverdue,
			payment.ReversalStuck, payment.RoutingFault, payment.RefundFailed, payment.RefundElsewhere, payment.Disputed,
			payment.DisputeLost, payment.Overdrawn,
		} {
			for _, move := range []payment.Operation{"", payment.OpRefund} {
				e, known := Explain(why, move)
				require.True(t, known, why)
				require.NotEmpty(t, e.Title, why)
				require.NotEmpty(t, e.Happened, why)
				require.NotEmpty(t, e.Money, why)
				does := 0
				for _, s := range e.Steps {
					require.NotEmpty(t, s.Text, why)
					require.NotEqual(t, "show", s.Verb, why)
					if s.Verb != "" {
						does++
						require.Contains(t, []string{"resolve", "retry", "note"}, s.Verb, why)
						require.Equal(t, s.Verb == "resolve", s.Choice != "", why)
					}
				}
				require.Positive(t, does, why)
			}
		}
	})
	t.Run("steps say what a mail's commands say", func(t *testing.T) {
		t.Parallel()
		e, _ := Explain(payment.InDoubt, "")
		require.Equal(t, []ExplainedStep{
			{Text: "Look the attempt up in the provider's dashboard. If the money moved:", Verb: "resolve", Choice: payment.DecidePaid},
			{Text: "If it shows that nothing happened:", Verb: "resolve", Choice: payment.DecideNotPaid},
		}, e.Steps)
	})
	t.Run("nobody needed is not explained", func(t *testing.T) {
		t.Parallel()
		_, known := Explain(payment.NobodyNeeded, "")
		require.False(t, known)
	})
}
