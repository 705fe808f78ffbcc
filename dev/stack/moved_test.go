package stack

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheMovedClockOutlivesTheStack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := &Stack{Clock: &Clock{}, opts: Options{Dir: dir}, env: map[string]string{"TILLFLOW_LISTEN": "127.0.0.1:1"}}
	require.NoError(t, first.restoreClock(), "a first start has nothing to restore")
	require.Zero(t, first.Clock.Offset())
	require.NoError(t, first.Skip(48*time.Hour))
	require.NoError(t, first.Skip(90*time.Minute))
	text, err := os.ReadFile(first.settingsFile())
	require.NoError(t, err)
	require.Equal(t, "TILLFLOW_CLOCK_OFFSET=49h30m0s\nTILLFLOW_LISTEN=127.0.0.1:1\n", string(text), "the operator's commands read it there")

	var said string
	second := &Stack{Clock: &Clock{}, opts: Options{Dir: dir, Say: func(format string, args ...any) { said = fmt.Sprintf(format, args...) }}}
	require.NoError(t, second.restoreClock())
	require.Equal(t, 49*time.Hour+30*time.Minute, second.Clock.Offset())
	require.Equal(t, "the clock is 49h30m0s ahead, as it was left", said)
}

func TestASpoiltClockIsToldAtTheStart(t *testing.T) {
	t.Parallel()
	s := &Stack{Clock: &Clock{}, opts: Options{Dir: t.TempDir()}}
	require.NoError(t, os.WriteFile(s.settingsFile(), []byte("TILLFLOW_CLOCK_OFFSET=soon\n"), 0o600))
	require.ErrorContains(t, s.restoreClock(), "TILLFLOW_CLOCK_OFFSET")
	require.Zero(t, s.Clock.Offset())
}
