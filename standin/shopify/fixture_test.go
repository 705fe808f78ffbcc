package shopify

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	acme        = "acme.myshopify.com"
	borealis    = "borealis.myshopify.com"
	seedAccess  = "shpat_seed"
	seedRefresh = "shprt_seed"
)

// clock is a settable clock.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// authority is a certificate authority made for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return authority{cert: cert, key: key}
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a authority) issue(t *testing.T, name string, usage x509.ExtKeyUsage) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// received is one session request as the app saw it.
type received struct {
	path   string
	header http.Header
	body   []byte
	client string // common name of the client certificate
}

// app is a payments app behind mutual TLS.
type app struct {
	*httptest.Server
	mu   sync.Mutex
	got  []received
	next func(n int, w http.ResponseWriter) // n counts from 1
}

func newApp(t *testing.T, server tls.Certificate, clients *x509.CertPool) *app {
	t.Helper()
	a := &app{}
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(a.serve))
	a.TLS = &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{server},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
	}
	a.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what some tests want
	a.StartTLS()
	t.Cleanup(a.Close)
	return a
}

func (a *app) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	a.got = append(a.got, received{r.URL.Path, r.Header.Clone(), body, r.TLS.PeerCertificates[0].Subject.CommonName})
	n, next := len(a.got), a.next
	a.mu.Unlock()
	if next != nil {
		next(n, w)
		return
	}
	if r.URL.Path == "/payment" {
		fmt.Fprint(w, `{"redirect_url":"https://pay.example.com/pay/token"}`)
		return
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprint(w, `{}`)
}

func (a *app) answer(next func(n int, w http.ResponseWriter)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = next
}

func (a *app) requests() []received {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]received(nil), a.got...)
}

// bundle is one stand-in with everything around it.
type bundle struct {
	*Server
	http  *httptest.Server
	app   *app
	clock *clock
	opts  Options
}

// setup starts a stand-in and an app; change may alter the options.
func setup(t *testing.T, change ...func(*Options)) bundle {
	t.Helper()
	shopifyCA, publicCA := newAuthority(t, "Payments Platform Root"), newAuthority(t, "Public CA")
	fake := newApp(t, publicCA.issue(t, "localhost", x509.ExtKeyUsageServerAuth), shopifyCA.pool())
	ticking := newClock()
	opts := Options{
		Now: ticking.now, PublicURL: "http://shop.test",
		App: App{
			PaymentSessionURL: fake.URL + "/payment", RefundSessionURL: fake.URL + "/refund",
			CaptureSessionURL: fake.URL + "/capture", VoidSessionURL: fake.URL + "/void",
		},
		ClientCertificate: shopifyCA.issue(t, "shopify-client", x509.ExtKeyUsageClientAuth), RootCAs: publicCA.pool(),
		ClientID: "client", ClientSecret: "secret", RetryWaits: []time.Duration{0, 0},
		Shops: []Shop{
			{Domain: acme, AccessToken: seedAccess, RefreshToken: seedRefresh},
			{Domain: borealis, AccessToken: "shpat_other", RefreshToken: "shprt_other", Plan: PlanPlus},
		},
	}
	for _, c := range change {
		c(&opts)
	}
	server, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return bundle{Server: server, http: newFront(t, server), app: fake, clock: ticking, opts: opts}
}

func newFront(t *testing.T, server *Server) *httptest.Server {
	t.Helper()
	front := httptest.NewServer(server)
	t.Cleanup(front.Close)
	return front
}

// payment starts a payment session and returns its gid.
func (b bundle) payment(t *testing.T, req SessionRequest) SessionAnswer {
	t.Helper()
	if req.Shop == "" {
		req.Shop = acme
	}
	if req.Amount == "" {
		req.Amount, req.Currency = "49.90", "EUR"
	}
	answer, err := b.StartSession(context.Background(), req)
	require.NoError(t, err)
	require.True(t, answer.Accepted, answer.Error)
	return answer
}

// kindFor is the kind of payment that a session type is about.
func kindFor(t SessionType) PaymentKind {
	if t == CaptureSession || t == VoidSession {
		return KindAuthorization
	}
	return KindSale
}

// move starts a refund, capture or void session of the payment Ps1 and returns its gid.
func (b bundle) move(t *testing.T, kind SessionType) string {
	t.Helper()
	answer, err := b.StartSession(context.Background(), SessionRequest{
		Shop: acme, Type: kind, PaymentID: "Ps1", Amount: "10.00", Currency: "EUR",
	})
	require.NoError(t, err)
	require.True(t, answer.Accepted, answer.Error)
	return answer.GID
}

// session reads one session from the books over HTTP.
func (b bundle) session(t *testing.T, id string) Session {
	t.Helper()
	resp := b.get(t, "/_books?session="+url.QueryEscape(id))
	require.Equal(t, http.StatusOK, resp.status, resp.body)
	var session Session
	require.NoError(t, json.Unmarshal([]byte(resp.body), &session))
	return session
}

func (b bundle) counts(t *testing.T) Counts {
	t.Helper()
	resp := b.get(t, "/_books?counts=1&shop="+acme)
	require.Equal(t, http.StatusOK, resp.status)
	var books Books
	require.NoError(t, json.Unmarshal([]byte(resp.body), &books))
	return books.Shops[acme].Counts
}

type response struct {
	status int
	header http.Header
	body   string
}

func (b bundle) do(t *testing.T, req *http.Request) response {
	t.Helper()
	client := &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return response{resp.StatusCode, resp.Header, string(body)}
}

func (b bundle) request(t *testing.T, method, path, contentType, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.http.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req
}

func (b bundle) get(t *testing.T, path string) response {
	t.Helper()
	return b.do(t, b.request(t, http.MethodGet, path, "", ""))
}

func (b bundle) postForm(t *testing.T, path string, form url.Values) response {
	t.Helper()
	return b.do(t, b.request(t, http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode()))
}

func (b bundle) postJSON(t *testing.T, path, body string) response {
	t.Helper()
	return b.do(t, b.request(t, http.MethodPost, path, "application/json", body))
}

// graphqlRequest builds a good request to the shop's API.
func (b bundle) graphqlRequest(t *testing.T, query string, vars map[string]any) *http.Request {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	require.NoError(t, err)
	path := "/shops/" + acme + "/payments_apps/api/2026-10/graphql.json"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.http.URL+path, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Shopify-Access-Token", seedAccess)
	return req
}

// answer is a decoded GraphQL answer.
type answer struct {
	response
	Data   map[string]map[string]any `json:"data"`
	Errors []struct {
		Message    string         `json:"message"`
		Extensions map[string]any `json:"extensions"`
	} `json:"errors"`
	Extensions struct {
		Cost costBlock `json:"cost"`
	} `json:"extensions"`
}

func (b bundle) graphql(t *testing.T, query string, vars map[string]any) answer {
	t.Helper()
	got := answer{response: b.do(t, b.graphqlRequest(t, query, vars))}
	require.NoError(t, json.Unmarshal([]byte(got.body), &got), got.body)
	return got
}

// mutate calls one mutation with all its interesting fields and returns its payload.
func (b bundle) mutate(t *testing.T, name string, args map[string]any) map[string]any {
	t.Helper()
	got := b.graphql(t, document(name), args)
	require.Empty(t, got.Errors, got.body)
	return got.Data[name]
}

// firstError is the first user error of a payload: its code, or its message where there is no code.
func firstError(payload map[string]any) string {
	list, _ := payload["userErrors"].([]any)
	if len(list) == 0 {
		return ""
	}
	first, _ := list[0].(map[string]any)
	if code, ok := first["code"].(string); ok {
		return code
	}
	message, _ := first["message"].(string)
	return message
}

// document writes the mutation as a client of the app would.
func document(name string) string {
	op, _ := operationNamed(name)
	header, call := "$id: ID!", "id: $id"
	switch name {
	case opPaymentResolve:
		header += ", $authorizationExpiresAt: DateTime, $authentication: PaymentSessionThreeDSecureAuthentication"
		call += ", authorizationExpiresAt: $authorizationExpiresAt, authentication: $authentication"
	case opPaymentPending:
		header += ", $pendingExpiresAt: DateTime!, $reason: PaymentSessionStatePendingReason!"
		call += ", pendingExpiresAt: $pendingExpiresAt, reason: $reason"
	case opPaymentReject:
		header += ", $reason: PaymentSessionRejectionReasonInput!"
		call += ", reason: $reason"
	case opRefundReject, opCaptureReject, opVoidReject:
		header += ", $reason: " + op.on.resource() + "RejectionReasonInput!"
		call += ", reason: $reason"
	}
	session := "id state { __typename ... on " + op.on.resource() + "StateRejected { code reason merchantMessage } }"
	if op.on == PaymentSession {
		session += ` pendingExpiresAt authorizationExpiresAt
			nextAction { action context { __typename ... on PaymentSessionActionsRedirect { redirectUrl } } }`
	}
	code := "code"
	if op.errorType() == "UserError" {
		code = ""
	}
	return fmt.Sprintf("mutation M(%s) { %s(%s) { %s { %s } userErrors { %s field message } } }",
		header, name, call, op.sessionField(), session, code)
}

// argsFor are good arguments for a mutation on a session.
func argsFor(name, gid string, now time.Time) map[string]any {
	args := map[string]any{"id": gid}
	switch name {
	case opPaymentPending:
		args["pendingExpiresAt"] = now.Add(48 * time.Hour).Format(time.RFC3339)
		args["reason"] = "NETWORK_ACTION_REQUIRED"
	case opPaymentReject, opRefundReject, opCaptureReject, opVoidReject:
		args["reason"] = map[string]any{"code": "PROCESSING_ERROR", "merchantMessage": "declined by the bank"}
	}
	return args
}
