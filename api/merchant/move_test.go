package merchant_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// paid is a bench with the example payment.
func paid(t *testing.T) *bench {
	t.Helper()
	b := setup()
	answered(t, http.StatusCreated, b.create(t, example))
	b.log.Reset()
	return b
}

func (b *bench) move(t *testing.T, kind payment.Operation, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return b.do(t, "POST /api/v1/payment/"+string(kind), body, headers...)
}

func (b *bench) moves(t *testing.T, query string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return b.do(t, "GET /api/v1/payment/move"+query, "", headers...)
}

func kinds() []payment.Operation {
	return []payment.Operation{payment.OpCapture, payment.OpVoid, payment.OpRefund}
}

// requireNoMove proves that a refused request left no trace.
func (b *bench) requireNoMove(t *testing.T) {
	t.Helper()
	require.Empty(t, b.records.moves)
	require.Empty(t, b.runs.moves)
	require.NotContains(t, b.log.String(), key)
}

const whole = `{"ref": "order-1001", "id": "m-1"}`

func TestMove(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds() {
		t.Run(string(kind)+" becomes one row and one start", func(t *testing.T) {
			t.Parallel()
			b := paid(t)
			got := answered(t, http.StatusCreated, b.move(t, kind, whole, "Idempotency-Key", "k-1"))
			require.Len(t, b.records.moves, 1)
			row := b.records.moves[0]
			require.NoError(t, uuid.Validate(row.ID))
			want := map[string]any{
				"ref": "order-1001", "id": "m-1", "kind": string(kind), "operation_id": row.ID, "state": "accepted",
				"amount": "12.30", "currency": "EUR", "created_at": "2026-11-20T12:00:00Z",
			}
			amount := money.New(1230, "EUR")
			if kind == payment.OpVoid {
				amount = money.Amount{}
				delete(want, "amount")
				delete(want, "currency")
			}
			require.Equal(t, want, got, "without an amount it is the whole payment's")
			require.Len(t, row.RequestHash, 32)
			require.Equal(t, payment.MoveSession{
				ID: row.ID, Source: payment.SourceAPI, Shop: "acme", Kind: kind, ExternalID: "m-1", PaymentRef: "order-1001",
				Amount: amount, Test: true, IdempotencyKey: "k-1", RequestHash: row.RequestHash, ReceivedAt: noon,
				By: "key key-of-acme",
			}, row)
			require.Equal(t, []payment.MoveRef{{
				OperationID: row.ID, Kind: kind, Source: payment.SourceAPI, Shop: "acme", ExternalRef: "m-1", Amount: amount, At: noon,
			}}, b.runs.moves)
		})
	}
	t.Run("an amount is a part, in the payment's currency", func(t *testing.T) {
		t.Parallel()
		b := paid(t)
		got := answered(t, http.StatusCreated, b.move(t, payment.OpRefund, `{"ref": "order-1001", "id": "m-1", "amount": "2.3"}`))
		require.Equal(t, "2.30", got["amount"])
		require.Equal(t, money.New(230, "EUR"), b.records.moves[0].Amount)
	})
	t.Run("more than there is left is accepted: the workflow decides", func(t *testing.T) {
		t.Parallel()
		b := paid(t)
		answered(t, http.StatusCreated, b.move(t, payment.OpRefund, `{"ref": "order-1001", "id": "m-1", "amount": "1000.00"}`))
	})
}

func TestMoveRepeat(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds() {
		t.Run(string(kind)+" once more answers the same with 200 and starts nothing", func(t *testing.T) {
			t.Parallel()
			for _, headers := range [][]string{nil, {"Idempotency-Key", "k"}} {
				b := paid(t)
				first := answered(t, http.StatusCreated, b.move(t, kind, whole, headers...))
				require.Equal(t, first, answered(t, http.StatusOK, b.move(t, kind, whole, headers...)))
				require.Len(t, b.runs.moves, 1)
			}
		})
	}
	t.Run("an id with other content is 409 and the first stays", func(t *testing.T) {
		t.Parallel()
		b := paid(t)
		answered(t, http.StatusCreated, b.move(t, payment.OpRefund, whole))
		p := requireProblem(t, http.StatusConflict, "id", b.move(t, payment.OpRefund, `{"ref": "order-1001", "id": "m-1", "amount": "1.00"}`))
		require.Equal(t, "different_session", p.Code)
		require.Contains(t, p.Message, "another amount")
		require.Len(t, b.records.moves, 1)
	})
	t.Run("an Idempotency-Key with another body or at another endpoint is 409", func(t *testing.T) {
		t.Parallel()
		b := paid(t)
		answered(t, http.StatusCreated, b.move(t, payment.OpRefund, whole, "Idempotency-Key", "k"))
		for kind, body := range map[payment.Operation]string{
			payment.OpRefund: `{"ref": "order-1001", "id": "m-2"}`, payment.OpCapture: whole,
		} {
			p := requireProblem(t, http.StatusConflict, "Idempotency-Key", b.move(t, kind, body, "Idempotency-Key", "k"))
			require.Equal(t, "idempotency_key_reused", p.Code)
		}
		require.Len(t, b.records.moves, 1)
	})
	t.Run("one id may name a capture and a refund", func(t *testing.T) {
		t.Parallel()
		b := paid(t)
		for _, kind := range kinds() {
			answered(t, http.StatusCreated, b.move(t, kind, whole))
		}
		require.Len(t, b.runs.moves, 3)
	})
}

func TestBadMove(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds() {
		for body, field := range map[string]string{
			"": "body", "{": "body", "[]": "body", whole + whole: "body", `{"ref": "order-1001", "id": "m-1", "why": "b"}`: "body",
			"{}": "ref", `{"id": "m-1"}`: "ref", `{"ref": 7, "id": "m-1"}`: "ref", `{"ref": "a\u0000", "id": "m-1"}`: "ref",
			`{"ref": "order-1001"}`: "id", `{"ref": "order-1001", "id": ""}`: "id", `{"ref": "order-1001", "id": 7}`: "id",
			`{"ref": "order-1001", "id": "a\nb"}`: "id", `{"ref": "order-1001", "id": "` + strings.Repeat("x", 101) + `"}`: "id",
		} {
			t.Run(fmt.Sprintf("%s of %.40s is refused by its field", kind, body), func(t *testing.T) {
				t.Parallel()
				b := paid(t)
				p := requireProblem(t, http.StatusBadRequest, field, b.move(t, kind, body))
				require.Equal(t, "invalid_request", p.Code)
				b.requireNoMove(t)
			})
		}
		t.Run(string(kind)+" of a payment that is not the caller's is 404", func(t *testing.T) {
			t.Parallel()
			b := paid(t)
			p := requireProblem(t, http.StatusNotFound, "ref", b.move(t, kind, `{"ref": "order-1002", "id": "m-1"}`))
			require.Equal(t, "unknown_ref", p.Code)
			requireProblem(t, http.StatusNotFound, "ref", b.move(t, kind, whole, "Authorization", "Bearer "+otherKey))
			b.requireNoMove(t)
		})
		t.Run(string(kind)+" without a good key is 401", func(t *testing.T) {
			t.Parallel()
			b := paid(t)
			for _, authorization := range []string{"", "Bearer tfk_unknown"} {
				requireProblem(t, http.StatusUnauthorized, "Authorization", b.move(t, kind, whole, "Authorization", authorization))
			}
			b.requireNoMove(t)
		})
		t.Run(string(kind)+" with a bad Idempotency-Key is refused", func(t *testing.T) {
			t.Parallel()
			b := paid(t)
			requireProblem(t, http.StatusBadRequest, "Idempotency-Key", b.move(t, kind, whole, "Idempotency-Key", strings.Repeat("k", 256)))
			b.requireNoMove(t)
		})
	}
	for amount, message := range map[string]string{
		`"0"`: "is not above zero", `"0.00"`: "is not above zero", `"-1.00"`: "is negative", `"1.001"`: "more digits than EUR allows",
		`"1,00"`: "is not a decimal", `"all"`: "is not a decimal", `1`: "is not a string", `"` + strings.Repeat("9", 40) + `"`: "is too large",
	} {
		t.Run(fmt.Sprintf("an amount of %.20s is refused", amount), func(t *testing.T) {
			t.Parallel()
			for _, kind := range []payment.Operation{payment.OpCapture, payment.OpRefund} {
				b := paid(t)
				p := requireProblem(t, http.StatusBadRequest, "amount", b.move(t, kind, `{"ref": "order-1001", "id": "m-1", "amount": `+amount+`}`))
				require.Contains(t, p.Message, message)
				b.requireNoMove(t)
			}
		})
	}
	t.Run("a void has no amount", func(t *testing.T) {
		t.Parallel()
		b := paid(t)
		p := requireProblem(t, http.StatusBadRequest, "body", b.move(t, payment.OpVoid, `{"ref": "order-1001", "id": "m-1", "amount": "1.00"}`))
		require.Contains(t, p.Message, `"amount"`)
		b.requireNoMove(t)
	})
}

func TestMoveTheRecordRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    *payment.Error
		status int
		field  string
	}{
		"a database that is away is 503": {&payment.Error{Class: payment.Unavailable, Message: "out of reach"}, http.StatusServiceUnavailable, ""},
		"a shop that was switched off is 403": {
			&payment.Error{Class: payment.NotFound, Code: "unknown_shop", Message: "the shop is not installed"}, http.StatusForbidden, "Authorization",
		},
		"a fault of ours is 500": {&payment.Error{Class: payment.Bug, Message: "row"}, http.StatusInternalServerError, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := paid(t)
			b.records.moveErr = tc.err
			requireProblem(t, tc.status, tc.field, b.move(t, payment.OpRefund, whole))
			b.requireNoMove(t)
		})
	}
}

func TestMoves(t *testing.T) {
	t.Parallel()
	t.Run("a payment's requests are listed in order, or those of one id", func(t *testing.T) {
		t.Parallel()
		b := paid(t)
		require.Equal(t, map[string]any{"ref": "order-1001", "moves": []any{}}, answered(t, http.StatusOK, b.moves(t, "?ref=order-1001")))
		capture := answered(t, http.StatusCreated, b.move(t, payment.OpCapture, whole))
		first := answered(t, http.StatusCreated, b.move(t, payment.OpRefund, whole))
		second := answered(t, http.StatusCreated, b.move(t, payment.OpRefund, `{"ref": "order-1001", "id": "m-2", "amount": "1.00"}`))
		require.Equal(t, []any{capture, first, second}, answered(t, http.StatusOK, b.moves(t, "?ref=order-1001"))["moves"])
		require.Equal(t, []any{capture, first}, answered(t, http.StatusOK, b.moves(t, "?ref=order-1001&id=m-1"))["moves"])
		require.Empty(t, answered(t, http.StatusOK, b.moves(t, "?ref=order-1001&id=m-3"))["moves"])
	})
	t.Run("what cannot be read is refused", func(t *testing.T) {
		t.Parallel()
		b := paid(t)
		for _, query := range []string{"", "?ref=", "?ref=a%00"} {
			requireProblem(t, http.StatusBadRequest, "ref", b.moves(t, query))
		}
		requireProblem(t, http.StatusBadRequest, "id", b.moves(t, "?ref=order-1001&id=%ff"))
		requireProblem(t, http.StatusNotFound, "ref", b.moves(t, "?ref=order-1002"))
		requireProblem(t, http.StatusNotFound, "ref", b.moves(t, "?ref=order-1001", "Authorization", "Bearer "+otherKey))
		requireProblem(t, http.StatusUnauthorized, "Authorization", b.moves(t, "?ref=order-1001", "Authorization", ""))
		b.records.moveErr = &payment.Error{Class: payment.Unavailable, Message: "out of reach"}
		requireProblem(t, http.StatusServiceUnavailable, "", b.moves(t, "?ref=order-1001"))
	})
}

func TestMoveStates(t *testing.T) {
	t.Parallel()
	for state, view := range map[string]payment.MoveView{
		"accepted":   {Session: true},
		"waiting":    {Session: true, Waits: true},
		"processing": {Session: true, Claimed: true},
		"pending":    {Session: true, Claimed: true, Final: payment.Resolve, Told: true},
		"done":       {Session: true, Claimed: true, Final: payment.Resolve, Told: true, Done: true, Closed: true},
		"refused":    {Session: true, Final: payment.Reject, Refusal: payment.RefusedTooLarge, Refused: true},
		"failed":     {Session: true, Claimed: true, Final: payment.Resolve, Told: true, Refused: true, Closed: true},
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			b := paid(t)
			b.records.view = view
			got := answered(t, http.StatusCreated, b.move(t, payment.OpRefund, whole))
			require.Equal(t, state, got["state"])
			if view.Final == payment.Undecided {
				require.NotContains(t, got, "final")
			} else {
				require.Equal(t, string(view.Final), got["final"])
			}
			if view.Refusal == payment.NotRefused {
				require.NotContains(t, got, "reason")
			} else {
				require.Equal(t, "too_large", got["reason"])
			}
		})
	}
}
