package temporalserver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tillflow/dev/temporalserver"
	"tillflow/internal/flow"
)

func TestTheSweepFollowsItsSetting(t *testing.T) {
	t.Parallel()
	c := dial(t, start(t, temporalserver.Options{Headless: true}))
	runs := flow.NewRuns(c, flow.DefaultTiming(), false)
	stands := func() client.Schedule {
		d, err := c.ScheduleClient().GetHandle(t.Context(), flow.SweepID).Describe(t.Context())
		require.NoError(t, err)
		return d.Schedule
	}
	_, err := runs.AlignSweep(t.Context(), time.Hour)
	require.Error(t, err, "there is no schedule yet")
	made, err := runs.EnsureSweep(t.Context(), time.Hour)
	require.NoError(t, err)
	require.True(t, made)

	changed, err := runs.AlignSweep(t.Context(), time.Hour)
	require.NoError(t, err)
	require.False(t, changed, "it is as configured")

	require.NoError(t, c.ScheduleClient().GetHandle(t.Context(), flow.SweepID).Pause(t.Context(), client.SchedulePauseOptions{Note: "a person's"}))
	before := stands()
	made, err = runs.EnsureSweep(t.Context(), 2*time.Hour)
	require.NoError(t, err)
	require.False(t, made)
	changed, err = runs.AlignSweep(t.Context(), 2*time.Hour)
	require.NoError(t, err)
	require.True(t, changed)
	after := stands()
	require.Equal(t, []client.ScheduleIntervalSpec{{Every: 2 * time.Hour}}, after.Spec.Intervals)
	require.True(t, after.State.Paused, "a pause that a person set stays")
	require.Equal(t, before.Action, after.Action)
	require.Equal(t, before.Policy, after.Policy)

	changed, err = runs.AlignSweep(t.Context(), 2*time.Hour)
	require.NoError(t, err)
	require.False(t, changed)
}
