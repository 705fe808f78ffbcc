package workflows_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/workflows"
)

var update = flag.Bool("update-names", false, "write testdata/names.golden again: only for names that no history holds yet")

// registered collects what is registered, as a worker would.
type registered struct{ names []string }

func (r *registered) RegisterWorkflow(w any) {
	name := functionName(w)
	r.names = append(r.names, "workflow "+name)
}

// TestNamesInHistoriesAreNeverRenamed compares every name that a running
// workflow depends on with a golden file: a run that was started under a name
// finds nobody to go on with when the name is gone.
func TestNamesInHistoriesAreNeverRenamed(t *testing.T) {
	t.Parallel()
	r := &registered{}
	workflows.Register(r)
	for _, neighbour := range []any{&activities.Gateway{}, &activities.Shopify{}, &activities.Rows{}, &activities.Sweep{}, &activities.Guard{}, &activities.Erasure{}, &activities.Purge{}, &activities.Members{}, &activities.Recharge{}} {
		kind := reflect.TypeOf(neighbour)
		for i := range kind.NumMethod() {
			r.names = append(r.names, "activity "+kind.Method(i).Name)
		}
	}
	for _, signal := range []string{flow.SignalEvent, flow.SignalChoice, flow.SignalReturned, flow.SignalLook} {
		r.names = append(r.names, "signal "+signal)
	}
	for _, name := range []string{flow.UpdateResolve, flow.UpdateRetry, flow.UpdateExpire, flow.UpdateNote, flow.UpdateCommand} {
		r.names = append(r.names, "update "+name)
	}
	r.names = append(r.names, "query "+flow.QueryState, "queue "+flow.Queue)
	slices.Sort(r.names)
	require.Equal(t, r.names, slices.Compact(slices.Clone(r.names)), "activity names are unique across structs")

	golden := filepath.Join("testdata", "names.golden")
	got := strings.Join(r.names, "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func functionName(f any) string {
	full := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	return full[strings.LastIndex(full, ".")+1:]
}
