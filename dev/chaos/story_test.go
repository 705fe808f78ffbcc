package chaos

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

// drawn is a fair sample: every cell leads several of these stories.
const drawn = 2000

func TestDraw(t *testing.T) {
	t.Parallel()
	first, again := Draw(7), Draw(7)
	require.Equal(t, first, again, "a story is a function of its seed")
	require.NotEqual(t, first, Draw(8))
	led := map[Cell]int{}
	for seed := range uint64(drawn) {
		story := Draw(seed)
		led[leading(seed)]++
		text := story.String()
		require.NotContains(t, text, "unknown verb", text)
		require.NotEmpty(t, story.Steps)
		begun := map[int]bool{}
		for _, step := range story.Steps {
			require.Less(t, step.Sale, len(story.Sales), text)
			begun[step.Sale] = begun[step.Sale] || step.Do == Begin
		}
		require.Len(t, begun, len(story.Sales), "a sale that nobody begins: %s", text)
		for _, f := range story.Faults {
			lost := f.Kind == faults.WebhookDrop
			require.False(t, lost && story.meddled() && (f.Call == refundUpdated || f.Call == disputeClosed), "only messages tell of it: %s", text)
		}
	}
	for _, cell := range Cells() {
		require.GreaterOrEqual(t, led[cell], enough, cell)
	}
}

func TestCellsAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[Cell]bool{}
	for _, cell := range Cells() {
		require.False(t, seen[cell], cell)
		seen[cell] = true
	}
	require.Less(t, len(seen), stride, "the stride must meet them all")
}

func TestStoriesAreKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "story.json")
	want := Draw(11)
	text, err := json.Marshal(want)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	got, err := ReadStory(path)
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = ReadStory(path + ".none")
	require.Error(t, err)
}

func TestWords(t *testing.T) {
	t.Parallel()
	require.Equal(t, "12.05", Sale{Minor: 1205, Currency: "EUR"}.amount())
	require.Equal(t, "1205", Sale{Minor: 1205, Currency: "JPY"}.amount())
	require.Equal(t, "lose_reply at stripe refunds.create, from the 2nd on, 3 times",
		Fault{At: AtStripe, Call: createRefund, Kind: faults.LoseReply, Nth: 2, Times: 3}.String())
	require.Equal(t, "meanwhile, 20 ms later, the shop asks to refund 60 % of sale 1",
		Step{Do: Refund, Sale: 1, N: 60, Along: true, Wait: 20}.String())
}

func TestCandidatesAreSmaller(t *testing.T) {
	t.Parallel()
	size := func(s Story) int {
		n := 100 * (len(s.Steps) + len(s.Faults))
		for _, step := range s.Steps {
			if step.Wait > 0 || step.Along {
				n++
			}
		}
		for _, f := range s.Faults {
			if f.Nth > 1 || f.Times != 1 {
				n++
			}
		}
		if s.StaleToken {
			n++
		}
		return n
	}
	for seed := range uint64(100) {
		story := Draw(seed)
		before, err := json.Marshal(story)
		require.NoError(t, err)
		for _, c := range candidates(story) {
			require.Less(t, size(c), size(story), "%s\n%s", story, c)
		}
		after, err := json.Marshal(story)
		require.NoError(t, err)
		require.Equal(t, before, after, "the story itself stays")
	}
}
