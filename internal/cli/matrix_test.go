package cli

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/config"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

var update = flag.Bool("update", false, "write the generated tables of the documents again")

// root is the repository's, as seen from this package.
const root = "../.."

// TestProviderTables keeps the tables of the documents equal to what the
// connectors implement and promise: `go test ./internal/cli -run ProviderTables -update`
// writes them again.
func TestProviderTables(t *testing.T) {
	t.Parallel()
	registry, err := newConnectors(config.Config{PublicURL: "https://pay.example.com", SandboxDelay: 5 * time.Second}, nil, time.Now, outboundClient())
	require.NoError(t, err)
	var all []psp.Connector
	for _, name := range registry.Names() {
		c, err := registry.Connector(name)
		require.NoError(t, err)
		all = append(all, c)
	}
	for _, table := range []struct{ file, name, want string }{
		{"README.md", "capabilities", capabilityTable(all)},
		{"docs/providers.md", "contracts", contractTable(all)},
	} {
		t.Run(table.file+" shows what the code says", func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(root, table.file)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			before, got, after := block(t, string(text), table.name)
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(before+table.want+after), 0o644))
				return
			}
			require.Equal(t, table.want, got, "stale; write it again with: go test ./internal/cli -run ProviderTables -update")
		})
	}
}

// block cuts a document around the generated block of a name.
func block(t *testing.T, text, name string) (before, inside, after string) {
	t.Helper()
	begin, end := "<!-- generated: "+name+" -->\n", "<!-- end: "+name+" -->\n"
	before, rest, found := strings.Cut(text, begin)
	require.True(t, found, "no line %q", begin)
	inside, after, found = strings.Cut(rest, end)
	require.True(t, found, "no line %q", end)
	require.NotContains(t, after, begin, "the block stands once")
	return before + begin, inside, end + after
}

// capabilityTable says what each connector can do, by what it implements.
func capabilityTable(all []psp.Connector) string {
	columns := []struct {
		title string
		can   func(psp.Connector) bool
	}{
		{"sale", func(c psp.Connector) bool { return psp.Covers(c, payment.Sale) }},
		{"authorization", func(c psp.Connector) bool { return psp.Covers(c, payment.Authorization) }},
		{"capture", implements[psp.Capturer]},
		{"void", implements[psp.Voider]},
		{"refund", implements[psp.Refunder]},
		{"charges kept methods", implements[psp.Recurrer]},
		{"webhooks", implements[psp.WebhookParser]},
		{"checks credentials", implements[psp.Verifier]},
	}
	head := []string{"provider"}
	for _, column := range columns {
		head = append(head, column.title)
	}
	var rows [][]string
	for _, c := range all {
		row := []string{"`" + c.Name() + "`"}
		for _, column := range columns {
			row = append(row, map[bool]string{true: "yes", false: "–"}[column.can(c)])
		}
		rows = append(rows, row)
	}
	return markdown(head, rows)
}

func implements[T any](c psp.Connector) bool {
	_, ok := c.(T)
	return ok
}

// contractTable says what each provider promises about sending and finding.
func contractTable(all []psp.Connector) string {
	head := []string{"provider", "key kept for", "look-up may lag", "not found proves that nothing was done for", "page open for", "late success until", "one call at most", "calls at once"}
	var rows [][]string
	for _, c := range all {
		k := c.Contract()
		rows = append(rows, []string{
			"`" + c.Name() + "`", span(k.KeyRetention), span(k.LookupLag), proves(k),
			span(k.CheckoutMin) + " to " + span(k.CheckoutMax), span(k.LateSuccess), span(k.CallTimeout), fmt.Sprint(k.InFlight),
		})
	}
	return markdown(head, rows)
}

func proves(k psp.Contract) string {
	var list []string
	for _, op := range []payment.Operation{payment.OpCharge, payment.OpCapture, payment.OpVoid, payment.OpRefund} {
		if k.Absence[op] == psp.Authoritative {
			list = append(list, string(op))
		}
	}
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

// span writes a duration in the largest units, such as "23 h 59 min".
func span(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{365 * 24 * time.Hour, "years"}, {24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if n := d / unit.size; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, unit.name))
			d -= n * unit.size
		}
	}
	if len(parts) == 0 {
		return "0 s"
	}
	return strings.Join(parts, " ")
}

func markdown(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(head)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

func TestSpanKeepsEveryUnit(t *testing.T) {
	t.Parallel()
	require.Equal(t, "23 h 59 min", span(24*time.Hour-time.Minute))
	require.Equal(t, "1 min 5 s", span(65*time.Second))
	require.Equal(t, "10 years", span(10*365*24*time.Hour))
	require.Equal(t, "0 s", span(0))
}

// settingRow is a row of the README's table of settings: name, default, purpose.
var settingRow = regexp.MustCompile("(?m)^\\| `(TILLFLOW_[A-Z_]+)` \\| (.*?) \\| .+ \\|$")

// TestReadmeListsEverySetting compares the README's table with the settings
// that exist and, through .env.example, with their defaults.
func TestReadmeListsEverySetting(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	listed := map[string]string{}
	for _, row := range settingRow.FindAllStringSubmatch(string(readme), -1) {
		require.NotContains(t, listed, row[1], "a setting has one row")
		listed[row[1]] = strings.Trim(row[2], "`")
	}
	example, err := os.ReadFile(filepath.Join(root, ".env.example"))
	require.NoError(t, err)
	names, err := config.Names()
	require.NoError(t, err)
	for _, name := range names {
		require.Contains(t, listed, name)
		value, optional := defaultOf(string(example), name)
		if optional {
			require.Equal(t, value, listed[name], "default of "+name)
		}
		delete(listed, name)
	}
	require.Empty(t, listed, "settings that do not exist")
}

// defaultOf finds a setting's default: commented lines of .env.example show it.
func defaultOf(example, name string) (value string, optional bool) {
	for line := range strings.Lines(example) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), "#"+name+"="); found {
			return value, true
		}
	}
	return "", false
}
