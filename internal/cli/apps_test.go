package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/privacy"
	"tillflow/internal/shopify"
	"tillflow/internal/shopify/app"
	"tillflow/internal/shopify/install"
	"tillflow/internal/store"
	standin "tillflow/standin/shopify"
)

func TestInstalledApp(t *testing.T) {
	t.Parallel()
	t.Run("from the first click to ready, out again and back in", func(t *testing.T) {
		t.Parallel()
		w := newTown(t)
		w.dispatch()
		api, err := w.shop()
		require.NoError(t, err)
		r := &readiness{records: w.Store, shop: api.client, now: w.clock, log: w.Service.log, refused: map[string]refusal{}}

		page := w.install("payments", "/shopify")
		require.Contains(t, page, "Connect an account")
		require.NotContains(t, page, "Ready to take payments")
		require.NoError(t, r.tell(t.Context()))
		require.Nil(t, w.Shopify.Books(newShop, false).Shops[newShop].Ready, "without an account there is nothing to be ready with")

		require.NoError(t, w.Store.PutShop(t.Context(), store.Shop{Shop: newShop, Label: "New", Mail: "owner@new.example", Active: true}))
		_, err = w.Store.PutAccount(t.Context(), store.Account{Shop: newShop, Provider: "sandbox", Label: "Sandbox", Enabled: true}, map[string]string{})
		require.NoError(t, err)
		require.NoError(t, r.tell(t.Context()))
		book := w.Shopify.Books(newShop, false).Shops[newShop]
		require.True(t, *book.Ready)
		require.Equal(t, newShop, book.Handle)
		require.Contains(t, w.install("payments", "/shopify"), "Ready to take payments", "opened again, all is done")

		w.uninstall("payments")
		require.Eventually(t, func() bool {
			_, err := w.Store.Token(t.Context(), newShop, nil)
			return payment.ClassOf(err, "") == payment.NotFound
		}, 20*time.Second, 10*time.Millisecond, "app/uninstalled came and was acted on")
		_, err = api.client.PublicVersions(t.Context(), newShop)
		require.Equal(t, payment.Unauthorized, payment.ClassOf(err, ""), "a call says that there is no token")
		require.ErrorContains(t, err, "no access token for the shop")

		w.install("payments", "/shopify")
		_, err = api.client.PublicVersions(t.Context(), newShop)
		require.NoError(t, err)
		require.NoError(t, r.tell(t.Context()))
		require.True(t, *w.Shopify.Books(newShop, false).Shops[newShop].Ready, "Shopify forgot, and is told again")
	})
	t.Run("the second app has an installation and tokens of its own", func(t *testing.T) {
		t.Parallel()
		w := newTown(t)
		require.NotContains(t, w.install("admin", "/shopify/admin"), "Connect an account")
		second, configured := w.app(app.Admin)
		require.True(t, configured)
		token, err := w.tokenSource(second).Token(t.Context(), newShop)
		require.NoError(t, err)
		require.NotEmpty(t, token)
		_, err = w.Store.Token(t.Context(), newShop, nil)
		require.Equal(t, payment.NotFound, payment.ClassOf(err, ""), "the payments app is not installed")
	})
}

// expired gives oldShop the tokens that Shopify has for it, at their end.
func (w *town) expired() {
	w.t.Helper()
	require.NoError(w.t, w.Store.PutShop(w.t.Context(), store.Shop{Shop: oldShop, Active: true}))
	require.NoError(w.t, w.Store.PutToken(w.t.Context(), oldShop, "shpat_old", "shprt_old", w.clock().Add(time.Hour)))
	w.skip(2 * time.Hour)
}

// TestRotation: the proof of one refresh, with two processes on one record.
func TestRotation(t *testing.T) {
	t.Parallel()
	ask := func(t *testing.T, w *town, other *Service) {
		t.Helper()
		var clients []*shopify.Client
		for _, s := range []*Service{w.Service, other} {
			api, err := s.shop()
			require.NoError(t, err)
			clients = append(clients, api.client)
		}
		var wait sync.WaitGroup
		faults := make([]error, 50)
		for i := range faults {
			wait.Go(func() { _, faults[i] = clients[i%len(clients)].PublicVersions(t.Context(), oldShop) })
		}
		wait.Wait()
		for _, err := range faults {
			require.NoError(t, err)
		}
		refreshed := w.issued(oldShop, standin.PaymentsApp, standin.TokenRefresh)
		require.Equal(t, 1, refreshed, "one refresh")
		require.Zero(t, w.books(oldShop, standin.PaymentsApp).RefusedTokens, "none is refused")
		t.Logf("PROOF 3 ok %d requests at once from %d processes, %d refresh, 0 failed", len(faults), len(clients), refreshed)
	}
	t.Run("fifty requests with an expired token refresh it once, and none fails", func(t *testing.T) {
		t.Parallel()
		var shared map[string]string
		w := newTown(t, func(vars map[string]string) { shared = vars })
		w.expired()
		ask(t, w, w.open(shared))
	})
	t.Run("so do fifty with a token that Shopify has ended before its time", func(t *testing.T) {
		t.Parallel()
		var shared map[string]string
		w := newTown(t, func(vars map[string]string) { shared = vars })
		w.expired()
		require.NoError(t, w.Store.PutToken(t.Context(), oldShop, "shpat_old", "shprt_old", w.clock().Add(24*time.Hour)))
		ask(t, w, w.open(shared))
	})
}

// post sends a webhook about an order with a signature of the secret.
func (w *town) post(secret string, body []byte) (int, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.ServiceURL+"/webhook/shopify", bytes.NewReader(body))
	require.NoError(w.t, err)
	for name, value := range map[string]string{
		"X-Shopify-Hmac-Sha256": standin.Signature(standin.Secret(secret), body), "X-Shopify-Topic": "orders/paid", "X-Shopify-Shop-Domain": newShop,
		"X-Shopify-Webhook-Id": "wh-1", "X-Shopify-API-Version": shopify.APIVersion, "X-Shopify-Triggered-At": w.clock().UTC().Format(time.RFC3339Nano),
	} {
		r.Header.Set(name, value)
	}
	resp, err := w.Browser.Do(r)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, string(text)
}

func TestDoor(t *testing.T) {
	t.Parallel()
	t.Run("a webhook needs a secret of ours, old or new, and a body within the limit", func(t *testing.T) {
		t.Parallel()
		w := newTown(t, func(vars map[string]string) { vars["TILLFLOW_SHOPIFY_CLIENT_SECRET_PREVIOUS"] = "secret-before" })
		body := []byte(`{"myshopify_domain":"` + newShop + `"}`)
		for secret, want := range map[string]int{
			"payments-secret": http.StatusOK, "secret-before": http.StatusOK, "admin-secret": http.StatusOK, "forged": http.StatusUnauthorized, "": http.StatusUnauthorized,
		} {
			status, answer := w.post(secret, body)
			require.Equal(t, want, status, "%s: %s", secret, answer)
		}
		status, _ := w.post("payments-secret", bytes.Repeat([]byte("x"), 2<<20+1))
		require.Equal(t, http.StatusRequestEntityTooLarge, status)
		list, err := w.Store.ShopDeliveries(t.Context(), newShop, 10)
		require.NoError(t, err)
		require.Len(t, list, 1, "one message, told three times")
	})
	t.Run("an app that is not configured is off, and the log says so once", func(t *testing.T) {
		t.Parallel()
		w := newTown(t, func(vars map[string]string) {
			delete(vars, "TILLFLOW_SHOPIFY_ADMIN_CLIENT_ID")
			delete(vars, "TILLFLOW_SHOPIFY_ADMIN_CLIENT_SECRET")
		})
		for _, path := range []string{"/shopify/admin/install?shop=" + newShop, "/shopify/admin/callback"} {
			status, _, _ := w.Send(http.MethodGet, w.ServiceURL+path, nil)
			require.Equal(t, http.StatusNotFound, status, path)
		}
		status, _ := w.post("admin-secret", []byte(`{}`))
		require.Equal(t, http.StatusUnauthorized, status)
		require.Equal(t, 1, strings.Count(w.log.String(), "its installation and webhooks are off"))
	})
	t.Run("without the payments app there are no webhooks, and a worker does not start", func(t *testing.T) {
		t.Parallel()
		w := newTown(t, func(vars map[string]string) {
			for _, name := range []string{"CLIENT_ID", "CLIENT_SECRET", "ADMIN_CLIENT_ID", "ADMIN_CLIENT_SECRET"} {
				delete(vars, "TILLFLOW_SHOPIFY_"+name)
			}
		})
		status, _ := w.post("", []byte(`{}`))
		require.Equal(t, http.StatusNotFound, status)
		require.ErrorContains(t, w.Run(t.Context()), "TILLFLOW_SHOPIFY_CLIENT_ID")
	})
}

func TestPrivacyRequest(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.install("payments", "/shopify")
	payload, err := json.Marshal(map[string]any{
		"shop_id": 1, "shop_domain": newShop, "customer": map[string]any{"id": 7, "email": "canary@example.com"}, "orders_to_redact": []int{11},
	})
	require.NoError(t, err)
	sent, err := w.Shopify.RaiseWebhook(standin.WebhookRequest{Shop: newShop, Topic: "customers/redact", App: standin.PaymentsApp, Payload: payload})
	require.NoError(t, err)
	require.Len(t, sent, 1)
	line := func() app.Line {
		list, err := w.Store.ShopDeliveries(t.Context(), newShop, 10)
		require.NoError(t, err)
		if len(list) == 0 {
			return app.Line{}
		}
		return list[0]
	}
	require.Eventually(t, func() bool { return line().ID != "" }, 10*time.Second, 10*time.Millisecond)
	for range 2 {
		_, err = w.dispatcher.Dispatch(t.Context())
		require.NoError(t, err)
		require.NotZero(t, line().DispatchedAt)
		list, err := w.Store.PrivacyRequests(t.Context(), true, 10)
		require.NoError(t, err)
		require.Len(t, list, 1, "one request, and it waits for its run")
		require.Equal(t, privacy.Customer, list[0].Kind)
		require.Equal(t, line().ReceivedAt.Add(30*24*time.Hour), list[0].DueAt, "the law's time")
		w.skip(time.Hour)
	}
	require.NotContains(t, w.log.String(), "canary")
}

func TestKeepTokens(t *testing.T) {
	t.Parallel()
	t.Run("idle shops of both apps are renewed, and looked at again in about a day", func(t *testing.T) {
		t.Parallel()
		w := newTown(t)
		w.install("payments", "/shopify")
		w.install("admin", "/shopify/admin")
		w.skip(31 * 24 * time.Hour)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			w.keepTokens(ctx)
			close(ended)
		}()
		require.Eventually(t, func() bool { return strings.Contains(w.log.String(), "tokens looked after") }, 20*time.Second, 10*time.Millisecond)
		stop()
		<-ended
		for _, handle := range []string{standin.PaymentsApp, standin.AdminApp} {
			require.Equal(t, 1, w.issued(newShop, handle, standin.TokenRefresh), handle)
		}
		for range 100 {
			pause := w.keepOnce(t.Context(), &install.Keeper{Tokens: w.Store, Now: w.clock, Log: w.Service.log})
			require.InDelta(t, 24*time.Hour, pause, float64(time.Hour))
		}
	})
	t.Run("a list that cannot be read is read again soon", func(t *testing.T) {
		t.Parallel()
		w := newTown(t)
		pause := w.keepOnce(t.Context(), &install.Keeper{Tokens: brokenTokens{w.Store}, Now: w.clock, Log: w.Service.log})
		require.Equal(t, 10*time.Minute, pause)
		require.Contains(t, w.log.String(), "tokens not looked after")
	})
}

type brokenTokens struct{ *store.Store }

func (brokenTokens) Renewals(context.Context, time.Time) ([]app.Renewal, error) {
	return nil, payment.Errorf(payment.Unavailable, "database is away")
}

func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.install("payments", "/shopify")
	token, err := w.Store.Token(t.Context(), newShop, nil)
	require.NoError(t, err)
	for _, secret := range []string{"payments-secret", "admin-secret", token, "shprt_"} {
		require.NotContains(t, w.log.String(), secret)
	}
}
