package shopify

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrderPageShowsWhatBecameOfAMove(t *testing.T) {
	t.Parallel()
	b := setup(t)
	started := b.payment(t, SessionRequest{})
	b.mutate(t, opPaymentResolve, map[string]any{"id": started.GID})
	panel := "/shops/" + acme + "/admin/orders/" + started.Checkout

	quiet := b.get(t, panel)
	require.Equal(t, http.StatusOK, quiet.status)
	require.Contains(t, quiet.body, "Order #1001")
	require.Contains(t, quiet.body, panel+`/refund"`)
	require.NotContains(t, quiet.body, `role="status"`)
	require.NotContains(t, quiet.body, `http-equiv="refresh"`)
	require.Contains(t, b.get(t, "/shops/"+acme+"/admin").body, `href="`+panel+`"`)

	pressed := b.postForm(t, panel+"/refund", url.Values{"amount": {"10"}})
	require.Equal(t, http.StatusSeeOther, pressed.status)
	require.Equal(t, panel, pressed.header.Get("Location"), "the merchant is back at the order")
	waiting := b.get(t, panel).body
	require.Contains(t, waiting, "Refund of 10.00 EUR is under way.")
	require.Contains(t, waiting, `<meta http-equiv="refresh" content="2">`)
	require.NotContains(t, waiting, panel+`/refund"`, "a page that reloads has no form to fill in")
	require.Contains(t, b.get(t, "/shops/"+acme+"/admin").body, panel+`/refund"`, "the list has")

	b.mutate(t, opRefundResolve, map[string]any{"id": b.last(t).GID})
	done := b.get(t, panel).body
	require.Contains(t, done, "Refund of 10.00 EUR is done.")
	require.Contains(t, done, ">Partially refunded<")
	require.NotContains(t, done, `http-equiv="refresh"`)
	require.Contains(t, done, `value="39.90"`, "the rest may go back too")

	b.postForm(t, panel+"/refund", url.Values{"amount": {"39.90"}})
	b.mutate(t, opRefundReject, argsFor(opRefundReject, b.last(t).GID, b.clock.now()))
	require.Contains(t, b.get(t, panel).body, "Refund of 39.90 EUR was not possible: declined by the bank")
}

func TestOrderPageOfAnAuthorization(t *testing.T) {
	t.Parallel()
	b := setup(t)
	started := b.payment(t, SessionRequest{Kind: KindAuthorization})
	b.mutate(t, opPaymentResolve, map[string]any{"id": started.GID})
	panel := "/shops/" + acme + "/admin/orders/" + started.Checkout
	b.postForm(t, panel+"/void", nil)
	require.Contains(t, b.get(t, panel).body, "Void is under way.")
	b.mutate(t, opVoidReject, map[string]any{"id": b.last(t).GID, "reason": map[string]any{"code": "PROCESSING_ERROR"}})
	require.Contains(t, b.get(t, panel).body, "Void was not possible<")
	b.postForm(t, panel+"/capture", url.Values{"amount": {"49.90"}})
	b.mutate(t, opCaptureResolve, map[string]any{"id": b.last(t).GID})
	require.Contains(t, b.get(t, panel).body, "Capture of 49.90 EUR is done.")
}

func TestMerchantSendsAgainWhatNoTryDelivered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	started := b.payment(t, SessionRequest{})
	b.mutate(t, opPaymentResolve, map[string]any{"id": started.GID})
	panel := "/shops/" + acme + "/admin/orders/" + started.Checkout
	b.app.answer(func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) })

	before := len(b.app.requests())
	b.postForm(t, panel+"/refund", url.Values{"amount": {"10.00"}})
	refund := b.last(t)
	retry := "/shops/" + acme + "/admin/sessions/" + refund.ID + "/retry"
	require.Len(t, b.app.requests(), before+3, "several tries, then a person")
	page := b.get(t, panel).body
	require.Contains(t, page, "Refund of 10.00 EUR could not be sent. Send it again.")
	require.Contains(t, page, `action="`+retry+`"`)
	require.NotContains(t, page, `http-equiv="refresh"`)

	b.app.answer(func(_ int, w http.ResponseWriter) {
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, `{}`)
	})
	again := b.postForm(t, retry, nil)
	require.Equal(t, http.StatusSeeOther, again.status)
	require.Equal(t, panel, again.header.Get("Location"))
	sent := b.app.requests()
	require.Len(t, sent, before+4)
	require.Equal(t, string(sent[before].body), string(sent[before+3].body), "the very request")
	require.Contains(t, b.get(t, panel).body, "is under way")
	require.Equal(t, 2, b.counts(t).Sessions)

	t.Run("there is nothing to send again once it was delivered, and never for payments or elsewhere", func(t *testing.T) {
		require.Equal(t, http.StatusConflict, b.postForm(t, retry, nil).status)
		for _, path := range []string{
			"/shops/" + acme + "/admin/sessions/" + started.ID + "/retry", "/shops/" + acme + "/admin/sessions/none/retry",
			"/shops/" + borealis + "/admin/sessions/" + refund.ID + "/retry",
		} {
			require.Equal(t, http.StatusConflict, b.postForm(t, path, nil).status, path)
		}
		require.Len(t, b.app.requests(), before+4)
	})
	t.Run("an unknown order is 404", func(t *testing.T) {
		require.Equal(t, http.StatusNotFound, b.get(t, "/shops/"+acme+"/admin/orders/none").status)
	})
}
