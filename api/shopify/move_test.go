package shopify_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	wire "tillflow/internal/shopify"
)

// endpoint is one of the three, with a good request to it.
type endpoint struct {
	kind                 payment.Operation
	path, resource, body string
}

const moveMembers = `"payment_id": "PsExample0001", "test": true, "merchant_locale": "de", "proposed_at": "2026-11-20T12:00:00Z",
	"added_tomorrow": {"by": ["Shopify"]}`

func moves() []endpoint {
	const amount = `, "amount": "10.00", "currency": "EUR"`
	of := func(kind payment.Operation, path, resource, more string) endpoint {
		return endpoint{kind, path, resource, fmt.Sprintf(`{"id": "MvExample0001", "gid": "gid://shopify/%s/MvExample0001", %s%s}`, resource, moveMembers, more)}
	}
	return []endpoint{
		of(payment.OpRefund, "/shopify/refund_session", "RefundSession", amount),
		of(payment.OpCapture, "/shopify/capture_session", "CaptureSession", amount),
		of(payment.OpVoid, "/shopify/void_session", "VoidSession", ""),
	}
}

// each runs a rule against every endpoint.
func each(t *testing.T, rule string, check func(t *testing.T, e endpoint)) {
	t.Helper()
	for _, e := range moves() {
		t.Run(string(e.kind)+": "+rule, func(t *testing.T) {
			t.Parallel()
			check(t, e)
		})
	}
}

// requireAccepted checks the one answer that the Admin takes for a yes.
func requireAccepted(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	require.Equal(t, http.StatusCreated, rec.Code, rec.Body.String())
	require.Equal(t, "application/json", rec.Header().Get("Content-Type"))
	require.Equal(t, "{}", rec.Body.String())
}

func TestMoveAccepted(t *testing.T) {
	t.Parallel()
	each(t, "a session becomes one row and one start, and is answered 201 {}", func(t *testing.T, e endpoint) {
		b := setup()
		requireAccepted(t, b.postTo(t, e.path, e.body))
		require.Len(t, b.sessions.moves, 1)
		row := b.sessions.moves["acme-dev.myshopify.com"+string(e.kind)+"MvExample0001"]
		require.NoError(t, uuid.Validate(row.ID))
		amount := money.New(1000, "EUR")
		if e.kind == payment.OpVoid {
			amount = money.Amount{}
		}
		require.Equal(t, payment.MoveSession{
			ID: row.ID, Source: payment.SourceShopify, Shop: "acme-dev.myshopify.com", Kind: e.kind, ExternalID: "MvExample0001",
			GID: "gid://shopify/" + e.resource + "/MvExample0001", PaymentRef: "PsExample0001", Amount: amount, Test: true, Locale: "de", ReceivedAt: noon,
		}, row)
		require.Equal(t, []payment.MoveRef{{
			OperationID: row.ID, Kind: e.kind, Source: payment.SourceShopify, Shop: row.Shop, ExternalRef: row.ExternalID, Amount: amount, At: noon,
		}}, b.starter.moves)
		require.Empty(t, b.starter.refs)
	})
	for name, changes := range map[string]map[string]any{
		"nothing at all":                     {"amount": "0.00"},
		"more than any payment":              {"amount": "92233720368547758.07"},
		"another currency":                   {"currency": "USD"},
		"a payment that nobody knows":        {"payment_id": "PsNobody"},
		"yen with zeros after the point":     {"amount": "1000.00", "currency": "JPY"},
		"dinars with three digits":           {"amount": "1.234", "currency": "KWD"},
		"an amount as a number":              {"amount": 10},
		"null in a member that nobody knows": {"added_tomorrow": json.RawMessage("null")},
		"a live session":                     {"test": false},
		"a payment by its gid":               {"payment_id": "gid://shopify/PaymentSession/PsExample0001"},
	} {
		for _, e := range moves()[:2] {
			t.Run(string(e.kind)+" of "+name+" is the workflow's to answer", func(t *testing.T) {
				t.Parallel()
				b := setup()
				requireAccepted(t, b.postTo(t, e.path, edited(t, e.body, changes)))
				require.Len(t, b.starter.moves, 1)
			})
		}
	}
	t.Run("trailing zeros are no digits", func(t *testing.T) {
		t.Parallel()
		b := setup()
		e := moves()[0]
		requireAccepted(t, b.postTo(t, e.path, edited(t, e.body, map[string]any{"amount": "1000.00", "currency": "JPY"})))
		require.Equal(t, money.New(1000, "JPY"), b.starter.moves[0].Amount)
	})
	t.Run("a void may come without its mode, and its amount is no member", func(t *testing.T) {
		t.Parallel()
		b := setup()
		e := moves()[2]
		requireAccepted(t, b.postTo(t, e.path, edited(t, e.body, map[string]any{"test": nil, "amount": "5 euros"})))
		require.Equal(t, money.Amount{}, b.starter.moves[0].Amount)
	})
}

func TestMoveRepeated(t *testing.T) {
	t.Parallel()
	each(t, "equal requests, also at once, get equal answers and one start", func(t *testing.T, e endpoint) {
		b := setup()
		answers := make([]*httptest.ResponseRecorder, 50)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = b.postTo(t, e.path, e.body) })
		}
		all.Wait()
		for _, answer := range answers {
			requireAccepted(t, answer)
		}
		require.Len(t, b.sessions.moves, 1)
		require.Len(t, b.starter.moves, 1)
	})
	each(t, "the same id with other content is refused and logged, and the first stays", func(t *testing.T, e endpoint) {
		b := setup()
		requireAccepted(t, b.postTo(t, e.path, e.body))
		p := requireProblem(t, http.StatusConflict, "id", b.postTo(t, e.path, edited(t, e.body, map[string]any{"payment_id": "PsOther"})))
		require.Equal(t, "different_session", p.Code)
		require.Contains(t, b.log.String(), "another session came under an id that stands")
		require.Contains(t, b.log.String(), "MvExample0001")
		requireAccepted(t, b.postTo(t, e.path, e.body))
		require.Len(t, b.starter.moves, 1)
	})
	t.Run("the same id as another kind, or of another shop, is another session", func(t *testing.T) {
		t.Parallel()
		b := setup()
		for _, e := range moves() {
			requireAccepted(t, b.postTo(t, e.path, e.body))
			requireAccepted(t, b.postTo(t, e.path, e.body, fromShop("other.myshopify.com")))
		}
		require.Len(t, b.starter.moves, 6)
	})
}

func TestMoveMalformed(t *testing.T) {
	t.Parallel()
	common := map[string]map[string]any{
		"an id that is a number":    {"id": 7},
		"an empty id":               {"id": ""},
		"an id with a slash":        {"id": "a/b"},
		"an id with a control":      {"id": "a\x00b"},
		"an id that is too long":    {"id": strings.Repeat("x", 101)},
		"a gid of another id":       {"gid": "gid://shopify/RefundSession/other"},
		"a gid of a payment":        {"gid": "gid://shopify/PaymentSession/MvExample0001"},
		"a gid that goes on":        {"gid": "gid://shopify/VoidSession/MvExample0001/more"},
		"a payment id as a list":    {"payment_id": []string{"PsExample0001"}},
		"a payment id with a space": {"payment_id": "Ps Example"},
		"test as a word":            {"test": "true"},
		"a locale with a space":     {"merchant_locale": "en US"},
		"a time that is none":       {"proposed_at": "yesterday"},
	}
	amounts := map[string]map[string]any{
		"a negative amount":        {"amount": "-10.00"},
		"an amount that is a word": {"amount": "ten"},
		"an amount with a comma":   {"amount": "10,00"},
		"an exponent":              {"amount": "1e3"},
		"an amount too precise":    {"amount": "10.001"},
		"an amount beyond 64 bits": {"amount": strings.Repeat("9", 40)},
		"cents of the yen":         {"amount": "10.50", "currency": "JPY"},
		"an unknown currency":      {"currency": "EUX"},
		"a currency in lower case": {"currency": "eur"},
		"no amount":                {"amount": nil},
		"no currency":              {"currency": nil},
		"no mode":                  {"test": nil},
	}
	for _, member := range []string{"id", "gid", "payment_id", "merchant_locale", "proposed_at"} {
		common["no "+member] = map[string]any{member: nil}
	}
	refused := func(t *testing.T, e endpoint, changes map[string]any) {
		t.Parallel()
		b := setup()
		rec := b.postTo(t, e.path, edited(t, e.body, changes))
		field := requireProblem(t, http.StatusBadRequest, fieldOf(changes), rec).Field
		require.Contains(t, b.log.String(), `"field":"`+field+`"`)
		require.Zero(t, b.sessions.calls)
		b.requireNothing(t, rec)
	}
	for _, e := range moves() {
		for name, changes := range common {
			t.Run(string(e.kind)+": "+name+" is refused by its field and nothing is stored", func(t *testing.T) { refused(t, e, changes) })
		}
		if e.kind == payment.OpVoid {
			continue
		}
		for name, changes := range amounts {
			t.Run(string(e.kind)+": "+name+" is refused by its field and nothing is stored", func(t *testing.T) { refused(t, e, changes) })
		}
	}
}

// fieldOf names the member that is at fault: with two changes the amount does not fit the currency.
func fieldOf(changes map[string]any) string {
	if len(changes) > 1 {
		return "amount"
	}
	for field := range changes {
		return field
	}
	return ""
}

func TestMoveOfAnotherKind(t *testing.T) {
	t.Parallel()
	for _, at := range moves() {
		for _, sent := range moves() {
			if at.kind == sent.kind {
				continue
			}
			t.Run(fmt.Sprintf("a %s session at the %s endpoint is refused", sent.kind, at.kind), func(t *testing.T) {
				t.Parallel()
				b := setup()
				rec := b.postTo(t, at.path, sent.body)
				requireProblem(t, http.StatusBadRequest, "gid", rec)
				b.requireNothing(t, rec)
			})
		}
	}
}

func TestMoveEnvelope(t *testing.T) {
	t.Parallel()
	each(t, "a shop that is none, no JSON, and too large a body are refused", func(t *testing.T, e endpoint) {
		for _, domain := range []string{"", "acme-dev.example.com", "a.myshopify.com/b"} {
			b := setup()
			rec := b.postTo(t, e.path, e.body, fromShop(domain))
			requireProblem(t, http.StatusBadRequest, "Shopify-Shop-Domain", rec)
			b.requireNothing(t, rec)
		}
		for _, body := range []string{"", "null", "[]", e.body[:len(e.body)-1], e.body + e.body} {
			b := setup()
			rec := b.postTo(t, e.path, body)
			requireProblem(t, http.StatusBadRequest, "body", rec)
			b.requireNothing(t, rec)
		}
		b := setup()
		rec := b.postTo(t, e.path, edited(t, e.body, map[string]any{"padding": strings.Repeat("x", wire.MaxSessionBody)}))
		requireProblem(t, http.StatusRequestEntityTooLarge, "body", rec)
		b.requireNothing(t, rec)
	})
	each(t, "a shop that has not installed us is 403", func(t *testing.T, e endpoint) {
		b := setup()
		b.sessions.err = &payment.Error{Class: payment.NotFound, Code: "unknown_shop", Message: "the shop is not installed"}
		rec := b.postTo(t, e.path, e.body)
		require.Equal(t, "unknown_shop", requireProblem(t, http.StatusForbidden, "Shopify-Shop-Domain", rec).Code)
		b.requireNothing(t, rec)
	})
	each(t, "a browser that calls it is refused", func(t *testing.T, e endpoint) {
		b := setup()
		requireProblem(t, http.StatusMethodNotAllowed, "", b.postTo(t, e.path, e.body, func(r *http.Request) { r.Method = http.MethodGet }))
		require.Zero(t, b.sessions.calls)
	})
}

func TestMoveWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	each(t, "what could not be committed is 503, and a later retry works", func(t *testing.T, e endpoint) {
		b := setup()
		b.sessions.err = &payment.Error{Class: payment.Unavailable, Message: "out of reach"}
		rec := b.postTo(t, e.path, e.body)
		requireProblem(t, http.StatusServiceUnavailable, "", rec)
		require.Equal(t, "1", rec.Header().Get("Retry-After"))
		b.requireNothing(t, rec)
		b.sessions.err = nil
		requireAccepted(t, b.postTo(t, e.path, e.body))
		require.Len(t, b.starter.moves, 1)
	})
	each(t, "a commit whose answer was lost is found, not refused", func(t *testing.T, e endpoint) {
		b := setup()
		b.sessions.lose = 1
		requireAccepted(t, b.postTo(t, e.path, e.body))
		require.Len(t, b.sessions.moves, 1)
		require.Len(t, b.starter.moves, 1, "it is this request's row, so it is started")
	})
	each(t, "one that hangs is 503 within Shopify's limit", func(t *testing.T, e endpoint) {
		synctest.Test(t, func(t *testing.T) {
			b := setup()
			b.sessions.hang = true
			start := time.Now()
			rec := b.postTo(t, e.path, e.body)
			require.LessOrEqual(t, time.Since(start), 3*time.Second)
			requireProblem(t, http.StatusServiceUnavailable, "", rec)
			b.requireNothing(t, rec)
		})
	})
	each(t, "a fault of ours is 500, asked once", func(t *testing.T, e endpoint) {
		b := setup()
		b.sessions.err = &payment.Error{Class: payment.Bug, Code: "23514", Message: "a row that must not be"}
		requireProblem(t, http.StatusInternalServerError, "", b.postTo(t, e.path, e.body))
		require.Equal(t, 1, b.sessions.calls)
	})
}
