package cli

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/shopify"
	"tillflow/internal/shopify/app"
)

func TestVersionWarnings(t *testing.T) {
	t.Parallel()
	t.Run("the list of versions is asked for at a shop, and an ageing version is told", func(t *testing.T) {
		t.Parallel()
		w := newTown(t)
		api, err := w.shop()
		require.NoError(t, err)
		check := served{w.Service, app.Payments, api.client}
		text, err := check.Warning(t.Context())
		require.NoError(t, err)
		require.Empty(t, text, "there is no shop to ask at")
		w.install("payments", "/shopify")
		list, err := api.client.PublicVersions(t.Context(), newShop)
		require.NoError(t, err)
		now, err := shopify.CheckVersion(list, w.clock())
		require.NoError(t, err)
		text, err = check.Warning(t.Context())
		require.NoError(t, err)
		require.Equal(t, now.Warning(), text, "what the shop lists decides")
		// A shop that cannot be asked does not hide the answer of the next one, and alone it is an error.
		w.uninstall("payments")
		_, err = check.Warning(t.Context())
		require.Error(t, err)
	})
	t.Run("a hint of the headers is kept once, whatever is asked and however often", func(t *testing.T) {
		t.Parallel()
		w := newTown(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.keepNotices(ctx); close(ended) }()
		defer func() { stop(); <-ended }()
		for _, operation := range []string{"PaymentSessionResolve", "PaymentSessionReject", "PaymentSessionResolve"} {
			w.notices.offer(shopify.Notice{Kind: shopify.NoticeVersion, Shop: newShop, Operation: operation, Detail: "2027-01"})
			w.notices.offer(shopify.Notice{Kind: shopify.NoticeDeprecated, Shop: newShop, Operation: operation, Detail: "it goes"})
		}
		require.Eventually(t, func() bool {
			list, err := w.Store.Warnings(t.Context(), w.clock().Add(-time.Hour), 10)
			return err == nil && len(list) == 3
		}, 20*time.Second, 20*time.Millisecond, "one version, two deprecated operations")
	})
}
