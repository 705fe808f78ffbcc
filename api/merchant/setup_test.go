package merchant_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/api"
	"tillflow/api/merchant"
	"tillflow/internal/access"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const (
	key       = "tfk_of_acme"
	otherKey  = "tfk_of_other"
	readKey   = "tfk_of_acme_reads"
	writeKey  = "tfk_of_acme_writes"
	buyerMail = "ada.canary@example.com"
	buyerName = "Canary-Lovelace"
)

// example is a request with every member.
const example = `{
	"ref": "order-1001", "amount": "12.30", "currency": "EUR", "kind": "authorization", "test": true,
	"return_url": "https://shop.example/thanks", "cancel_url": "https://shop.example/cart",
	"description": "Order 1001", "locale": "de-AT", "customer": {"email": "` + buyerMail + `", "name": "` + buyerName + `"}
}`

// records keeps payments as the real record does: by shop and ref, and by key.
type records struct {
	err     error // answered by every call but FindAPIKey
	keyErr  error
	moveErr error // answered by every call about moves
	hang    bool  // answer only when the caller gives up
	rows    map[string]payment.Session
	keys    map[string]payment.Session
	state   payment.State // of every payment
	final   payment.Final
	actions []payment.Action
	moves   []payment.MoveSession
	view    payment.MoveView // of every move
}

func (r *records) AcceptMove(_ context.Context, s payment.MoveSession) (payment.AcceptedMove, error) {
	if r.moveErr != nil {
		return payment.AcceptedMove{}, r.moveErr
	}
	for _, first := range r.moves {
		if first.Shop == s.Shop && first.IdempotencyKey == s.IdempotencyKey && s.IdempotencyKey != "" && !bytes.Equal(first.RequestHash, s.RequestHash) {
			return payment.AcceptedMove{}, &payment.Error{Class: payment.Conflict, Code: "idempotency_key_reused", Message: "the Idempotency-Key was used for another request"}
		}
		if first.Shop != s.Shop || first.Kind != s.Kind || first.ExternalID != s.ExternalID {
			continue
		}
		if first.Amount != s.Amount || first.PaymentRef != s.PaymentRef {
			return payment.AcceptedMove{}, &payment.Error{Class: payment.Conflict, Code: "different_session", Message: "the request exists with another amount"}
		}
		return r.accepted(first, false), nil
	}
	r.moves = append(r.moves, s)
	return r.accepted(s, true), nil
}

func (r *records) accepted(s payment.MoveSession, isNew bool) payment.AcceptedMove {
	return payment.AcceptedMove{New: isNew, View: r.view, Ref: payment.MoveRef{
		OperationID: s.ID, Kind: s.Kind, Source: s.Source, Shop: s.Shop, ExternalRef: s.ExternalID, Amount: s.Amount, At: s.ReceivedAt,
	}}
}

func (r *records) MovesByRef(_ context.Context, shop, ref, id string) ([]payment.AcceptedMove, error) {
	if r.moveErr != nil {
		return nil, r.moveErr
	}
	var list []payment.AcceptedMove
	for _, s := range r.moves {
		if s.Shop == shop && s.PaymentRef == ref && (id == "" || id == s.ExternalID) {
			list = append(list, r.accepted(s, false))
		}
	}
	return list, nil
}

func (r *records) FindAPIKey(ctx context.Context, hash []byte) (access.APIKey, error) {
	if r.hang {
		<-ctx.Done()
		return access.APIKey{}, &payment.Error{Class: payment.Unavailable, Message: "out of reach", Err: ctx.Err()}
	}
	if r.keyErr != nil {
		return access.APIKey{}, r.keyErr
	}
	for text, k := range map[string]access.APIKey{
		key:      {ID: "key-of-acme", Shop: "acme", Scopes: access.Scopes()},
		otherKey: {ID: "key-of-other", Shop: "other", Scopes: access.Scopes()},
		readKey:  {ID: "reads", Shop: "acme", Scopes: []access.Scope{access.ReadPaymentScope}},
		writeKey: {ID: "writes", Shop: "acme", Scopes: []access.Scope{access.WritePaymentScope}},
	} {
		if sum := sha256.Sum256([]byte(text)); bytes.Equal(sum[:], hash) {
			return k, nil
		}
	}
	return access.APIKey{}, &payment.Error{Class: payment.Unauthorized, Code: "api_key", Message: "unknown API key"}
}

func (r *records) AcceptSession(_ context.Context, s payment.Session) (payment.Accepted, error) {
	if r.err != nil {
		return payment.Accepted{}, r.err
	}
	if first, used := r.keys[s.Shop+s.IdempotencyKey]; used && s.IdempotencyKey != "" && !bytes.Equal(first.RequestHash, s.RequestHash) {
		return payment.Accepted{}, &payment.Error{Class: payment.Conflict, Code: "idempotency_key_reused", Message: "the Idempotency-Key was used for another request"}
	}
	first, stands := r.rows[s.Shop+s.ExternalID]
	if stands && first.Amount != s.Amount {
		return payment.Accepted{}, &payment.Error{Class: payment.Conflict, Code: "different_session", Message: "the session exists with another amount"}
	}
	if !stands {
		first, r.rows[s.Shop+s.ExternalID], r.keys[s.Shop+s.IdempotencyKey] = s, s, s
	}
	return payment.Accepted{PaymentID: first.ID, Token: first.Token, ReceivedAt: first.ReceivedAt, New: !stands}, nil
}

func (r *records) PaymentByRef(_ context.Context, shop, ref string) (payment.Summary, error) {
	if r.err != nil {
		return payment.Summary{}, r.err
	}
	s, found := r.rows[shop+ref]
	if !found {
		return payment.Summary{}, &payment.Error{Class: payment.NotFound, Code: "no_row", Message: "read payment: no such row"}
	}
	out := payment.Summary{
		Run: payment.RunRef{
			PaymentID: s.ID, Source: s.Source, Shop: s.Shop, ExternalID: s.ExternalID, Kind: s.Kind, Amount: s.Amount, Test: s.Test, ReceivedAt: s.ReceivedAt,
		},
		Token: s.Token, State: r.state, Final: r.final, DeadlineAt: s.DeadlineAt,
	}
	if r.final == payment.Reject {
		out.FinalReason = payment.Cancelled
	}
	return out, nil
}

func (r *records) InsertAction(_ context.Context, a payment.Action) (string, error) {
	r.actions = append(r.actions, a)
	return "action-1", r.err
}

// runs notes what is started and asked; an expire ends the payment at once.
type runs struct {
	records  *records
	soon     []payment.RunRef
	moves    []payment.MoveRef
	started  []payment.RunRef
	asked    []string
	startErr error
	actErr   error
	hang     bool
}

func (r *runs) StartSoon(ref payment.RunRef) { r.soon = append(r.soon, ref) }

func (r *runs) StartMoveSoon(ref payment.MoveRef) { r.moves = append(r.moves, ref) }

func (r *runs) StartCharge(_ context.Context, ref payment.RunRef) error {
	r.started = append(r.started, ref)
	return r.startErr
}

func (r *runs) Act(ctx context.Context, workflowID, update, actionID string) (flow.ActionResult, error) {
	r.asked = append(r.asked, workflowID+" "+update+" "+actionID)
	if r.hang {
		<-ctx.Done()
		return flow.ActionResult{}, &payment.Error{Class: payment.Unavailable, Message: "not taken", Err: ctx.Err()}
	}
	if r.actErr == nil {
		r.records.state, r.records.final = payment.Rejected, payment.Reject
	}
	return flow.ActionResult{}, r.actErr
}

type bench struct {
	records *records
	runs    *runs
	log     *bytes.Buffer
	handler http.Handler
}

func setup() *bench {
	b := &bench{log: &bytes.Buffer{}}
	b.records = &records{rows: map[string]payment.Session{}, keys: map[string]payment.Session{}, state: payment.Created}
	b.runs = &runs{records: b.records}
	log := zerolog.New(b.log)
	b.handler = api.New(log, func(context.Context) error { return nil }, &merchant.Handler{
		Records: b.records, Runs: b.runs,
		Providers:  func(k payment.Kind) []string { return []string{"psp-for-" + string(k)} },
		Link:       func(token string) string { return "https://pay.example.com/pay/" + token },
		Resolution: 48 * time.Hour, Now: func() time.Time { return noon }, Log: log,
	})
	return b
}

// do sends a request under the shop's key; headers are name, value pairs.
func (b *bench) do(t *testing.T, route, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	method, path, _ := strings.Cut(route, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	b.handler.ServeHTTP(rec, r)
	return rec
}

func (b *bench) create(t *testing.T, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return b.do(t, "POST /api/v1/payment", body, headers...)
}

func (b *bench) read(t *testing.T, query string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return b.do(t, "GET /api/v1/payment"+query, "", headers...)
}

func (b *bench) expire(t *testing.T, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return b.do(t, "POST /api/v1/payment/expire", body, headers...)
}

// with is the example with members replaced; a nil value removes one.
func with(t *testing.T, changes map[string]any) string {
	t.Helper()
	var root map[string]any
	require.NoError(t, json.Unmarshal([]byte(example), &root))
	for name, value := range changes {
		root[name] = value
		if value == nil {
			delete(root, name)
		}
	}
	text, err := json.Marshal(root)
	require.NoError(t, err)
	return string(text)
}

// answered reads the payment of an answer.
func answered(t *testing.T, status int, rec *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	require.Equal(t, status, rec.Code, rec.Body.String())
	require.Contains(t, rec.Header().Get("Content-Type"), "application/json")
	var p map[string]any
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &p))
	return p
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

// requireNothing proves that nothing was stored, started or asked, and that no
// person and no key is logged.
func (b *bench) requireNothing(t *testing.T) {
	t.Helper()
	require.Empty(t, b.records.rows)
	require.Empty(t, b.records.actions)
	require.Empty(t, b.records.moves)
	require.Empty(t, b.runs.soon)
	require.Empty(t, b.runs.moves)
	require.Empty(t, b.runs.started)
	require.Empty(t, b.runs.asked)
	for _, hidden := range []string{buyerMail, buyerName, key} {
		require.NotContains(t, b.log.String(), hidden)
	}
}
