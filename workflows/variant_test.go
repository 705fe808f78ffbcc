package workflows_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAReleaseThatBreaksHistoryOrderFailsTheBuild builds today's Charge with one
// more activity in the middle of its story and without a version, as a careless
// release would have it, and lets the replay test judge it.
func TestAReleaseThatBreaksHistoryOrderFailsTheBuild(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the package once more")
	}
	const before, inserted = "func (c *charge) tell(ctx workflow.Context) error {\n", `
	if _, err := do(dbDurable(ctx, "one more step"), rows.LoadCharge, activities.PaymentInput{PaymentID: c.in.PaymentID}); err != nil {
		return err
	}
`
	for name, variant := range map[string]struct {
		insert string
		red    bool
	}{
		"as it is, it is green":         {insert: "", red: false},
		"with one more step, it is red": {insert: inserted, red: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, err := os.ReadFile("charge.go")
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(source), before), "the place of the insertion")
			here, err := filepath.Abs("charge.go")
			require.NoError(t, err)
			folder := t.TempDir()
			changed, overlay := filepath.Join(folder, "charge.go"), filepath.Join(folder, "overlay.json")
			require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(string(source), before, before+variant.insert, 1)), 0o600))
			list, err := json.Marshal(map[string]map[string]string{"Replace": {here: changed}})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(overlay, list, 0o600))

			out, err := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-overlay", overlay, "-run", "^TestReplay$", ".").CombinedOutput()
			if !variant.red {
				require.NoError(t, err, "%s", out)
				return
			}
			require.Error(t, err)
			require.Contains(t, string(out), "--- FAIL: TestReplay/testdata/histories/Charge/", "it was built, and replayed")
			require.Contains(t, string(out), "TMPRL1100", "the SDK's number for code that does not fit its history")
		})
	}
}
