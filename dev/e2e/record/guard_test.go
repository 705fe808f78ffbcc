package record

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"

	"tillflow/dev/e2e/history"
	"tillflow/dev/stack"
	"tillflow/standin/shopify"
)

func guardFile() string { return filepath.Join(corpus, "Guard", "shops.json") }

// keepGuard keeps the guardian's first look at a shop.
func (r *recorder) keepGuard(t *testing.T) {
	t.Helper()
	service, err := r.stack.Spawn(t.Context(), "all", map[string]string{"GUARD_EVERY": "1s", "TIMING": unhurried})
	require.NoError(t, err)
	defer func() { require.NoError(t, service.Stop()) }()
	require.NoError(t, r.stack.InstallApp(t.Context(), stack.Shop, shopify.AdminApp))
	var looked history.Run
	require.Eventually(t, func() bool {
		runs, err := history.Runs(t.Context(), r.client, `WorkflowType = "Guard" AND ExecutionStatus = "Completed"`)
		if err != nil {
			return false
		}
		for _, run := range runs {
			h, err := history.Fetch(t.Context(), r.client, run)
			if err == nil && looksAtShop(h) {
				looked = run
				return true
			}
		}
		return false
	}, 3*time.Minute, time.Second)
	r.save(t, looked, guardFile())
}

func looksAtShop(h *historypb.History) bool {
	return slices.ContainsFunc(h.GetEvents(), func(e *historypb.HistoryEvent) bool {
		return e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == "GuardShop"
	})
}
