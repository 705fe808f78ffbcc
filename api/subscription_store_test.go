package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/internal/access"
	"tillflow/internal/access/audit"
	"tillflow/internal/payment"
	"tillflow/internal/store"
	"tillflow/internal/subscription"
)

// members is the record of subscriptions as the wiring hands it over, and the runs
// that carry commands out.
type members struct {
	*store.Store
	soon []subscription.Ref
	away bool
}

func (m *members) Plans(ctx context.Context, shop string, retired bool, after string, limit int) ([]subscription.Offer, error) {
	return m.ListPlans(ctx, store.PlanFilter{Shop: shop, Retired: retired, After: after, Limit: limit})
}

func (m *members) StartSubscriptionSoon(ref subscription.Ref) { m.soon = append(m.soon, ref) }

func (m *members) AskSubscription(ctx context.Context, ref subscription.Ref, commandID string) (subscription.Answer, error) {
	if m.away {
		return subscription.Answer{}, errAway
	}
	answer, _, err := m.ApplyCommand(ctx, ref.ID, commandID)
	return answer, err
}

const (
	goldPlan = `{"id": "gold", "name": "Gold", "price": "30.00", "currency": "EUR", "interval": {"unit": "month", "count": 1}, "zone": "Europe/Berlin", "notice_days": 7}`
	dearPlan = `{"id": "platinum", "name": "Platinum", "price": "60.00", "currency": "EUR", "interval": {"unit": "month", "count": 1}, "zone": "Europe/Berlin"}`
	oneSub   = `{"ref": "sub-1", "plan": "gold", "version": 1, "test": true, "locale": "de", "return_url": "https://shop.example/thanks", "customer": {"email": "` + canary + `"}}`
)

// ask sends a request under the shop's key and reads the answer.
func (h *house) ask(t *testing.T, status int, route, body string, headers ...string) map[string]any {
	t.Helper()
	rec := h.raw(t, route, body, headers...)
	require.Equal(t, status, rec.Code, rec.Body.String())
	var out map[string]any
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &out))
	return out
}

func (h *house) raw(t *testing.T, route, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	method, path, _ := strings.Cut(route, " ")
	return h.send(t, method+" /api/v1/"+path, body, append([]string{"Authorization", "Bearer " + h.key}, headers...)...)
}

// no is what a problem says.
type no struct {
	status      int
	code, field string
}

// refused checks status, code and field of a problem.
func (h *house) refused(t *testing.T, want no, route, body string, headers ...string) map[string]any {
	t.Helper()
	p := h.ask(t, want.status, route, body, headers...)
	require.Equal(t, want.code, p["code"], p)
	require.Equal(t, want.field, orNothing(p["field"]), p)
	require.NotEmpty(t, p["message"])
	return p
}

func orNothing(v any) any {
	if v == nil {
		return ""
	}
	return v
}

// begun subscribes somebody, pays the first period and keeps the method.
func (h *house) begun(t *testing.T) {
	t.Helper()
	h.ask(t, http.StatusCreated, "POST plan", goldPlan)
	h.ask(t, http.StatusCreated, "POST plan", dearPlan)
	id, _ := h.ask(t, http.StatusCreated, "POST subscription", oneSub)["id"].(string)
	var paymentID string
	require.NoError(t, h.Pool.QueryRow(t.Context(), `SELECT payment_id::text FROM subscription_charges WHERE subscription_id = $1`, id).Scan(&paymentID))
	send, err := h.BeginCheckout(t.Context(), paymentID)
	require.NoError(t, err)
	found := payment.Finding{
		AttemptID: send.Attempt.ID, Evidence: payment.ByAnswer, EvidenceRef: "req_1", State: payment.Open, Ref: "cs_1",
		URL: "https://psp.example/pay", ExpiresAt: h.now.Add(time.Hour),
	}
	_, err = h.RecordFinding(t.Context(), found)
	require.NoError(t, err)
	found.State, found.EvidenceRef, found.PaymentRef, found.Amount, found.URL = payment.Done, "req_2", "pi_1", send.Amount, ""
	_, err = h.RecordFinding(t.Context(), found)
	require.NoError(t, err)
	_, err = h.TellSubscription(t.Context(), paymentID)
	require.NoError(t, err)
	view, err := h.StepSubscription(t.Context(), id)
	require.NoError(t, err)
	_, err = h.UseMethod(t.Context(), id, view.Keep, uuid.NewString(), h.account)
	require.NoError(t, err)
}

func TestPlansInTheRecord(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	made := h.ask(t, http.StatusCreated, "POST plan", goldPlan)
	require.Equal(t, []any{"gold", float64(1), "30.00", "EUR", float64(0)}, []any{made["id"], made["version"], made["price"], made["currency"], made["subscriptions"]})
	h.now = h.now.Add(time.Minute)
	require.Equal(t, made, h.ask(t, http.StatusOK, "POST plan", goldPlan), "a repeat answers the same plan")
	p := h.refused(t, no{http.StatusConflict, "different_plan", "id"}, "POST plan", strings.Replace(goldPlan, "30.00", "31.00", 1))
	require.Equal(t, "30.00", p["current"].(map[string]any)["price"])

	t.Run("bad plans are refused with field and reason, and nothing is stored", func(t *testing.T) {
		with := func(from, to string) string {
			return strings.Replace(strings.Replace(goldPlan, `"gold"`, `"other"`, 1), from, to, 1)
		}
		for rule, c := range map[string]struct{ body, code, field string }{
			"a price of nothing":       {with("30.00", "0.00"), "zero", "price"},
			"a negative price":         {with("30.00", "-1"), "negative", "price"},
			"a price too precise":      {with("30.00", "30.001"), "too_precise", "price"},
			"a price that is no text":  {with(`"30.00"`, "30"), "invalid_request", "price"},
			"a price that is words":    {with("30.00", "thirty"), "not_a_number", "price"},
			"no price":                 {with("30.00", ""), "missing", "price"},
			"a huge price":             {with("30.00", "99999999999999999999"), "out_of_range", "price"},
			"an unknown currency":      {with("EUR", "XTS"), "unknown_currency", "currency"},
			"an interval of nothing":   {with(`"count": 1`, `"count": 0`), "out_of_range", "interval.count"},
			"an interval too long":     {with(`"count": 1`, `"count": 37`), "out_of_range", "interval.count"},
			"an unknown interval":      {with("month", "fortnight"), "unknown_unit", "interval.unit"},
			"a day no month has":       {with(`"notice_days"`, `"anchor": {"day": 32}, "notice_days"`), "no_such_day", "anchor.day"},
			"an unknown zone":          {with("Europe/Berlin", "Mars/Olympus"), "unknown_zone", "zone"},
			"no zone":                  {with("Europe/Berlin", ""), "missing", "zone"},
			"a notice too early":       {with(`"notice_days": 7`, `"notice_days": 91`), "out_of_range", "notice_days"},
			"a trial of minus one":     {with(`"notice_days": 7`, `"trial_days": -1`), "out_of_range", "trial_days"},
			"no name":                  {with(`"Gold"`, `""`), "missing", "name"},
			"a name that rings":        {with(`"Gold"`, `"Go\u0007ld"`), "invalid_request", "name"},
			"an id of capitals":        {with(`"other"`, `"Other"`), "out_of_range", "id"},
			"a member that is unknown": {with(`"notice_days"`, `"coupon": "x", "notice_days"`), "invalid_request", "body"},
		} {
			t.Run(rule, func(t *testing.T) {
				h.refused(t, no{http.StatusBadRequest, c.code, c.field}, "POST plan", c.body)
				require.Equal(t, 1, h.Count(t, `SELECT count(*) FROM plan_versions`))
			})
		}
	})
	t.Run("a new version is made of the one that was seen, and who is late gets the one that stands", func(t *testing.T) {
		body := strings.Replace(strings.Replace(goldPlan, "30.00", "35.00", 1), `{"id"`, `{"version": 1, "running": "move", "from": "2027-01-01T00:00:00Z", "id"`, 1)
		two := h.ask(t, http.StatusOK, "POST plan/update", body)
		require.Equal(t, []any{float64(2), "35.00", "move", "2027-01-01T00:00:00Z"}, []any{two["version"], two["price"], two["running"], two["from"]})
		p := h.refused(t, no{http.StatusConflict, "stale_version", "version"}, "POST plan/update", body)
		require.Equal(t, two, p["current"])
		require.Equal(t, "30.00", h.ask(t, http.StatusOK, "GET plan?id=gold&version=1", "")["price"])
		require.Equal(t, two, h.ask(t, http.StatusOK, "GET plan?id=gold", ""))
		h.refused(t, no{http.StatusNotFound, "unknown_version", "version"}, "GET plan?id=gold&version=3", "")
		h.refused(t, no{http.StatusConflict, "other_currency", "currency"}, "POST plan/update", strings.Replace(strings.Replace(body, "EUR", "USD", 1), `"version": 1`, `"version": 2`, 1))
		h.refused(t, no{http.StatusBadRequest, "unknown_rule", "running"}, "POST plan/update", strings.Replace(strings.Replace(body, "move", "burn", 1), `"version": 1`, `"version": 2`, 1))
		h.refused(t, no{http.StatusNotFound, "unknown_plan", "id"}, "POST plan/update", strings.Replace(body, "gold", "nobodys", 1))
	})
	t.Run("a plan that is retired takes nobody new", func(t *testing.T) {
		h.refused(t, no{http.StatusBadRequest, "unknown_rule", "running"}, "POST plan/retire", `{"id": "gold", "version": 2, "running": "move"}`)
		h.refused(t, no{http.StatusConflict, "stale_version", "version"}, "POST plan/retire", `{"id": "gold", "version": 1, "running": "keep"}`)
		require.Equal(t, true, h.ask(t, http.StatusOK, "POST plan/retire", `{"id": "gold", "version": 2, "running": "keep"}`)["retired"])
		h.refused(t, no{http.StatusConflict, "retired", "plan"}, "POST subscription", strings.Replace(oneSub, `"version": 1`, `"version": 3`, 1))
		require.Empty(t, h.ask(t, http.StatusOK, "GET plans", "")["plans"])
		require.Len(t, h.ask(t, http.StatusOK, "GET plans?retired=true", "")["plans"], 1)
	})
	t.Run("plans are listed page by page", func(t *testing.T) {
		for _, id := range []string{"a", "b", "c"} {
			h.ask(t, http.StatusCreated, "POST plan", strings.Replace(goldPlan, `"gold"`, `"`+id+`"`, 1))
		}
		one := h.ask(t, http.StatusOK, "GET plans?limit=2", "")
		require.Len(t, one["plans"], 2)
		two := h.ask(t, http.StatusOK, "GET plans?limit=2&cursor="+one["next"].(string), "")
		require.Len(t, two["plans"], 1)
		require.Nil(t, two["next"])
		h.refused(t, no{http.StatusBadRequest, "invalid_request", "limit"}, "GET plans?limit=0", "")
	})
}

func TestScopesOfSubscriptions(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	h.ask(t, http.StatusCreated, "POST plan", goldPlan)
	all := h.key
	for scope, may := range map[access.Scope][]string{
		access.ReadPaymentScope:       nil,
		access.ReadSubscriptionScope:  {"GET plan?id=gold", "GET plans", "GET subscriptions", "GET subscription?ref=none", "GET entitlement?ref=none"},
		access.WriteSubscriptionScope: {"POST subscription", "POST subscription/pause", "POST subscription/cancel", "POST subscription/change", "POST subscription/retry", "POST subscription/skip", "POST subscription/resume", "POST subscription/withdraw"},
		access.WritePlanScope:         {"POST plan", "POST plan/update", "POST plan/retire"},
	} {
		_, key, err := h.IssueAPIKey(t.Context(), audit.Actor{Name: "root"}, store.NewAPIKey{Shop: shopName, Label: "few", Scopes: []access.Scope{scope}})
		require.NoError(t, err)
		h.key = key.Reveal()
		for _, route := range []string{
			"GET plan?id=gold", "GET plans", "GET subscriptions", "GET subscription?ref=none", "GET entitlement?ref=none",
			"POST subscription", "POST subscription/pause", "POST subscription/cancel", "POST subscription/change", "POST subscription/retry", "POST subscription/skip",
			"POST subscription/resume", "POST subscription/withdraw", "POST plan", "POST plan/update", "POST plan/retire",
		} {
			allowed := false
			for _, one := range may {
				allowed = allowed || one == route
			}
			status := h.raw(t, route, "{}").Code
			require.Equal(t, allowed, status != http.StatusForbidden, "%s with %s: %d", route, scope, status)
		}
	}
	h.key = all
}

func TestSubscriptionsInTheRecord(t *testing.T) {
	t.Parallel()
	t.Run("one is made once, with a page for the first payment", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.ask(t, http.StatusCreated, "POST plan", goldPlan)
		s := h.ask(t, http.StatusCreated, "POST subscription", oneSub, "Idempotency-Key", "k1")
		require.Equal(t, "pending", s["state"])
		require.Contains(t, s["url"], "https://pay.example.com/pay/")
		require.Equal(t, "30.00", s["charge"].(map[string]any)["amount"])
		require.Len(t, h.members.soon, 1)
		require.Equal(t, s, h.ask(t, http.StatusOK, "POST subscription", oneSub, "Idempotency-Key", "k1"), "a repeat answers the same one")
		require.Equal(t, s, h.ask(t, http.StatusOK, "POST subscription", oneSub))
		require.Equal(t, s, h.ask(t, http.StatusOK, "GET subscription?ref=sub-1", ""))
		h.refused(t, no{http.StatusConflict, "idempotency_key_reused", "Idempotency-Key"}, "POST subscription", strings.Replace(oneSub, "sub-1", "sub-2", 1), "Idempotency-Key", "k1")
		h.refused(t, no{http.StatusConflict, "different_subscription", "ref"}, "POST subscription", strings.Replace(oneSub, `"version": 1`, `"version": 1, "quantity": 2`, 1))
		require.Equal(t, 1, h.Count(t, `SELECT count(*) FROM subscriptions`))
		require.Len(t, h.members.soon, 1, "one run")
		require.Equal(t, map[string]any{"ref": "sub-1", "paid_up": false, "standing": "pending", "plan": "gold", "quantity": float64(1)},
			h.ask(t, http.StatusOK, "GET entitlement?ref=sub-1", ""))
	})
	t.Run("what does not fit is refused, and nothing is stored", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.ask(t, http.StatusCreated, "POST plan", goldPlan)
		with := func(from, to string) string { return strings.Replace(oneSub, from, to, 1) }
		for rule, c := range map[string]struct {
			status            int
			body, code, field string
		}{
			"no ref":              {400, with(`"sub-1"`, `""`), "invalid_request", "ref"},
			"a ref of a person":   {400, with("sub-1", "ada@example.com"), "invalid_request", "ref"},
			"no plan":             {400, with(`"gold"`, `""`), "invalid_request", "plan"},
			"an unknown plan":     {404, with("gold", "silver"), "unknown_plan", "plan"},
			"no version":          {400, with(`"version": 1, `, ``), "invalid_request", "version"},
			"a stale version":     {409, with(`"version": 1`, `"version": 7`), "stale_version", "version"},
			"a quantity of none":  {400, with(`"version": 1`, `"version": 1, "quantity": 0`), "out_of_range", "quantity"},
			"a negative quantity": {400, with(`"version": 1`, `"version": 1, "quantity": -1`), "out_of_range", "quantity"},
			"an unknown zone":     {400, with(`"version": 1`, `"version": 1, "zone": "Mars/Olympus"`), "unknown_zone", "zone"},
			"no account":          {409, with(`"test": true`, `"test": false`), "no_account", ""},
			"a script for a link": {400, with("https://shop.example/thanks", "javascript:alert(1)"), "invalid_request", "return_url"},
			"customers":           {400, with(`{"email": "`+canary+`"}`, `[]`), "invalid_request", "customer"},
			"half a request":      {400, oneSub[:40], "invalid_request", "body"},
		} {
			t.Run(rule, func(t *testing.T) {
				h.refused(t, no{c.status, c.code, c.field}, "POST subscription", c.body)
				require.Zero(t, h.Count(t, `SELECT count(*) FROM subscriptions`)+h.Count(t, `SELECT count(*) FROM payments`)+h.Count(t, `SELECT count(*) FROM vault`))
			})
		}
	})
	t.Run("they are listed newest first, and no page loses one", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.ask(t, http.StatusCreated, "POST plan", goldPlan)
		for _, ref := range []string{"a", "b", "c", "d", "e"} { // all at one moment
			h.ask(t, http.StatusCreated, "POST subscription", strings.Replace(oneSub, "sub-1", ref, 1))
		}
		seen, path := map[any]bool{}, "GET subscriptions?limit=2&state=pending&plan=gold"
		for cursor := any(""); cursor != nil; {
			page := h.ask(t, http.StatusOK, path+"&cursor="+cursor.(string), "")
			for _, s := range page["subscriptions"].([]any) {
				seen[s.(map[string]any)["ref"]] = true
			}
			cursor = page["next"]
		}
		require.Len(t, seen, 5)
		require.Empty(t, h.ask(t, http.StatusOK, "GET subscriptions?state=active", "")["subscriptions"])
		h.refused(t, no{http.StatusBadRequest, "invalid_request", "state"}, "GET subscriptions?state=asleep", "")
		h.refused(t, no{http.StatusBadRequest, "invalid_request", "cursor"}, "GET subscriptions?cursor=x", "")
	})
}
