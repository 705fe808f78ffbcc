package shopify

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

// raise sends an event by hand and returns its deliveries.
func (b bundle) raise(t *testing.T, shop, topic, payload string) []Delivery {
	t.Helper()
	resp := b.postJSON(t, "/_webhooks", fmt.Sprintf(`{"shop":%q,"topic":%q,"payload":%s}`, shop, topic, payload))
	require.Equal(t, http.StatusOK, resp.status, resp.body)
	var list []Delivery
	require.NoError(t, json.Unmarshal([]byte(resp.body), &list))
	return list
}

// awaitDelivery waits until a delivery of the books is in a state.
func (b bundle) awaitDelivery(t *testing.T, shop, id string, is func(Delivery) bool) Delivery {
	t.Helper()
	var last Delivery
	require.Eventually(t, func() bool {
		for _, d := range b.Books(shop, false).Shops[shop].Deliveries {
			if d.ID == id {
				last = d
				return is(d)
			}
		}
		return false
	}, 10*time.Second, 5*time.Millisecond, "%+v", &last)
	return last
}

func tried(n int) func(Delivery) bool { return func(d Delivery) bool { return d.Tries >= n } }

func in(state DeliveryState) func(Delivery) bool {
	return func(d Delivery) bool { return d.State == state }
}

func TestUninstallingEndsEverything(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t)
	got := b.install(t)
	b.tellReady(t, got.AccessToken, true)
	b.postForm(t, settings+"/activate", nil)
	require.True(t, b.book(t, cedar).Offered)

	away := b.clock.now()
	pressed := b.postForm(t, appsPath(cedar)+"/payments/uninstall", nil)
	require.Equal(t, http.StatusSeeOther, pressed.status)
	require.False(t, b.opens(t, cedar, got.AccessToken), "tokens die at once")
	require.Contains(t, b.token(t, cedar, map[string]string{"grant_type": grantRefresh, "refresh_token": got.RefreshToken}).body, "invalid_grant")
	require.Equal(t, http.StatusNotFound, b.postForm(t, appsPath(cedar)+"/payments/uninstall", nil).status, "once")
	require.Equal(t, http.StatusNotFound, b.postForm(t, appsPath(cedar)+"/none/uninstall", nil).status)

	heard := box.await(t, 1)[0]
	require.Equal(t, topicUninstalled, heard.topic())
	require.Equal(t, cedar, heard.json(t)["myshopify_domain"])
	book := b.book(t, cedar)
	require.Equal(t, InstallUninstalled, book.Apps[PaymentsApp].State)
	require.Equal(t, "uninstalled", book.Apps[PaymentsApp].Tokens[0].Ended)
	require.Nil(t, book.Ready)
	require.False(t, book.Offered)
	require.Equal(t, away.Add(48*time.Hour), *book.Apps[PaymentsApp].RedactAt)

	b.clock.add(48*time.Hour - time.Second)
	require.Never(t, func() bool { return len(box.hooks()) > 1 }, 3*pollEvery, pollEvery)
	b.clock.add(time.Second)
	redact := box.await(t, 2)[1]
	require.Equal(t, topicShopRedact, redact.topic())
	require.Equal(t, cedar, redact.json(t)["shop_domain"])
	require.Contains(t, redact.json(t), "shop_id")
	require.Nil(t, b.book(t, cedar).Apps[PaymentsApp].RedactAt)
}

func TestReinstallingWithinTwoDaysKeepsTheShopsData(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t)
	b.install(t)
	b.postForm(t, appsPath(cedar)+"/payments/uninstall", nil)
	box.await(t, 1)
	again := b.install(t)
	require.True(t, b.opens(t, cedar, again.AccessToken))
	b.clock.add(49 * time.Hour)
	require.Never(t, func() bool { return len(box.hooks()) > 1 }, 3*pollEvery, pollEvery)
	book := b.book(t, cedar).Apps[PaymentsApp]
	require.Equal(t, 2, book.Installs)
	require.Nil(t, book.RedactAt)
	require.False(t, b.book(t, cedar).Offered, "it has to get ready again")
}

func TestHeadersOfAWebhook(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t)
	first := b.raise(t, acme, topicUninstalled, `{"text":"a  b"}`)
	require.Len(t, first, 1)
	got := box.await(t, 1)[0]
	require.Equal(t, `{"text":"a  b"}`, got.body)
	requireSignedBody(t, got, "secret")
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, topicUninstalled, got.topic())
	require.Equal(t, acme, got.header.Get("X-Shopify-Shop-Domain"))
	require.Equal(t, "2026-10", got.header.Get("X-Shopify-API-Version"))
	require.Equal(t, first[0].ID, got.id())
	require.Equal(t, first[0].EventID, got.header.Get("X-Shopify-Event-Id"))
	require.NotEqual(t, first[0].ID, first[0].EventID)
	require.Equal(t, "2026-11-20T10:00:00.000000000Z", got.header.Get("X-Shopify-Triggered-At"))
	require.NotContains(t, got.header, "X-Shopify-Name")
	done := b.awaitDelivery(t, acme, first[0].ID, in(DeliveryDelivered))
	require.Equal(t, 1, done.Tries)
	require.Equal(t, http.StatusOK, done.LastStatus)
	require.Equal(t, 1, b.counts(t).Delivered)
	require.NotContains(t, b.get(t, "/_books?shop="+acme).body, "a  b", "the books hold no bodies")
}

func TestAFailedWebhookIsTriedEightTimesMoreInFourHours(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t)
	box.answer(http.StatusInternalServerError)
	id := b.raise(t, acme, topicUninstalled, `{"n":1}`)[0].ID
	began := b.clock.now()
	for n, wait := range append(webhookWaits(), 0) {
		d := b.awaitDelivery(t, acme, id, func(d Delivery) bool {
			return d.Tries == n+1 && (wait == 0 || d.NextAt != nil && d.NextAt.After(b.clock.now()))
		})
		if wait == 0 {
			break
		}
		require.Equal(t, DeliveryPending, d.State)
		require.Equal(t, b.clock.now().Add(wait), *d.NextAt)
		b.clock.add(wait)
	}
	require.Equal(t, 4*time.Hour, b.clock.now().Sub(began))
	last := b.awaitDelivery(t, acme, id, in(DeliveryFailed))
	require.Equal(t, 9, last.Tries)
	require.Equal(t, "answered 500", last.LastError)
	require.Equal(t, 1, b.counts(t).Undelivered)
	for _, h := range box.hooks() {
		require.Equal(t, id, h.id(), "one id in all tries")
		require.Equal(t, `{"n":1}`, h.body)
		require.Equal(t, "2026-11-20T10:00:00.000000000Z", h.header.Get("X-Shopify-Triggered-At"))
	}
	box.answer(http.StatusOK)
	b.raise(t, acme, topicUninstalled, `{"n":2}`)
	box.await(t, 10)
}

func TestOnlyTwoHundredsAreSuccess(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusFound, http.StatusUnauthorized, http.StatusNotFound} {
		b, box := setupApps(t)
		box.answer(status)
		id := b.raise(t, acme, topicUninstalled, `{}`)[0].ID
		d := b.awaitDelivery(t, acme, id, tried(1))
		require.Equal(t, DeliveryPending, d.State, status)
		require.Len(t, box.hooks(), 1, "redirects are not followed")
		box.answer(http.StatusAccepted)
		b.clock.add(time.Minute)
		b.awaitDelivery(t, acme, id, in(DeliveryDelivered))
	}
	b, box := setupApps(t)
	box.Close()
	id := b.raise(t, acme, topicUninstalled, `{}`)[0].ID
	d := b.awaitDelivery(t, acme, id, tried(1))
	require.Zero(t, d.LastStatus)
	require.Contains(t, d.LastError, "refused")
}

func TestReceiversHaveFiveSeconds(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a server hears of the client's end only after the body
		<-r.Context().Done()
		close(gone)
	}))
	t.Cleanup(slow.Close)
	b, _ := setupApps(t, func(o *Options) { o.Listing.Webhooks[0].URI = slow.URL })
	id := b.raise(t, acme, topicUninstalled, `{}`)[0].ID
	<-gone
	d := b.awaitDelivery(t, acme, id, tried(1))
	require.Equal(t, DeliveryPending, d.State)
	require.Zero(t, d.LastStatus)
	require.Contains(t, d.LastError, "Client.Timeout exceeded")
}

func TestWebhookFaults(t *testing.T) {
	t.Parallel()
	arm := func(t *testing.T, b bundle, rule faults.Rule) {
		t.Helper()
		_, err := b.Faults().Arm(rule)
		require.NoError(t, err)
	}
	t.Run("twice sends one id two times", func(t *testing.T) {
		t.Parallel()
		b, box := setupApps(t)
		arm(t, b, faults.Rule{Call: topicUninstalled, Kind: faults.WebhookTwice})
		id := b.raise(t, acme, topicUninstalled, `{}`)[0].ID
		got := box.await(t, 2)
		require.Equal(t, []string{id, id}, []string{got[0].id(), got[1].id()})
		require.Equal(t, 2, b.awaitDelivery(t, acme, id, tried(2)).Accepted)
		require.Equal(t, 1, b.counts(t).Delivered)
	})
	t.Run("drop sends nothing", func(t *testing.T) {
		t.Parallel()
		b, box := setupApps(t)
		arm(t, b, faults.Rule{Call: "app/*", Kind: faults.WebhookDrop})
		id := b.raise(t, acme, topicUninstalled, `{}`)[0].ID
		require.Zero(t, b.awaitDelivery(t, acme, id, in(DeliveryDropped)).Tries)
		b.raise(t, acme, topicUninstalled, `{"n":2}`)
		require.Equal(t, `{"n":2}`, box.await(t, 1)[0].body)
	})
	t.Run("delay lets others pass", func(t *testing.T) {
		t.Parallel()
		b, box := setupApps(t)
		arm(t, b, faults.Rule{Call: topicUninstalled, Kind: faults.WebhookDelay, DelayMS: 60_000, Match: `"n":1`})
		id := b.raise(t, acme, topicUninstalled, `{"n":1}`)[0].ID
		b.raise(t, acme, topicUninstalled, `{"n":2}`)
		require.Equal(t, `{"n":2}`, box.await(t, 1)[0].body)
		b.clock.add(time.Minute)
		require.Equal(t, `{"n":1}`, box.await(t, 2)[1].body)
		b.awaitDelivery(t, acme, id, in(DeliveryDelivered))
	})
	t.Run("reorder waits for the next of the same lane", func(t *testing.T) {
		t.Parallel()
		b, box := setupApps(t)
		arm(t, b, faults.Rule{Call: topicUninstalled, Kind: faults.WebhookReorder})
		b.raise(t, acme, topicUninstalled, `{"n":1}`)
		b.raise(t, acme, topicUninstalled, `{"n":2}`)
		got := box.await(t, 2)
		require.Equal(t, []string{`{"n":2}`, `{"n":1}`}, []string{got[0].body, got[1].body})
	})
	t.Run("reorder does not wait for ever", func(t *testing.T) {
		t.Parallel()
		b, box := setupApps(t)
		arm(t, b, faults.Rule{Call: topicUninstalled, Kind: faults.WebhookReorder})
		b.raise(t, acme, topicUninstalled, `{"n":1}`)
		b.clock.add(reorderPatience)
		box.await(t, 1)
	})
	t.Run("before the reply the webhook is there before the answer", func(t *testing.T) {
		t.Parallel()
		b, box := setupApps(t, listening(topicOrderPaid))
		arm(t, b, faults.Rule{Call: opPaymentResolve, Kind: faults.WebhookBeforeReply})
		b.mutate(t, opPaymentResolve, map[string]any{"id": b.payment(t, SessionRequest{}).GID})
		require.Equal(t, []string{topicOrderPaid}, box.topics())
	})
	t.Run("a lost reply still sends the webhook", func(t *testing.T) {
		t.Parallel()
		b, box := setupApps(t, listening(topicOrderPaid))
		arm(t, b, faults.Rule{Call: opPaymentResolve, Kind: faults.ErrorAfter})
		resp := b.do(t, b.graphqlRequest(t, document(opPaymentResolve), map[string]any{"id": b.payment(t, SessionRequest{}).GID}))
		require.Equal(t, http.StatusInternalServerError, resp.status)
		box.await(t, 1)
	})
}

func TestRepeatingADelivery(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t)
	id := b.raise(t, acme, topicUninstalled, `{}`)[0].ID
	b.awaitDelivery(t, acme, id, in(DeliveryDelivered))
	for range 3 {
		require.Equal(t, http.StatusOK, b.postJSON(t, "/_webhooks/"+id+"/repeat", "").status)
	}
	hooks := box.await(t, 4)
	require.Len(t, slices.CompactFunc(hooks, func(a, b hook) bool { return a.id() == b.id() && a.body == b.body }), 1)
	require.Equal(t, http.StatusNotFound, b.postJSON(t, "/_webhooks/none/repeat", "").status)
}

func TestEventsByHandAreChecked(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t)
	for _, body := range []string{
		`{"shop":"x","topic":"app/uninstalled","payload":{}}`, `{"shop":"` + acme + `","topic":"orders/eaten","payload":{}}`,
		`{"shop":"` + acme + `","topic":"app/uninstalled"}`, `{"shop":"` + acme + `","topic":"app/uninstalled","app":"x","payload":{}}`,
		`{"shop":"` + acme + `","topik":"app/uninstalled","payload":{}}`, `{`,
	} {
		require.Equal(t, http.StatusBadRequest, b.postJSON(t, "/_webhooks", body).status, body)
	}
	require.Empty(t, b.raise(t, acme, topicOrderPaid, `{}`), "nobody listens")
	require.Empty(t, b.raise(t, cedar, topicUninstalled, `{}`), "nothing is installed")
	require.Empty(t, box.hooks())
}

func TestUndeliveredWebhooksSurviveARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shopify.json")
	b, box := setupApps(t, func(o *Options) { o.SnapshotPath = path })
	b.install(t)
	box.answer(http.StatusInternalServerError)
	b.postForm(t, appsPath(cedar)+"/payments/uninstall", nil)
	id := b.book(t, cedar).Deliveries[0].ID
	b.awaitDelivery(t, cedar, id, func(d Delivery) bool { return d.Tries == 1 && d.NextAt != nil })
	b.postForm(t, orderPath(t, b)+"/happenings/redact", nil)
	require.NoError(t, b.Close())

	box.answer(http.StatusOK)
	after := bundle{Server: reopen(t, b.opts), clock: b.clock, opts: b.opts, app: b.app}
	after.http = newFront(t, after.Server)
	require.Len(t, box.hooks(), 1, "its time has not come")
	b.clock.add(time.Minute)
	require.Equal(t, id, box.await(t, 2)[1].id())
	after.awaitDelivery(t, cedar, id, in(DeliveryDelivered))
	require.Equal(t, InstallUninstalled, after.book(t, cedar).Apps[PaymentsApp].State, "it does not come back by itself")
	b.clock.add(48 * time.Hour)
	require.Equal(t, topicShopRedact, box.await(t, 3)[2].topic())
	b.clock.add(200 * 24 * time.Hour)
	require.Equal(t, topicCustomerRedact, box.await(t, 4)[3].topic())
}
