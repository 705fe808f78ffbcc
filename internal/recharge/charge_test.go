package recharge_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/money"
	"tillflow/internal/recharge"
)

// read gives the client one charge as its only answer.
func read(t *testing.T, charge string) recharge.Charge {
	t.Helper()
	client, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"charge":`+charge+`}`) })
	c, err := client.Charge(t.Context(), 990001)
	require.NoError(t, err)
	return c
}

// vector is a failed charge that Recharge has given up, with a time without a zone.
const vector = `{"id":990001,"status":"error","type":"recurring","error":"Card expired","error_type":"CLOSED_MAX_RETRIES_REACHED",` +
	`"retry_date":null,"charge_attempts":8,"customer":{"id":7,"email":"a@example.com","external_customer_id":{"ecommerce":"501"}},` +
	`"total_price":"24.99","currency":"USD","updated_at":"2026-10-06T12:00:00"}`

func TestCharge(t *testing.T) {
	t.Parallel()
	t.Run("a charge that is given up is the customer's to mend", func(t *testing.T) {
		t.Parallel()
		c := read(t, vector)
		require.Empty(t, c.Oddities)
		require.True(t, c.Exhausted())
		require.Equal(t, recharge.Declined, c.Category())
		require.Equal(t, recharge.ToCustomer, c.Category().Audience())
		require.Equal(t, money.New(2499, "USD"), c.Total)
		require.Equal(t, recharge.CustomerRef{ID: 7, Email: "a@example.com", ShopifyID: "501"}, c.Customer)
		require.Equal(t, time.Date(2026, 10, 6, 12, 0, 0, 0, time.UTC), c.UpdatedAt)
		require.Equal(t, int64(8), c.Attempts)
		require.True(t, c.RetryAt.IsZero())
	})
	t.Run("everything that is sent is kept", func(t *testing.T) {
		t.Parallel()
		c := read(t, `{"id":990001,"address_id":3,"status":"SUCCESS","type":"recurring","error":null,"error_type":null,
			"charge_attempts":2,"retry_date":"2026-10-08","scheduled_at":"2026-10-06T00:00:00+02:00","processed_at":"2026-10-06T01:02:03.5Z",
			"external_order_id":{"ecommerce":"4401"},"external_transaction_id":{"payment_processor":77},"payment_processor":"stripe",
			"subtotal_price":"20.00","total_price":"24.99","total_tax":4.99,"total_discounts":"0.00","total_refunds":null,"currency":"EUR",
			"line_items":[{"purchase_item_id":5,"purchase_item_type":"subscription","external_product_id":{"ecommerce":"801"},
			"external_variant_id":{"ecommerce":"901"},"quantity":2,"unit_price":"10.00","total_price":"20.00","title":"Box","sku":"B"}],
			"orders_count":1,"has_uncommitted_changes":true,"tags":"Subscription, Recurring,","note":"leave at the door"}`)
		require.Empty(t, c.Oddities)
		require.Equal(t, recharge.StatusSuccess, c.Status)
		require.True(t, c.Status.Paid())
		require.Equal(t, time.Date(2026, 10, 8, 0, 0, 0, 0, time.UTC), c.RetryAt)
		require.Equal(t, time.Date(2026, 10, 5, 22, 0, 0, 0, time.UTC), c.ScheduledAt)
		require.Equal(t, time.Date(2026, 10, 6, 1, 2, 3, 500_000_000, time.UTC), c.ProcessedAt)
		require.Equal(t, []string{"4401", "77", "stripe"}, []string{c.ShopifyOrderID, c.TransactionID, c.Processor})
		require.Equal(t, money.New(499, "EUR"), c.Tax)
		require.Equal(t, []recharge.Line{{
			PurchaseItemID: 5, PurchaseItemType: "subscription", ProductID: "801", VariantID: "901", Title: "Box", SKU: "B", Quantity: 2,
			UnitPrice: money.New(1000, "EUR"), Total: money.New(2000, "EUR"),
		}}, c.Lines)
		require.Equal(t, []string{"Subscription", "Recurring"}, c.Tags)
		require.Equal(t, "leave at the door", c.Note)
		require.True(t, c.Uncommitted)
	})
	t.Run("the older version is read too", func(t *testing.T) {
		t.Parallel()
		c := read(t, `{"id":990001,"status":"ERROR","error_type":"card_expired","number_times_tried":3,"customer_id":7,"email":"a@example.com",
			"shopify_order_id":"4401","transaction_id":"ch_1","processor_name":"stripe","total_price":"1","currency":"USD"}`)
		require.Empty(t, c.Oddities)
		require.Equal(t, recharge.StatusError, c.Status)
		require.Equal(t, "CARD_EXPIRED", c.ErrorType)
		require.Equal(t, int64(3), c.Attempts)
		require.Equal(t, recharge.CustomerRef{ID: 7, Email: "a@example.com"}, c.Customer)
		require.Equal(t, []string{"4401", "ch_1", "stripe"}, []string{c.ShopifyOrderID, c.TransactionID, c.Processor})
	})
	t.Run("money is exact in every currency", func(t *testing.T) {
		t.Parallel()
		for text, want := range map[string]money.Amount{
			`"total_price":"1000.00","currency":"JPY"`:           money.New(1000, "JPY"),
			`"total_price":"1.005","currency":"KWD"`:             money.New(1005, "KWD"),
			`"total_price":"0.10","currency":"USD"`:              money.New(10, "USD"),
			`"total_price":0.1,"currency":"USD"`:                 money.New(10, "USD"),
			`"total_price":"90071992547409.93","currency":"USD"`: money.New(9007199254740993, "USD"),
		} {
			c := read(t, `{"id":990001,"status":"error",`+text+`}`)
			require.Empty(t, c.Oddities, text)
			require.Equal(t, want, c.Total)
		}
	})
	t.Run("what does not fit is told and costs nothing else", func(t *testing.T) {
		t.Parallel()
		for field, value := range map[string]string{
			"status":              `"eaten"`,
			"error_type":          `"DOG_ATE_IT"`,
			"total_price":         `"24.999"`,
			"subtotal_price":      `"1e3"`,
			"total_tax":           `"-1.00"`,
			"total_discounts":     `{}`,
			"currency":            `"usd"`,
			"updated_at":          `"yesterday"`,
			"retry_date":          `[]`,
			"charge_attempts":     `1.5`,
			"external_order_id":   `"4401"`,
			"line_items":          `{}`,
			"note":                `{"text":"x"}`,
			"customer":            `{"id":"seven"}`,
			"address_id":          `99999999999999999999`,
			"external_customer_x": `null`,
		} {
			base := map[string]string{
				"id": "990001", "status": `"error"`, "error_type": `"CARD_EXPIRED"`, "total_price": `"1.00"`, "currency": `"USD"`,
			}
			base[field] = value
			text := ""
			for name, v := range base {
				text += fmt.Sprintf(",%q:%s", name, v)
			}
			c := read(t, "{"+text[1:]+"}")
			require.Equal(t, int64(990001), c.ID)
			if field == "external_customer_x" {
				require.Empty(t, c.Oddities, "an unknown member is none of ours")
				continue
			}
			require.NotEmpty(t, c.Oddities, field)
		}
		c := read(t, `{"id":990001,"status":"eaten","total_price":"24.999","currency":"USD"}`)
		require.Equal(t, recharge.Status("eaten"), c.Status)
		require.False(t, c.Status.Known())
		require.False(t, c.Status.Paid())
		require.Equal(t, money.Amount{}, c.Total, "no guess")
		require.Equal(t, []recharge.Oddity{
			{Field: "status", Value: "eaten", Reason: "not a known status"},
			{Field: "total_price", Value: "24.999", Reason: money.ErrTooPrecise.Error()},
		}, c.Oddities)
	})
	t.Run("a row that is no charge is kept beside the others", func(t *testing.T) {
		t.Parallel()
		client, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"charges":[7,{"status":"error"},{"id":"x"},`+vector+`],"next_cursor":null}`)
		})
		page, err := client.Charges(t.Context(), recharge.ListQuery{})
		require.NoError(t, err)
		require.Len(t, page.Charges, 1)
		require.Len(t, page.Unreadable, 3)
		require.Equal(t, 4, page.Rows())
		require.JSONEq(t, `{"status":"error"}`, string(page.Unreadable[1].Raw))
		require.Len(t, page.Unreadable[1].Sum, 64)
	})
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 10, 6, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-10-06T12:00:00":       noon,
		"2026-10-06T12:00:00Z":      noon,
		"2026-10-06T12:00:00+00:00": noon,
		"2026-10-06T08:00:00-04:00": noon,
		"2026-10-06T08:00:00-0400":  noon,
		"2026-10-06T12:00:00.250":   noon.Add(250 * time.Millisecond),
		"2026-10-06T12:00:00.25Z":   noon.Add(250 * time.Millisecond),
		"2026-10-06 12:00:00":       noon,
		"2026-10-06T12:00":          noon,
		" 2026-10-06T12:00:00 ":     noon,
		"2026-10-06":                noon.Add(-12 * time.Hour),
		"2024-02-29T23:59:59+14:00": time.Date(2024, 2, 29, 9, 59, 59, 0, time.UTC),
	} {
		got, err := recharge.ParseTime(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "now", "2026-02-30", "1791288000", "2026-10-06T25:00:00", "06/10/2026"} {
		_, err := recharge.ParseTime(text)
		require.Error(t, err, text)
	}
}

func FuzzReadDelivery(f *testing.F) {
	f.Add([]byte(`{"charge":` + vector + `}`))
	f.Add([]byte(`{"charge":{"id":1,"line_items":[null,7,{}],"customer":[],"external_order_id":{"ecommerce":{}}}}`))
	f.Add([]byte(`{"customer":{"id":1},"charge":7}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := recharge.ReadDelivery(http.Header{"X-Recharge-Topic": {"charge/failed"}}, body)
		if err != nil {
			return
		}
		require.Positive(t, d.ID)
		require.Len(t, d.Key, 64)
		if d.Charge != nil {
			require.Equal(t, d.ID, d.Charge.ID)
			for _, amount := range []money.Amount{d.Charge.Total, d.Charge.Tax, d.Charge.Refunded} {
				require.GreaterOrEqual(t, amount.Minor, int64(0))
				require.True(t, amount == money.Amount{} || amount.Currency == d.Charge.Currency)
			}
		}
	})
}
