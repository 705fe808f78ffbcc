package crypt_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/crypt"
)

func TestSecret(t *testing.T) {
	t.Parallel()
	const text = "hunter2"
	secret := crypt.Secret(text)

	t.Run("no verb prints it", func(t *testing.T) {
		t.Parallel()
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T-%v", "%10s", "% x", "%U"} {
			require.NotContains(t, fmt.Sprintf(verb, secret, secret), text, verb)
			require.NotContains(t, fmt.Sprintf(verb, secret, secret), "68756e", verb)
		}
		require.Equal(t, "***", fmt.Sprint(secret))
		require.Equal(t, "{***}", fmt.Sprintf("%v", struct{ Token crypt.Secret }{secret}))
		require.Equal(t, "[***]", fmt.Sprint([]crypt.Secret{secret}))
	})
	t.Run("errors, JSON and logs do not show it", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "bad token ***", fmt.Errorf("bad token %w%v", errEmpty{}, secret).Error())
		data, err := json.Marshal(map[string]any{"a": secret, "b": []*crypt.Secret{&secret}})
		require.NoError(t, err)
		require.Equal(t, `{"a":"***","b":["***"]}`, string(data))
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("start", "token", secret)
		require.NotContains(t, log.String(), text)
		require.Contains(t, log.String(), `"token":"***"`)
	})
	t.Run("it is revealed on demand and read from JSON", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, text, secret.Reveal())
		var read crypt.Secret
		require.NoError(t, json.Unmarshal([]byte(`"hunter2"`), &read))
		require.Equal(t, text, read.Reveal())
	})
	t.Run("only the same text is equal, and an empty secret equals nothing", func(t *testing.T) {
		t.Parallel()
		require.True(t, secret.Equal(text))
		for _, other := range []string{"", "hunter", "hunter22", "Hunter2"} {
			require.False(t, secret.Equal(other))
			require.False(t, crypt.Secret("").Equal(other))
		}
	})
}

// errEmpty is an error without text.
type errEmpty struct{}

func (errEmpty) Error() string { return "" }
