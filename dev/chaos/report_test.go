package chaos

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	t.Parallel()
	all := []Cell{{AtStripe, createRefund, "lose_reply"}, {AtStripe, createRefund, "429"}, {OfRun, runOfCharge, "reset"}}
	r := newReport()
	r.add(Verdict{Story: Story{Seed: 9}, Hits: map[Cell]int{all[0]: 4}, Violations: []Violation{{Kind: moneyLost}, {Kind: moneyLost}}})
	r.add(Verdict{Story: Story{Seed: 4}, Hits: map[Cell]int{all[0]: 1, all[2]: 5}, Violations: []Violation{{Kind: booksDiffer}, {Kind: moneyLost}}})
	r.add(Verdict{Story: Story{Seed: 2}})
	r.finish(all, true, 1500*time.Millisecond)

	require.Equal(t, []string{"stripe refunds.create: 429"}, r.Missing)
	var out strings.Builder
	r.table(&out, all)
	require.Contains(t, out.String(), "lose_reply 5, 429 0")
	require.Contains(t, out.String(), "struck fewer than 5 times: stripe refunds.create: 429")

	out.Reset()
	require.NoError(t, r.line(&out))
	line, found := strings.CutPrefix(out.String(), "CHAOS ")
	require.True(t, found)
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(line), &got))
	require.EqualValues(t, 3, got["runs"])
	require.InDelta(t, 1.5, got["seconds"], 0)
	require.EqualValues(t, 4, got["smallest_failing_seed"])
	require.Equal(t, map[string]any{moneyLost: 2.0, booksDiffer: 1.0}, got["violations"], "stories, not findings")
	require.Equal(t, map[string]any{"stripe refunds.create: lose_reply": 5.0, "run charge: reset": 5.0}, got["faults"])
}

func TestShortRunsMissNothing(t *testing.T) {
	t.Parallel()
	r := newReport()
	r.finish(Cells(), false, 0)
	require.Empty(t, r.Missing)
	var out strings.Builder
	require.NoError(t, r.line(&out))
	require.Contains(t, out.String(), `"smallest_failing_seed":null`)
}

func TestTopUpsAimAtWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := newReport()
	for _, cell := range Cells() {
		r.hits[cell] = enough
	}
	o := Options{Seeds: 1000, First: 10}
	require.Empty(t, missed(o, 1, r))
	want := Cells()[3]
	r.hits[want] = enough - 1
	for round := 1; round <= topUps; round++ {
		list := missed(o, round, r)
		require.Len(t, list, 1)
		require.Equal(t, want, leading(list[0].Seed))
		require.GreaterOrEqual(t, list[0].Seed, uint64(1010), "a seed that was not played")
	}
}
