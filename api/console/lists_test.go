package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/api/console"
	"tillflow/internal/access"
	"tillflow/internal/payment"
	"tillflow/internal/store"
)

func TestAccounts(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	_, err := h.PutAccount(t.Context(), store.Account{Shop: shop, Provider: "sandbox", Label: "Play", Position: 3}, map[string]string{})
	require.NoError(t, err)
	require.NoError(t, h.AccountVerified(t.Context(), h.account))
	p := h.get(access.Admin, "/console/accounts").shows(http.StatusOK, "Card", "stripe", "live", "in use", "secret key", "••••ABCD", "webhook secret", "20 Nov 2026 12:00",
		"Play", "sandbox", "switched off", "none", h.account)
	require.NotContains(t, p.html, secret[:len(secret)-4])
	h.get(access.Operator, "/console/accounts?shop="+shop).shows(http.StatusOK, "secret key", "••••").lacks("ABCD")
	h.get(access.Viewer, "/console/accounts?shop=other.myshopify.com").shows(http.StatusOK, "This shop has no account")
	h.get(access.Viewer, "/console/accounts?shop=%27%00").shows(http.StatusOK)
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	s := h.accept()
	send := h.begin(s)
	h.find(send, payment.Open)
	event := func(id, attempt, ref string) {
		_, err := h.StoreEvent(t.Context(), payment.IncomingEvent{
			AccountID: h.account, EventID: id, Type: "checkout.completed", BodyHash: []byte(id), AttemptID: attempt, Ref: ref,
			State: payment.Done, Amount: eur(1230), At: h.clock(),
		})
		require.NoError(t, err)
	}
	event("evt_ours", send.Attempt.ID, "cs_"+send.Attempt.ID)
	event("evt_stray", "", "cs_stranger")
	const at = "/console/deliveries"
	p := h.get(access.Viewer, at).shows(http.StatusOK, "evt_ours", "evt_stray", "checkout.completed", "stripe, Card", "done, 12.30 EUR", "waits", "unknown reference", "not known")
	require.Contains(t, p.html, `href="/console/payments/`+s.ID+`"`)
	h.get(access.Viewer, at+"?stray=1").shows(http.StatusOK, "evt_stray").lacks("evt_ours")
	h.get(access.Viewer, at+"?waiting=1&shop="+shop+"&provider=stripe").shows(http.StatusOK, "evt_ours")
	h.get(access.Viewer, at+"?provider=sandbox").shows(http.StatusOK, "No message fits.")
	for i := range 60 {
		event("evt_more_"+time.Duration(i).String(), "", "cs_stranger")
	}
	p = h.get(access.Viewer, at+"?stray=1").shows(http.StatusOK, "Older messages")
	_, after, _ := strings.Cut(p.html, `class="button" href="`)
	older, _, _ := strings.Cut(after, `"`)
	h.get(access.Viewer, unescape(older)).shows(http.StatusOK, "evt_stray").lacks("Older messages", "evt_ours")
}

func TestAudit(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	s := h.accept()
	h.post(access.Operator, list+"/"+s.ID+"/notes").shows(http.StatusOK)
	h.get(access.Viewer, "/console/audit").shows(http.StatusForbidden)
	const at = "/console/audit"
	p := h.get(access.Finance, at).shows(http.StatusOK, "payment.read_notes", "access.denied", "login.succeeded", "operator", "permission read_audit")
	require.Contains(t, p.html, `href="/console/payments/`+s.ID+`"`)
	h.get(access.Admin, at+"?subject=payment+"+s.ID).shows(http.StatusOK, "payment.read_notes").lacks("access.denied", "login.succeeded")
	h.post(access.Admin, at, "actor", " Operator ", "action", "payment.read_notes").shows(http.StatusOK, "payment.read_notes").lacks("login.succeeded")
	h.post(access.Admin, at, "actor", "nobody").shows(http.StatusOK, "No entry fits.")
	require.NotContains(t, h.get(access.Admin, at+"?actor=operator").html, `value="operator"`, "a name is not taken from an address")
	for range 55 {
		h.get(access.Viewer, at)
	}
	p = h.post(access.Admin, at, "actor", "viewer").shows(http.StatusOK, "Older entries")
	_, before, _ := strings.Cut(p.html, `name="before" value="`)
	before, _, _ = strings.Cut(before, `"`)
	h.post(access.Admin, at, "actor", "viewer", "before", before).shows(http.StatusOK, "login.succeeded").lacks("Older entries")
	h.show(access.Finance, s).shows(http.StatusOK, "The audit of this payment")
	h.show(access.Operator, s).shows(http.StatusOK).lacks("The audit of this payment")
}

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := console.New(console.Options{})
	require.ErrorContains(t, err, "missing")
}
