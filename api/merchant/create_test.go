package merchant_test

import (
	"crypto/sha256"
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	t.Run("a payment becomes one row, one start and a link", func(t *testing.T) {
		t.Parallel()
		b := setup()
		got := answered(t, http.StatusCreated, b.create(t, example, "Idempotency-Key", "order-1001-1"))
		row := b.records.rows["acmeorder-1001"]
		require.NoError(t, uuid.Validate(row.ID))
		require.GreaterOrEqual(t, len(row.Token), 26, "128 bits in base32")
		require.Equal(t, map[string]any{
			"id": row.ID, "ref": "order-1001", "url": "https://pay.example.com/pay/" + row.Token, "state": "created",
			"amount": "12.30", "currency": "EUR", "kind": "authorization", "test": true,
			"created_at": "2026-11-20T12:00:00Z", "deadline_at": "2026-11-22T12:00:00Z",
		}, got)
		sum := sha256.Sum256([]byte(example))
		require.JSONEq(t, `{"email": "`+buyerMail+`", "name": "`+buyerName+`"}`, string(row.Buyer))
		want := payment.Session{
			ID: row.ID, Token: row.Token, Buyer: row.Buyer, Source: payment.SourceAPI, Shop: "acme", ExternalID: "order-1001",
			Kind: payment.Authorization, Amount: money.New(1230, "EUR"), Test: true, CancelURL: "https://shop.example/cart",
			ReturnURL: "https://shop.example/thanks", Locale: "de-AT", Description: "Order 1001", Providers: []string{"psp-for-authorization"},
			BuyerKey: buyerMail, IdempotencyKey: "order-1001-1", RequestHash: sum[:], ReceivedAt: noon, DeadlineAt: noon.Add(48 * time.Hour),
		}
		require.Equal(t, want, row)
		require.Equal(t, []payment.RunRef{{
			PaymentID: row.ID, Source: payment.SourceAPI, Shop: "acme", ExternalID: "order-1001", Kind: payment.Authorization,
			Amount: row.Amount, Test: true, ReceivedAt: noon,
		}}, b.runs.soon)
		for _, hidden := range []string{buyerMail, buyerName, key} {
			require.NotContains(t, b.log.String(), hidden)
		}
	})
	t.Run("what may be left out has a default", func(t *testing.T) {
		t.Parallel()
		b := setup()
		answered(t, http.StatusCreated, b.create(t, `{"ref": "a", "amount": "5", "currency": "JPY", "customer": null}`))
		row := b.records.rows["acmea"]
		require.Equal(t, payment.Sale, row.Kind)
		require.Equal(t, money.New(5, "JPY"), row.Amount)
		require.False(t, row.Test)
		require.Empty(t, row.Buyer, "null is nobody")
		require.Empty(t, row.BuyerKey)
	})
	t.Run("a person without a mail address is known by phone", func(t *testing.T) {
		t.Parallel()
		b := setup()
		body := with(t, map[string]any{"customer": map[string]any{"email": nil, "phone_number": "+4930"}})
		answered(t, http.StatusCreated, b.create(t, body))
		require.Equal(t, "+4930", b.records.rows["acmeorder-1001"].BuyerKey)
	})
}

func TestRepeat(t *testing.T) {
	t.Parallel()
	t.Run("the same request answers the same payment with 200 and starts nothing", func(t *testing.T) {
		t.Parallel()
		for _, headers := range [][]string{nil, {"Idempotency-Key", "k"}} {
			b := setup()
			first := answered(t, http.StatusCreated, b.create(t, example, headers...))
			require.Equal(t, first, answered(t, http.StatusOK, b.create(t, example, headers...)))
			require.Len(t, b.runs.soon, 1)
		}
	})
	t.Run("an Idempotency-Key with another body is 409", func(t *testing.T) {
		t.Parallel()
		b := setup()
		answered(t, http.StatusCreated, b.create(t, example, "Idempotency-Key", "k"))
		for _, body := range []string{with(t, map[string]any{"ref": "order-1002"}), with(t, map[string]any{"description": "another"})} {
			p := requireProblem(t, http.StatusConflict, "Idempotency-Key", b.create(t, body, "Idempotency-Key", "k"))
			require.Equal(t, "idempotency_key_reused", p.Code)
		}
		require.Len(t, b.records.rows, 1)
	})
	t.Run("a ref with other content is 409 and the first stays", func(t *testing.T) {
		t.Parallel()
		b := setup()
		first := answered(t, http.StatusCreated, b.create(t, example))
		p := requireProblem(t, http.StatusConflict, "ref", b.create(t, with(t, map[string]any{"amount": "12.31"})))
		require.Equal(t, "different_session", p.Code)
		require.Contains(t, p.Message, "another amount")
		require.Equal(t, first, answered(t, http.StatusOK, b.read(t, "?ref=order-1001")))
		require.Len(t, b.runs.soon, 1)
	})
	t.Run("the ref of another shop is another payment", func(t *testing.T) {
		t.Parallel()
		b := setup()
		mine := answered(t, http.StatusCreated, b.create(t, example))
		theirs := answered(t, http.StatusCreated, b.create(t, example, "Authorization", "Bearer "+otherKey))
		require.NotEqual(t, mine["id"], theirs["id"])
	})
}

func TestKey(t *testing.T) {
	t.Parallel()
	routes := map[string]func(*bench, *testing.T, string) int{
		"create": func(b *bench, t *testing.T, authorization string) int {
			rec := b.create(t, example, "Authorization", authorization)
			requireProblem(t, http.StatusUnauthorized, "Authorization", rec)
			return rec.Code
		},
		"read": func(b *bench, t *testing.T, authorization string) int {
			rec := b.read(t, "?ref=order-1001", "Authorization", authorization)
			requireProblem(t, http.StatusUnauthorized, "Authorization", rec)
			return rec.Code
		},
		"expire": func(b *bench, t *testing.T, authorization string) int {
			rec := b.expire(t, `{"ref": "order-1001"}`, "Authorization", authorization)
			requireProblem(t, http.StatusUnauthorized, "Authorization", rec)
			return rec.Code
		},
	}
	for _, route := range slices.Sorted(maps.Keys(routes)) {
		for name, authorization := range map[string]string{
			"no key": "", "an empty key": "Bearer ", "another scheme": "Basic " + key, "the bare key": key,
			"an unknown key": "Bearer tfk_unknown",
		} {
			t.Run(route+" with "+name+" is 401", func(t *testing.T) {
				t.Parallel()
				b := setup()
				require.Equal(t, http.StatusUnauthorized, routes[route](b, t, authorization))
				b.requireNothing(t)
			})
		}
	}
	t.Run("a revoked key is 401, and the answer does not tell it from an unknown one", func(t *testing.T) {
		t.Parallel()
		b := setup()
		unknown := requireProblem(t, http.StatusUnauthorized, "Authorization", b.create(t, example, "Authorization", "Bearer tfk_unknown"))
		for _, class := range []payment.Class{payment.Unauthorized, payment.NotFound} {
			b.records.keyErr = &payment.Error{Class: class, Code: "api_key", Message: "revoked yesterday"}
			p := requireProblem(t, http.StatusUnauthorized, "Authorization", b.create(t, example))
			p.RequestID = unknown.RequestID
			require.Equal(t, unknown, p)
		}
	})
	t.Run("a key that cannot be looked up is 503, not 401", func(t *testing.T) {
		t.Parallel()
		b := setup()
		b.records.keyErr = &payment.Error{Class: payment.Unavailable, Message: "out of reach"}
		rec := b.create(t, example)
		requireProblem(t, http.StatusServiceUnavailable, "", rec)
		require.NotEmpty(t, rec.Header().Get("Retry-After"))
		b.requireNothing(t)
	})
}

func TestRecordRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    *payment.Error
		status int
		field  string
	}{
		"a shop switched off meanwhile is 403": {
			&payment.Error{Class: payment.NotFound, Code: "unknown_shop", Message: "the shop is not installed"}, http.StatusForbidden, "Authorization",
		},
		"a shop without an account for it is 422": {
			&payment.Error{Class: payment.Invalid, Code: "no_account", Message: "no account of the shop serves a sale in this mode"}, http.StatusUnprocessableEntity, "",
		},
		"a database that is away is 503": {
			&payment.Error{Class: payment.Unavailable, Code: "away", Message: "out of reach"}, http.StatusServiceUnavailable, "",
		},
		"a fault of ours is 500": {
			&payment.Error{Class: payment.Bug, Code: "23514", Message: "of a row"}, http.StatusInternalServerError, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup()
			b.records.err = tc.err
			rec := b.create(t, example)
			require.Equal(t, tc.err.Code, requireProblem(t, tc.status, tc.field, rec).Code)
			require.Equal(t, tc.status == http.StatusServiceUnavailable, rec.Header().Get("Retry-After") != "")
			b.requireNothing(t)

			b.records.err = nil
			answered(t, http.StatusCreated, b.create(t, example))
		})
	}
	t.Run("a database that hangs is 503 before the server cuts the connection", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := setup()
			b.records.hang = true
			start := time.Now()
			requireProblem(t, http.StatusServiceUnavailable, "", b.create(t, example))
			require.Less(t, time.Since(start), 15*time.Second)
			b.requireNothing(t)
		})
	})
}
