package cli

import (
	"crypto/sha256"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
	"tillflow/internal/store"
)

var keyLines = regexp.MustCompile(`^id  ([0-9a-f-]{36})\nkey (tfk_\S+)\nThe key is shown this once`)

// addKey makes a key of the office's shop.
func (o *office) addKey(args ...string) (id, key string) {
	o.t.Helper()
	found := keyLines.FindStringSubmatch(o.must("", append([]string{"key", "add", "-shop", o.shop, "-label", "backend", "-actor", "root"}, args...)...))
	require.Len(o.t, found, 3)
	return found[1], found[2]
}

// uses looks a key up as the API does.
func (o *office) uses(key string) (access.APIKey, error) {
	sum := sha256.Sum256([]byte(key))
	return o.FindAPIKey(o.t.Context(), sum[:])
}

// keyLine is what the list says of a key.
func (o *office) keyLine(id string) string {
	o.t.Helper()
	for line := range strings.Lines(o.must("", "key", "list", "-shop", o.shop)) {
		if strings.HasSuffix(strings.TrimSpace(line), id) {
			return line
		}
	}
	o.t.Fatalf("key %s is not listed", id)
	return ""
}

func TestKeyCommand(t *testing.T) {
	t.Parallel()
	t.Run("a key may do everything for ever unless less is asked for", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		_, key := o.addKey()
		found, err := o.uses(key)
		require.NoError(t, err)
		require.Equal(t, access.Scopes(), found.Scopes)
		require.True(t, found.Expires.IsZero())
		_, key = o.addKey("-scopes", "payment:read", "-expires-in", "2h")
		found, err = o.uses(key)
		require.NoError(t, err)
		require.Equal(t, []access.Scope{access.ReadPaymentScope}, found.Scopes)
		require.Equal(t, 2*time.Hour, found.Expires.Sub(found.Created).Round(time.Minute))
	})
	t.Run("the list masks keys, says what each may do and how it stands, and leaves other shops out", func(t *testing.T) {
		t.Parallel()
		o, other := open(t), open(t)
		id, key := o.addKey("-scopes", "payment:read", "-expires-in", "2h")
		foreign, _ := other.addKey()
		all := o.must("", "key", "list", "-shop", o.shop)
		require.NotContains(t, all, key)
		require.NotContains(t, all, foreign)
		require.Regexp(t, regexp.QuoteMeta("tfk_…"+key[len(key)-4:])+` +payment:read +works until 20\d\d-\S+ \S+Z +20\S+ \S+Z +- +- +`+id, o.keyLine(id))
	})
	t.Run("a key is rotated: both work for the overlap, and the successor names the old one", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		id, old := o.addKey("-scopes", "payment:write")
		found := keyLines.FindStringSubmatch(o.must("", "key", "rotate", "-overlap", "1h", "-actor", "root", id))
		require.Len(t, found, 3)
		for _, key := range []string{old, found[2]} {
			k, err := o.uses(key)
			require.NoError(t, err)
			require.Equal(t, []access.Scope{access.WritePaymentScope}, k.Scopes)
		}
		require.Contains(t, o.keyLine(id), "works until")
		require.Contains(t, o.keyLine(found[1]), " "+id+" ")
	})
	t.Run("a key that is revoked, or rotated without overlap, is no key any more", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		id, key := o.addKey()
		require.Empty(t, o.must("", "key", "revoke", "-actor", "root", id))
		_, err := o.uses(key)
		require.Error(t, err)
		require.Contains(t, o.keyLine(id), "revoked 20")
		id, key = o.addKey()
		o.must("", "key", "rotate", "-overlap", "0", "-actor", "root", id)
		_, err = o.uses(key)
		require.Error(t, err)
		require.Contains(t, o.keyLine(id), "expired 20")
	})
	t.Run("what is done to keys is in the audit", func(t *testing.T) {
		t.Parallel()
		o := open(t)
		id, key := o.addKey()
		o.must("", "key", "rotate", "-actor", "root", id)
		o.must("", "key", "revoke", "-actor", "root", id)
		list, err := o.ListAudit(t.Context(), store.AuditFilter{Subject: "key " + id})
		require.NoError(t, err)
		var did []string
		for _, r := range list {
			did = append(did, r.Entry.Actor.Name+" "+r.Entry.Action)
			require.NotContains(t, r.Entry.Detail, key)
		}
		require.Equal(t, []string{"command line: root key.revoke", "command line: root key.rotate", "command line: root key.issue"}, did)
	})
	t.Run("what cannot be is refused, and nothing is made", func(t *testing.T) {
		t.Parallel()
		o := setup(t)
		for says, args := range map[string][]string{
			"there is no shop":       {"key", "add", "-shop", o.shop, "-label", "x"},
			"a scope is":             {"key", "add", "-shop", o.shop, "-label", "x", "-scopes", "payment:read,everything"},
			"not in the past":        {"key", "add", "-shop", o.shop, "-label", "x", "-expires-in", "-1h"},
			"-overlap is not":        {"key", "rotate", "-overlap", "-1h", "018f0000-0000-7000-8000-000000000000"},
			"rotate api key":         {"key", "rotate", "mine"},
			"end api key":            {"key", "revoke", "mine"},
			"rotate api key: no suc": {"key", "rotate", "018f0000-0000-7000-8000-000000000000"},
		} {
			code, out, errOut := o.command("", args...)
			require.Equal(t, 1, code, says)
			require.Empty(t, out)
			require.Contains(t, errOut, says)
		}
		require.Equal(t, 1, strings.Count(o.must("", "key", "list", "-shop", o.shop), "\n"), "the headings alone")
	})
}
