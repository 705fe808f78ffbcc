package console_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/api/console"
	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/money"
	"tillflow/internal/recharge"
)

// subscribed is a console whose shop has n failed charges at Recharge, one a day.
func subscribed(t *testing.T, n int) *house {
	t.Helper()
	h := furnish(t, func(o *console.Options) { o.Recharge = o.Payments.(record).Store })
	_, err := h.SaveRecharge(t.Context(), audit.Actor{Name: "tester"}, recharge.Connection{Shop: shop, Enabled: true}, &recharge.Credentials{Token: "t", Secret: "s"})
	require.NoError(t, err)
	var page []recharge.Charge
	for i := range n {
		page = append(page, recharge.Charge{
			ID: int64(990001 + i), Status: recharge.StatusError, ErrorType: "CARD_EXPIRED", Error: "Your card has expired", Attempts: 2, Type: "recurring",
			Customer: recharge.CustomerRef{ID: 7, Email: "zoe@example.com", ShopifyID: fmt.Sprint(5000 + i)}, ShopifyOrderID: "777",
			Currency: "USD", Total: money.New(2499, "USD"), UpdatedAt: h.clock().AddDate(0, 0, -i), Note: fmt.Sprintf("=HYPERLINK(%d)", i),
		})
	}
	require.NoError(t, h.RechargeJournal(shop).Keep(t.Context(), recharge.Findings{Charges: page}, func([]int64) recharge.Position { return recharge.Position{} }))
	return h
}

func TestRecharge(t *testing.T) {
	t.Parallel()
	const at = "/console/recharge"
	t.Run("the list filters by its address, and its pages meet every charge", func(t *testing.T) {
		t.Parallel()
		h := subscribed(t, 60)
		p := h.get(access.Viewer, at).shows(http.StatusOK, "990001", "24.99 USD", "The card has expired", "CARD_EXPIRED", "5000")
		require.Contains(t, p.html, "Older charges")
		older := p.html[strings.Index(p.html, `<a class="button" href="`)+len(`<a class="button" href="`):]
		h.get(access.Viewer, unescape(older[:strings.Index(older, `"`)])).shows(http.StatusOK, "990060").lacks("990001", "Older charges")
		to := h.post(access.Viewer, at, "category", "expired_card", "from", "2026-11-15", "to", "2026-11-16", "shop", shop, "text", "").leads()
		require.Equal(t, at+"?category=expired_card&from=2026-11-15&shop="+shop+"&to=2026-11-16", to)
		h.get(access.Viewer, to).shows(http.StatusOK, "990005", "990006").lacks("990004", "990007")
		h.get(access.Viewer, at+"?category=fraud").shows(http.StatusOK, "No charge fits.")
		h.post(access.Viewer, at, "from", "yesterday").shows(http.StatusUnprocessableEntity, "A day is written as")
	})
	t.Run("nothing about a person is shown unasked, and who reads it stands in the audit", func(t *testing.T) {
		t.Parallel()
		h := subscribed(t, 1)
		list := h.get(access.Operator, at).lacks("zoe", "HYPERLINK", "Your card has expired")
		link := list.html[strings.Index(list.html, at+"/0"):]
		link = link[:strings.Index(link, `"`)]
		h.get(access.Operator, link).shows(http.StatusOK, "CARD_EXPIRED", "gid://shopify/Customer/5000", "777", "990001", "enter another card").lacks("zoe", "HYPERLINK")
		h.post(access.Operator, link+"/texts").shows(http.StatusOK, "zoe@example.com", "=HYPERLINK(0)", "Your card has expired")
		require.Contains(t, h.trail()[0], "operator recharge.read_texts charge "+strings.TrimPrefix(link, at+"/"))
		h.get(access.Viewer, link).shows(http.StatusOK, "Your role does not read notes.")
		h.post(access.Viewer, link+"/texts").shows(http.StatusForbidden)
		h.form(access.Operator, link+"/texts").shows(http.StatusForbidden)
		h.get(access.Operator, at+"/0198aaaa-0000-7000-8000-000000000009").shows(http.StatusNotFound)
	})
	t.Run("a search in notes has no address, asks for a role, and is audited without its words", func(t *testing.T) {
		t.Parallel()
		h := subscribed(t, 60)
		p := h.post(access.Finance, at, "text", "hyperlink(17)").shows(http.StatusOK, "990018").lacks("990001")
		require.NotContains(t, p.html, "text=hyperlink")
		require.Equal(t, "finance recharge.search_notes all shops", h.trail()[0])
		h.post(access.Finance, at, "text", "hyperlink").shows(http.StatusOK, "Look on in older ones")
		h.post(access.Viewer, at, "text", "hyperlink").shows(http.StatusForbidden, "Your role does not read notes.")
	})
	t.Run("the file has every charge that fits, and no cell that a spreadsheet computes", func(t *testing.T) {
		t.Parallel()
		h := subscribed(t, 620)
		p := h.post(access.Operator, at+"/csv", "category", "expired_card")
		require.Equal(t, http.StatusOK, p.status)
		require.Equal(t, `attachment; filename="failed-charges-2026-11-20.csv"`, p.header.Get("Content-Disposition"))
		rows, err := csv.NewReader(strings.NewReader(p.html)).ReadAll()
		require.NoError(t, err)
		require.Len(t, rows, 621)
		seen := map[string]bool{}
		for _, row := range rows[1:] {
			require.False(t, seen[row[0]])
			seen[row[0]] = true
			require.Equal(t, "24.99", row[7])
			require.True(t, strings.HasPrefix(row[20], "'=HYPERLINK"), row[20])
		}
		require.NotContains(t, p.html, "zoe@example.com")
		require.Equal(t, "operator recharge.export all shops", h.trail()[0])
		h.post(access.Viewer, at+"/csv").shows(http.StatusForbidden)
		h.post(access.Operator, at+"/csv", "to", "never").shows(http.StatusUnprocessableEntity)
	})
	t.Run("trouble with a store is said at once", func(t *testing.T) {
		t.Parallel()
		h := subscribed(t, 1)
		require.NoError(t, h.PutRechargeVisit(t.Context(), recharge.Visited{Shop: shop, NextAt: h.clock().Add(time.Minute), Trouble: "Unauthorized http_401"}))
		h.get(access.Viewer, at).shows(http.StatusOK, "cannot be read since", "Unauthorized http 401", "Nothing is lost")
	})
	t.Run("without it there is no page", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.get(access.Admin, at).shows(http.StatusNotFound)
		h.get(access.Admin, "/console/payments").lacks("Recharge")
	})
}
