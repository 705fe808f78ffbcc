package browser_test

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// axeCore is axe-core 4.14.1 as its npm package has it, under the Mozilla Public
// Licence 2.0, whose text stands beside it: a licence by file, which asks nothing
// of what only runs it. It is part of tests and of no program.
//
//go:embed axe/axe-core-4.14.1.min.js
var axeCore string

// axeHash is the SHA-256 of package/axe.min.js in `npm pack axe-core@4.14.1`.
const axeHash = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"

func TestAxeIsWhatWasPublished(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte(axeCore))
	require.Equal(t, axeHash, hex.EncodeToString(sum[:]))
}

// axeReport is what axe-core says of a page.
type axeReport struct {
	Rules    int // that were looked at and passed or failed
	Findings []axeFinding
}

type axeFinding struct{ Rule, Impact, Help, Where string }

func (f axeFinding) String() string {
	return fmt.Sprintf("%s (%s): %s: %s", f.Rule, f.Impact, f.Help, f.Where)
}

// axeRun looks at everything that axe-core knows of WCAG 2.2 A and AA and of good practice.
const axeRun = `axe.run(document, {resultTypes: ["violations", "passes"]}).then((r) => ({
  Rules: r.passes.length + r.violations.length,
  Findings: r.violations.map((v) => ({Rule: v.id, Impact: v.impact || "", Help: v.help, Where: v.nodes.slice(0, 3).map((n) => n.html).join(" | ")})),
}))`

// accessible: axe-core finds nothing serious or critical on the page. It answers
// how many rules it has looked at.
func (b *tab) accessible() int {
	b.Helper()
	// axe-core waits for its own timers; the page's scripts were not loaded and stay so.
	b.scripts(true)
	defer b.scripts(false)
	version := steady(b, chromedp.Evaluate[string](axeCore+"\n;axe.version"))
	require.Equal(b, "4.14.1", version)
	report := steady(b, chromedp.Evaluate[axeReport](axeRun, chromedp.EvalAwaitPromise))
	require.Greater(b, report.Rules, 10, "axe-core has looked at nothing")
	var serious []string
	for _, f := range report.Findings {
		if f.Impact == "serious" || f.Impact == "critical" {
			serious = append(serious, f.String())
		} else {
			b.Logf("axe, at %s: %s", b.at(), f)
		}
	}
	require.Empty(b, serious, "%s\n%s", b.at(), strings.Join(serious, "\n"))
	return report.Rules
}
