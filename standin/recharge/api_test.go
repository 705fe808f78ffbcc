package recharge_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/standin/faults"
	"tillflow/standin/recharge"
)

func TestAdmission(t *testing.T) {
	t.Parallel()
	for rule, c := range map[string]struct {
		call   string
		body   string
		opts   []option
		status int
	}{
		"a good request is answered":                {"GET /", "", nil, http.StatusOK},
		"an unknown token":                          {"GET /charges", "", []option{with("X-Recharge-Access-Token", "no")}, http.StatusUnauthorized},
		"no token":                                  {"GET /charges", "", []option{with("X-Recharge-Access-Token", "")}, http.StatusUnauthorized},
		"no version":                                {"GET /charges", "", []option{with("X-Recharge-Version", "")}, http.StatusUpgradeRequired},
		"another version":                           {"GET /charges", "", []option{with("X-Recharge-Version", "2021-01")}, http.StatusUpgradeRequired},
		"another type is accepted":                  {"GET /charges", "", []option{with("Accept", "text/html")}, http.StatusNotAcceptable},
		"a body that is not called JSON":            {"POST /webhooks", "{}", []option{with("Content-Type", "text/plain")}, http.StatusUnsupportedMediaType},
		"a body that is none":                       {"POST /webhooks", "{", nil, http.StatusUnsupportedMediaType},
		"a scope that the token lacks":              {"GET /customers", "", []option{with("X-Recharge-Access-Token", otherToken)}, http.StatusForbidden},
		"an unknown parameter":                      {"GET /charges?error_type=CARD_DECLINED", "", nil, http.StatusUnprocessableEntity},
		"a parameter twice":                         {"GET /charges?ids=1&ids=2", "", nil, http.StatusUnprocessableEntity},
		"a page that is too large":                  {"GET /charges?limit=251", "", nil, http.StatusUnprocessableEntity},
		"a time that is none":                       {"GET /charges?updated_at_min=yesterday", "", nil, http.StatusUnprocessableEntity},
		"an order that is none":                     {"GET /charges?sort_by=updated_at", "", nil, http.StatusUnprocessableEntity},
		"a made-up cursor":                          {"GET /charges?cursor=abc", "", nil, http.StatusUnprocessableEntity},
		"filters beside a cursor":                   {"GET /charges?cursor=abc&status=error", "", nil, http.StatusUnprocessableEntity},
		"includes instead of include":               {"GET /charges?includes=customer", "", nil, http.StatusUnprocessableEntity},
		"include twice":                             {"GET /charges?include=customer&include=customer", "", nil, http.StatusUnprocessableEntity},
		"something that cannot be included":         {"GET /charges?include=customer,orders", "", nil, http.StatusUnprocessableEntity},
		"a charge that is not there":                {"GET /charges/1", "", nil, http.StatusNotFound},
		"a path that is none":                       {"GET /charges/1/2/3", "", nil, http.StatusNotFound},
		"processing a charge that is not there":     {"POST /charges/1/process", "", nil, http.StatusNotFound},
		"a webhook without an address":              {"POST /webhooks", `{"topic":"charge/failed"}`, nil, http.StatusUnprocessableEntity},
		"a webhook of a topic that nobody has":      {"POST /webhooks", `{"topic":"charge/eaten","address":"https://a.example"}`, nil, http.StatusUnprocessableEntity},
		"a webhook with a member that nobody knows": {"POST /webhooks", `{"topics":[]}`, nil, http.StatusUnprocessableEntity},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := b.call(c.call, c.body, c.opts...)
			require.Equal(t, c.status, a.status, a.raw)
		})
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 40 {
		require.Equal(t, http.StatusOK, b.call("GET /", "").status)
	}
	a := b.call("GET /", "")
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Equal(t, "1", a.header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, b.call("GET /", "", with("X-Recharge-Access-Token", otherToken)).status, "each token has its own")
	b.clock.advance(time.Second)
	require.Equal(t, http.StatusOK, b.call("GET /", "").status, "two leak out a second")
	require.Equal(t, http.StatusOK, b.call("GET /", "").status)
	require.Equal(t, http.StatusTooManyRequests, b.call("GET /", "").status)
	require.Equal(t, 2, b.server.Books("one").Stores["one"].Throttled)
}

// walk follows a list to its end.
func (b *bundle) walk(first string) (ids []int64, pages int) {
	b.t.Helper()
	for path := first; path != ""; pages++ {
		a := b.call("GET "+path, "")
		require.Equal(b.t, http.StatusOK, a.status, a.raw)
		require.Contains(b.t, a.json, "next_cursor")
		ids = append(ids, a.ids("charges")...)
		path = ""
		if next, ok := a.at("next_cursor").(string); ok {
			path = "/charges?limit=10&cursor=" + url.QueryEscape(next)
		}
	}
	return ids, pages
}

func TestList(t *testing.T) {
	t.Parallel()
	const first = "/charges?status=error&limit=10&sort_by=updated_at-asc"
	t.Run("every charge is on one page, also where several share a second", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		want := b.add(25, recharge.ChargeSpec{SpreadSeconds: 3})
		b.add(5, recharge.ChargeSpec{Status: "success"})
		ids, pages := b.walk(first)
		require.Equal(t, want, ids)
		require.Equal(t, 3, pages)
		slices.Reverse(want)
		ids, _ = b.walk("/charges?status=ERROR&limit=10&sort_by=updated_at-desc")
		require.Equal(t, want, ids)
	})
	t.Run("the window is by the last update", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.add(3, recharge.ChargeSpec{AgeSeconds: 7200})
		want := b.add(3, recharge.ChargeSpec{AgeSeconds: 60})
		a := b.call("GET /charges?updated_at_min=2026-11-01T11:30:00", "")
		require.Equal(t, want, a.ids("charges"))
		a = b.call("GET /charges?updated_at_max=2026-11-01T11:30:00Z&ids="+fmt.Sprint(want[0]), "")
		require.Empty(t, a.ids("charges"))
	})
	t.Run("a cursor that counts rows loses one when a row before it moves", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(o *recharge.Options) { o.OffsetCursors = true })
		want := b.add(20, recharge.ChargeSpec{SpreadSeconds: 60})
		a := b.call("GET "+first, "")
		require.NoError(t, b.server.ChangeCharge("one", want[0], recharge.ChargeChange{}))
		next := b.call("GET /charges?limit=10&cursor="+url.QueryEscape(a.at("next_cursor").(string)), "")
		require.Equal(t, append(want[11:], want[0]), next.ids("charges"))
	})
	t.Run("pages go wrong as they are told", func(t *testing.T) {
		t.Parallel()
		for kind, check := range map[recharge.PageKind]func(a answer, ids []int64){
			recharge.PageHalf:   func(a answer, _ []int64) { require.Nil(t, a.json); require.Equal(t, http.StatusOK, a.status) },
			recharge.PageShort:  func(a answer, ids []int64) { require.Equal(t, ids[:5], a.ids("charges")) },
			recharge.PageNoNext: func(a answer, _ []int64) { require.NotContains(t, a.json, "next_cursor") },
		} {
			b := setup(t)
			ids := b.add(25, recharge.ChargeSpec{SpreadSeconds: 60})
			require.NoError(t, b.server.ArmPage(recharge.PageFault{Call: "charges.list", Kind: kind}))
			check(b.call("GET "+first, ""), ids)
			require.Equal(t, ids[:10], b.call("GET "+first, "").ids("charges"), "once")
		}
		for kind, want := range map[recharge.PageKind]func(ids []int64) []int64{
			recharge.PageLost:  func(ids []int64) []int64 { return slices.Concat(ids[:10], ids[20:]) },
			recharge.PageAgain: func(ids []int64) []int64 { return slices.Concat(ids[:10], ids[:10], ids[10:]) },
		} {
			b := setup(t)
			ids := b.add(25, recharge.ChargeSpec{SpreadSeconds: 60})
			require.NoError(t, b.server.ArmPage(recharge.PageFault{Call: "charges.list", Kind: kind}))
			got, _ := b.walk(first)
			require.Equal(t, want(ids), got, kind)
		}
	})
	t.Run("a circle leads back to where it began, a refused cursor is refused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.add(25, recharge.ChargeSpec{SpreadSeconds: 60})
		second := "GET /charges?limit=10&cursor=" + url.QueryEscape(b.call("GET "+first, "").at("next_cursor").(string))
		require.NoError(t, b.server.ArmPage(recharge.PageFault{Call: "charges.list", Kind: recharge.PageCircle}))
		a := b.call(second, "")
		require.Equal(t, second, "GET /charges?limit=10&cursor="+url.QueryEscape(a.at("next_cursor").(string)))
		require.NoError(t, b.server.ArmPage(recharge.PageFault{Call: "charges.list", Kind: recharge.PageRefuse}))
		require.Equal(t, http.StatusUnprocessableEntity, b.call(second, "").status)
		require.Error(t, b.server.ArmPage(recharge.PageFault{Call: "charges.list", Kind: "eaten"}))
		require.Error(t, b.server.ArmPage(recharge.PageFault{Call: "charges", Kind: recharge.PageLost}))
	})
}

func TestProcess(t *testing.T) {
	t.Parallel()
	process := func(id int64) string { return fmt.Sprintf("POST /charges/%d/process", id) }
	t.Run("a good card pays once, makes an order with the note, and a second call is a conflict", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		id := b.add(1, recharge.ChargeSpec{Card: "good", Note: "leave at the door", Total: "24.99"})[0]
		a := b.call(process(id), "")
		require.Equal(t, http.StatusOK, a.status, a.raw)
		require.Equal(t, "success", a.at("charge", "status"))
		require.Equal(t, http.StatusConflict, b.call(process(id), "").status)
		books := b.server.Books("one").Stores["one"]
		require.Equal(t, 1, books.Charges[0].Paid)
		require.Equal(t, int64(2499), books.Taken["USD"])
		orders := b.call(fmt.Sprintf("GET /orders?charge_id=%d", id), "")
		require.Equal(t, "leave at the door", orders.json["orders"].([]any)[0].(map[string]any)["note"])
	})
	t.Run("a card that declines is 402 and counts an attempt, until they are used up", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		id := b.add(1, recharge.ChargeSpec{Card: "INSUFFICIENT_FUNDS", Attempts: 6})[0]
		require.Equal(t, http.StatusPaymentRequired, b.call(process(id), "").status)
		require.Equal(t, "INSUFFICIENT_FUNDS", b.call(fmt.Sprintf("GET /charges/%d", id), "").at("charge", "error_type"))
		require.Equal(t, http.StatusPaymentRequired, b.call(process(id), "").status)
		a := b.call(fmt.Sprintf("GET /charges/%d", id), "")
		require.Equal(t, "CLOSED_MAX_RETRIES_REACHED", a.at("charge", "error_type"))
		require.InDelta(t, 8, a.at("charge", "charge_attempts"), 0)
		require.Nil(t, a.at("charge", "retry_date"))
	})
	t.Run("a lost reply has charged", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		id := b.add(1, recharge.ChargeSpec{Card: "good"})[0]
		_, err := b.server.Faults().Arm(faults.Rule{Call: "charges.process", Kind: faults.ErrorAfter})
		require.NoError(t, err)
		require.Equal(t, http.StatusInternalServerError, b.call(process(id), "").status)
		require.Equal(t, 1, b.server.Books("one").Stores["one"].Charges[0].Paid)
	})
	t.Run("a slow card is pending and paid later", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		id := b.add(1, recharge.ChargeSpec{Card: "slow"})[0]
		require.Equal(t, "pending", b.call(process(id), "").at("charge", "status"))
		b.clock.advance(time.Minute)
		b.server.Advance()
		require.Equal(t, "success", b.call(fmt.Sprintf("GET /charges/%d", id), "").at("charge", "status"))
	})
	t.Run("the schedule tries again a day later, with the card of then", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		id := b.add(1, recharge.ChargeSpec{})[0]
		require.NoError(t, b.server.SetCard("one", b.server.Books("one").Stores["one"].Charges[0].Customer, "good"))
		b.server.Advance()
		require.Empty(t, b.server.Books("one").Stores["one"].Payments)
		b.clock.advance(24 * time.Hour)
		b.server.Advance()
		payments := b.server.Books("one").Stores["one"].Payments
		require.Len(t, payments, 1)
		require.Equal(t, "retry", payments[0].Via)
		require.Equal(t, id, payments[0].Charge)
	})
	t.Run("only the plan that may", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ids, err := b.server.AddCharges("two", 1, recharge.ChargeSpec{Card: "good", Total: "2499"})
		require.NoError(t, err)
		require.Equal(t, http.StatusForbidden, b.call(process(ids[0]), "", with("X-Recharge-Access-Token", otherToken)).status)
		require.Equal(t, http.StatusNotFound, b.call(process(ids[0]), "").status, "another store's")
	})
}

func TestTimesAndCustomers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(4, recharge.ChargeSpec{})
	entry := b.server.Books("one").Stores["one"].Charges[0]
	a := b.call("GET /charges?include=customer", "")
	zoned, zoneless := 0, 0
	for _, row := range a.json["charges"].([]any) {
		charge := row.(map[string]any)
		if _, err := time.Parse("2006-01-02T15:04:05", charge["updated_at"].(string)); err == nil {
			zoneless++
		} else {
			zoned++
		}
		require.Contains(t, charge["include"], "customer")
	}
	require.Equal(t, []int{2, 2}, []int{zoned, zoneless}, "both kinds of time are shown")

	a = b.call(fmt.Sprintf("GET /customers?external_customer_id=%d", entry.ShopifyID), "")
	require.Equal(t, []int64{entry.Customer}, a.ids("customers"))
	a = b.call(fmt.Sprintf("GET /customers/%d?include=payment_methods", entry.Customer), "")
	require.Equal(t, fmt.Sprint(entry.ShopifyID), a.at("customer", "external_customer_id", "ecommerce"))
	require.NotNil(t, a.at("customer", "include", "payment_methods"))
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "recharge.json")
	keep := func(o *recharge.Options) { o.SnapshotPath = path }
	opts := recharge.Options{Stores: []recharge.Store{{Name: "one", Token: token, ClientSecret: clientKey, Plus: true}}}
	keep(&opts)
	server, err := recharge.New(opts)
	require.NoError(t, err)
	ids, err := server.AddCharges("one", 2, recharge.ChargeSpec{Note: "n"})
	require.NoError(t, err)
	require.NoError(t, server.Close())

	b := setup(t, keep)
	require.Equal(t, "n", b.call(fmt.Sprintf("GET /charges/%d", ids[1]), "").at("charge", "note"))
	more := b.add(1, recharge.ChargeSpec{})
	require.Greater(t, more[0], ids[1], "ids go on")
}
