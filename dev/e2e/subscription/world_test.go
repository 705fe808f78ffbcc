package subscription

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"tillflow/dev/buyer"
	"tillflow/dev/stack"
	"tillflow/dev/temporalserver"
	"tillflow/internal/flow"
	"tillflow/internal/subscription"
)

const (
	patience = 90 * time.Second
	glance   = 50 * time.Millisecond
)

// world is one stack with the service in this process.
type world struct {
	*testing.T
	*stack.Stack
	buyer *buyer.Buyer
	pool  *pgxpool.Pool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711)) // the user that root lends PostgreSQL passes through
	s, err := stack.Start(t.Context(), stack.Options{
		Dir: dir, Volatile: true, Service: true,
		DynamicConfig: map[string]any{"history.timerProcessorMaxTimeShift": 20 * time.Millisecond},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	w := &world{T: t, Stack: s, buyer: buyer.New()}
	w.pool, err = pgxpool.New(t.Context(), w.Postgres.URL("tillflow"))
	require.NoError(t, err)
	t.Cleanup(w.pool.Close)
	return w
}

// soon waits for something that the story has caused.
func (w *world) soon(what string, is func() bool) {
	w.Helper()
	require.Eventually(w, is, patience, glance, "never came: %s", what)
}

// plan makes a plan of 30 EUR a month.
func (w *world) plan(id string, trialDays int) {
	w.Helper()
	_, err := w.Service.Store.CreatePlan(w.Context(), subscription.NewOffer{
		Shop: stack.Shop, Name: "Membership", By: "anna",
		Draft: subscription.Draft{
			ID: id, Price: "30.00", Currency: "EUR", Zone: "Europe/Berlin", TrialDays: trialDays, NoticeDays: 3,
			Interval: subscription.Interval{Unit: subscription.Month, Count: 1},
		},
	})
	require.NoError(w, err)
}

// subscribe signs a customer up; who pays at once pays on Stripe's page.
func (w *world) subscribe(plan string) subscription.Record {
	w.Helper()
	r, _, err := w.Service.Store.Subscribe(w.Context(), subscription.Signup{
		Shop: stack.Shop, Ref: rand.Text(), Test: true, Plan: plan, Expected: 1, Quantity: 1, Locale: "de",
		ReturnURL: w.ShopURL + "/thanks", CancelURL: w.ShopURL + "/", Token: rand.Text(), Providers: []string{"stripe"},
		Buyer: []byte(`{"email":"member@example.com"}`), BuyerKey: "member@example.com", Resolution: 48 * time.Hour, By: "key",
	})
	require.NoError(w, err)
	require.NoError(w, w.Service.Runs.StartSubscription(w.Context(), w.ref(r.ID)))
	return r
}

// pays pays the open charge on the provider's page.
func (w *world) pays(r subscription.Record, card string) {
	w.Helper()
	found, err := w.Service.Store.Page(w.Context(), r.Pay)
	require.NoError(w, err)
	require.NoError(w, w.Service.Runs.StartCharge(w.Context(), found.Payment))
	page, err := w.buyer.Choose(w.Context(), w.PayURL+"/pay/"+r.Pay, "Card")
	require.NoError(w, err)
	_, err = w.buyer.PayStripe(w.Context(), page, card)
	require.NoError(w, err)
}

func (w *world) ref(id string) subscription.Ref { return subscription.Ref{ID: id, Shop: stack.Shop} }

func (w *world) reads(id string) subscription.Record {
	w.Helper()
	r, err := w.Service.Store.Subscription(w.Context(), stack.Shop, id)
	require.NoError(w, err)
	return r
}

// await waits until the record fits.
func (w *world) await(id, what string, fits func(subscription.Record) bool) subscription.Record {
	w.Helper()
	var last subscription.Record
	ok := func() bool {
		ctx, cancel := context.WithTimeout(w.Context(), patience)
		defer cancel()
		tick := time.NewTicker(glance)
		defer tick.Stop()
		for {
			r, err := w.Service.Store.Subscription(ctx, stack.Shop, id)
			if err == nil {
				if last = r; fits(r) {
					return true
				}
			}
			select {
			case <-ctx.Done():
				return false
			case <-tick.C:
			}
		}
	}()
	require.True(w, ok, "never came: %s; it is %s in period %d, task %q at %s, open %+v, needs %q, now %s",
		what, last.State, last.Period.Number, last.Task, last.DueAt, last.Open, last.Operator, w.Clock.Now())
	return last
}

// skip moves the service, the stand-ins and the subscription's run to the moment
// at which its next task is due.
func (w *world) skip(id string) subscription.Record {
	w.Helper()
	r := w.reads(id)
	require.NotEmpty(w, r.Task, "the clock waits for nothing: %s", r.State)
	d := r.DueAt.Sub(w.Clock.Now()) + time.Second
	if d <= 0 {
		return r
	}
	w.Clock.Skip(d)
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	err := temporalserver.FastForward(ctx, w.Service.Temporal, w.Config.TemporalNamespace, flow.SubscriptionID(stack.Shop, id), d)
	if _, gone := errors.AsType[*serviceerror.NotFound](err); !gone {
		require.NoError(w, err)
	}
	return r
}

// card gives the kept card the behaviour of another test card.
func (w *world) card(r subscription.Record, does string) {
	w.Helper()
	kept, err := w.Service.Store.KeptMethod(w.Context(), r.Method)
	require.NoError(w, err)
	form := url.Values{"card": {does}}
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.StripeURL+"/_method/"+kept.Ref+"?"+form.Encode(), nil)
	require.NoError(w, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w, err)
	require.NoError(w, resp.Body.Close())
	require.Equal(w, http.StatusOK, resp.StatusCode)
}

// booksEqual compares what Stripe took with what we say that it holds.
func (w *world) booksEqual() (captured int64) {
	w.Helper()
	require.NoError(w, w.Service.Store.TrialBalance(w.Context()))
	rows, err := w.pool.Query(w.Context(), `SELECT id::text FROM attempts`)
	require.NoError(w, err)
	var ids []string
	for rows.Next() {
		var id string
		require.NoError(w, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(w, rows.Err())
	for _, id := range ids {
		for _, account := range w.Stripe.Books(id).Accounts {
			for _, t := range account.Totals {
				captured += t.Captured
			}
		}
	}
	var booked int64
	require.NoError(w, w.pool.QueryRow(w.Context(), `
		SELECT -coalesce(sum(p.amount_minor), 0) FROM ledger_postings p JOIN ledger_entries e ON e.id = p.entry_id
		WHERE p.account LIKE '%/merchant:%'`).Scan(&booked))
	require.Equal(w, captured, booked, "Stripe's books and ours")
	return captured
}

// letters waits for the mails of the story, reads them in the mail catcher and
// counts them: each is sent once, a notice for each renewal names its own day.
func (w *world) letters(notices int, want map[string]int) (count int) {
	w.Helper()
	const notice = "member@example.com: Membership verlängert sich am "
	var got map[string]int
	w.soon("the last mail", func() bool {
		count, got = 0, map[string]int{}
		for _, m := range w.Mail.Books().Messages {
			got[strings.Join(m.To, ",")+": "+m.Subject]++
			count++
		}
		return count >= notices+sum(want)
	})
	announced := 0
	for subject, times := range got {
		if strings.HasPrefix(subject, notice) {
			require.Equal(w, 1, times, subject)
			announced++
			delete(got, subject)
		}
	}
	require.Equal(w, want, got)
	require.Equal(w, notices, announced)
	return count
}

func sum(times map[string]int) (n int) {
	for _, t := range times {
		n += t
	}
	return n
}

// longest is the length of the longest history of a subscription's runs.
func (w *world) longest(id string) (events int64, runs int) {
	w.Helper()
	query := "WorkflowId = '" + flow.SubscriptionID(stack.Shop, id) + "'"
	w.soon("all runs are listed", func() bool {
		events, runs = 0, 0
		for _, run := range w.runs(query) {
			events, runs = max(events, run.GetHistoryLength()), runs+1
		}
		return runs > 6 // a jump of the clock may find a run that has only just begun
	})
	return events, runs
}

// proven: no attempt is decided without evidence, and nothing is unfinished.
func (w *world) proven() {
	w.Helper()
	var bare, open, twice int
	require.NoError(w, w.pool.QueryRow(w.Context(), `
		SELECT count(*) FILTER (WHERE state IN ('done', 'declined', 'closed', 'not_done', 'authorized') AND NOT EXISTS (SELECT FROM evidence e WHERE e.attempt_id = a.id)),
		       count(*) FILTER (WHERE state IN ('allocated', 'sent', 'in_doubt', 'open', 'processing')) FROM attempts a`).Scan(&bare, &open))
	require.Zero(w, bare, "attempts without evidence")
	require.Zero(w, open, "attempts without an end")
	require.NoError(w, w.pool.QueryRow(w.Context(), `
		SELECT count(*) FROM (SELECT payment_id FROM attempts WHERE state = 'done' GROUP BY payment_id HAVING count(*) > 1) x`).Scan(&twice))
	require.Zero(w, twice, "periods that were charged twice")
}

func state(s subscription.State) func(subscription.Record) bool {
	return func(r subscription.Record) bool { return r.State == s && r.Open == nil }
}
