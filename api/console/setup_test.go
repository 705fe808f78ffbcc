package console_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/console"
	"tillflow/api/console/login"
	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/store"
	"tillflow/internal/store/storetest"
)

const (
	shop   = "acme-dev.myshopify.com"
	secret = "sk_test_51NfictionalSecretABCD"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// record is the store, as the console's wiring hands it over.
type record struct{ *store.Store }

func (r record) AuditTrail(ctx context.Context, f console.TrailFilter) ([]audit.Record, error) {
	return r.ListAudit(ctx, store.AuditFilter(f))
}

// runs applies an action as a workflow would, unless it is away.
type runs struct {
	store *store.Store
	mu    sync.Mutex
	err   error
	heard []string // update and action
}

func (r *runs) Deliver(ctx context.Context, update, actionID string, d payment.Details) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, update+" "+actionID)
	if r.err != nil {
		return r.err
	}
	_, err := r.store.ApplyAction(ctx, d.Run.PaymentID, actionID)
	return err
}

// house is the console over the real record and the real login.
type house struct {
	*store.Store
	t       *testing.T
	runs    *runs
	account string
	handler http.Handler
	tokens  map[access.Role]access.Token

	mu  sync.Mutex
	now time.Time
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// wait moves the clock. People sign in again, since sessions do not last.
func (h *house) wait(d time.Duration) {
	h.t.Helper()
	h.mu.Lock()
	h.now = h.now.Add(d)
	h.mu.Unlock()
	for role := range h.tokens {
		h.signIn(role)
	}
}

func furnish(t *testing.T, change ...func(*console.Options)) *house {
	t.Helper()
	h := &house{t: t, now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), tokens: map[access.Role]access.Token{}}
	h.Store = storetest.Open(t, h.clock).Store
	h.runs = &runs{store: h.Store}
	require.NoError(t, h.PutShop(t.Context(), store.Shop{Shop: shop, Label: "Acme", Mail: "owner@acme.example", Active: true}))
	var err error
	h.account, err = h.PutAccount(t.Context(), store.Account{Shop: shop, Provider: "stripe", Label: "Card", Live: true, Enabled: true},
		map[string]string{"secret_key": secret, "webhook_secret": "whsec"})
	require.NoError(t, err)
	_, err = h.PutAccount(t.Context(), store.Account{Shop: shop, Provider: "stripe", Label: "Test card", Enabled: true}, map[string]string{"secret_key": "sk_test"})
	require.NoError(t, err)

	passwords := access.NewPasswords(access.Argon2{MemoryKiB: 64, Passes: 1, Lanes: 1}, 1)
	gate, err := login.New(login.Options{
		Users: h.Store, Sessions: h.Store, Audit: h.Store, Invitations: h.Store, Passwords: passwords, PublicURL: "http://127.0.0.1:7411", Base: "/console",
		Dev: true, Now: h.clock, Log: zerolog.Nop(),
	})
	require.NoError(t, err)
	for _, role := range access.Roles() {
		h.signIn(role)
	}
	r := record{h.Store}
	o := console.Options{
		Payments: r, Filters: r, Actions: r, Runs: h.runs, Accounts: r, Messages: r, Trail: r,
		People: r, Presence: r, Invitations: gate, Passwords: passwords, Gate: gate,
		Temporal: console.Temporal{UI: "https://temporal.example.com/", Namespace: "payments"}, Now: h.clock, Log: zerolog.Nop(),
	}
	for _, c := range change {
		c(&o)
	}
	pages, err := console.New(o)
	require.NoError(t, err)
	h.handler = api.New(zerolog.Nop(), h.Ping, gate, pages)
	return h
}

// signIn opens a session of somebody with a role, who is called like it.
func (h *house) signIn(role access.Role) {
	h.t.Helper()
	user, err := h.Recognise(h.t.Context(), access.Identity{Kind: access.DevUser, Issuer: "dev", Subject: string(role), Name: string(role), Role: role})
	require.NoError(h.t, err)
	token := access.NewToken()
	err = h.OpenSession(h.t.Context(), access.Opening{UserID: user.ID, Hash: token.Hash(), Stage: access.Open, Method: access.ByDev, For: 12 * time.Hour},
		audit.Entry{Actor: audit.Actor{Name: user.Name, Role: role}, Action: "login.succeeded", Subject: "user " + user.ID})
	require.NoError(h.t, err)
	h.tokens[role] = token
}

// page is an answer as a reader sees it.
type page struct {
	t      *testing.T
	status int
	header http.Header
	html   string
	text   string
}

var (
	tags   = regexp.MustCompile(`<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

func (h *house) do(role access.Role, r *http.Request) page {
	h.t.Helper()
	if role != "" {
		r.AddCookie(&http.Cookie{Name: "tillflow_session", Value: h.tokens[role].Reveal()})
	}
	rec := httptest.NewRecorder()
	h.handler.ServeHTTP(rec, r)
	p := page{t: h.t, status: rec.Code, header: rec.Header(), html: rec.Body.String()}
	p.text = strings.TrimSpace(spaces.ReplaceAllString(unescape(tags.ReplaceAllString(p.html, " ")), " "))
	return p
}

func unescape(text string) string {
	return strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&amp;", "&", "&lt;", "<", "&gt;", ">", "&#43;", "+").Replace(text)
}

func (h *house) get(role access.Role, path string) page {
	h.t.Helper()
	return h.do(role, httptest.NewRequestWithContext(h.t.Context(), http.MethodGet, path, nil))
}

// post sends a form of a page, with the session's token; fields are name, value pairs.
func (h *house) post(role access.Role, path string, fields ...string) page {
	h.t.Helper()
	return h.form(role, path, append(fields, "csrf", h.tokens[role].CSRF())...)
}

// form sends a form exactly as it is given.
func (h *house) form(role access.Role, path string, fields ...string) page {
	h.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		v.Add(fields[i], fields[i+1])
	}
	r := httptest.NewRequestWithContext(h.t.Context(), http.MethodPost, path, strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return h.do(role, r)
}

// shows checks status and texts.
func (p page) shows(status int, texts ...string) page {
	p.t.Helper()
	require.Equal(p.t, status, p.status, p.text)
	for _, text := range texts {
		require.Contains(p.t, p.text, text)
	}
	return p
}

func (p page) lacks(texts ...string) page {
	p.t.Helper()
	for _, text := range texts {
		require.NotContains(p.t, p.text, text)
	}
	return p
}

// leads checks a redirect and answers where to.
func (p page) leads() string {
	p.t.Helper()
	require.Equal(p.t, http.StatusSeeOther, p.status, p.text)
	return p.header.Get("Location")
}

func eur(minor int64) money.Amount { return money.New(minor, "EUR") }

func (h *house) accept(change ...func(*payment.Session)) payment.Session {
	h.t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	s := payment.Session{
		ID: id, Source: payment.SourceShopify, Shop: shop, ExternalID: "s" + id[24:], GID: "gid://shopify/PaymentSession/s" + id[24:],
		Group: "g-" + id, Kind: payment.Sale, Amount: eur(1230), Token: "t-" + id, Providers: []string{"stripe"},
		ReceivedAt: h.clock(), DeadlineAt: h.clock().Add(48 * time.Hour),
	}
	for _, c := range change {
		c(&s)
	}
	_, err := h.AcceptSession(h.t.Context(), s)
	require.NoError(h.t, err)
	return s
}

func (h *house) begin(s payment.Session) payment.Send {
	h.t.Helper()
	send, err := h.BeginCheckout(h.t.Context(), s.ID)
	require.NoError(h.t, err)
	return send
}

func (h *house) find(send payment.Send, state payment.AttemptState, change ...func(*payment.Finding)) {
	h.t.Helper()
	f := payment.Finding{AttemptID: send.Attempt.ID, Evidence: payment.ByAnswer, EvidenceRef: "req_" + send.Attempt.ID[30:], State: state}
	if send.Attempt.Operation == payment.OpCharge && state != payment.Doubtful {
		f.Ref = "cs_" + send.Attempt.ID
		if state.Succeeded() {
			f.PaymentRef, f.Amount = "pi_"+send.Attempt.ID, send.Amount
		}
	}
	if state == payment.Open {
		f.URL, f.ExpiresAt = "https://psp.example/pay", h.clock().Add(time.Hour)
	}
	for _, c := range change {
		c(&f)
	}
	_, err := h.RecordFinding(h.t.Context(), f)
	require.NoError(h.t, err)
}

// doubt is a charge whose call had no answer.
func (h *house) doubt(s payment.Session) {
	h.t.Helper()
	require.NoError(h.t, h.Doubt(h.t.Context(), h.begin(s).Attempt.ID, "timeout"))
}

// paid is a sale whose money is here.
func (h *house) paid() (payment.Session, payment.Send) {
	h.t.Helper()
	s := h.accept()
	send := h.begin(s)
	h.find(send, payment.Open)
	h.wait(time.Minute)
	h.find(send, payment.Done)
	return s, send
}

func (h *house) told(s payment.Session, refused string) {
	h.t.Helper()
	_, err := h.RecordTold(h.t.Context(), payment.Told{PaymentID: s.ID, Refused: refused, RequestID: "shop-req-1"})
	require.NoError(h.t, err)
}

func (h *house) call(s payment.Session, why payment.OperatorReason) {
	h.t.Helper()
	_, err := h.CallOperator(h.t.Context(), s.ID, why)
	require.NoError(h.t, err)
}

// refund asks for one and claims it.
func (h *house) refund(s payment.Session, minor int64) payment.Send {
	h.t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	_, err := h.AcceptMove(h.t.Context(), payment.MoveSession{
		ID: id, Source: s.Source, Shop: s.Shop, Kind: payment.OpRefund, ExternalID: "r" + id[24:], GID: "gid://shopify/RefundSession/r" + id[24:],
		PaymentRef: s.ExternalID, Amount: eur(minor), Test: s.Test, ReceivedAt: h.clock(),
	})
	require.NoError(h.t, err)
	_, err = h.ClaimMove(h.t.Context(), id)
	require.NoError(h.t, err)
	send, err := h.BeginMove(h.t.Context(), id)
	require.NoError(h.t, err)
	return send
}

func (h *house) trail() []string {
	h.t.Helper()
	list, err := h.ListAudit(h.t.Context(), store.AuditFilter{})
	require.NoError(h.t, err)
	lines := make([]string, 0, len(list))
	for _, r := range list {
		lines = append(lines, r.Entry.Actor.Name+" "+r.Entry.Action+" "+r.Entry.Subject)
	}
	return lines
}

var errAway = errors.New("the workflow service is away")
