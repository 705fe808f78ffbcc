package hook_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/shopify/app"
	"tillflow/internal/shopify/hook"
)

func TestFacts(t *testing.T) {
	t.Parallel()
	for topic, tc := range map[app.Topic]struct {
		body, resource string
		facts          map[string]string
	}{
		app.OrdersUpdated: {
			`{"id": 820982911946154508, "admin_graphql_api_id": "gid://shopify/Order/820982911946154508", "email": "canary@example.com",
			"financial_status": "paid", "currency": "EUR", "total_price": "49.90", "test": true, "cancelled_at": null, "updated_at": "2026-11-20T10:00:00+01:00",
			"customer": {"id": 21, "email": "canary@example.com"}, "note": "canary wrote this", "name": "#1001"}`,
			"gid://shopify/Order/820982911946154508",
			map[string]string{"financial_status": "paid", "currency": "EUR", "total_price": "49.90", "test": "true", "updated_at": "2026-11-20T10:00:00+01:00"},
		},
		app.RefundsCreate: {
			`{"id": 7, "order_id": 11, "created_at": "2026-11-20T10:00:00Z", "note": "canary", "user_id": 3, "transactions": [{"id": 1}]}`,
			"gid://shopify/Refund/7",
			map[string]string{"order_id": "11", "created_at": "2026-11-20T10:00:00Z"},
		},
		app.OrderTransactionsCreate: {
			`{"id": 8, "order_id": 11, "kind": "refund", "status": "success", "amount": "1.00", "currency": "EUR", "payment_id": "s-1", "parent_id": 7, "gateway": "canary", "receipt": {"x": 1}}`,
			"gid://shopify/OrderTransaction/8",
			map[string]string{"order_id": "11", "kind": "refund", "status": "success", "amount": "1.00", "currency": "EUR", "payment_id": "s-1", "parent_id": "7"},
		},
		app.DisputesCreate: {
			`{"id": 9, "order_id": 11, "type": "chargeback", "amount": "11.50", "currency": "USD", "reason": "fraudulent", "status": "needs_response"}`,
			"gid://shopify/ShopifyPaymentsDispute/9",
			map[string]string{"order_id": "11", "type": "chargeback", "amount": "11.50", "currency": "USD", "reason": "fraudulent", "status": "needs_response"},
		},
		app.BillingAttemptsFailure: {
			`{"id": 1, "admin_graphql_api_id": "gid://shopify/SubscriptionBillingAttempt/1", "idempotency_key": "sub-42-cycle-7", "order_id": null,
			"subscription_contract_id": 42, "ready": true, "error_message": "canary has no funds", "error_code": "insufficient_funds"}`,
			"gid://shopify/SubscriptionBillingAttempt/1",
			map[string]string{"idempotency_key": "sub-42-cycle-7", "subscription_contract_id": "42", "ready": "true", "error_code": "insufficient_funds"},
		},
		app.BulkOperationsFinish: {
			`{"admin_graphql_api_id": "gid://shopify/BulkOperation/3", "status": "completed", "error_code": null, "type": "query"}`,
			"gid://shopify/BulkOperation/3",
			map[string]string{"status": "completed", "type": "query"},
		},
		app.FulfillmentHoldsAdded: {`{"id": 5, "status": "on_hold"}`, "gid://shopify/FulfillmentOrder/5", map[string]string{"status": "on_hold"}},
		"products/update":         {`{"id": 5, "title": "canary"}`, "", nil},
		app.AppUninstalled:        {`{"id": 1, "myshopify_domain": "acme-dev.myshopify.com", "email": "canary@example.com"}`, "", nil},
		app.AppScopesUpdate:       {`{"previous": ["read_orders"], "current": ["write_orders", "read_products"]}`, "", map[string]string{"scopes": "read_products,write_orders"}},
	} {
		t.Run(string(topic)+" keeps ids, codes, amounts and times", func(t *testing.T) {
			t.Parallel()
			d, err := verify(topic, tc.body)
			require.NoError(t, err)
			require.Equal(t, tc.resource, d.Resource)
			require.Equal(t, tc.facts, d.Facts)
			require.Empty(t, d.Personal)
			require.NotContains(t, fmt.Sprintf("%+v", d), "canary")
		})
	}
	t.Run("what does not look like a code is left out, whatever member it stands in", func(t *testing.T) {
		t.Parallel()
		d, err := verify(app.OrdersPaid, `{"id": "x", "admin_graphql_api_id": "gid://evil/1", "status": "Ada Canary", "currency": "a@b.example", "kind": {"a": 1}, "payment_id": ["x"], "error_code": "é", "amount": -1}`)
		require.NoError(t, err)
		require.Empty(t, d.Facts)
		require.Empty(t, d.Resource)
	})
}

func TestPrivacy(t *testing.T) {
	t.Parallel()
	t.Run("a redaction keeps whom it is about, apart from the facts", func(t *testing.T) {
		t.Parallel()
		d, err := verify(app.CustomersRedact, `{"shop_id": 1, "shop_domain": "acme-dev.myshopify.com",
			"customer": {"id": 21, "email": "canary@example.com", "phone": "555-0100"}, "orders_to_redact": [11, 12]}`)
		require.NoError(t, err)
		require.JSONEq(t, `{"customer_id": "21", "email": "canary@example.com", "phone": "555-0100", "orders": ["11", "12"]}`, string(d.Personal))
		d.Personal = nil
		require.NotContains(t, fmt.Sprintf("%+v", d), "canary")
		require.Empty(t, d.Resource, "an id of a person is a person's")
	})
	t.Run("a data request keeps its number", func(t *testing.T) {
		t.Parallel()
		d, err := verify(app.CustomersDataRequest, `{"shop_domain": "acme-dev.myshopify.com", "orders_requested": [11],
			"customer": {"id": 21, "email": "a@example.com", "phone": null}, "data_request": {"id": 31}}`)
		require.NoError(t, err)
		require.JSONEq(t, `{"customer_id": "21", "email": "a@example.com", "orders": ["11"], "data_request_id": "31"}`, string(d.Personal))
	})
	t.Run("the redaction of a shop needs nothing but the shop", func(t *testing.T) {
		t.Parallel()
		d, err := verify(app.ShopRedact, `{"shop_id": 1, "shop_domain": "acme-dev.myshopify.com"}`)
		require.NoError(t, err)
		require.Empty(t, d.Personal)
	})
	for name, tc := range map[string]struct {
		topic app.Topic
		body  string
	}{
		"a redaction of another shop":                 {app.CustomersRedact, `{"shop_domain": "b.myshopify.com", "customer": {"id": 21}}`},
		"a redaction that names no shop":              {app.CustomersRedact, `{"customer": {"id": 21}}`},
		"a redaction of nobody":                       {app.CustomersRedact, `{"shop_domain": "acme-dev.myshopify.com", "customer": {}}`},
		"a redaction without a customer":              {app.CustomersRedact, `{"shop_domain": "acme-dev.myshopify.com"}`},
		"a redaction with orders that are no list":    {app.CustomersRedact, `{"shop_domain": "acme-dev.myshopify.com", "customer": {"id": 21}, "orders_to_redact": 11}`},
		"a data request without its number":           {app.CustomersDataRequest, `{"shop_domain": "acme-dev.myshopify.com", "customer": {"id": 21}}`},
		"a redaction of another shop as a whole":      {app.ShopRedact, `{"shop_domain": "b.myshopify.com"}`},
		"a person's redaction sent as a whole shop's": {app.ShopRedact, `{"shop_domain": "acme-dev.myshopify.com", "customer": {"id": 21}, "orders_to_redact": []}`},
		"a data request sent as a whole shop's":       {app.ShopRedact, `{"shop_domain": "acme-dev.myshopify.com", "data_request": {"id": 31}}`},
		"an order sent as a whole shop's redaction":   {app.ShopRedact, `{"id": 1}`},
		"another shop's uninstallation":               {app.AppUninstalled, `{"id": 1, "myshopify_domain": "b.myshopify.com"}`},
	} {
		t.Run(name+" is refused although it is signed, because headers are not", func(t *testing.T) {
			t.Parallel()
			_, err := verify(tc.topic, tc.body)
			_, ok := errors.AsType[*hook.FieldError](err)
			require.True(t, ok, "%v", err)
		})
	}
}
