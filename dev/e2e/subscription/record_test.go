package subscription

import (
	"flag"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/proxy"

	"tillflow/dev/e2e/history"
	"tillflow/internal/crypt"
)

// A flag must be known before the tests begin, so it is the one variable here.
var recording = flag.Bool("record", false, "save histories of the story that are missing for the replay test")

// corpus is where the histories are, seen from this folder.
const corpus = "../../../workflows/testdata/histories"

// kind is one kind of run that the replay test wants: the first run of a type
// whose history has all of the marks, and none of those that begin with "!".
type kind struct {
	file  string
	marks []string
}

// kinds of runs that the story has.
func kinds() []kind {
	return []kind{
		{"Charge/first-payment-of-a-subscription.json", []string{"tell the subscription"}},
		{"Subscription/first-payment-and-cancelled.json", []string{"keep the method that was paid with", `"cancel`}},
		{"Subscription/trial-begins.json", []string{`"State":"trialing"`}},
		{"Subscription/a-period-is-paid.json", []string{"wake the charge", "!retry"}},
		{"Subscription/soft-declines-and-recovery.json", []string{"wake the charge", "retry"}},
		{"Subscription/given-up.json", []string{`"unpaid"`}},
		{"Renewal/paid.json", []string{`"State":"captured"`, "!awaiting_buyer"}},
		{"Renewal/declined-softly-then-paid.json", []string{"awaiting_buyer", `"State":"captured"`}},
		{"Renewal/declined-for-good.json", []string{"awaiting_buyer", `"State":"rejected"`}},
	}
}

// keep saves the histories that are missing, when asked to. It never writes over
// one: each stands for a run that may still be open somewhere.
func (w *world) keep() {
	w.Helper()
	codec, err := history.Codec(w.Config)
	require.NoError(w, err)
	for _, k := range kinds() {
		path := filepath.Join(corpus, filepath.FromSlash(k.file))
		if _, err := os.Stat(path); err == nil {
			continue
		}
		require.True(w, *recording, "no history %s: run `make record`", k.file)
		h := w.find(codec, k)
		require.NoError(w, history.Save(h, path))
		w.Logf("%s: %d events", k.file, len(h.GetEvents()))
	}
}

// find is the shortest history that fits.
func (w *world) find(codec *crypt.Codec, k kind) (found *historypb.History) {
	w.Helper()
	name, _, _ := strings.Cut(k.file, "/")
	runs, err := history.Runs(w.Context(), w.Service.Temporal, `WorkflowType = "`+name+`"`)
	require.NoError(w, err)
	for _, run := range runs {
		h, err := history.Fetch(w.Context(), w.Service.Temporal, run)
		require.NoError(w, err)
		_, err = history.Open(w.Context(), h, codec)
		require.NoError(w, err)
		if (found == nil || len(h.GetEvents()) < len(found.GetEvents())) && k.fits(w, h) {
			found = h
		}
	}
	require.NotNil(w, found, "no run of the story is %s", k.file)
	return found
}

// fits looks for the marks in everything that the run was told and did.
func (k kind) fits(w *world, h *historypb.History) bool {
	w.Helper()
	var text strings.Builder
	err := proxy.VisitPayloads(w.Context(), h, proxy.VisitPayloadsOptions{
		SkipSearchAttributes: true,
		Visitor: func(_ *proxy.VisitPayloadsContext, list []*commonpb.Payload) ([]*commonpb.Payload, error) {
			for _, p := range list {
				text.Write(p.GetData())
				text.WriteByte('\n')
			}
			return list, nil
		},
	})
	require.NoError(w, err)
	for _, mark := range k.marks {
		without, not := strings.CutPrefix(mark, "!")
		if strings.Contains(text.String(), without) == not {
			return false
		}
	}
	return true
}
