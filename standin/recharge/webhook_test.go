package recharge_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
	"tillflow/standin/recharge"
)

func TestWebhooks(t *testing.T) {
	t.Parallel()
	t.Run("a failed charge is delivered, signed both ways", func(t *testing.T) {
		t.Parallel()
		b, r := setup(t), receive(t)
		b.subscribe(r, "charge/failed")
		id := b.add(1, recharge.ChargeSpec{Announce: true})[0]
		require.Eventually(t, func() bool { return len(r.all()) == 1 }, eventually, time.Millisecond)
		got := r.all()[0]
		require.Equal(t, "charge/failed", got.header.Get("X-Recharge-Topic"))
		require.Contains(t, got.body, fmt.Sprintf(`"id":%d`, id))
		sum := sha256.Sum256([]byte(clientKey + got.body))
		require.Equal(t, hex.EncodeToString(sum[:]), got.header.Get("X-Recharge-Hmac-Sha256"))
		stamp := fmt.Sprint(b.clock.now().Unix())
		mac := hmac.New(sha256.New, []byte(clientKey))
		mac.Write([]byte(stamp + "." + got.body))
		require.Equal(t, "t="+stamp+",v1="+hex.EncodeToString(mac.Sum(nil)), got.header.Get("X-Recharge-Webhook-Signature"))
	})
	t.Run("a delivery that fails is repeated with the same body", func(t *testing.T) {
		t.Parallel()
		b, r := setup(t), receive(t, http.StatusInternalServerError, http.StatusTooManyRequests)
		b.subscribe(r, "charge/failed")
		b.add(1, recharge.ChargeSpec{Announce: true})
		require.Eventually(t, func() bool { return len(r.all()) == 3 }, eventually, time.Millisecond)
		require.Equal(t, r.all()[0].body, r.all()[2].body)
		require.Eventually(t, func() bool {
			return b.server.Books("one").Stores["one"].Webhooks[0].State == "done"
		}, eventually, time.Millisecond)
	})
	t.Run("when all repeats fail the subscription is deleted", func(t *testing.T) {
		t.Parallel()
		b, r := setup(t), receive(t, 500, 500, 500, 500)
		b.subscribe(r, "charge/failed")
		b.add(1, recharge.ChargeSpec{Announce: true})
		require.Eventually(t, func() bool {
			return len(b.server.Books("one").Stores["one"].Deleted) == 1
		}, eventually, time.Millisecond)
		require.Len(t, r.all(), 3)
		require.Empty(t, b.call("GET /webhooks", "").ids("webhooks"))
	})
	t.Run("an answer that is no trouble of the way ends the delivery and keeps the subscription", func(t *testing.T) {
		t.Parallel()
		b, r := setup(t), receive(t, http.StatusBadRequest)
		b.subscribe(r, "charge/failed")
		b.add(1, recharge.ChargeSpec{Announce: true})
		require.Eventually(t, func() bool {
			return b.server.Books("one").Stores["one"].Webhooks[0].State == "failed"
		}, eventually, time.Millisecond)
		require.Len(t, b.call("GET /webhooks", "").ids("webhooks"), 1)
	})
	t.Run("processing tells what it caused, before its answer when asked to", func(t *testing.T) {
		t.Parallel()
		b, r := setup(t), receive(t)
		b.subscribe(r, "charge/paid", "order/created", "customer/payment_method_updated")
		id := b.add(1, recharge.ChargeSpec{})[0]
		require.NoError(t, b.server.SetCard("one", b.server.Books("one").Stores["one"].Charges[0].Customer, "good"))
		_, err := b.server.Faults().Arm(faults.Rule{Call: "charges.process", Kind: faults.WebhookBeforeReply})
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, b.call(fmt.Sprintf("POST /charges/%d/process", id), "").status)
		topics := map[string]bool{}
		for _, got := range r.all() {
			topics[got.header.Get("X-Recharge-Topic")] = true
		}
		require.True(t, topics["charge/paid"] && topics["order/created"], topics)
		require.Eventually(t, func() bool { return len(r.all()) == 3 }, eventually, time.Millisecond)
	})
	t.Run("webhooks are dropped and doubled as they are told", func(t *testing.T) {
		t.Parallel()
		b, r := setup(t), receive(t)
		b.subscribe(r, "charge/failed")
		for _, kind := range []faults.Kind{faults.WebhookDrop, faults.WebhookTwice} {
			_, err := b.server.Faults().Arm(faults.Rule{Call: "charge/failed", Kind: kind, Nth: 1})
			require.NoError(t, err)
			b.server.Faults().Status()
			b.add(1, recharge.ChargeSpec{Announce: true})
		}
		require.Eventually(t, func() bool { return len(r.all()) == 2 }, eventually, time.Millisecond)
		require.Equal(t, r.all()[0].body, r.all()[1].body)
		require.Equal(t, "withdrawn", b.server.Books("one").Stores["one"].Webhooks[0].State)
		require.Eventually(t, func() bool {
			list := b.server.Books("one").Stores["one"].Webhooks
			return len(list) == 3 && list[1].LastStatus == http.StatusOK && list[2].LastStatus == http.StatusOK
		}, eventually, time.Millisecond, "the books have both")
	})
	t.Run("ten subscriptions a topic", func(t *testing.T) {
		t.Parallel()
		b, r := setup(t), receive(t)
		for range 10 {
			b.subscribe(r, "charge/failed")
		}
		a := b.call("POST /webhooks", `{"address":"`+r.url+`","topic":"charge/failed"}`)
		require.Equal(t, http.StatusUnprocessableEntity, a.status)
		ids := b.call("GET /webhooks", "").ids("webhooks")
		require.Equal(t, http.StatusOK, b.call(fmt.Sprintf("DELETE /webhooks/%d", ids[0]), "").status)
		require.Equal(t, http.StatusNotFound, b.call(fmt.Sprintf("GET /webhooks/%d", ids[0]), "").status)
		require.Equal(t, http.StatusOK, b.call(fmt.Sprintf("GET /webhooks/%d", ids[1]), "").status)
	})
}

func TestSwitches(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.call("POST /_charges", `{"store":"one","count":2,"charge":{"error_type":"CARD_EXPIRED","override":{"status":"eaten"}}}`)
	require.Equal(t, http.StatusOK, a.status, a.raw)
	id := int64(a.json["ids"].([]any)[0].(float64))
	require.Equal(t, "eaten", b.call(fmt.Sprintf("GET /charges/%d", id), "").at("charge", "status"))
	require.Equal(t, http.StatusOK, b.call(fmt.Sprintf("POST /_charges/%d", id), `{"store":"one","note":"n"}`).status)
	require.Equal(t, "n", b.call(fmt.Sprintf("GET /charges/%d", id), "").at("charge", "note"))
	customer := b.server.Books("one").Stores["one"].Charges[0].Customer
	require.Equal(t, http.StatusOK, b.call("POST /_cards", fmt.Sprintf(`{"store":"one","customer":%d,"card":"good"}`, customer)).status)
	b.clock.advance(25 * time.Hour)
	require.Equal(t, http.StatusOK, b.call("POST /_advance", "").status)
	require.Contains(t, b.call("GET /_books?store=one", "").raw, `"via":"retry"`)
	require.Equal(t, http.StatusOK, b.call("POST /_pages", `{"call":"charges.list","kind":"lost","nth":2}`).status)
	require.Contains(t, b.call("GET /_pages", "").raw, `"kind":"lost"`)
	require.Equal(t, http.StatusOK, b.call("DELETE /_pages", "").status)
	require.Empty(t, b.server.PageFaults())
	require.True(t, strings.HasPrefix(b.call("GET /_faults", "").raw, "{"))
	for rule, c := range map[string][2]string{
		"a member that nobody knows": {"POST /_charges", `{"store":"one","count":1,"charges":{}}`},
		"no charges":                 {"POST /_charges", `{"store":"one","count":0}`},
		"an unknown kind of page":    {"POST /_pages", `{"call":"charges.list","kind":"eaten"}`},
	} {
		require.Equal(t, http.StatusBadRequest, b.call(c[0], c[1]).status, rule)
	}
	require.Equal(t, http.StatusNotFound, b.call("POST /_charges/7", `{"store":"one"}`).status)
	require.Equal(t, http.StatusNotFound, b.call("POST /_cards", `{"store":"nobody"}`).status)
}

func TestOverview(t *testing.T) {
	t.Parallel()
	form := with("Content-Type", "application/x-www-form-urlencoded")
	b := setup(t)
	require.Contains(t, b.call("POST /_/add", "store=one&count=2&error_type=CARD_EXPIRED&note=%3Cb%3E", form).raw, "&lt;b&gt;")
	charges := b.server.Books("one").Stores["one"].Charges
	require.Len(t, charges, 2)
	require.Equal(t, "CARD_EXPIRED", charges[0].ErrorType)
	b.call("POST /_/card", fmt.Sprintf("store=one&customer=%d&card=good", charges[0].Customer), form)
	b.clock.advance(25 * time.Hour)
	page := b.call("POST /_/advance", "", form)
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Contains(t, page.raw, "1 failed, 1 paid")
	require.Contains(t, b.call("POST /_/add", "store=nobody&count=1", form).raw, "unknown")
	require.Equal(t, http.StatusForbidden, b.call("POST /_/advance", "", form, with("Sec-Fetch-Site", "cross-site")).status)
	require.Equal(t, http.StatusOK, b.call("GET /_/style.css", "").status)
}
