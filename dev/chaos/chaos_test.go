package chaos_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/dev/chaos"
)

// How many stories a test run plays: the same ones each time, and a few that nobody has seen.
const (
	fixed = 40
	fresh = 10
	lanes = 12
)

// TestStories plays stories in one world: a fixed set, a few fresh ones, and every story that once failed.
func TestStories(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "tillflow-chaos-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755)) // PostgreSQL runs as another user below it
	w, err := chaos.Open(t.Context(), dir, chaos.Stripe, zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, w.Close())
		require.NoError(t, os.RemoveAll(dir))
	})
	for name, o := range map[string]chaos.Options{
		"of fixed seeds": {Seeds: fixed},
		"of fresh seeds": {Seeds: fresh, First: uint64(time.Now().Unix())},
	} {
		t.Run(name, func(t *testing.T) {
			o.Lanes, o.Out = lanes, t.Output()
			report, err := chaos.Run(t.Context(), w, o)
			require.NoError(t, err)
			require.Equal(t, o.Seeds, report.Runs)
			require.NotEmpty(t, report.Faults)
		})
	}
	t.Run("that failed once", func(t *testing.T) {
		kept, err := filepath.Glob("testdata/*.json")
		require.NoError(t, err)
		require.NotEmpty(t, kept)
		for _, path := range kept {
			t.Run(filepath.Base(path), func(t *testing.T) {
				t.Parallel()
				story, err := chaos.ReadStory(path)
				require.NoError(t, err)
				require.NoError(t, chaos.Tell(t.Context(), w, story, t.Output()))
			})
		}
	})
}

func TestUnknownProfile(t *testing.T) {
	t.Parallel()
	_, err := chaos.Open(t.Context(), t.TempDir(), "generous", zerolog.Nop())
	require.ErrorContains(t, err, "generous")
}
