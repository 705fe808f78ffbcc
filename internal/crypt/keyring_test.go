package crypt_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/crypt"
)

// key encodes a key of 32 equal bytes; enough for tests, which need different
// keys and not unguessable ones.
func key(fill string) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(fill, 32)))
}

func ring(t *testing.T, config string) *crypt.Keyring {
	t.Helper()
	parsed, err := crypt.ParseKeyring(crypt.Secret(config))
	require.NoError(t, err)
	return parsed
}

func TestParseKeyring(t *testing.T) {
	t.Parallel()
	t.Run("the first key is active", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "2026-11", ring(t, "2026-11:"+key("a")).Active())
		require.Equal(t, "new", ring(t, "new:"+key("a")+", old:"+key("b")).Active())
	})
	t.Run("no verb prints the keys", func(t *testing.T) {
		t.Parallel()
		keys := ring(t, "k1:"+key("a"))
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			require.Equal(t, "crypt.Keyring(***)", fmt.Sprintf(verb, keys))
		}
	})
	short := base64.StdEncoding.EncodeToString([]byte("SixteenBytesLong"))
	for rule, config := range map[string]string{
		"nothing":                       "",
		"a key without id":              key("a"),
		"an empty id":                   ":" + key("a"),
		"an id with a space":            "k 1:" + key("a"),
		"an id that is too long":        strings.Repeat("k", 33) + ":" + key("a"),
		"no key":                        "k1:",
		"a key of 16 bytes":             "k1:" + short,
		"a key of 33 bytes":             "k1:" + base64.StdEncoding.EncodeToString(make([]byte, 33)),
		"a key that is not base64":      "k1:" + strings.Repeat("!", 44),
		"a key in URL base64":           "k1:" + base64.URLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 32))),
		"the same id twice":             "k1:" + key("a") + ",k1:" + key("b"),
		"a comma at the end":            "k1:" + key("a") + ",",
		"a second key that is too long": "k1:" + key("a") + ",k2:" + key("b") + key("b"),
	} {
		t.Run(rule+" is refused without showing it", func(t *testing.T) {
			t.Parallel()
			parsed, err := crypt.ParseKeyring(crypt.Secret(config))
			require.ErrorIs(t, err, crypt.ErrKeyring)
			require.Nil(t, parsed)
			require.NotContains(t, err.Error(), key("a")[:8])
			require.NotContains(t, err.Error(), short[:8])
		})
	}
}
