package console_test

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tillflow/api/console"
	"tillflow/internal/access"
	"tillflow/internal/payment"
	"tillflow/internal/store"
	"tillflow/internal/subscription"
)

// members is the record of subscriptions as the wiring hands it over, and the runs
// that carry out what is asked.
type members struct {
	*store.Store
	away bool
}

func (m *members) Plans(ctx context.Context, shop string, retired bool, after string, limit int) ([]subscription.Offer, error) {
	return m.ListPlans(ctx, store.PlanFilter{Shop: shop, Retired: retired, After: after, Limit: limit})
}

func (m *members) AskSubscription(ctx context.Context, ref subscription.Ref, commandID string) (subscription.Answer, error) {
	if m.away {
		return subscription.Answer{}, payment.Errorf(payment.Unavailable, "away")
	}
	answer, _, err := m.ApplyCommand(ctx, ref.ID, commandID)
	return answer, err
}

const subs = "/console/subscriptions"

// club is a console where a plan is sold.
func club(t *testing.T) (*house, *members) {
	t.Helper()
	m := &members{}
	h := furnish(t, func(o *console.Options) {
		m.Store = o.Payments.(record).Store
		o.Subscriptions, o.SubscriptionRuns = m, m
	})
	for _, plan := range []struct{ id, price string }{{"gold", "30.00"}, {"platinum", "60.00"}} {
		_, err := h.CreatePlan(t.Context(), subscription.NewOffer{Shop: shop, Name: strings.ToUpper(plan.id), By: "root", Draft: subscription.Draft{
			ID: plan.id, Price: plan.price, Currency: "EUR", Zone: "Europe/Berlin", Interval: subscription.Interval{Unit: subscription.Month, Count: 1},
		}})
		require.NoError(t, err)
	}
	return h, m
}

// subscribed is somebody who has paid the first period and left a method.
func (h *house) subscribed(ref string) string {
	h.t.Helper()
	r, _, err := h.Subscribe(h.t.Context(), subscription.Signup{
		Shop: shop, Ref: ref, Plan: "gold", Expected: 1, Quantity: 1, Token: "t-" + ref, Providers: []string{"stripe"},
		Buyer: []byte(`{"email": "canary@example.com"}`), BuyerKey: "canary@example.com", Resolution: 48 * time.Hour, By: "key 1",
	})
	require.NoError(h.t, err)
	d, err := h.ShowSubscription(h.t.Context(), "", r.ID)
	require.NoError(h.t, err)
	h.settle(d.Charges[0].PaymentID, payment.Done)
	view, err := h.StepSubscription(h.t.Context(), r.ID)
	require.NoError(h.t, err)
	_, err = h.UseMethod(h.t.Context(), r.ID, view.Keep, uuid.NewString(), h.account)
	require.NoError(h.t, err)
	return r.ID
}

// settle gives a subscription's payment its result.
func (h *house) settle(paymentID string, state payment.AttemptState) {
	h.t.Helper()
	send, err := h.BeginCheckout(h.t.Context(), paymentID)
	require.NoError(h.t, err)
	if !send.Attempt.Kept {
		h.find(send, payment.Open)
	}
	h.find(send, state, func(f *payment.Finding) {
		if state == payment.Declined {
			f.Decline = payment.InsufficientFunds
		}
	})
	_, err = h.TellSubscription(h.t.Context(), paymentID)
	require.NoError(h.t, err)
}

// declines renews a subscription and has its charge declined.
func (h *house) declines(id string) {
	h.t.Helper()
	h.wait(31 * 24 * time.Hour)
	_, err := h.StepSubscription(h.t.Context(), id)
	require.NoError(h.t, err)
	d, err := h.ShowSubscription(h.t.Context(), "", id)
	require.NoError(h.t, err)
	h.settle(d.Charges[0].PaymentID, payment.Declined)
}

var commandID = regexp.MustCompile(`name="id" value="([0-9a-f-]{36})"`)

// press confirms a command and sends its form; it answers the page that says what became of it.
func (h *house) press(id, do string, fields ...string) page {
	h.t.Helper()
	const role = access.Operator
	confirm := h.get(role, subs+"/"+id+"/act?do="+do)
	require.Equal(h.t, http.StatusOK, confirm.status, confirm.text)
	asked, err := url.ParseQuery("do=" + do)
	require.NoError(h.t, err)
	form := append([]string{"id", commandID.FindStringSubmatch(confirm.html)[1], "do", asked.Get("do"), "what", asked.Get("what")}, fields...)
	at := h.post(role, subs+"/"+id+"/act", form...).leads()
	require.Equal(h.t, at, h.post(role, subs+"/"+id+"/act", form...).leads(), "the same form twice is one command")
	return h.get(role, at)
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	t.Run("without them there is no page and no way to it", func(t *testing.T) {
		t.Parallel()
		h := furnish(t)
		h.get(access.Admin, list).lacks("Subscriptions")
		require.Equal(t, http.StatusNotFound, h.get(access.Admin, subs).status)
	})
	t.Run("each says what it is and why it waits", func(t *testing.T) {
		t.Parallel()
		h, _ := club(t)
		id := h.subscribed("sub-1")
		h.get(access.Viewer, subs).shows(http.StatusOK, "1 subscription.", "gold", "sub-1", "active", "30.00 EUR a month", "its period ends")
		h.get(access.Viewer, subs+"?state=paused").shows(http.StatusOK, "No subscription fits.")
		h.get(access.Viewer, subs+"?plan=gold&shop="+shop).shows(http.StatusOK, "sub-1")
		p := h.get(access.Viewer, subs+"/"+id).shows(http.StatusOK, "yes: paid", "gold, version 1", "one is kept", "000001", "first", "paid").lacks("What may be pressed", "canary")
		require.Contains(t, p.html, `href="/console/payments/`)
		h.declines(id)
		h.get(access.Operator, subs+"/"+id).shows(http.StatusOK, "past due", "the declined charge is tried again", "declined, and the shop is patient", "1, insufficient funds", "Charge again now", "Cancel now").lacks("Skip the next period")
		h.get(access.Viewer, subs+"/"+uuid.NewString()).shows(http.StatusNotFound)
		h.get(access.Viewer, subs+"/x").shows(http.StatusNotFound)
	})
	t.Run("a list goes on where it ended", func(t *testing.T) {
		t.Parallel()
		h, m := club(t)
		for i := range 51 {
			_, _, err := m.Subscribe(t.Context(), subscription.Signup{
				Shop: shop, Ref: "s" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Plan: "gold", Expected: 1, Quantity: 1, Token: uuid.NewString(),
				Providers: []string{"stripe"}, Resolution: time.Hour, By: "key 1",
			})
			require.NoError(t, err)
		}
		p := h.get(access.Viewer, subs).shows(http.StatusOK, "50 subscriptions.", "Older subscriptions")
		older := regexp.MustCompile(`href="(/console/subscriptions\?before=[^"]+)"`).FindStringSubmatch(p.html)
		h.get(access.Viewer, unescape(older[1])).shows(http.StatusOK, "1 subscription.").lacks("Older subscriptions")
	})
}

func TestPressingOnSubscriptions(t *testing.T) {
	t.Parallel()
	h, m := club(t)
	id := h.subscribed("sub-1")
	h.get(access.Viewer, subs+"/"+id+"/act?do=pause").shows(http.StatusForbidden)
	h.post(access.Viewer, subs+"/"+id+"/act", "do", "pause", "id", uuid.NewString()).shows(http.StatusForbidden)
	h.press(id, "pause").shows(http.StatusOK, "Pause when the period ends. Done.", "it is paused", "Do not pause after all")
	h.get(access.Operator, subs+"/"+id+"/act?do=pause").shows(http.StatusConflict)
	h.press(id, "withdraw&what=pause")
	h.get(access.Finance, "/console/audit").shows(http.StatusOK, "subscription.pause", "subscription "+id)

	t.Run("a change shows what it costs, and only then is made", func(t *testing.T) {
		confirm := h.get(access.Operator, subs+"/"+id+"/act?do=change").shows(http.StatusOK, "Change plan or quantity", "PLATINUM")
		form := []string{"id", commandID.FindStringSubmatch(confirm.html)[1], "do", "change", "plan", "platinum", "quantity", "1", "when", "at_end"}
		h.post(access.Operator, subs+"/"+id+"/act", append(form, "step", "preview")...).shows(http.StatusOK, "What it costs now", "0.00 EUR", "60.00 EUR a month", "Change it")
		h.get(access.Operator, subs+"/"+id).lacks("From the next period")
		bad := append(append([]string{}, form[:6]...), "quantity", "many", "when", "at_end")
		h.post(access.Operator, subs+"/"+id+"/act", bad...).shows(http.StatusUnprocessableEntity, "whole number")
		at := h.post(access.Operator, subs+"/"+id+"/act", append(form, "step", "change")...).leads()
		h.get(access.Operator, at).shows(http.StatusOK, "From the next period", "platinum, 60.00 EUR a month")
	})
	t.Run("with the workflows away it is written down, and says so", func(t *testing.T) {
		m.away = true
		h.press(id, "skip").shows(http.StatusOK, "not carried out yet")
		m.away = false
	})
	h.press(id, "cancel", "refund", "1").shows(http.StatusOK, "goes back to the customer", "cancelled", "Nothing: it is over.")
	h.get(access.Operator, subs+"/"+id+"/act?do=cancel").shows(http.StatusConflict)
}

func TestPlans(t *testing.T) {
	t.Parallel()
	h, _ := club(t)
	edit := subs + "/plans/edit"
	form := func(change ...string) []string {
		f := map[string]string{"shop": shop, "id": "silver", "name": "Silver", "price": "20,00", "currency": "EUR", "count": "1", "unit": "month", "zone": "Europe/Berlin", "running": "keep", "do": "save"}
		for i := 0; i+1 < len(change); i += 2 {
			f[change[i]] = change[i+1]
		}
		var list []string
		for name, value := range f {
			list = append(list, name, value)
		}
		return list
	}
	h.get(access.Viewer, subs+"/plans").shows(http.StatusOK, "GOLD", "30.00 EUR a month").lacks("Make a plan")
	h.get(access.Admin, subs+"/plans").shows(http.StatusOK, "Make a plan")
	h.get(access.Admin, edit+"?shop="+shop).shows(http.StatusOK, "What is sold")
	h.get(access.Viewer, edit+"?shop="+shop+"&id=gold").shows(http.StatusOK, "Versions").lacks("The next version")
	h.get(access.Viewer, edit+"?shop="+shop+"&id=none").shows(http.StatusNotFound)
	h.post(access.Operator, edit, form()...).shows(http.StatusForbidden)
	for field, c := range map[string][]string{
		"price":          {"price", "-1", "must be above zero"},
		"currency":       {"currency", "XXX", "no active ISO 4217 code"},
		"interval.count": {"count", "99", "must be between 1 and 36"},
		"count":          {"count", "many", "is a whole number"},
		"zone":           {"zone", "Mars", "zone"},
		"name":           {"name", " ", "name"},
		"from":           {"from", "tomorrow", "A day is written as"},
		"id":             {"id", "Über", "must be 1 to 64"},
	} {
		h.post(access.Admin, edit, form(c[0], c[1])...).shows(http.StatusUnprocessableEntity, c[2])
		require.NotEmpty(t, field)
	}
	h.get(access.Admin, h.post(access.Admin, edit, form()...).leads()).shows(http.StatusOK, "Saved.", "Silver", "version 1")
	at := h.post(access.Admin, edit, form("version", "1", "price", "25.00", "running", "move", "from", "2027-01-01")...).leads()
	h.get(access.Admin, at).shows(http.StatusOK, "version 2", "25.00 EUR a month", "move from 1 Jan 2027")
	h.post(access.Admin, edit, form("version", "1", "price", "26.00")...).shows(http.StatusUnprocessableEntity, "it is version 2 by now", "25.00 EUR a month")
	h.get(access.Admin, h.post(access.Admin, edit, form("version", "2", "do", "retire")...).leads()).shows(http.StatusOK, "takes nobody new")
	h.get(access.Admin, "/console/audit").shows(http.StatusOK, "plan.create", "plan.update", "plan.retire")
}

func TestDunning(t *testing.T) {
	t.Parallel()
	h, _ := club(t)
	at := subs + "/dunning"
	form := func(change ...string) []string {
		f := []string{"shop", shop, "retries", "2, 4", "funds_retries", "3", "pay_days", "1;15", "pay_day_reach", "2", "hour", "10", "method_days", "10", "hard_days", "0", "grace_days", "5", "final", "cancel"}
		for i := 0; i+1 < len(change); i += 2 {
			for j := 0; j < len(f); j += 2 {
				if f[j] == change[i] {
					f[j+1] = change[i+1]
				}
			}
		}
		return f
	}
	h.get(access.Viewer, at).shows(http.StatusOK, "is tried again 3 times, 1, 3, 5 days", "unpaid").lacks("Change it")
	h.post(access.Operator, at, form()...).shows(http.StatusForbidden)
	h.post(access.Admin, at, form("hour", "25")...).shows(http.StatusUnprocessableEntity, "Hour must be between 0 and 23. Nothing was changed.")
	h.post(access.Admin, at, form("retries", "soon")...).shows(http.StatusUnprocessableEntity, "whole numbers")
	h.post(access.Admin, at, form("final", "shout")...).shows(http.StatusUnprocessableEntity, "must be cancel, pause or unpaid")
	h.get(access.Viewer, at).shows(http.StatusOK, "3 times, 1, 3, 5 days")
	h.get(access.Admin, h.post(access.Admin, at, form()...).leads()).shows(http.StatusOK, "Saved.", "2 times, 2, 4 days", "pay day (1, 15)", "is cancelled")
	h.get(access.Admin, "/console/audit").shows(http.StatusOK, "dunning.change")
}

func TestFigures(t *testing.T) {
	t.Parallel()
	h, _ := club(t)
	formula := h.subscribed("=cmd()")
	h.subscribed("sub-2")
	h.get(access.Viewer, subs+"/figures").shows(http.StatusOK, "60.00 EUR", "Upcoming")
	h.declines(formula)
	h.get(access.Viewer, subs+"/figures").shows(http.StatusOK, "insufficient funds", "1, 30.00 EUR")
	for file, want := range map[string]string{"failed.csv": "insufficient_funds", "upcoming.csv": "renews_at", "churn.csv": "before", "figures.csv": "monthly"} {
		p := h.get(access.Viewer, subs+"/figures/"+file)
		require.Equal(t, http.StatusOK, p.status)
		require.Contains(t, p.header.Get("Content-Disposition"), "attachment")
		rows, err := csv.NewReader(strings.NewReader(p.html)).ReadAll()
		require.NoError(t, err)
		require.Contains(t, p.html, want)
		for _, row := range rows {
			for _, cell := range row {
				require.NotRegexp(t, `^[=+@-]`, cell, "no cell is a formula")
			}
		}
	}
	require.Contains(t, h.get(access.Viewer, subs+"/figures/failed.csv").html, "'=cmd()")
	page := h.get(access.Viewer, subs+"/figures?from=2026-11-01&to=2026-11-02&test=1").html
	links := regexp.MustCompile(`href="([^"]+\.csv[^"]*)"`).FindAllStringSubmatch(page, -1)
	require.Len(t, links, 4)
	for _, link := range links {
		at, err := url.Parse(unescape(link[1]))
		require.NoError(t, err)
		require.Equal(t, url.Values{"from": {"2026-11-01"}, "to": {"2026-11-02"}, "test": {"1"}}, at.Query(), "a file is about what its page shows")
	}
	h.get(access.Viewer, subs+"/figures/secrets.csv").shows(http.StatusNotFound)
	h.get(access.Viewer, subs+"/figures?from=yesterday").shows(http.StatusUnprocessableEntity, "A day is written as")
	h.get(access.Viewer, subs+"/figures?from=2026-11-20&to=2026-11-01").shows(http.StatusUnprocessableEntity, "before the first one")
	h.get(access.Viewer, subs+"/figures/failed.csv?from=yesterday").shows(http.StatusUnprocessableEntity)
}
