package workflows

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"tillflow/internal/payment"
)

func TestClassOf(t *testing.T) {
	t.Parallel()
	refused := temporal.NewApplicationError("refused", string(payment.Unavailable))
	timeout := func(kind enumspb.TimeoutType, earlier error) error { return temporal.NewTimeoutError(kind, earlier) }
	for name, c := range map[string]struct {
		err  error
		want payment.Class
	}{
		"the type of an application error":                          {refused, payment.Unavailable},
		"a timeout while running may have done anything":            {timeout(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil), payment.Unknown},
		"so may a heartbeat timeout":                                {timeout(enumspb.TIMEOUT_TYPE_HEARTBEAT, nil), payment.Unknown},
		"so may the end of all tries, whatever an earlier try said": {timeout(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, refused), payment.Unknown},
		"what was never picked up has done nothing":                 {timeout(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START, nil), payment.Unavailable},
		"anything else is unknown":                                  {errors.New("?"), payment.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, classOf(c.err))
		})
	}
}

func TestNoClassLeadsToFailed(t *testing.T) {
	t.Parallel()
	for class, want := range map[payment.Class]next{
		payment.Unavailable: tryAgain, payment.RateLimited: tryAgain,
		payment.Unknown: lookFirst, payment.Conflict: lookFirst, payment.NotFound: lookFirst, payment.StillPending: lookFirst,
		payment.Unauthorized: askPerson, payment.Invalid: askPerson, payment.Unsupported: askPerson, payment.Bug: askPerson,
		"a class of tomorrow": lookFirst,
	} {
		todo, why := after(temporal.NewApplicationError("", string(class)))
		require.Equal(t, want, todo, class)
		require.Equal(t, want == askPerson, why != payment.NobodyNeeded, class)
	}
}

func TestEveryReasonHasAText(t *testing.T) {
	t.Parallel()
	require.Empty(t, operatorText(payment.NobodyNeeded))
	for _, why := range []payment.OperatorReason{
		payment.InDoubt, payment.AccountBlocked, payment.WrongAmount, payment.ResolveRefused, payment.RejectRefused,
		payment.TellOverdue, payment.ReversalStuck, payment.RoutingFault,
	} {
		require.Greater(t, len(operatorText(why)), 60, "what happened, what it means, what to press: %s", why)
	}
	require.Contains(t, operatorText("new"), "new")
}
