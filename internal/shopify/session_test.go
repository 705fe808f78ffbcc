package shopify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/payment"
	"tillflow/internal/shopify"
)

func sessionHeaders() http.Header {
	h := http.Header{}
	h.Set("Shopify-Shop-Domain", "acme-dev.myshopify.com")
	h.Set("Shopify-Request-Id", "6c1f0a52-1111-4222-8333-444455556666")
	h.Set("Shopify-Api-Version", "2026-10")
	return h
}

const sessionBody = `{
	"id": "PsExample0001",
	"gid": "gid://shopify/PaymentSession/PsExample0001",
	"group": "Z3JvdXAtMDE+/w==",
	"session_id": "c2Vzc2lvbi0wMQ==",
	"amount": "49.90",
	"currency": "EUR",
	"test": true,
	"merchant_locale": "en",
	"payment_method": {"type": "offsite", "data": {"cancel_url": "https://acme-dev.myshopify.com/checkouts/abc"}},
	"proposed_at": "2026-11-20T11:00:00+01:00",
	"customer": {
		"email": "buyer@example.com", "phone_number": null, "locale": "de",
		"billing_address": {"given_name": "Ada", "line2": "", "province": null, "country_code": "DE"}
	},
	"kind": "sale",
	"added_tomorrow": {"by": ["Shopify"]}
}`

// with returns the example's body with members replaced; a nil value removes one. Keys are paths.
func with(t testing.TB, changes map[string]any) []byte {
	t.Helper()
	var root map[string]any
	require.NoError(t, json.Unmarshal([]byte(sessionBody), &root))
	for path, value := range changes {
		o := root
		parts := strings.Split(path, ".")
		for _, part := range parts[:len(parts)-1] {
			inner, ok := o[part].(map[string]any)
			require.True(t, ok, path)
			o = inner
		}
		if value == nil {
			delete(o, parts[len(parts)-1])
			continue
		}
		o[parts[len(parts)-1]] = value
	}
	body, err := json.Marshal(root)
	require.NoError(t, err)
	return body
}

func TestParsePaymentSession(t *testing.T) {
	t.Parallel()
	s, err := shopify.ParsePaymentSession(sessionHeaders(), []byte(sessionBody))
	require.NoError(t, err)
	customer := s.Customer
	s.Customer = shopify.Customer{}
	require.Equal(t, shopify.PaymentSession{
		ID: "PsExample0001", GID: "gid://shopify/PaymentSession/PsExample0001",
		Group: "Z3JvdXAtMDE+/w==", SessionID: "c2Vzc2lvbi0wMQ==",
		Amount: money.New(4990, "EUR"), Kind: payment.Sale, Test: true, MerchantLocale: "en",
		CancelURL:  "https://acme-dev.myshopify.com/checkouts/abc",
		ProposedAt: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
		ShopDomain: "acme-dev.myshopify.com", RequestID: "6c1f0a52-1111-4222-8333-444455556666", APIVersion: "2026-10",
	}, s)
	require.Equal(t, "buyer@example.com", customer.Email)
	require.Empty(t, customer.Phone)
	require.Equal(t, "de", customer.Locale)
	require.Contains(t, string(customer.Raw), `"Ada"`, "addresses are kept in the raw object")
}

func TestAcceptedVariants(t *testing.T) {
	t.Parallel()
	null := json.RawMessage("null")
	for name, tc := range map[string]struct {
		changes map[string]any
		want    func(t *testing.T, s shopify.PaymentSession)
	}{
		"authorization": {map[string]any{"kind": "authorization"}, func(t *testing.T, s shopify.PaymentSession) {
			require.Equal(t, payment.Authorization, s.Kind)
		}},
		"test false is not missing": {map[string]any{"test": false}, func(t *testing.T, s shopify.PaymentSession) {
			require.False(t, s.Test)
		}},
		"amount as a JSON number keeps every digit": {map[string]any{"amount": json.RawMessage("90071992547409.93")}, func(t *testing.T, s shopify.PaymentSession) {
			require.Equal(t, money.New(9007199254740993, "EUR"), s.Amount)
		}},
		"trailing zeros of a currency without digits": {map[string]any{"amount": "1000.00", "currency": "JPY"}, func(t *testing.T, s shopify.PaymentSession) {
			require.Equal(t, money.New(1000, "JPY"), s.Amount)
		}},
		"three digits where the currency has them": {map[string]any{"amount": "1.234", "currency": "KWD"}, func(t *testing.T, s shopify.PaymentSession) {
			require.Equal(t, money.New(1234, "KWD"), s.Amount)
		}},
		"no customer": {map[string]any{"customer": nil}, func(t *testing.T, s shopify.PaymentSession) {
			require.Equal(t, shopify.Customer{}, s.Customer)
		}},
		"customer null": {map[string]any{"customer": null}, func(t *testing.T, s shopify.PaymentSession) {
			require.Nil(t, s.Customer.Raw)
		}},
		"no session id, as before 2024-10": {map[string]any{"session_id": nil}, func(t *testing.T, s shopify.PaymentSession) {
			require.Empty(t, s.SessionID)
		}},
		"cancel_url at the top level, as in old versions": {
			map[string]any{"payment_method.data.cancel_url": nil, "cancel_url": "http://127.0.0.1:8080/cart"},
			func(t *testing.T, s shopify.PaymentSession) {
				require.Equal(t, "http://127.0.0.1:8080/cart", s.CancelURL)
			},
		},
		"the nested cancel_url comes first": {map[string]any{"cancel_url": "https://other.example/"}, func(t *testing.T, s shopify.PaymentSession) {
			require.Equal(t, "https://acme-dev.myshopify.com/checkouts/abc", s.CancelURL)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := shopify.ParsePaymentSession(sessionHeaders(), with(t, tc.changes))
			require.NoError(t, err)
			tc.want(t, s)
		})
	}
}

func TestRefusedMembersAreNamed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 101)
	for name, tc := range map[string]struct {
		changes       map[string]any
		field, reason string
	}{
		"empty id":                      {map[string]any{"id": ""}, "id", "is empty"},
		"id as number":                  {map[string]any{"id": 7}, "id", "is not a string"},
		"long id":                       {map[string]any{"id": long}, "id", "is longer than 100 bytes"},
		"id with a line break":          {map[string]any{"id": "a\nb"}, "id", "holds a character that is not allowed"},
		"id with a slash":               {map[string]any{"id": "a/b", "gid": "gid://shopify/PaymentSession/a/b"}, "id", "holds a slash, which separates the parts of a gid"},
		"gid of another id":             {map[string]any{"gid": "gid://shopify/PaymentSession/other"}, "gid", "is not gid://shopify/PaymentSession/ followed by the id"},
		"gid of another kind":           {map[string]any{"gid": "gid://shopify/RefundSession/PsExample0001"}, "gid", "is not gid://shopify/PaymentSession/ followed by the id"},
		"session id as object":          {map[string]any{"session_id": map[string]any{}}, "session_id", "is not a string"},
		"amount not a decimal":          {map[string]any{"amount": "12,30"}, "amount", "is not a decimal number"},
		"amount with an exponent":       {map[string]any{"amount": json.RawMessage("1e3")}, "amount", "is not a decimal number"},
		"amount as object":              {map[string]any{"amount": map[string]any{"minor": 1}}, "amount", "is not a decimal string"},
		"empty amount":                  {map[string]any{"amount": ""}, "amount", "is empty"},
		"negative amount":               {map[string]any{"amount": "-1.00"}, "amount", "is negative"},
		"zero amount":                   {map[string]any{"amount": "0.00"}, "amount", "is not above zero"},
		"too many digits":               {map[string]any{"amount": "1.005"}, "amount", "has more digits than EUR allows"},
		"digits in a currency without":  {map[string]any{"amount": "1000.50", "currency": "JPY"}, "amount", "has more digits than JPY allows"},
		"amount beyond 64 bits":         {map[string]any{"amount": "92233720368547758.08"}, "amount", "is too large"},
		"unknown currency":              {map[string]any{"currency": "XQQ"}, "currency", "is not a known currency"},
		"currency in lower case":        {map[string]any{"currency": "eur"}, "currency", "is not a known currency"},
		"long currency":                 {map[string]any{"currency": "EURO"}, "currency", "is longer than 3 bytes"},
		"unknown kind":                  {map[string]any{"kind": "donation"}, "kind", "is neither sale nor authorization"},
		"test as text":                  {map[string]any{"test": "true"}, "test", "is not true or false"},
		"locale with a space":           {map[string]any{"merchant_locale": "en US"}, "merchant_locale", "holds a character that is not allowed"},
		"proposed_at not a time":        {map[string]any{"proposed_at": "yesterday"}, "proposed_at", "is not an ISO 8601 time"},
		"payment method as text":        {map[string]any{"payment_method": "offsite"}, "payment_method", "is not an object"},
		"payment method of another way": {map[string]any{"payment_method.type": "credit_card"}, "payment_method.type", "is not offsite, the only type this app serves"},
		"payment method without data":   {map[string]any{"payment_method.data": nil}, "payment_method.data", "is missing"},
		"cancel_url missing":            {map[string]any{"payment_method.data.cancel_url": nil}, "payment_method.data.cancel_url", "is missing"},
		"cancel_url relative":           {map[string]any{"payment_method.data.cancel_url": "/cart"}, "payment_method.data.cancel_url", "is not an http or https address"},
		"cancel_url as script":          {map[string]any{"payment_method.data.cancel_url": "javascript:alert(1)"}, "payment_method.data.cancel_url", "is not an http or https address"},
		"cancel_url without host":       {map[string]any{"payment_method.data.cancel_url": "https:///cart"}, "payment_method.data.cancel_url", "has no host"},
		"cancel_url with credentials":   {map[string]any{"payment_method.data.cancel_url": "https://a:b@evil.example/"}, "payment_method.data.cancel_url", "holds credentials"},
		"cancel_url with a line break":  {map[string]any{"payment_method.data.cancel_url": "https://a.example/\r\nX: y"}, "payment_method.data.cancel_url", "is not a web address"},
		"old cancel_url relative":       {map[string]any{"payment_method.data.cancel_url": nil, "cancel_url": "cart"}, "cancel_url", "is not an http or https address"},
		"customer as text":              {map[string]any{"customer": "Ada"}, "customer", "is not an object"},
		"email as number":               {map[string]any{"customer.email": 5}, "customer.email", "is not a string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := shopify.ParsePaymentSession(sessionHeaders(), with(t, tc.changes))
			require.Equal(t, &shopify.FieldError{Field: tc.field, Reason: tc.reason}, err)
		})
	}
}

func TestRequiredMembers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"id", "gid", "group", "amount", "currency", "test", "merchant_locale", "payment_method", "proposed_at", "kind",
	} {
		for form, value := range map[string]any{"missing": nil, "null": json.RawMessage("null")} {
			_, err := shopify.ParsePaymentSession(sessionHeaders(), with(t, map[string]any{name: value}))
			require.Equal(t, &shopify.FieldError{Field: name, Reason: "is missing"}, err, form)
		}
	}
	_, err := shopify.ParsePaymentSession(sessionHeaders(), with(t, map[string]any{"id": nil, "ID": "PsExample0001"}))
	require.EqualError(t, err, "id is missing", "names match exactly")
}

func TestRefusedBodiesAndHeaders(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"is not a JSON object":         `{"id": `,
		"is null":                      `null`,
		"is larger than 65536 bytes":   `{"id": "` + strings.Repeat("x", shopify.MaxSessionBody) + `"}`,
		"is not a JSON object (array)": `[]`,
		"is not a JSON object (two)":   sessionBody + sessionBody,
		"is not a JSON object (empty)": ``,
	} {
		_, err := shopify.ParsePaymentSession(sessionHeaders(), []byte(body))
		reason, _, _ := strings.Cut(name, " (")
		require.Equal(t, &shopify.FieldError{Field: "body", Reason: reason}, err, name)
	}
	for _, domain := range []string{
		"", "acme.example", "myshopify.com", ".myshopify.com", "a.b.myshopify.com", "acme.myshopify.com.evil.example",
		"acme.myshopify.com/", "acme.myshopify.com:443", "-acme.myshopify.com", "acme.myshopify.com\n", "u@acme.myshopify.com",
	} {
		h := maps.Clone(sessionHeaders())
		h["Shopify-Shop-Domain"] = []string{domain}
		_, err := shopify.ParsePaymentSession(h, []byte(sessionBody))
		field, ok := errors.AsType[*shopify.FieldError](err)
		require.True(t, ok, domain)
		require.Equal(t, "Shopify-Shop-Domain", field.Field)
	}
	h := sessionHeaders()
	h.Set("Shopify-Shop-Domain", "Acme-Dev.myshopify.com")
	s, err := shopify.ParsePaymentSession(h, []byte(sessionBody))
	require.NoError(t, err)
	require.Equal(t, "acme-dev.myshopify.com", s.ShopDomain, "domains do not know case")
}

func TestPersonalDataDoesNotPrint(t *testing.T) {
	t.Parallel()
	s, err := shopify.ParsePaymentSession(sessionHeaders(), []byte(sessionBody))
	require.NoError(t, err)
	encoded, err := json.Marshal(s)
	require.NoError(t, err)
	customer, err := json.Marshal(s.Customer)
	require.NoError(t, err)
	for _, text := range []string{
		fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%v", &s), string(encoded), string(customer),
	} {
		require.NotContains(t, text, "buyer@example.com")
		require.NotContains(t, text, "Ada")
	}
	_, err = shopify.ParsePaymentSession(sessionHeaders(), with(t, map[string]any{"kind": "buyer@example.com"}))
	require.NotContains(t, err.Error(), "buyer@example.com", "errors do not repeat what was sent")
}

func FuzzParsePaymentSession(f *testing.F) {
	f.Add("acme-dev.myshopify.com", []byte(sessionBody))
	f.Add("acme-dev.myshopify.com", with(f, map[string]any{"amount": json.RawMessage("12.5"), "customer": nil}))
	f.Add("acme-dev.myshopify.com", with(f, map[string]any{"currency": "JPY", "kind": "authorization"}))
	f.Add("evil.example", []byte(`{"id":"a","gid":"gid://shopify/PaymentSession/a","payment_method":[]}`))
	f.Add("", []byte(`null`))
	f.Fuzz(func(t *testing.T, domain string, body []byte) {
		h := http.Header{"Shopify-Shop-Domain": {domain}, "Shopify-Request-Id": {domain}}
		s, err := shopify.ParsePaymentSession(h, body)
		if err != nil {
			field, ok := errors.AsType[*shopify.FieldError](err)
			require.True(t, ok)
			require.NotEmpty(t, field.Field)
			require.NotEmpty(t, field.Reason)
			require.Equal(t, shopify.PaymentSession{}, s)
			return
		}
		require.True(t, shopify.ValidShopDomain(s.ShopDomain))
		require.Equal(t, "gid://shopify/PaymentSession/"+s.ID, s.GID)
		require.LessOrEqual(t, len(s.ID), 100)
		require.True(t, s.Amount.IsPositive())
		require.Contains(t, []payment.Kind{payment.Sale, payment.Authorization}, s.Kind)
		require.Regexp(t, `^(?i:https?)://[^\s]`, s.CancelURL)
		for _, key := range []string{s.ID, s.Group, s.SessionID, s.MerchantLocale} {
			require.NotRegexp(t, `[^!-~]`, key)
		}
	})
}
