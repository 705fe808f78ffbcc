package access_test

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
)

func TestToken(t *testing.T) {
	t.Parallel()
	token := access.NewToken()
	t.Run("it is 256 random bits and is not printed", func(t *testing.T) {
		t.Parallel()
		raw, err := base64.RawURLEncoding.DecodeString(token.Reveal())
		require.NoError(t, err)
		require.Len(t, raw, 32)
		require.NotEqual(t, token.Reveal(), access.NewToken().Reveal())
		require.Equal(t, "*** ***", fmt.Sprintf("%v %q", token, token))
	})
	t.Run("a cookie that is none is refused", func(t *testing.T) {
		t.Parallel()
		got, err := access.ParseToken(token.Reveal())
		require.NoError(t, err)
		require.Equal(t, token.Hash(), got.Hash())
		for _, text := range []string{"", "x", token.Reveal() + "A", token.Reveal()[1:], token.Reveal()[:42] + "\n"} {
			_, err := access.ParseToken(text)
			require.ErrorIs(t, err, access.ErrToken, "%q", text)
		}
	})
	t.Run("its form token fits it alone", func(t *testing.T) {
		t.Parallel()
		require.True(t, token.CheckCSRF(token.CSRF()))
		require.NotContains(t, token.CSRF(), token.Reveal())
		for _, given := range []string{"", token.Reveal(), access.NewToken().CSRF(), token.CSRF() + "A", token.Derive("oidc state")} {
			require.False(t, token.CheckCSRF(given))
		}
		require.False(t, access.Token("").CheckCSRF(access.Token("").CSRF()), "no session has no form")
	})
	t.Run("what is derived for PKCE has the length that RFC 7636 asks for", func(t *testing.T) {
		t.Parallel()
		require.Len(t, token.Derive("oidc verifier"), 43)
		again, err := access.ParseToken(token.Reveal())
		require.NoError(t, err)
		require.Equal(t, token.Derive("a"), again.Derive("a"))
		require.NotEqual(t, token.Derive("a"), token.Derive("b"))
	})
}

func TestSession(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	l := access.Lifetimes{}.OrDefault()
	require.Equal(t, access.Lifetimes{Idle: 30 * time.Minute, Absolute: 12 * time.Hour, Half: 5 * time.Minute}, l)
	require.Equal(t, time.Hour, access.Lifetimes{Idle: time.Hour}.OrDefault().Idle)
	for name, tc := range map[string]struct {
		change func(*access.Session)
		at     time.Duration
		alive  bool
	}{
		"a fresh one is alive":                  {func(*access.Session) {}, 0, true},
		"one in use is alive":                   {func(*access.Session) {}, 30*time.Minute - 1, true},
		"one that nobody used ends":             {func(*access.Session) {}, 30 * time.Minute, false},
		"one in use ends all the same":          {func(s *access.Session) { s.Seen = start.Add(12*time.Hour - 1) }, 12 * time.Hour, false},
		"one in use lives to its end":           {func(s *access.Session) { s.Seen = start.Add(12*time.Hour - 2) }, 12*time.Hour - 1, true},
		"one of a user who was disabled is not": {func(s *access.Session) { s.User.Disabled = start }, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := access.Session{Created: start, Seen: start, Ends: start.Add(l.Absolute)}
			tc.change(&s)
			require.Equal(t, tc.alive, s.Alive(start.Add(tc.at), l))
		})
	}
}
