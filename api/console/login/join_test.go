package login_test

import (
	"encoding/base32"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/api/console/login"
	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/store"
)

var _ login.Invitations = (*store.Store)(nil)

// invited adds somebody with an invitation and answers its token.
func (h *house) invited(name string) (id string, token access.Token) {
	h.t.Helper()
	token = access.NewToken()
	id, err := h.AddUser(h.t.Context(), audit.Actor{Name: "test"}, access.NewUser{
		Name: name, Role: access.Operator, Password: access.NewPasswords(cost(), 1).Unknown(),
		Invitation: &access.NewInvitation{Hash: token.Hash(), TOTP: access.NewTOTPKey(), For: access.InvitedFor},
	})
	require.NoError(h.t, err)
	return id, token
}

var (
	secretShown = regexp.MustCompile(`Secret: <code>([A-Z2-7 ]+)</code>`)
	codesShown  = regexp.MustCompile(`<li><code>([A-Z2-7-]+)</code></li>`)
)

// secret reads the secret of the one-time codes from the page, as a person does.
func (p page) secret() access.TOTPKey {
	p.t.Helper()
	found := secretShown.FindStringSubmatch(p.Body.String())
	require.Len(p.t, found, 2, p.Body.String())
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(found[1], " ", ""))
	require.NoError(p.t, err)
	return key
}

// joins takes an invitation up and answers the authenticator's key and the recovery codes.
func (b *browser) joins(token access.Token) (key access.TOTPKey, codes []string) {
	b.h.t.Helper()
	b.get("/console/join/" + token.Reveal()).leads("/console/join")
	shown := b.get("/console/join").says(http.StatusOK, "Welcome to tillflow", "<svg")
	key = shown.secret()
	form := shown.form()
	form.Set("password", password)
	form.Set("again", password)
	form.Set("code", b.h.code(key))
	done := b.post("/console/join", form).says(http.StatusOK, "Keep your recovery codes")
	for _, m := range codesShown.FindAllStringSubmatch(done.Body.String(), -1) {
		codes = append(codes, m[1])
	}
	require.Len(b.h.t, codes, 10)
	return key, codes
}

func TestJoining(t *testing.T) {
	t.Parallel()
	t.Run("an invited person chooses password and authenticator, and comes in with them", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		_, token := h.invited("ada")
		b := h.browser()
		b.password("ada", password).says(http.StatusUnauthorized)
		key, _ := b.joins(token)
		h.wait(time.Minute)
		b.enter("ada", key)
		b.get("/console/payments").says(http.StatusOK, "ada is operator")
		require.Contains(t, h.did(), "ada/operator user.join")
	})
	t.Run("a link works once, and not for ever", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		_, token := h.invited("ada")
		h.browser().joins(token)
		again := h.browser()
		again.get("/console/join/" + token.Reveal()).leads("/console/join")
		again.get("/console/join").says(http.StatusGone, "not valid any more")

		_, token = h.invited("eve")
		h.wait(access.InvitedFor)
		late := h.browser()
		late.get("/console/join/" + token.Reveal()).leads("/console/join")
		late.get("/console/join").says(http.StatusGone)
		late.get("/console/join/short").says(http.StatusGone)
	})
	t.Run("a new invitation ends the one before, and keeping somebody out ends both", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		id, first := h.invited("ada")
		second := access.NewToken()
		again := access.NewInvitation{Hash: second.Hash(), TOTP: access.NewTOTPKey(), For: time.Hour}
		require.NoError(t, h.Invite(t.Context(), audit.Actor{Name: "test"}, id, again))
		b := h.browser()
		b.get("/console/join/" + first.Reveal())
		b.get("/console/join").says(http.StatusGone)
		b.get("/console/join/" + second.Reveal())
		b.get("/console/join").says(http.StatusOK)
		require.NoError(t, h.AdmitUser(t.Context(), audit.Actor{Name: "test"}, id, false))
		b.get("/console/join/" + second.Reveal())
		b.get("/console/join").says(http.StatusGone)
		require.Error(t, h.Invite(t.Context(), audit.Actor{Name: "test"}, id, again))
	})
	t.Run("nothing counts before the code is right", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		_, token := h.invited("ada")
		b := h.browser()
		b.get("/console/join/" + token.Reveal())
		shown := b.get("/console/join")
		good := url.Values{"csrf": shown.form()["csrf"], "password": {password}, "again": {password}, "code": {h.code(shown.secret())}}
		for _, bad := range []struct{ field, value, says string }{
			{"password", "short", "shorter than 12"},
			{"again", password + "x", "not the same"},
			{"code", "000000", "not the one"},
		} {
			form := url.Values{}
			for name, value := range good {
				form[name] = value
			}
			form.Set(bad.field, bad.value)
			b.post("/console/join", form).says(http.StatusUnprocessableEntity, bad.says)
		}
		form := url.Values{"password": {password}, "again": {password}, "code": good["code"]}
		b.post("/console/join", form).says(http.StatusForbidden)
		b.password("ada", password).says(http.StatusUnauthorized)
		b.post("/console/join", good).says(http.StatusOK)
	})
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	_, token := h.invited("ada")
	key, codes := h.browser().joins(token)

	// try brings a person to their recovery code.
	try := func(name, code string) (*browser, page) {
		b := h.browser()
		b.password(name, password)
		form := b.get("/console/login/recovery?next=%2Fconsole%2Fpayments").says(http.StatusOK).form()
		form.Set("code", code)
		return b, b.post("/console/login/recovery", form)
	}
	_, none := try("ada", "AAAA-AAAA-AAAA-AAAA")
	none.says(http.StatusUnauthorized, "none of your recovery codes")
	_, none = try("ada", "what")
	none.says(http.StatusUnauthorized)
	b, in := try("ada", strings.ToLower(codes[3]))
	in.leads("/console/payments")
	b.get("/console/payments").says(http.StatusOK, "ada is operator")
	require.Contains(t, h.did(), "ada/operator login.open method=password_recovery")
	require.Contains(t, h.did(), "ada/ login.fail reason=recovery_code")

	// A code works once, and for its person.
	_, none = try("ada", codes[3])
	none.says(http.StatusUnauthorized)
	h.person("bob", access.Admin)
	_, none = try("bob", codes[4])
	none.says(http.StatusUnauthorized)

	// Whoever knows the password sets everything up anew, and the old is worth nothing.
	h.wait(24 * time.Hour)
	b = h.browser()
	b.enter("ada", key)
	form := url.Values{"csrf": {b.token()}, "password": {"wrong"}}
	b.post("/console/me/renew", form).says(http.StatusUnauthorized, "Nothing was changed")
	form.Set("password", password)
	b.post("/console/me/renew", form).leads("/console/join")
	shown := b.get("/console/join").says(http.StatusOK)
	join := shown.form()
	join.Set("password", another)
	join.Set("again", another)
	join.Set("code", h.code(shown.secret()))
	b.post("/console/join", join).says(http.StatusOK)
	b.get("/console/payments").leads("/console/login?next=%2Fconsole%2Fpayments")
	b.password("ada", password).says(http.StatusUnauthorized)
	b.password("ada", another).leads("/console/login/totp?next=%2Fconsole%2Fpayments")
	recovery := b.get("/console/login/recovery").form()
	recovery.Set("code", codes[5])
	b.post("/console/login/recovery", recovery).says(http.StatusUnauthorized)

	// Guessing is slowed.
	refused := 0
	for range 12 {
		recovery.Set("code", "AAAA-AAAA-AAAA-AAAA")
		if b.post("/console/login/recovery", recovery).Code == http.StatusTooManyRequests {
			refused++
		}
	}
	require.Greater(t, refused, 5)
}

const another = "seventeen quiet marmots"
