package recharge_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/recharge"
	"tillflow/standin/faults"
	standin "tillflow/standin/recharge"
)

func TestCustomers(t *testing.T) {
	t.Parallel()
	t.Run("Recharge's customer and Shopify's are found from each other", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.add(3, standin.ChargeSpec{})
		entry := b.books().Charges[1]
		customer, err := b.client.Customer(t.Context(), entry.Customer)
		require.NoError(t, err)
		require.Equal(t, strconv.FormatInt(entry.ShopifyID, 10), customer.ShopifyID)
		require.Equal(t, fmt.Sprintf("gid://shopify/Customer/%d", entry.ShopifyID), customer.ShopifyGID())
		found, err := b.client.CustomerByShopifyID(t.Context(), customer.ShopifyID)
		require.NoError(t, err)
		require.Equal(t, customer, found)
		_, err = b.client.CustomerByShopifyID(t.Context(), "1")
		requireClass(t, payment.NotFound, err)
		_, err = b.client.Customer(t.Context(), 1)
		requireClass(t, payment.NotFound, err)
		require.Empty(t, recharge.Customer{}.ShopifyGID())
	})
	for rule, c := range map[string]struct {
		body string
		want payment.Class
	}{
		"several customers":             {`{"customers":[{"id":1},{"id":2}]}`, payment.Conflict},
		"somebody else":                 {`{"customers":[{"id":1,"external_customer_id":{"ecommerce":"6"}}]}`, payment.Unavailable},
		"no list":                       {`{"customers":null}`, payment.Unavailable},
		"a customer who is no object":   {`{"customers":[7]}`, payment.Unavailable},
		"a customer without an id":      {`{"customers":[{"external_customer_id":{"ecommerce":"5"}}]}`, payment.Unavailable},
		"the answer to another request": {`{"customer":{"id":1}}`, payment.Unavailable},
	} {
		t.Run(rule+" is nobody", func(t *testing.T) {
			t.Parallel()
			client, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, c.body) })
			_, err := client.CustomerByShopifyID(t.Context(), "5")
			requireClass(t, c.want, err)
		})
	}
}

func TestOrdersOf(t *testing.T) {
	t.Parallel()
	t.Run("a failed charge has no order, a paid one has the note of the charge", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		mark := b.failed(standin.ChargeSpec{Card: "good", Note: "leave at the door"})
		charge, err := b.client.Charge(t.Context(), mark.ChargeID)
		require.NoError(t, err)
		require.Equal(t, "leave at the door", charge.Note)
		orders, err := b.client.OrdersOf(t.Context(), mark.ChargeID)
		require.NoError(t, err)
		require.Empty(t, orders)
		_, err = b.client.ProcessCharge(t.Context(), mark)
		require.NoError(t, err)
		orders, err = b.client.OrdersOf(t.Context(), mark.ChargeID)
		require.NoError(t, err)
		require.Len(t, orders, 1)
		require.Equal(t, "leave at the door", orders[0].Note)
		require.NotEmpty(t, orders[0].ShopifyOrderID)
		require.Empty(t, orders[0].Oddities)
	})
	t.Run("orders of other charges are left out, whatever the filter does", func(t *testing.T) {
		t.Parallel()
		client, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"orders":[{"id":1,"charge":{"id":5},"note":"a"},{"id":2,"charge_id":6},{"id":3,"charge_id":5,"note":null}]}`)
		})
		orders, err := client.OrdersOf(t.Context(), 5)
		require.NoError(t, err)
		require.Equal(t, []recharge.PlacedOrder{{ID: 1, ChargeID: 5, Note: "a"}, {ID: 3, ChargeID: 5}}, orders)
	})
	for _, body := range []string{`{"orders":[7]}`, `{"orders":null}`, `{}`} {
		t.Run(body+" is no answer", func(t *testing.T) {
			t.Parallel()
			client, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
			_, err := client.OrdersOf(t.Context(), 5)
			requireClass(t, payment.Unavailable, err)
		})
	}
}

func TestEnsureWebhooks(t *testing.T) {
	t.Parallel()
	const address = "https://pay.example/webhook/recharge/1"
	t.Run("what is missing is created, once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.client.CreateWebhook(t.Context(), recharge.TopicChargeFailed, address)
		require.NoError(t, err)
		created, err := b.client.EnsureWebhooks(t.Context(), address)
		require.NoError(t, err)
		require.Equal(t, recharge.Topics()[1:], created)
		created, err = b.client.EnsureWebhooks(t.Context(), address)
		require.NoError(t, err)
		require.Empty(t, created)
		require.Len(t, b.books().Subscribed, len(recharge.Topics()))
	})
	t.Run("one whose creation nobody answered is found and not made twice", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.arm(faults.LoseReply, "webhooks.create", 1)
		_, err := b.client.EnsureWebhooks(t.Context(), address)
		requireClass(t, payment.Unknown, err)
		_, err = b.client.EnsureWebhooks(t.Context(), address)
		require.NoError(t, err)
		require.Len(t, b.books().Subscribed, len(recharge.Topics()))
	})
	t.Run("subscriptions that Recharge deleted come back", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		gone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
		t.Cleanup(gone.Close)
		_, err := b.client.EnsureWebhooks(t.Context(), gone.URL)
		require.NoError(t, err)
		b.add(1, standin.ChargeSpec{Announce: true})
		require.Eventually(t, func() bool { return len(b.books().Deleted) == 1 }, eventually, time.Millisecond)
		created, err := b.client.EnsureWebhooks(t.Context(), gone.URL)
		require.NoError(t, err)
		require.Equal(t, []recharge.Topic{recharge.TopicChargeFailed}, created)
	})
	t.Run("pages are followed, a circle ends", func(t *testing.T) {
		t.Parallel()
		next := `"b"`
		client, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("cursor") == "b" && next == `"b"` {
				fmt.Fprint(w, `{"webhooks":[{"id":2,"topic":"charge/paid","address":"x"}],"next_cursor":null}`)
				return
			}
			fmt.Fprint(w, `{"webhooks":[{"id":1,"topic":"charge/failed","address":"x"}],"next_cursor":`+next+`}`)
		})
		hooks, err := client.Webhooks(t.Context())
		require.NoError(t, err)
		require.Len(t, hooks, 2)
		next = `"c"`
		_, err = client.Webhooks(t.Context())
		require.Equal(t, recharge.CodeRepeatedCursor, failure(t, payment.Unavailable, err).Code)
	})
	t.Run("a delivery of the stand-in is verified and read", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		got := make(chan error, 10)
		web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				err = recharge.VerifyWebhook(r.Header, body, clientKey, b.clock.now())
			}
			r.Header.Del("X-Recharge-Webhook-Signature")
			if err == nil {
				err = recharge.VerifyWebhook(r.Header, body, clientKey, b.clock.now())
			}
			if d, readErr := recharge.ReadDelivery(r.Header, body); err == nil {
				err = readErr
				if readErr == nil && (d.Charge == nil || d.Charge.Category() != recharge.ExpiredCard || len(d.Charge.Oddities) > 0) {
					err = fmt.Errorf("read %+v", d)
				}
			}
			got <- err
		}))
		t.Cleanup(web.Close)
		_, err := b.client.EnsureWebhooks(t.Context(), web.URL)
		require.NoError(t, err)
		b.add(1, standin.ChargeSpec{ErrorType: "CARD_EXPIRED", Announce: true})
		require.NoError(t, <-got)
	})
}
