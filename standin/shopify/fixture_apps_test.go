package shopify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	cedar       = "cedar.myshopify.com" // has no app at first
	adminAccess = "shpat_admin"
	settings    = "/shops/" + cedar + "/services/payments_partners/gateways/client/settings"
)

// hook is one webhook as the receiver saw it.
type hook struct {
	header http.Header
	body   string
}

func (h hook) topic() string { return h.header.Get("X-Shopify-Topic") }
func (h hook) id() string    { return h.header.Get("X-Shopify-Webhook-Id") }

func (h hook) json(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, json.Unmarshal([]byte(h.body), &out))
	return out
}

// inbox takes webhooks.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	got    []hook
	status int
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{status: http.StatusOK}
	in.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		in.mu.Lock()
		in.got = append(in.got, hook{r.Header.Clone(), string(body)})
		status := in.status
		in.mu.Unlock()
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) answer(status int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.status = status
}

func (in *inbox) hooks() []hook {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]hook(nil), in.got...)
}

// topics lists what arrived.
func (in *inbox) topics() []string {
	var list []string
	for _, h := range in.hooks() {
		list = append(list, h.topic())
	}
	return list
}

// await waits for a number of webhooks and returns them.
func (in *inbox) await(t *testing.T, n int) []hook {
	t.Helper()
	require.Eventually(t, func() bool { return len(in.hooks()) >= n }, 10*time.Second, 5*time.Millisecond, "%v", in.topics())
	got := in.hooks()
	require.Len(t, got, n, "%v", in.topics())
	return got
}

// setupApps is a stand-in with two apps and a shop that has neither; the inbox gets what the configurations declare.
func setupApps(t *testing.T, change ...func(*Options)) (bundle, *inbox) {
	t.Helper()
	in := newInbox(t)
	compliance := Webhook{Topics: []string{topicDataRequest, topicCustomerRedact, topicShopRedact}, URI: in.URL + "/compliance"}
	b := setup(t, append([]func(*Options){func(o *Options) {
		o.Listing = Listing{
			Name: "Till", AppURL: "http://localhost/app", RedirectURLs: []string{"http://localhost/callback"},
			Webhooks: []Webhook{{Topics: []string{topicUninstalled}, URI: in.URL + "/events"}, compliance},
		}
		o.AdminApp = &SecondApp{
			ClientID: "admin-client", ClientSecret: "admin-secret",
			Listing: Listing{
				Name: "Till Admin", AppURL: "https://admin.example.com/", RedirectURLs: []string{"https://admin.example.com/callback?kept=a b"},
				Scopes: []string{scopeOrders, scopeAllOrders},
			},
		}
		o.Shops[0].AdminAccessToken = adminAccess
		o.Shops = append(o.Shops, Shop{Domain: cedar})
	}}, change...)...)
	return b, in
}

// book reads one shop's books over HTTP.
func (b bundle) book(t *testing.T, shop string) ShopBook {
	t.Helper()
	resp := b.get(t, "/_books?shop="+shop)
	require.Equal(t, http.StatusOK, resp.status, resp.body)
	var books Books
	require.NoError(t, json.Unmarshal([]byte(resp.body), &books))
	return books.Shops[shop]
}

// location is where a response leads.
func (r response) location(t *testing.T) *url.URL {
	t.Helper()
	target, err := url.Parse(r.header.Get("Location"))
	require.NoError(t, err)
	return target
}

// requireSigned checks a signature over a raw query the long way round: pairs sorted, hmac taken out, nothing decoded.
func requireSigned(t *testing.T, target *url.URL, secret string) url.Values {
	t.Helper()
	var pairs []string
	given := ""
	for pair := range strings.SplitSeq(target.RawQuery, "&") {
		if value, ok := strings.CutPrefix(pair, "hmac="); ok {
			require.Empty(t, given, "one hmac")
			given = value
			continue
		}
		pairs = append(pairs, pair)
	}
	sort.Strings(pairs)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(strings.Join(pairs, "&")))
	require.Equal(t, hex.EncodeToString(mac.Sum(nil)), given, target.RawQuery)
	return target.Query()
}

// requireSignedBody checks a webhook's signature.
func requireSignedBody(t *testing.T, h hook, secret string) {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(h.body))
	require.Equal(t, base64.StdEncoding.EncodeToString(mac.Sum(nil)), h.header.Get("X-Shopify-Hmac-Sha256"))
}

// goodAuthorization are the parameters of the payments app's request for access.
func goodAuthorization() url.Values {
	return url.Values{
		"client_id": {"client"}, "scope": {"write_payment_gateways,write_payment_sessions"},
		"redirect_uri": {"http://localhost/callback"}, "state": {"st&te 1"},
	}
}

// approved lets the merchant approve the payments app in the shop that has none, and returns the code.
func (b bundle) approved(t *testing.T) string {
	t.Helper()
	resp := b.postForm(t, authorizePath, goodAuthorization())
	require.Equal(t, http.StatusFound, resp.status, resp.body)
	return resp.location(t).Query().Get("code")
}

// token asks the token endpoint of a shop as the payments app.
func (b bundle) token(t *testing.T, shop string, members map[string]string) response {
	t.Helper()
	body := map[string]string{"client_id": "client", "client_secret": "secret"}
	for name, value := range members {
		body[name] = value
	}
	encoded, err := json.Marshal(body)
	require.NoError(t, err)
	return b.postJSON(t, "/shops/"+shop+"/admin/oauth/access_token", string(encoded))
}

// install brings the payments app into the shop that has none and returns its first tokens.
func (b bundle) install(t *testing.T) tokenAnswer {
	t.Helper()
	return redeemed(t, b.token(t, cedar, map[string]string{"code": b.approved(t), "expiring": "1"}))
}

func redeemed(t *testing.T, resp response) tokenAnswer {
	t.Helper()
	require.Equal(t, http.StatusOK, resp.status, resp.body)
	var got tokenAnswer
	require.NoError(t, json.Unmarshal([]byte(resp.body), &got))
	return got
}

// opens reports whether a token is accepted by the payments API of a shop.
func (b bundle) opens(t *testing.T, shop, token string) bool {
	t.Helper()
	resp := b.query(t, "/shops/"+shop+"/payments_apps/api/2026-10/graphql.json", token, `{ publicApiVersions { handle } }`, nil)
	require.Contains(t, []int{http.StatusOK, http.StatusUnauthorized}, resp.status)
	return resp.status == http.StatusOK
}

// query sends a document to one of the APIs.
func (b bundle) query(t *testing.T, path, token, text string, vars map[string]any) response {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": text, "variables": vars})
	require.NoError(t, err)
	req := b.request(t, http.MethodPost, path, "application/json", string(body))
	req.Header.Set("X-Shopify-Access-Token", token)
	return b.do(t, req)
}

// tellReady tells the shop without an app at first whether the app is ready.
func (b bundle) tellReady(t *testing.T, token string, ready bool) {
	t.Helper()
	resp := b.query(t, "/shops/"+cedar+"/payments_apps/api/2026-10/graphql.json", token,
		`mutation ($handle: String, $ready: Boolean!) { paymentsAppConfigure(externalHandle: $handle, ready: $ready) { userErrors { message } } }`,
		map[string]any{"handle": "acct 7", "ready": ready})
	require.Equal(t, http.StatusOK, resp.status)
	require.NotContains(t, resp.body, `"errors"`)
}
