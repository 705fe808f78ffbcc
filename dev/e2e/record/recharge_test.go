package record

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"

	"tillflow/dev/e2e/history"
	"tillflow/dev/stack"
	"tillflow/internal/access/audit"
	"tillflow/internal/cli"
	"tillflow/internal/crypt"
	"tillflow/internal/recharge"
	standin "tillflow/standin/recharge"
)

func rechargeFile() string { return filepath.Join(corpus, "Recharge", "visit.json") }

// keepRecharge keeps a visit of a store that has something to read, to tell and to charge again.
func (r *recorder) keepRecharge(t *testing.T) {
	t.Helper()
	record, err := cli.OpenStore(t.Context(), r.stack.Config, r.stack.Clock.Now, zerolog.Nop())
	require.NoError(t, err)
	defer record.Close()
	token, secret := r.stack.RechargeToken(stack.Shop)
	_, err = record.SaveRecharge(t.Context(), audit.Actor{Name: "recorder"}, recharge.Connection{
		Shop: stack.Shop, Enabled: true, Policy: recharge.Policy{Process: []recharge.Category{recharge.InsufficientFunds}, After: time.Second},
	}, &recharge.Credentials{Token: crypt.Secret(token), Secret: crypt.Secret(secret)})
	require.NoError(t, err)
	_, err = r.stack.Recharge.AddCharges(stack.Shop, 3, standin.ChargeSpec{
		ErrorType: "INSUFFICIENT_FUNDS", Card: "good", AgeSeconds: 3600, Override: map[string]any{"retry_date": nil},
	})
	require.NoError(t, err)
	service, err := r.stack.Spawn(t.Context(), "all", map[string]string{"RECHARGE_EVERY": "1s", "TIMING": unhurried})
	require.NoError(t, err)
	defer func() { require.NoError(t, service.Stop()) }()
	var visited history.Run
	require.Eventually(t, func() bool {
		runs, err := history.Runs(t.Context(), r.client, `WorkflowType = "Recharge" AND ExecutionStatus = "Completed"`)
		if err != nil {
			return false
		}
		for _, run := range runs {
			h, err := history.Fetch(t.Context(), r.client, run)
			if err == nil && processes(h) {
				visited = run
				return true
			}
		}
		return false
	}, 3*time.Minute, time.Second)
	r.save(t, visited, rechargeFile())
}

func processes(h *historypb.History) bool {
	return slices.ContainsFunc(h.GetEvents(), func(e *historypb.HistoryEvent) bool {
		return e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == "ProcessStore"
	})
}
