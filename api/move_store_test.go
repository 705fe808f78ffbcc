package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
)

// moveSession is a request to move money of the payment session "one".
func moveSession(resource, id, more string) string {
	return fmt.Sprintf(`{"id": %q, "gid": "gid://shopify/%s/%s", "payment_id": "one", "merchant_locale": "en", "proposed_at": "2026-11-20T12:00:00Z"%s}`,
		id, resource, id, more)
}

func refundOf(id, amount, currency string) string {
	return moveSession("RefundSession", id, fmt.Sprintf(`, "test": true, "amount": %q, "currency": %q`, amount, currency))
}

// TestMoveSessionsInTheRecord: with Temporal away, what is answered is what is committed.
func TestMoveSessionsInTheRecord(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	post := func(kind, shop, body string) *httptest.ResponseRecorder {
		return h.send(t, "POST /shopify/"+kind+"_session", body, "Shopify-Shop-Domain", shop)
	}
	require.Equal(t, http.StatusOK, post("payment", shopName, session("one", "49.90")).Code)
	const rows = `SELECT count(*) FROM move_sessions`

	var all sync.WaitGroup
	answers := make([]*httptest.ResponseRecorder, 40)
	for i := range answers {
		all.Go(func() { answers[i] = post("refund", shopName, refundOf("r1", "10.00", "EUR")) })
	}
	all.Wait()
	for _, answer := range answers {
		require.Equal(t, http.StatusCreated, answer.Code, answer.Body.String())
		require.Equal(t, "{}", answer.Body.String())
	}
	require.Equal(t, 1, h.Count(t, rows))
	require.Len(t, h.runs.moves, 1, "equal requests at once are one")

	for _, other := range []string{
		refundOf("r1", "10.01", "EUR"), refundOf("r1", "10.00", "USD"),
		strings.Replace(refundOf("r1", "10.00", "EUR"), `"one"`, `"two"`, 1), strings.Replace(refundOf("r1", "10.00", "EUR"), "true", "false", 1),
	} {
		require.Equal(t, "different_session", requireProblem(t, http.StatusConflict, post("refund", shopName, other)).Code, other)
	}
	require.Equal(t, "unknown_shop", requireProblem(t, http.StatusForbidden, post("refund", "other.myshopify.com", refundOf("r2", "1.00", "EUR"))).Code)
	requireProblem(t, http.StatusBadRequest, post("refund", shopName, refundOf("r3", "-1.00", "EUR")))
	requireProblem(t, http.StatusBadRequest, post("capture", shopName, refundOf("r4", "1.00", "EUR")))
	require.Equal(t, 1, h.Count(t, rows), "what was refused left no row")
	require.Equal(t, 1000, h.Count(t, `SELECT amount_minor FROM move_sessions`), "the first stays")

	for _, body := range []string{
		refundOf("r5", "0.00", "EUR"), refundOf("r6", "1.00", "USD"), refundOf("r7", "1000.00", "JPY"), refundOf("r8", "92233720368547758.07", "EUR"),
		strings.Replace(refundOf("r9", "1.00", "EUR"), `"one"`, `"nobody"`, 1),
	} {
		require.Equal(t, http.StatusCreated, post("refund", shopName, body).Code, "business refusals are the workflow's: %s", body)
	}
	require.Equal(t, http.StatusCreated, post("capture", shopName, strings.ReplaceAll(refundOf("r1", "10.00", "EUR"), "Refund", "Capture")).Code,
		"the same id as another kind is another session")
	require.Equal(t, 7, h.Count(t, rows))
	require.Len(t, h.runs.moves, 7)

	h.Close()
	requireProblem(t, http.StatusServiceUnavailable, post("refund", shopName, refundOf("r10", "1.00", "EUR")))
}

// TestVoidWithoutItsMode: a void is not documented to say whether it is a test, so the payment's own mode counts.
func TestVoidWithoutItsMode(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	require.Equal(t, http.StatusOK, h.send(t, "POST /shopify/payment_session", session("one", "49.90"), "Shopify-Shop-Domain", shopName).Code)
	for id, more := range map[string]string{"v1": "", "v2": `, "test": true`} {
		require.Equal(t, http.StatusCreated,
			h.send(t, "POST /shopify/void_session", moveSession("VoidSession", id, more), "Shopify-Shop-Domain", shopName).Code)
	}
	for _, ref := range h.runs.moves {
		view, err := h.ClaimMove(t.Context(), ref.OperationID)
		require.NoError(t, err)
		require.NotEqual(t, payment.RefusedUnknownPayment, view.Refusal, ref.ExternalRef)
		require.NotEmpty(t, view.PaymentID, ref.ExternalRef)
	}
}

func TestMerchantMovesInTheRecord(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	key := []string{"Authorization", "Bearer " + h.key}
	require.Equal(t, http.StatusCreated, h.send(t, "POST /api/v1/payment", `{"ref": "order-1", "amount": "12.30", "currency": "EUR", "test": true}`, key...).Code)
	refund := func(body, idempotency string) *httptest.ResponseRecorder {
		return h.send(t, "POST /api/v1/payment/refund", body, append(key, "Idempotency-Key", idempotency)...)
	}

	const body = `{"ref": "order-1", "id": "r-1", "amount": "2.30"}`
	first := refund(body, "k1")
	require.Equal(t, http.StatusCreated, first.Code, first.Body.String())
	repeat := refund(body, "k1")
	require.Equal(t, http.StatusOK, repeat.Code)
	require.Equal(t, first.Body.String(), repeat.Body.String())
	require.Equal(t, "Idempotency-Key", requireProblem(t, http.StatusConflict, refund(`{"ref": "order-1", "id": "r-2"}`, "k1")).Field)
	require.Equal(t, "id", requireProblem(t, http.StatusConflict, refund(`{"ref": "order-1", "id": "r-1"}`, "")).Field)
	requireProblem(t, http.StatusNotFound, refund(`{"ref": "order-2", "id": "r-1"}`, ""))
	void := h.send(t, "POST /api/v1/payment/void", `{"ref": "order-1", "id": "r-1"}`, key...)
	require.Equal(t, http.StatusCreated, void.Code, void.Body.String())
	require.Equal(t, 2, h.Count(t, `SELECT count(*) FROM move_sessions WHERE source = 'api'`))

	read := h.send(t, "GET /api/v1/payment/move?ref=order-1", "", key...)
	require.Equal(t, http.StatusOK, read.Code, read.Body.String())
	var list struct {
		Moves []json.RawMessage `json:"moves"`
	}
	require.NoError(t, json.Unmarshal(read.Body.Bytes(), &list))
	require.Len(t, list.Moves, 2)
	require.JSONEq(t, first.Body.String(), string(list.Moves[0]))
	require.JSONEq(t, void.Body.String(), string(list.Moves[1]))
}
