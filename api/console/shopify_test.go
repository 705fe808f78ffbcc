package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
	"tillflow/internal/shopify/app"
)

func TestShopDeliveries(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	const at = "/console/deliveries/shopify"
	h.get(access.Viewer, at).shows(http.StatusOK, "No message fits.", "Of providers")
	delivery := func(id string, change ...func(*app.Delivery)) app.Delivery {
		d := app.Delivery{
			App: app.Admin, Shop: shop, Topic: app.OrdersPaid, WebhookID: id, TriggeredAt: h.clock(), Resource: "gid://shopify/Order/1",
		}
		for _, c := range change {
			c(&d)
		}
		return d
	}
	_, err := h.StoreDelivery(t.Context(), delivery("wh-1"))
	require.NoError(t, err)
	_, err = h.BackfillDelivery(t.Context(), delivery("", func(d *app.Delivery) { d.Resource = "gid://shopify/Order/2" }))
	require.NoError(t, err)
	_, err = h.RaiseWarning(t.Context(), app.Warning{Key: "k", Kind: app.WarnLost, Shop: shop, Detail: "Two orders were missed."})
	require.NoError(t, err)
	require.NoError(t, h.PutInstall(t.Context(), app.Grant{App: app.Admin, Shop: shop, AuthorizedAt: h.clock(), Tokens: app.Tokens{Access: "a", Refresh: "r"}}))
	_, err = h.DueGuards(t.Context(), 1)
	require.NoError(t, err)
	require.NoError(t, h.PutCheckup(t.Context(), app.Checkup{Shop: shop, Trouble: "unavailable http_500", NextAt: h.clock().Add(time.Hour)}))

	h.get(access.Viewer, at).shows(http.StatusOK, "orders/paid", "wh-1", "filled in", "gid://shopify/Order/2", "waits", "Two orders were missed.", "unavailable http 500")
	h.get(access.Viewer, at+"?filled=1").shows(http.StatusOK, "gid://shopify/Order/2").lacks("wh-1")
	h.get(access.Viewer, at+"?shop=other.myshopify.com").shows(http.StatusOK, "No message fits.")
	h.get(access.Viewer, at+"?before=2026-11-20T10:00:00Z_%27&shop=%27").shows(http.StatusNotFound)
	for i := range 60 {
		_, err := h.StoreDelivery(t.Context(), delivery("more-"+time.Duration(i).String()))
		require.NoError(t, err)
	}
	p := h.get(access.Viewer, at+"?waiting=1&shop="+shop).shows(http.StatusOK, "Older messages")
	_, after, _ := strings.Cut(p.html, `class="button" href="`)
	older, _, _ := strings.Cut(after, `"`)
	h.get(access.Viewer, unescape(older)).shows(http.StatusOK, "wh-1").lacks("Older messages")
}
