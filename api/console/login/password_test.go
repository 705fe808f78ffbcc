package login_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/api/console/login"
	"tillflow/internal/access"
	"tillflow/internal/access/audit"
)

func TestPassword(t *testing.T) {
	t.Parallel()
	t.Run("name, password and code let a person in, and the audit says so", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		b := h.browser()
		b.enter("Ada", h.person("ada", access.Finance))
		b.get("/console/payments").says(http.StatusOK, "ada is finance", "may release: true")
		b.get("/console/login").leads("/console/payments")
		require.Equal(t, []string{"ada/ login.password method=password", "ada/finance login.open method=password_totp"}, h.did())
		require.NotContains(t, h.log.String(), "ada", "names are not logged")
	})
	t.Run("the password alone opens nothing", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.person("ada", access.Admin)
		b := h.browser()
		b.password("ada", password)
		b.get("/console/payments").leads("/console/login?next=%2Fconsole%2Fpayments")
		b.post("/console/release", url.Values{"csrf": {b.get("/console/login/totp").form().Get("csrf")}}).says(http.StatusUnauthorized)
	})
	t.Run("what is wrong is told in the same words, whatever it was", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.person("ada", access.Viewer)
		h.person("bob", access.Viewer)
		require.NoError(t, h.DisableUser(t.Context(), audit.Actor{Name: "test"}, "bob", true))
		var bodies []string
		for _, try := range [][2]string{{"ada", "wrong"}, {"nobody", password}, {"bob", password}, {"bob", "wrong"}, {"ada", ""}} {
			p := h.browser().password(try[0], try[1]).says(http.StatusUnauthorized, "Name or password is not correct.")
			body := strings.ReplaceAll(p.Body.String(), `value="`+try[0]+`"`, "")
			bodies = append(bodies, hidden.ReplaceAllString(body, ""))
		}
		for _, body := range bodies {
			require.Equal(t, bodies[0], body)
		}
		require.Equal(t, []string{
			"ada/ login.fail reason=password", "bob/ login.fail reason=disabled", "bob/ login.fail reason=password", "ada/ login.fail reason=password",
		}, h.did(), "names that do not exist are not noted")
	})
	t.Run("without a second factor nobody comes in, unless the installation permits it", func(t *testing.T) {
		t.Parallel()
		alone := func(_ *house, o *login.Options) { o.PasswordAlone = true }
		for _, change := range []func(*house, *login.Options){func(*house, *login.Options) {}, alone} {
			h := furnish(t, change)
			h.person("ada", access.Viewer)
			require.NoError(t, h.SetTOTP(t.Context(), audit.Actor{Name: "test"}, "ada", nil))
			b := h.browser()
			p := b.password("ada", password)
			if p.Code == http.StatusSeeOther {
				p.leads("/console/payments")
				require.Equal(t, []string{"ada/viewer login.open method=password"}, h.did())
				continue
			}
			p.says(http.StatusForbidden, "You need a second factor")
			b.get("/console/payments").leads("/console/login?next=%2Fconsole%2Fpayments")
			require.Equal(t, []string{"ada/ login.fail reason=no_second_factor"}, h.did())
		}
	})
	t.Run("a hash of an earlier cost is made anew at a login", func(t *testing.T) {
		t.Parallel()
		dear := access.Argon2{MemoryKiB: 128, Passes: 1, Lanes: 1}
		h := furnish(t, func(_ *house, o *login.Options) { o.Passwords = access.NewPasswords(dear, 1) })
		h.person("ada", access.Viewer)
		h.browser().password("ada", "wrong").says(http.StatusUnauthorized)
		c, err := h.Credentials(t.Context(), "ada")
		require.NoError(t, err)
		require.Contains(t, c.Password.Reveal(), "m=64,")
		h.browser().password("ada", password).leads("/console/login/totp?next=%2Fconsole%2Fpayments")
		c, err = h.Credentials(t.Context(), "ada")
		require.NoError(t, err)
		require.Contains(t, c.Password.Reveal(), "m=128,")
		h.browser().password("ada", password).leads("/console/login/totp?next=%2Fconsole%2Fpayments")
	})
	t.Run("local users stay out where only the identity provider lets in", func(t *testing.T) {
		t.Parallel()
		h := furnish(t, func(_ *house, o *login.Options) { o.Local, o.Dev, o.PublicURL = false, true, "http://127.0.0.1:7410" })
		h.person("ada", access.Viewer)
		b := h.browser()
		p := b.get("/console/login").says(http.StatusOK)
		require.NotContains(t, p.Body.String(), `name="password"`)
		form := p.form()
		form.Set("name", "ada")
		form.Set("password", password)
		b.post("/console/login", form).says(http.StatusForbidden, "may not sign in here")
	})
}

func TestCode(t *testing.T) {
	t.Parallel()
	half := func(t *testing.T) (*house, *browser, access.TOTPKey) {
		t.Helper()
		h := furnish(t)
		key := h.person("ada", access.Viewer)
		b := h.browser()
		b.password("ada", password)
		return h, b, key
	}
	try := func(b *browser, code string) page {
		form := b.get("/console/login/totp").form()
		form.Set("code", code)
		return b.post("/console/login/totp", form)
	}
	t.Run("a wrong code is refused and noted", func(t *testing.T) {
		t.Parallel()
		h, b, _ := half(t)
		for _, code := range []string{"", "12345", "abcdef"} {
			try(b, code).says(http.StatusUnauthorized, "The code is not correct")
		}
		require.Contains(t, h.did(), "ada/ login.fail reason=code")
		b.get("/console/payments").leads("/console/login?next=%2Fconsole%2Fpayments")
	})
	t.Run("a code is typed with or without a space", func(t *testing.T) {
		t.Parallel()
		h, b, key := half(t)
		code := h.code(key)
		try(b, code[:3]+" "+code[3:]).leads("/console/payments")
	})
	t.Run("a code lets in once", func(t *testing.T) {
		t.Parallel()
		h, b, key := half(t)
		code := h.code(key)
		try(b, code).leads("/console/payments")
		other := h.browser()
		other.password("ada", password)
		try(other, code).says(http.StatusUnauthorized, "was used before")
		h.wait(30 * time.Second)
		try(other, h.code(key)).leads("/console/payments")
	})
	t.Run("who takes too long starts again", func(t *testing.T) {
		t.Parallel()
		h, b, key := half(t)
		form := b.get("/console/login/totp").form()
		h.wait(5 * time.Minute)
		form.Set("code", h.code(key))
		b.post("/console/login/totp", form).leads("/console/login")
		b.get("/console/login/totp").leads("/console/login")
	})
	t.Run("the session has another token after each step", func(t *testing.T) {
		t.Parallel()
		h, b, key := half(t)
		first := b.cookie("tillflow_session")
		require.NotEmpty(t, first)
		try(b, h.code(key)).leads("/console/payments")
		second := b.cookie("tillflow_session")
		require.NotEqual(t, first, second)
		require.Empty(t, b.cookie("tillflow_login"))
	})
}

func TestBruteForce(t *testing.T) {
	t.Parallel()
	t.Run("guessing passwords is slowed, told how long, and does not lock the person out for ever", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		key := h.person("ada", access.Viewer)
		b := h.browser()
		for range 5 {
			b.password("ada", "guess").says(http.StatusUnauthorized)
		}
		for _, seconds := range []int{1, 2, 4, 8} {
			p := b.password("ada", password).says(http.StatusTooManyRequests, fmt.Sprintf("Try again in %d second", seconds))
			require.Equal(t, fmt.Sprint(seconds), p.Header().Get("Retry-After"))
			h.wait(time.Duration(seconds) * time.Second)
			b.password("ada", "guess").says(http.StatusUnauthorized)
		}
		h.wait(15 * time.Minute)
		b.enter("ada", key)
	})
	t.Run("guessing codes is slowed too", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.person("ada", access.Viewer)
		b := h.browser()
		b.password("ada", password)
		refused := 0
		for range 20 {
			form := b.get("/console/login/totp").form()
			form.Set("code", "00000x")
			if p := b.post("/console/login/totp", form); p.Code == http.StatusTooManyRequests {
				refused++
			}
		}
		require.Equal(t, 15, refused)
	})
	t.Run("an invented X-Forwarded-For makes no new address", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		b := h.browser()
		for i := range 30 {
			b.headers["X-Forwarded-For"] = fmt.Sprintf("198.51.100.%d", i)
			b.headers["X-Real-IP"] = fmt.Sprintf("198.51.100.%d", i)
			b.password(fmt.Sprintf("name%d", i), "guess").says(http.StatusUnauthorized)
		}
		b.password("another", "guess").says(http.StatusTooManyRequests)
	})
	t.Run("behind a known proxy the address is the browser's", func(t *testing.T) {
		t.Parallel()
		h := furnish(t, proxied)
		b := h.browser()
		b.address = "10.0.3.9:1"
		for i := range 35 {
			b.headers["X-Forwarded-For"] = fmt.Sprintf("203.0.113.9, 198.51.100.%d", i)
			b.password(fmt.Sprintf("name%d", i), "guess").says(http.StatusUnauthorized)
		}
		b.address = "10.9.9.9:1" // no proxy of ours
		for i := range 30 {
			b.headers["X-Forwarded-For"] = fmt.Sprintf("198.51.100.%d", i)
			b.password(fmt.Sprintf("name%d", i), "guess").says(http.StatusUnauthorized)
		}
		b.password("another", "guess").says(http.StatusTooManyRequests)
	})
}

func TestLogout(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	b := h.browser()
	b.enter("ada", h.person("ada", access.Viewer))
	cookie := b.cookie("tillflow_session")
	form := url.Values{"csrf": {b.token()}}

	b.post("/console/logout", url.Values{}).says(http.StatusForbidden)
	b.get("/console/payments").says(http.StatusOK)
	b.post("/console/logout", form).leads("/console/login?out=1")
	require.Empty(t, b.cookie("tillflow_session"))
	b.get("/console/login?out=1").says(http.StatusOK, "You are signed out.")

	b.headers["Cookie"] = "tillflow_session=" + cookie
	b.get("/console/payments").leads("/console/login?next=%2Fconsole%2Fpayments")
	b.post("/console/logout", form).leads("/console/login?out=1")
	require.Equal(t, "ada/viewer login.close", h.did()[2])
	require.Len(t, h.did(), 3)
}

func TestDevLogin(t *testing.T) {
	t.Parallel()
	dev := func(_ *house, o *login.Options) { o.Dev, o.PublicURL = true, "http://127.0.0.1:7410" }
	t.Run("a button for each role lets in without proof", func(t *testing.T) {
		t.Parallel()
		h := furnish(t, dev)
		for _, role := range access.Roles() {
			b := h.browser()
			form := b.get("/console/login").says(http.StatusOK, `value="`+string(role)+`"`).form()
			form.Set("role", string(role))
			b.post("/console/login/dev", form).leads("/console/payments")
			b.get("/console/payments").says(http.StatusOK, "dev "+string(role)+" is "+string(role))
		}
		require.Contains(t, h.did(), "dev admin/admin login.open method=dev")
	})
	t.Run("only with the page's token, and a role that exists", func(t *testing.T) {
		t.Parallel()
		h := furnish(t, dev)
		b := h.browser()
		b.post("/console/login/dev", url.Values{"role": {"admin"}}).says(http.StatusForbidden)
		form := b.get("/console/login").form()
		form.Set("role", "king")
		b.post("/console/login/dev", form).says(http.StatusBadRequest, "There is no such role.")
	})
	t.Run("without the option there is no such address, and its sessions end", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		b := h.browser()
		p := b.get("/console/login").says(http.StatusOK)
		require.NotContains(t, p.Body.String(), "Development")
		b.post("/console/login/dev", p.form()).says(http.StatusNotFound)
		user, err := h.Recognise(t.Context(), access.Identity{Kind: access.DevUser, Issuer: "development", Subject: "admin", Name: "dev admin", Role: access.Admin})
		require.NoError(t, err)
		token := access.NewToken()
		err = h.OpenSession(t.Context(), access.Opening{UserID: user.ID, Hash: token.Hash(), Stage: access.Open, Method: access.ByDev, For: time.Hour},
			audit.Entry{Actor: audit.Actor{Name: "test"}, Action: "login.open"})
		require.NoError(t, err)
		b.headers["Cookie"] = "tillflow_session=" + token.Reveal()
		b.get("/console/users").leads("/console/login?next=%2Fconsole%2Fusers")
	})
}
