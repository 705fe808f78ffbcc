package hook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/shopify/app"
	"tillflow/internal/shopify/hook"
	standin "tillflow/standin/shopify"
)

const shop = "acme-dev.myshopify.com"

var now = time.Date(2026, 11, 20, 10, 0, 5, 0, time.UTC)

func keys() []hook.Key {
	return []hook.Key{{App: app.Payments, Secret: "new"}, {App: app.Payments, Secret: "old"}, {App: app.Admin, Secret: "admin"}}
}

// headers are those of a delivery, signed with a key.
func headers(topic, key, body string) http.Header {
	h := http.Header{}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "X-Shopify-Topic": topic, "X-Shopify-Hmac-Sha256": standin.Signature(standin.Secret(key), []byte(body)),
		"X-Shopify-Shop-Domain": shop, "X-Shopify-API-Version": "2026-10", "X-Shopify-Webhook-Id": "b54557e4-0000-4000-8000-000000000001",
		"X-Shopify-Event-Id": "98880550-0000-4000-8000-000000000002", "X-Shopify-Triggered-At": "2026-11-20T10:00:00.123456789Z",
	} {
		h.Set(name, value)
	}
	return h
}

func verify(topic app.Topic, body string) (app.Delivery, error) {
	return hook.Verify(keys(), headers(string(topic), "admin", body), []byte(body), now)
}

func TestSignature(t *testing.T) {
	t.Parallel()
	t.Run("it is base64 of HMAC-SHA256 over the raw bytes", func(t *testing.T) {
		t.Parallel()
		// RFC 4231, test case 2.
		sum, err := hex.DecodeString("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
		require.NoError(t, err)
		signature, body := base64.StdEncoding.EncodeToString(sum), []byte("what do ya want for nothing?")
		require.Equal(t, signature, standin.Signature("Jefe", body))
		_, err = hook.Verify([]hook.Key{{App: app.Admin, Secret: "Jefe"}}, http.Header{"X-Shopify-Hmac-Sha256": {signature}}, body, now)
		require.ErrorAs(t, err, new(*hook.FieldError), "the signature is good, the rest is not")
	})
	t.Run("the key that fits says whose message it is", func(t *testing.T) {
		t.Parallel()
		for key, name := range map[string]app.Name{"new": app.Payments, "old": app.Payments, "admin": app.Admin} {
			d, err := hook.Verify(keys(), headers("orders/paid", key, `{"id":1}`), []byte(`{"id":1}`), now)
			require.NoError(t, err)
			require.Equal(t, name, d.App)
		}
	})
	body := `{"id": 1, "note": "é"}`
	good := standin.Signature("admin", []byte(body))
	raw, err := base64.StdEncoding.DecodeString(good)
	require.NoError(t, err)
	mac := hmac.New(sha256.New, nil)
	mac.Write([]byte(body))
	for name, signature := range map[string]string{
		"none":                                 "",
		"another secret's":                     standin.Signature("other", []byte(body)),
		"an empty secret's":                    base64.StdEncoding.EncodeToString(mac.Sum(nil)),
		"that of the body written anew":        standin.Signature("admin", []byte(`{"id":1,"note":"é"}`)),
		"one in hex":                           hex.EncodeToString(raw),
		"one in the alphabet of addresses":     base64.URLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 32))),
		"one without padding":                  strings.TrimRight(good, "="),
		"one that is cut":                      good[:20],
		"one that ends with other unused bits": good[:42] + string(good[42]+1) + "=",
	} {
		t.Run("a signature that is "+name+" is refused", func(t *testing.T) {
			t.Parallel()
			h := headers("orders/paid", "admin", body)
			h.Set("X-Shopify-Hmac-Sha256", signature)
			_, err := hook.Verify(append(keys(), hook.Key{App: app.Admin}), h, []byte(body), now)
			require.ErrorIs(t, err, hook.ErrSignature)
		})
	}
	t.Run("without keys nothing is believed", func(t *testing.T) {
		t.Parallel()
		_, err := hook.Verify(nil, headers("orders/paid", "admin", body), []byte(body), now)
		require.ErrorIs(t, err, hook.ErrSignature)
	})
	t.Run("the signature is judged before anything else", func(t *testing.T) {
		t.Parallel()
		_, err := hook.Verify(keys(), http.Header{"X-Shopify-Hmac-Sha256": {standin.Signature("other", []byte("{"))}}, []byte("{"), now)
		require.ErrorIs(t, err, hook.ErrSignature)
	})
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	const body = `{"id":1}`
	t.Run("they become the delivery", func(t *testing.T) {
		t.Parallel()
		d, err := verify(app.OrdersPaid, body)
		require.NoError(t, err)
		require.Equal(t, app.Delivery{
			App: app.Admin, Shop: shop, Topic: app.OrdersPaid, WebhookID: "b54557e4-0000-4000-8000-000000000001",
			EventID: "98880550-0000-4000-8000-000000000002", APIVersion: "2026-10", TriggeredAt: time.Date(2026, 11, 20, 10, 0, 0, 123456789, time.UTC),
			Resource: "gid://shopify/Order/1", Facts: map[string]string{},
		}, d)
	})
	t.Run("event, version and time may be absent", func(t *testing.T) {
		t.Parallel()
		h := headers("orders/paid", "admin", body)
		for _, name := range []string{"X-Shopify-Event-Id", "X-Shopify-Api-Version", "X-Shopify-Triggered-At"} {
			h.Del(name)
		}
		d, err := hook.Verify(keys(), h, []byte(body), now)
		require.NoError(t, err)
		require.Equal(t, now, d.TriggeredAt)
	})
	t.Run("a time from the future counts as now, or it would hide all that follows", func(t *testing.T) {
		t.Parallel()
		h := headers("orders/paid", "admin", body)
		h.Set("X-Shopify-Triggered-At", "2036-11-20T10:00:00Z")
		d, err := hook.Verify(keys(), h, []byte(body), now)
		require.NoError(t, err)
		require.Equal(t, now, d.TriggeredAt)
	})
	for header, values := range map[string][]string{
		"X-Shopify-Topic":        {"", "orders", "orders/paid/x", "Orders/Paid", "orders /paid", strings.Repeat("a", 70) + "/b"},
		"X-Shopify-Shop-Domain":  {"", "acme-dev", "evil.example", "acme-dev.myshopify.com.evil.example", "ACME.myshopify.com"},
		"X-Shopify-Webhook-Id":   {"", "a b", strings.Repeat("a", 129), "ä"},
		"X-Shopify-Event-Id":     {"a b", strings.Repeat("a", 129)},
		"X-Shopify-API-Version":  {"2026 10"},
		"X-Shopify-Triggered-At": {"yesterday", "2026-11-20", "1795176000"},
	} {
		for _, value := range values {
			t.Run(header+" "+value+" is refused by name", func(t *testing.T) {
				t.Parallel()
				h := headers("orders/paid", "admin", body)
				h.Set(header, value)
				_, err := hook.Verify(keys(), h, []byte(body), now)
				f, ok := errors.AsType[*hook.FieldError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, header, f.Field)
			})
		}
	}
	t.Run("a body that is no object is refused", func(t *testing.T) {
		t.Parallel()
		for _, body := range []string{"", "[]", "null", "1", "{", `{} {}`} {
			_, err := verify(app.OrdersPaid, body)
			f, ok := errors.AsType[*hook.FieldError](err)
			require.True(t, ok, body)
			require.Equal(t, "body", f.Field)
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add("orders/paid", `{"id":1}`)
	f.Add("customers/redact", `{"shop_domain":"acme-dev.myshopify.com","customer":{"id":21}}`)
	f.Fuzz(func(t *testing.T, topic, body string) {
		d, err := hook.Verify(keys(), headers(topic, "admin", body), []byte(body), now)
		if err != nil {
			require.Equal(t, app.Delivery{}, d, "what is refused leaves nothing")
			return
		}
		for name, fact := range d.Facts {
			require.NotContains(t, fact, "@", name)
			require.NotContains(t, fact, " ", name)
		}
	})
}
