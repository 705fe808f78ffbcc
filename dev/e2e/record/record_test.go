// Package record runs charges to all their endings on the real stack and keeps
// their histories for the replay test of package workflows.
package record

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"tillflow/dev/buyer"
	"tillflow/dev/e2e/history"
	"tillflow/dev/stack"
	"tillflow/internal/crypt"
	"tillflow/workflows"
)

// A flag must be known before the tests begin, so it is the one variable here.
var recording = flag.Bool("record", false, "run the scenarios whose histories are missing and save them")

// TestMain lets scenarios run side by side: they wait much more than they compute.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	m.Run()
}

// corpus is where the histories are, seen from this folder.
const corpus = "../../../workflows/testdata/histories"

// The service's patience is short; hurried leaves it seconds until the deadline too.
const (
	unhurried = `{` + patience + `}`
	hurried   = `{"Resolution":"14s","DecideAhead":"8s",` + patience + `}`
	patience  = `"SendTimeout":"4s","RetryFirst":"100ms","RetryMax":"1s","FirstLook":"2s","LookMax":"3s",` +
		`"TellSteps":["300ms","500ms"],"TellSlow":"1s","OperatorRetry":"3s"`
)

// TestRecordHistories records what is missing when asked to. It never writes
// over a history: each stands for a run that may still be open somewhere.
// Without the flag it makes sure that no ending is left without its history. It
// is the only test here and not parallel to anything.
func TestRecordHistories(t *testing.T) {
	var missing []scenario
	for _, s := range scenarios() {
		if !s.kept() {
			missing = append(missing, s)
		}
	}
	if *recording && (len(missing) > 0 || !lawKept()) {
		r := open(t, missing)
		r.play(t, missing, false)
		r.play(t, missing, true)
		r.keepLaw(t)
		r.keepSweep(t)
	}
	if *recording && !exists(guardFile()) {
		open(t, nil).keepGuard(t)
	}
	if *recording && !exists(rechargeFile()) {
		open(t, nil).keepRecharge(t)
	}
	for _, s := range scenarios() {
		require.True(t, s.kept(), "no history of %q: run `make record`", s.name)
	}
	require.True(t, lawKept(), "no history of a privacy request: run `make record`")
	for _, name := range registered() {
		files, err := filepath.Glob(filepath.Join(corpus, name, "*.json"))
		require.NoError(t, err)
		require.NotEmpty(t, files, "no history of a %s: run `make record`", name)
	}
}

// names collects the registered workflows.
type names []string

func (n *names) RegisterWorkflow(w any) { *n = append(*n, nameOf(w)) }

func registered() []string {
	var n names
	workflows.Register(&n)
	return n
}

// recorder is a stack with one process that is the whole service.
type recorder struct {
	stack  *stack.Stack
	buyer  *buyer.Buyer
	pool   *pgxpool.Pool
	codec  *crypt.Codec
	client client.Client
}

func open(t *testing.T, scenarios []scenario) *recorder {
	t.Helper()
	build(t)
	dir, err := os.MkdirTemp("", "tillflow-record-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755)) // PostgreSQL runs as another user below it
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("everything is kept in %s", dir)
			return
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	o := stack.Options{Dir: dir, Volatile: true, SettleDelay: 1500 * time.Millisecond, Settings: map[string]string{
		"SWEEP_EVERY": "1s", "SWEEP_AFTER": "1s", "TIMING": unhurried,
	}}
	for _, s := range scenarios {
		o.Shops = append(o.Shops, s.shop())
	}
	r := &recorder{buyer: buyer.New()}
	r.stack, err = stack.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.stack.Stop()) })
	r.client, err = client.DialContext(t.Context(), client.Options{
		HostPort: r.stack.Temporal.FrontendAddr(), Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(r.client.Close)
	r.pool, err = pgxpool.New(t.Context(), r.stack.Postgres.URL("tillflow"))
	require.NoError(t, err)
	t.Cleanup(r.pool.Close)
	r.codec, err = history.Codec(r.stack.Config)
	require.NoError(t, err)
	return r
}

// build makes the service's program unless TILLFLOW_BIN names one.
func build(t *testing.T) {
	t.Helper()
	if os.Getenv("TILLFLOW_BIN") != "" {
		return
	}
	path := filepath.Join(t.TempDir(), "tillflow")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./cmd/tillflow")
	cmd.Dir = "../../.."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	t.Setenv("TILLFLOW_BIN", path)
}

// play runs the service and the scenarios that want its timing, all at the same
// time: they mostly wait.
func (r *recorder) play(t *testing.T, all []scenario, inHurry bool) {
	t.Helper()
	timing := unhurried
	if inHurry {
		timing = hurried
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	service, err := r.stack.Spawn(ctx, "all", map[string]string{"TIMING": timing})
	require.NoError(t, err)
	defer func() { require.NoError(t, service.Stop()) }()
	t.Run(fmt.Sprintf("hurried=%t", inHurry), func(t *testing.T) {
		for n, s := range all {
			if s.hurried != inHurry {
				continue
			}
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				k := &take{r: r, scenario: s, minor: 8_800_001 + n, account: fmt.Sprintf("acct_test%d", n+1)}
				s.play(t, k)
				k.keep(t)
			})
		}
	})
}

// keepSweep keeps one sweep: they are all alike.
func (r *recorder) keepSweep(t *testing.T) {
	t.Helper()
	path := filepath.Join(corpus, "Sweep", "rows.json")
	if exists(path) {
		return
	}
	runs, err := history.Runs(t.Context(), r.client, `WorkflowType = "Sweep" AND ExecutionStatus = "Completed"`)
	require.NoError(t, err)
	require.NotEmpty(t, runs)
	r.save(t, runs[0], path)
}

// save opens a run's history and writes it.
func (r *recorder) save(t *testing.T, run history.Run, path string) {
	t.Helper()
	h, err := history.Fetch(t.Context(), r.client, run)
	require.NoError(t, err)
	_, err = history.Open(t.Context(), h, r.codec)
	require.NoError(t, err)
	require.NoError(t, history.Save(h, path))
	t.Logf("%s: %d events", strings.TrimPrefix(path, corpus+"/"), len(h.GetEvents()))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
