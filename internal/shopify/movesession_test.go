package shopify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/shopify"
)

// resources are the names in gids of the kinds that Shopify asks for.
func resources() map[payment.Operation]string {
	return map[payment.Operation]string{
		payment.OpRefund: "RefundSession", payment.OpCapture: "CaptureSession", payment.OpVoid: "VoidSession",
	}
}

// moveBody is a good request, changed; a nil value removes a member.
func moveBody(t testing.TB, kind payment.Operation, changes map[string]any) []byte {
	t.Helper()
	root := map[string]any{
		"id": "MvExample0001", "gid": "gid://shopify/" + resources()[kind] + "/MvExample0001", "payment_id": "PsExample0001",
		"amount": "10.00", "currency": "EUR", "test": true, "merchant_locale": "en", "proposed_at": "2026-11-20T11:00:00+01:00",
		"added_tomorrow": []string{"by", "Shopify"},
	}
	if kind == payment.OpVoid {
		delete(root, "amount")
		delete(root, "currency")
	}
	for name, value := range changes {
		root[name] = value
		if value == nil {
			delete(root, name)
		}
	}
	body, err := json.Marshal(root)
	require.NoError(t, err)
	return body
}

func TestParseMoveSession(t *testing.T) {
	t.Parallel()
	for kind, resource := range resources() {
		s, err := shopify.ParseMoveSession(kind, sessionHeaders(), moveBody(t, kind, nil))
		require.NoError(t, err)
		want := shopify.MoveSession{
			Kind: kind, ID: "MvExample0001", GID: "gid://shopify/" + resource + "/MvExample0001", PaymentID: "PsExample0001",
			Amount: money.New(1000, "EUR"), Test: true, MerchantLocale: "en", ProposedAt: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
			ShopDomain: "acme-dev.myshopify.com", RequestID: "6c1f0a52-1111-4222-8333-444455556666", APIVersion: "2026-10",
		}
		if kind == payment.OpVoid {
			want.Amount = money.Amount{}
		}
		require.Equal(t, want, s)
	}
	t.Run("a void without its mode is read as live", func(t *testing.T) {
		t.Parallel()
		s, err := shopify.ParseMoveSession(payment.OpVoid, sessionHeaders(), moveBody(t, payment.OpVoid, map[string]any{"test": nil}))
		require.NoError(t, err)
		require.False(t, s.Test)
	})
	t.Run("a zero amount is well formed", func(t *testing.T) {
		t.Parallel()
		s, err := shopify.ParseMoveSession(payment.OpRefund, sessionHeaders(), moveBody(t, payment.OpRefund, map[string]any{"amount": "0.00"}))
		require.NoError(t, err)
		require.Equal(t, money.New(0, "EUR"), s.Amount)
	})
	t.Run("kinds that Shopify does not ask for have no requests", func(t *testing.T) {
		t.Parallel()
		for _, kind := range []payment.Operation{payment.OpCharge, payment.OpReversal, payment.OpDispute} {
			for asked := range resources() {
				_, err := shopify.ParseMoveSession(kind, sessionHeaders(), moveBody(t, asked, map[string]any{"amount": "1.00", "currency": "EUR"}))
				require.EqualError(t, err, "gid is not gid://shopify/NoSession/ followed by the id")
			}
		}
	})
}

func TestMoveMembersThatAreRequired(t *testing.T) {
	t.Parallel()
	for kind := range resources() {
		names := []string{"id", "gid", "payment_id", "merchant_locale", "proposed_at"}
		if kind != payment.OpVoid {
			names = append(names, "amount", "currency", "test")
		}
		for _, name := range names {
			for form, value := range map[string]any{"missing": nil, "null": json.RawMessage("null")} {
				_, err := shopify.ParseMoveSession(kind, sessionHeaders(), moveBody(t, kind, map[string]any{name: value}))
				require.Equal(t, &shopify.FieldError{Field: name, Reason: "is missing"}, err, "%s of %s", form, kind)
			}
		}
	}
}

func FuzzParseMoveSession(f *testing.F) {
	kinds := []payment.Operation{payment.OpRefund, payment.OpCapture, payment.OpVoid}
	for i, kind := range kinds {
		f.Add(uint8(i), "acme-dev.myshopify.com", moveBody(f, kind, nil))
		f.Add(uint8(i), "acme-dev.myshopify.com", moveBody(f, kind, map[string]any{"amount": json.RawMessage("12.5"), "test": nil}))
		f.Add(uint8(i), "evil.example", []byte(fmt.Sprintf(`{"id":"a","gid":"gid://shopify/%s/a"}`, resources()[kind])))
	}
	f.Fuzz(func(t *testing.T, which uint8, domain string, body []byte) {
		kind := kinds[int(which)%len(kinds)]
		s, err := shopify.ParseMoveSession(kind, http.Header{"Shopify-Shop-Domain": {domain}}, body)
		if err != nil {
			field, ok := errors.AsType[*shopify.FieldError](err)
			require.True(t, ok)
			require.NotEmpty(t, field.Field)
			require.NotEmpty(t, field.Reason)
			require.Equal(t, shopify.MoveSession{}, s)
			return
		}
		require.True(t, shopify.ValidShopDomain(s.ShopDomain))
		require.Equal(t, "gid://shopify/"+resources()[kind]+"/"+s.ID, s.GID)
		require.GreaterOrEqual(t, s.Amount.Minor, int64(0))
		require.Equal(t, kind == payment.OpVoid, s.Amount == money.Amount{})
		for _, key := range []string{s.ID, s.PaymentID, s.MerchantLocale} {
			require.NotRegexp(t, `[^!-~]`, key)
			require.NotEmpty(t, key)
		}
	})
}
