package safety_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/safety"
)

func TestEveryGuardIsOnInAnOrdinaryBuild(t *testing.T) {
	t.Setenv("TILLFLOW_WITHOUT", string(safety.ClaimGuard))
	require.False(t, safety.Mutable)
	for _, guard := range safety.Guards() {
		require.True(t, guard.On(), guard)
	}
}
