package shopify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/shopify"
	"tillflow/internal/payment"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// The buyer of the example; none of it may be logged or answered.
const (
	buyerMail  = "ada.canary@example.com"
	buyerName  = "Canary-Lovelace"
	buyerPhone = "+49301234567"
)

const body = `{
	"id": "PsExample0001", "gid": "gid://shopify/PaymentSession/PsExample0001", "group": "Z3JvdXA+/w==",
	"session_id": "c2Vzc2lvbg==", "amount": "49.90", "currency": "EUR", "test": true, "kind": "sale", "merchant_locale": "en",
	"payment_method": {"type": "offsite", "data": {"cancel_url": "https://acme-dev.myshopify.com/checkouts/abc"}},
	"proposed_at": "2026-11-20T12:00:00Z",
	"customer": {"email": "` + buyerMail + `", "phone_number": "` + buyerPhone + `", "locale": "de",
		"billing_address": {"given_name": "Ada", "family_name": "` + buyerName + `"}},
	"added_tomorrow": {"by": ["Shopify"]}
}`

// with is the example with members replaced; a nil value removes one. Keys are paths.
func with(t *testing.T, changes map[string]any) string {
	t.Helper()
	return edited(t, body, changes)
}

func edited(t *testing.T, example string, changes map[string]any) string {
	t.Helper()
	var root map[string]any
	require.NoError(t, json.Unmarshal([]byte(example), &root))
	for path, value := range changes {
		o, parts := root, strings.Split(path, ".")
		for _, part := range parts[:len(parts)-1] {
			inner, ok := o[part].(map[string]any)
			require.True(t, ok, path)
			o = inner
		}
		o[parts[len(parts)-1]] = value
		if value == nil {
			delete(o, parts[len(parts)-1])
		}
	}
	text, err := json.Marshal(root)
	require.NoError(t, err)
	return string(text)
}

// sessions is a record that keeps the first session of an id.
type sessions struct {
	mu    sync.Mutex
	err   error // answered in place of accepting
	hang  bool  // answer only when the caller gives up
	calls int
	rows  map[string]payment.Session
	moves map[string]payment.MoveSession
	lose  int // answers that get lost after the commit
}

func (s *sessions) AcceptMove(ctx context.Context, row payment.MoveSession) (payment.AcceptedMove, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.hang {
		<-ctx.Done()
		return payment.AcceptedMove{}, &payment.Error{Class: payment.Unavailable, Message: "out of reach", Err: ctx.Err()}
	}
	if s.err != nil {
		return payment.AcceptedMove{}, s.err
	}
	at := row.Shop + string(row.Kind) + row.ExternalID
	first, stands := s.moves[at]
	if !stands {
		first, s.moves[at] = row, row
	}
	if s.lose > 0 {
		s.lose--
		return payment.AcceptedMove{}, &payment.Error{Class: payment.Unavailable, Message: "the connection broke"}
	}
	if first.Amount != row.Amount || first.PaymentRef != row.PaymentRef {
		return payment.AcceptedMove{}, &payment.Error{Class: payment.Conflict, Code: "different_session", Message: "the session exists with another amount"}
	}
	ref := payment.MoveRef{OperationID: first.ID, Kind: first.Kind, Source: first.Source, Shop: first.Shop, ExternalRef: first.ExternalID, Amount: first.Amount, At: first.ReceivedAt}
	return payment.AcceptedMove{Ref: ref, New: !stands}, nil
}

func (s *sessions) AcceptSession(ctx context.Context, row payment.Session) (payment.Accepted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.hang {
		<-ctx.Done()
		return payment.Accepted{}, &payment.Error{Class: payment.Unavailable, Message: "out of reach", Err: ctx.Err()}
	}
	if s.err != nil {
		return payment.Accepted{}, s.err
	}
	first, stands := s.rows[row.Shop+row.ExternalID]
	if !stands {
		first, s.rows[row.Shop+row.ExternalID] = row, row
	}
	if first.Amount != row.Amount {
		return payment.Accepted{}, &payment.Error{Class: payment.Conflict, Code: "different_session", Message: "the session exists with another amount"}
	}
	return payment.Accepted{PaymentID: first.ID, Token: first.Token, ReceivedAt: first.ReceivedAt, New: !stands, State: payment.Created}, nil
}

// starter notes what is to be started.
type starter struct {
	mu    sync.Mutex
	refs  []payment.RunRef
	moves []payment.MoveRef
}

func (s *starter) StartMoveSoon(ref payment.MoveRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moves = append(s.moves, ref)
}

func (s *starter) StartSoon(ref payment.RunRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs = append(s.refs, ref)
}

type bench struct {
	sessions *sessions
	starter  *starter
	log      *bytes.Buffer
	handler  http.Handler
}

func setup() *bench {
	b := &bench{sessions: &sessions{rows: map[string]payment.Session{}, moves: map[string]payment.MoveSession{}}, starter: &starter{}, log: &bytes.Buffer{}}
	log := zerolog.New(zerolog.SyncWriter(b.log))
	b.handler = api.New(log, func(context.Context) error { return nil }, &shopify.Handler{
		Sessions: b.sessions, Starter: b.starter,
		Providers:  func(k payment.Kind) []string { return []string{"psp-for-" + string(k)} },
		Link:       func(token string) string { return "https://pay.example.com/pay/" + token },
		Resolution: 48 * time.Hour, Now: func() time.Time { return noon }, Log: log,
	})
	return b
}

// post sends a session request; change edits it.
func (b *bench) post(t *testing.T, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	return b.postTo(t, "/shopify/payment_session", body, change...)
}

func (b *bench) postTo(t *testing.T, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Shopify-Shop-Domain", "acme-dev.myshopify.com")
	r.Header.Set("Shopify-Request-Id", "6c1f0a52-1111-4222-8333-444455556666")
	r.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(r)
	}
	rec := httptest.NewRecorder()
	b.handler.ServeHTTP(rec, r)
	return rec
}

func fromShop(domain string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Shopify-Shop-Domain", domain) }
}

// redirect reads the buyer's link from an accepting answer.
func redirect(t *testing.T, rec *httptest.ResponseRecorder) string {
	t.Helper()
	require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
	var answer map[string]string
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &answer))
	require.Len(t, answer, 1)
	return answer["redirect_url"]
}

func requireProblem(t *testing.T, status int, field string, rec *httptest.ResponseRecorder) api.Problem {
	t.Helper()
	require.Equal(t, status, rec.Code, rec.Body.String())
	require.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"))
	var p api.Problem
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &p))
	require.Equal(t, field, p.Field, p.Message)
	require.NotEmpty(t, p.Code)
	require.NotEmpty(t, p.Message)
	require.NotEmpty(t, p.RequestID)
	return p
}

// requireNothing proves that a refused request left no trace but its log line,
// and that this names no person.
func (b *bench) requireNothing(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	require.Empty(t, b.sessions.rows)
	require.Empty(t, b.sessions.moves)
	require.Empty(t, b.starter.refs)
	require.Empty(t, b.starter.moves)
	require.NotEmpty(t, b.log.String())
	for _, personal := range []string{buyerMail, buyerName, buyerPhone} {
		require.NotContains(t, b.log.String(), personal)
		require.NotContains(t, rec.Body.String(), personal)
	}
}
