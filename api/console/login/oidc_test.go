package login_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/api/console/login"
	"tillflow/internal/access"
	"tillflow/internal/access/audit"
)

// issuer is a small identity provider that checks what a good one does: client,
// redirect address, PKCE, and that a code is redeemed once.
type issuer struct {
	*httptest.Server
	key *rsa.PrivateKey

	mu     sync.Mutex
	asked  url.Values        // of the last authorization request
	codes  map[string]string // code → PKCE challenge
	claims map[string]any    // of the next identity token
	forge  func(token string) string
	away   bool
}

const secret = "issuer's secret"

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	i := &issuer{key: key, codes: map[string]string{}, forge: func(token string) string { return token }}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /keys", i.keys)
	mux.HandleFunc("POST /token", i.token)
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client of this test reads it or fails
}

func (i *issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.away {
		reply(w, http.StatusServiceUnavailable, nil)
		return
	}
	reply(w, http.StatusOK, map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (i *issuer) keys(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1", "n": encode(i.key.N.Bytes()), "e": encode(big.NewInt(int64(i.key.E)).Bytes()),
	}}})
}

// sign makes a token of claims.
func (i *issuer) sign(claims map[string]any) string {
	body, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signed := encode([]byte(`{"alg":"RS256","kid":"k1","typ":"JWT"}`)) + "." + encode(body)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return signed + "." + encode(signature)
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	id, given, _ := r.BasicAuth()
	verifier := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	challenge, known := i.codes[r.PostFormValue("code")]
	delete(i.codes, r.PostFormValue("code"))
	if id != "console" || given != url.QueryEscape(secret) || r.PostFormValue("redirect_uri") != public+"/console/login/oidc/callback" ||
		!known || encode(verifier[:]) != challenge {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": "canary"})
		return
	}
	reply(w, http.StatusOK, map[string]any{"access_token": "a", "token_type": "Bearer", "expires_in": 300, "id_token": i.forge(i.sign(i.claims))})
}

// agree is what happens at the identity provider when a person signs in there:
// it answers the address that the browser is sent back to.
func (i *issuer) agree(t *testing.T, h *house, location string, claims map[string]any) string {
	t.Helper()
	u, err := url.Parse(location)
	require.NoError(t, err)
	require.Equal(t, i.URL+"/authorize", u.Scheme+"://"+u.Host+u.Path)
	q := u.Query()
	require.Equal(t, "code", q.Get("response_type"))
	require.Equal(t, "console", q.Get("client_id"))
	require.Equal(t, "openid groups", q.Get("scope"))
	require.Equal(t, public+"/console/login/oidc/callback", q.Get("redirect_uri"))
	require.Equal(t, "S256", q.Get("code_challenge_method"))
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		require.Len(t, q.Get(name), 43, name)
	}
	now := h.clock()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = q
	i.claims = map[string]any{
		"iss": i.URL, "aud": "console", "sub": "42", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": q.Get("nonce"),
		"preferred_username": "Grace", "groups": []string{"everybody", "pay-finance"},
	}
	maps.Copy(i.claims, claims)
	code := rand.Text()
	i.codes[code] = q.Get("code_challenge")
	return "/console/login/oidc/callback?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
}

// federated is a console whose people an identity provider knows.
func federated(t *testing.T) (*house, *issuer) {
	t.Helper()
	i := newIssuer(t)
	return furnish(t, func(_ *house, o *login.Options) {
		rules, err := access.ParseRoleRules("pay-admins=admin,pay-finance=finance")
		require.NoError(t, err)
		o.Local = false
		o.OIDC = &login.OIDC{
			Issuer: i.URL, ClientID: "console", ClientSecret: secret, RoleClaim: "groups", Roles: rules, Scopes: []string{"openid", "groups"},
			Client: &http.Client{Timeout: 5 * time.Second},
		}
	}), i
}

// start begins a login and answers where the browser is sent.
func (b *browser) start(next string) string {
	b.h.t.Helper()
	p := b.get("/console/login/oidc?next=" + url.QueryEscape(next))
	require.Equal(b.h.t, http.StatusSeeOther, p.Code, p.Body.String())
	return p.Header().Get("Location")
}

func TestOIDC(t *testing.T) {
	t.Parallel()
	t.Run("who the identity provider vouches for comes in, in the role of their group", func(t *testing.T) {
		t.Parallel()
		h, i := federated(t)
		b := h.browser()
		p := b.get("/console/login?next=/console/payments/7").says(http.StatusOK, "Sign in with your organisation")
		require.NotContains(t, p.Body.String(), `type="password"`)
		back := i.agree(t, h, b.start("/console/payments/7"), nil)
		b.get(back).leads("/console/payments/7")
		b.get("/console/payments").says(http.StatusOK, "grace is finance")
		require.Equal(t, []string{"grace/finance login.open method=oidc"}, h.did())
		require.Empty(t, b.cookie("tillflow_oidc"))
		require.Empty(t, b.cookie("tillflow_next"))
	})
	t.Run("the role is that of the latest login", func(t *testing.T) {
		t.Parallel()
		h, i := federated(t)
		b := h.browser()
		b.get(i.agree(t, h, b.start(""), nil)).leads("/console/payments")
		b.get(i.agree(t, h, b.start(""), map[string]any{"groups": "pay-admins", "preferred_username": "Grace H"})).leads("/console/payments")
		b.get("/console/users").says(http.StatusOK, "grace h is admin")
		users, err := h.Users(t.Context())
		require.NoError(t, err)
		require.Len(t, users, 1)
	})
	t.Run("each login has a state, a nonce and a challenge of its own", func(t *testing.T) {
		t.Parallel()
		h, _ := federated(t)
		seen := map[string]bool{}
		for range 3 {
			u, err := url.Parse(h.browser().start(""))
			require.NoError(t, err)
			for _, name := range []string{"state", "nonce", "code_challenge"} {
				require.False(t, seen[u.Query().Get(name)], name)
				seen[u.Query().Get(name)] = true
			}
		}
	})
	t.Run("an answer for another browser, another login, or none is refused", func(t *testing.T) {
		t.Parallel()
		h, i := federated(t)
		b, eve := h.browser(), h.browser()
		back := i.agree(t, h, b.start(""), nil)
		eve.get(back).says(http.StatusBadRequest, "did not start here")
		eve.start("")
		eve.get(back).says(http.StatusBadRequest, "did not start here")
		for _, query := range []string{"", "?code=x", "?code=x&state=", "?code=x&state=y"} {
			b := h.browser()
			b.start("")
			b.get("/console/login/oidc/callback" + query).says(http.StatusBadRequest)
		}
		b.get(back).leads("/console/payments")
		b.get(back).says(http.StatusBadRequest, "did not start here")
	})
	t.Run("a code that is stolen is worth nothing without the browser's verifier", func(t *testing.T) {
		t.Parallel()
		h, i := federated(t)
		b, eve := h.browser(), h.browser()
		stolen, err := url.Parse(i.agree(t, h, b.start(""), nil))
		require.NoError(t, err)
		own, err := url.Parse(eve.start(""))
		require.NoError(t, err)
		query := url.Values{"code": {stolen.Query().Get("code")}, "state": {own.Query().Get("state")}}
		eve.get("/console/login/oidc/callback?"+query.Encode()).says(http.StatusForbidden, "could not be verified")
		require.NotContains(t, h.log.String(), "canary", "the provider's words are not logged")
	})
	t.Run("a person who says no there is told so", func(t *testing.T) {
		t.Parallel()
		h, _ := federated(t)
		b := h.browser()
		u, err := url.Parse(b.start(""))
		require.NoError(t, err)
		query := url.Values{"error": {"access_denied"}, "error_description": {"<script>canary"}, "state": {u.Query().Get("state")}}
		p := b.get("/console/login/oidc/callback?"+query.Encode()).says(http.StatusForbidden, "was not completed")
		require.NotContains(t, p.Body.String(), "canary")
	})
}

func TestIdentityToken(t *testing.T) {
	t.Parallel()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	cut := func(n int, change func(part string) string) func(string) string {
		return func(token string) string {
			parts := strings.Split(token, ".")
			parts[n] = change(parts[n])
			return strings.Join(parts, ".")
		}
	}
	for name, tc := range map[string]struct {
		claims map[string]any
		forge  func(i *issuer) func(string) string
	}{
		"of another issuer":       {claims: map[string]any{"iss": "https://evil.example"}},
		"for another client":      {claims: map[string]any{"aud": "shop"}},
		"that has expired":        {claims: map[string]any{"exp": time.Date(2026, 11, 20, 9, 59, 0, 0, time.UTC).Unix()}},
		"of another login":        {claims: map[string]any{"nonce": "x"}},
		"of no login":             {claims: map[string]any{"nonce": nil}},
		"that another key signed": {forge: func(i *issuer) func(string) string { i.key = other; return func(s string) string { return s } }},
		"whose content was changed": {forge: func(*issuer) func(string) string {
			return cut(1, func(s string) string { return s[:10] + "A" + s[11:] })
		}},
		"whose signature was cut off": {forge: func(*issuer) func(string) string { return cut(2, func(string) string { return "" }) }},
		"that says it needs no signing": {forge: func(*issuer) func(string) string {
			return cut(0, func(string) string { return encode([]byte(`{"alg":"none"}`)) })
		}},
		"that is missing": {forge: func(*issuer) func(string) string { return func(string) string { return "" } }},
	} {
		t.Run("one "+name+" is refused", func(t *testing.T) {
			t.Parallel()
			h, i := federated(t)
			b := h.browser()
			// The right keys are known before the wrong token comes.
			b.get(i.agree(t, h, b.start(""), nil)).leads("/console/payments")
			b = h.browser()
			back := i.agree(t, h, b.start(""), tc.claims)
			if tc.forge != nil {
				i.mu.Lock()
				known := i.key
				i.forge = tc.forge(i)
				forged := i.key
				i.key = known
				if forged != known {
					i.forge = func(string) string {
						i.key = forged
						defer func() { i.key = known }()
						return i.sign(i.claims)
					}
				}
				i.mu.Unlock()
			}
			b.get(back).says(http.StatusForbidden, "could not be verified")
			require.Empty(t, b.cookie("tillflow_session"))
		})
	}
}

func TestEnter(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		claims map[string]any
		says   string
		noted  []string
	}{
		"without a group of ours":  {map[string]any{"groups": []string{"everybody"}}, "You have no role here", []string{"grace/ login.refuse method=oidc reason=no_role"}},
		"without the claim":        {map[string]any{"groups": nil}, "You have no role here", []string{"grace/ login.refuse method=oidc reason=no_role"}},
		"without a name":           {map[string]any{"preferred_username": nil}, "did not tell your name", nil},
		"with a name that is none": {map[string]any{"preferred_username": "a\nb"}, "did not tell your name", nil},
		"with the name of somebody here": {
			map[string]any{"preferred_username": "Ada"}, "Another user has your name", []string{"ada/ login.refuse method=oidc reason=name_taken"},
		},
	} {
		t.Run("a person "+name+" does not come in", func(t *testing.T) {
			t.Parallel()
			h, i := federated(t)
			h.person("ada", access.Admin)
			b := h.browser()
			b.get(i.agree(t, h, b.start(""), tc.claims)).says(http.StatusForbidden, tc.says)
			require.Empty(t, b.cookie("tillflow_session"))
			require.Equal(t, tc.noted, h.did())
		})
	}
	t.Run("a person who was disabled here does not come in", func(t *testing.T) {
		t.Parallel()
		h, i := federated(t)
		b := h.browser()
		b.get(i.agree(t, h, b.start(""), nil)).leads("/console/payments")
		require.NoError(t, h.DisableUser(t.Context(), audit.Actor{Name: "test"}, "grace", true))
		b.get("/console/payments").leads("/console/login?next=%2Fconsole%2Fpayments")
		b.get(i.agree(t, h, b.start(""), nil)).says(http.StatusForbidden, "may not sign in here any more")
	})
	t.Run("an identity provider that is away is asked again at the next login", func(t *testing.T) {
		t.Parallel()
		h, i := federated(t)
		i.mu.Lock()
		i.away = true
		i.mu.Unlock()
		b := h.browser()
		b.get("/console/login/oidc").says(http.StatusBadGateway, "does not answer")
		i.mu.Lock()
		i.away = false
		i.mu.Unlock()
		b.get(i.agree(t, h, b.start(""), nil)).leads("/console/payments")
	})
	t.Run("an answer without end is not read to its end", func(t *testing.T) {
		t.Parallel()
		h, i := federated(t)
		b := h.browser()
		back := i.agree(t, h, b.start(""), nil)
		i.mu.Lock()
		i.forge = func(token string) string { return token + strings.Repeat("A", 2<<20) }
		i.mu.Unlock()
		b.get(back).says(http.StatusForbidden, "could not be verified")
	})
}
