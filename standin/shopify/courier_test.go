package shopify

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
)

func TestALaneIsSentInOrder(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t)
	for n := range 30 {
		b.raise(t, acme, topicUninstalled, fmt.Sprintf(`{"n":%d}`, n))
	}
	for n, h := range box.await(t, 30) {
		require.Equal(t, fmt.Sprintf(`{"n":%d}`, n), h.body)
	}
}

func TestASlowReceiverDoesNotHoldUpAnother(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(release) })
	b, box := setupApps(t, func(o *Options) {
		o.Listing.Webhooks = append(o.Listing.Webhooks, Webhook{Topics: []string{topicUninstalled}, URI: slow.URL})
	})
	b.raise(t, acme, topicUninstalled, `{"n":1}`)
	b.raise(t, acme, topicUninstalled, `{"n":2}`)
	box.await(t, 2)
	require.Eventually(t, func() bool { return b.counts(t).Delivered == 2 }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, 4, b.counts(t).Webhooks, "two are on their way")
}

func TestTwoThatWaitToBeOvertakenSwapPlaces(t *testing.T) {
	t.Parallel()
	b, box := setupApps(t)
	_, err := b.Faults().Arm(faults.Rule{Call: topicUninstalled, Kind: faults.WebhookReorder, Times: 2})
	require.NoError(t, err)
	for n := range 3 {
		b.raise(t, acme, topicUninstalled, fmt.Sprintf(`{"n":%d}`, n))
	}
	got := box.await(t, 3)
	require.Equal(t, []string{`{"n":1}`, `{"n":0}`, `{"n":2}`}, []string{got[0].body, got[1].body, got[2].body})
	b.clock.add(time.Hour)
	require.Never(t, func() bool { return len(box.hooks()) > 3 }, 3*pollEvery, pollEvery, "nothing is sent again when patience ends")
}

func TestReceiversBehindTLSAreVerified(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	accepted := 0
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		accepted++
	}))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshake is what is wanted
	secure.StartTLS()
	t.Cleanup(secure.Close)
	b, _ := setupApps(t, func(o *Options) { o.Listing.Webhooks[0].URI = secure.URL })
	id := b.raise(t, acme, topicUninstalled, `{}`)[0].ID
	d := b.awaitDelivery(t, acme, id, tried(1))
	require.Contains(t, d.LastError, "certificate")
	mu.Lock()
	defer mu.Unlock()
	require.Zero(t, accepted)
}

func TestClosingLeavesWhatWasBeingSentForTheNextOne(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-release
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(release) })
	b, _ := setupApps(t, func(o *Options) { o.Listing.Webhooks[0].URI = slow.URL })
	id := b.raise(t, acme, topicUninstalled, `{}`)[0].ID
	<-arrived
	require.NoError(t, b.Close())
	d := b.Books(acme, false).Shops[acme].Deliveries[0]
	require.Equal(t, id, d.ID)
	require.Equal(t, DeliveryPending, d.State)
	require.Zero(t, d.Tries, "it is not known what became of it")
	b.raise(t, acme, topicUninstalled, `{}`)
	require.Len(t, b.Books(acme, false).Shops[acme].Deliveries, 2, "booked, and sent by the next stand-in")
}

func TestTheBooksForgetTheOldestEndedDeliveries(t *testing.T) {
	t.Parallel()
	sh := newShop(acme)
	for n := range maxShipments + maxShipments/10 {
		ship := &shipment{Delivery: Delivery{ID: fmt.Sprint(n), State: DeliveryDelivered}}
		if n == 3 {
			ship.Delivery.State = DeliveryPending
		}
		sh.ship(ship)
	}
	require.Len(t, sh.Shipments, maxShipments)
	require.Equal(t, "3", sh.Shipments[0].Delivery.ID, "never one that is on its way")
	require.Equal(t, fmt.Sprint(maxShipments+maxShipments/10-1), sh.Shipments[maxShipments-1].Delivery.ID)
}

func TestEveryKindOfFaultIsAccepted(t *testing.T) {
	t.Parallel()
	b, _ := setupApps(t)
	for _, kind := range []faults.Kind{faults.WebhookDrop, faults.WebhookTwice, faults.WebhookReorder} {
		got := b.postJSON(t, "/_faults", fmt.Sprintf(`{"call":"orders/paid","kind":%q}`, kind))
		require.Equal(t, http.StatusCreated, got.status, got.body)
	}
	got := b.postJSON(t, "/_faults", `{"call":"webhookDelivery","kind":"decline:SUBSCRIPTION_REMOVED","match":"orders/paid"}`)
	require.Equal(t, http.StatusCreated, got.status, got.body)
	require.Equal(t, http.StatusBadRequest, b.postJSON(t, "/_faults", `{"call":"webhookDeliveries","kind":"lose_reply"}`).status)
}
