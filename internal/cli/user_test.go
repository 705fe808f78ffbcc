package cli

import (
	"encoding/base32"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
	"tillflow/internal/store"
)

const goodPassword = "olive tractor bends slowly"

// somebody is a name that no other test uses.
func somebody() string { return "u-" + uuid.NewString() }

func TestUserCommand(t *testing.T) {
	t.Parallel()
	verify := func(t *testing.T, o *office, name, password string) bool {
		t.Helper()
		c, err := o.Credentials(t.Context(), name)
		require.NoError(t, err)
		ok, outdated, err := access.NewPasswords(access.DefaultArgon2(), 1).Verify(t.Context(), password, c.Password)
		require.NoError(t, err)
		require.False(t, outdated)
		return ok
	}
	t.Run("a user is added with a password from standard input and a secret that is shown once", func(t *testing.T) {
		t.Parallel()
		o, name := setup(t), somebody()
		out := o.must(goodPassword+"\r\nnot this\n", "user", "add", "-name", strings.ToUpper(name), "-role", "finance", "-actor", "root")
		require.NotContains(t, out, goodPassword)
		require.True(t, verify(t, o, name, goodPassword))
		c, err := o.Credentials(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, access.Finance, c.Role)
		secret := regexp.MustCompile(`(?m)^secret  ([A-Z2-7]{32})$`).FindStringSubmatch(out)
		require.Len(t, secret, 2, out)
		raw, err := base32.StdEncoding.DecodeString(secret[1])
		require.NoError(t, err)
		require.Equal(t, access.TOTPKey(raw), c.TOTP)
		require.Contains(t, out, "address otpauth://totp/tillflow:"+name+"?")
		list, err := o.ListAudit(t.Context(), store.AuditFilter{Subject: "user " + c.ID})
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, "command line: root", list[0].Entry.Actor.Name)
		require.Equal(t, "user.add", list[0].Entry.Action)
	})
	t.Run("a generated password is shown once, and fits", func(t *testing.T) {
		t.Parallel()
		o, name := setup(t), somebody()
		out := o.must("", "user", "add", "-name", name, "-role", "viewer", "-generate", "-totp=false", "-actor", "root")
		made := regexp.MustCompile(`(?m)^password (\S+)$`).FindStringSubmatch(out)
		require.Len(t, made, 2, out)
		require.NotContains(t, out, "secret")
		require.True(t, verify(t, o, name, made[1]))
	})
	t.Run("a user is listed, disabled, let in again, and changed", func(t *testing.T) {
		t.Parallel()
		o, name := setup(t), somebody()
		line := func() string {
			for line := range strings.Lines(o.must("", "user", "list")) {
				if strings.HasPrefix(line, name) {
					return line
				}
			}
			return ""
		}
		o.must(goodPassword, "user", "add", "-name", name, "-role", "viewer", "-actor", "root")
		require.Regexp(t, `viewer +password and code +- +- `, line())
		o.must("", "user", "disable", "-name", name, "-actor", "root")
		require.Regexp(t, `viewer +password and code +- +20\d\d-`, line())
		o.must("", "user", "enable", "-name", name, "-actor", "root")
		o.must("", "user", "role", "-name", name, "-role", "admin", "-actor", "root")
		o.must("", "user", "totp", "-name", name, "-remove", "-actor", "root")
		require.Regexp(t, `admin +password alone +- +- `, line())
		require.Contains(t, o.must("", "user", "totp", "-name", name, "-actor", "root"), "otpauth://")
		o.must("another unusual password\n", "user", "password", "-name", name, "-actor", "root")
		require.True(t, verify(t, o, name, "another unusual password"))
		require.False(t, verify(t, o, name, goodPassword))
	})
	t.Run("a bad password, name or role is refused and nothing is stored", func(t *testing.T) {
		t.Parallel()
		o, name := setup(t), somebody()
		add := func(role, name string) []string {
			return []string{"user", "add", "-name", name, "-role", role, "-actor", "root"}
		}
		for says, tc := range map[string]struct {
			input string
			args  []string
		}{
			"shorter than 12":       {"short\n", add("viewer", name)},
			"most common":           {"password1234\n", add("viewer", name)},
			"the user's name":       {"x " + name + " x\n", add("viewer", name)},
			"nothing came":          {"", add("viewer", name)},
			"a role is viewer":      {goodPassword, add("king", name)},
			"printable characters":  {goodPassword, add("viewer", "a\tb")},
			"there is no such user": {"", []string{"user", "disable", "-name", name, "-actor", "root"}},
			"is shorter than":       {"short", []string{"user", "password", "-name", name, "-actor", "root"}},
			"viewer, operator, fin": {"", []string{"user", "role", "-name", name, "-role", "x", "-actor", "root"}},
		} {
			code, out, errOut := o.command(tc.input, tc.args...)
			require.Equal(t, 1, code, says)
			require.Empty(t, out)
			require.Contains(t, errOut, says)
		}
		require.NotContains(t, o.must("", "user", "list"), name)
	})
	for name, tc := range map[string]struct {
		args []string
		says string
	}{
		"no verb":                 {[]string{"user"}, "usage: tillflow user <verb>"},
		"an unknown verb":         {[]string{"user", "promote"}, "usage: tillflow user <verb>"},
		"add without a name":      {[]string{"user", "add", "-role", "viewer"}, "-name is missing"},
		"add without a role":      {[]string{"user", "add", "-name", "a"}, "-role is missing"},
		"disable by nobody":       {[]string{"user", "disable", "-name", "a", "-actor", ""}, "-actor is missing"},
		"role without one":        {[]string{"user", "role", "-name", "a"}, "-role is missing"},
		"password without a name": {[]string{"user", "password"}, "-name is missing"},
		"totp without a name":     {[]string{"user", "totp"}, "-name is missing"},
		"list with a flag":        {[]string{"user", "list", "-x"}, "-x"},
		"audit with no verb":      {[]string{"audit"}, "usage: tillflow audit <verb>"},
		"audit, unknown verb":     {[]string{"audit", "mend"}, "usage: tillflow audit <verb>"},
	} {
		t.Run(name+" is called wrongly: 2", func(t *testing.T) {
			t.Parallel()
			code, out, errOut := main(t, nil, tc.args...)
			require.Equal(t, 2, code, errOut)
			require.Empty(t, out)
			require.Contains(t, errOut, tc.says)
		})
	}
}
