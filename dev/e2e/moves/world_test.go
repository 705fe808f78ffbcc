package moves

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"tillflow/dev/buyer"
	"tillflow/dev/stack"
	"tillflow/standin/faults"
	"tillflow/standin/stripe"
)

// hurried makes the service's patience short, unhurried is what production runs with.
const (
	hurried = `{"SendTimeout":"4s","SendWindow":"15s","RetryFirst":"100ms","RetryMax":"1s","FirstLook":"2s","LookMax":"2s",
	"TellSteps":["200ms","500ms","1s"],"TellSlow":"2s","OperatorRetry":"2s"}`
	unhurried = `{}`
)

const (
	patience = time.Minute
	glance   = 50 * time.Millisecond
	// shops is how many stories one world can tell: each has a shop, and with it an account at Stripe, of its own.
	shops = 48
)

// world is one stack with the service in this process.
type world struct {
	*stack.Stack
	buyer *buyer.Buyer
	pool  *pgxpool.Pool
	used  atomic.Int64 // shops given to stories
}

func newWorld(t *testing.T, timing string) *world {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711)) // the user that root lends PostgreSQL passes through
	o := stack.Options{
		Dir: dir, Volatile: true, Service: true, SettleDelay: time.Second,
		Settings: map[string]string{"TIMING": timing, "SWEEP_EVERY": "1s", "SWEEP_AFTER": "1s"},
	}
	for n := range shops {
		o.Shops = append(o.Shops, shopName(n))
	}
	s, err := stack.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	pool, err := pgxpool.New(t.Context(), s.Postgres.URL("tillflow"))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return &world{Stack: s, buyer: buyer.New(), pool: pool}
}

func shopName(n int) string { return fmt.Sprintf("moves-%02d.myshopify.com", n) }

// story is one test with a shop of its own.
type story struct {
	*testing.T
	*world
	shop    string
	account string // at the stand-in Stripe
}

// story gives a test its shop and, when the test is over, checks that no fault of it was an empty threat.
func (w *world) story(t *testing.T) *story {
	t.Helper()
	n := int(w.used.Add(1)) - 1
	require.Less(t, n, shops, "every story needs a shop of its own")
	// The stack's own shop has the first account at Stripe.
	return &story{T: t, world: w, shop: shopName(n), account: fmt.Sprintf("acct_test%d", n+1)}
}

// tell runs one story beside the others.
func (w *world) tell(t *testing.T, rule string, play func(*story)) {
	t.Helper()
	t.Run(rule, func(t *testing.T) {
		t.Parallel()
		play(w.story(t))
	})
}

// soon waits for something that the story has caused. What it says while it waits is printed when it waits in vain.
func (s *story) soon(what string, is func() bool) {
	s.Helper()
	s.soonWithin(patience, what, is)
}

func (s *story) soonWithin(d time.Duration, what string, is func() bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), d)
	defer cancel()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			require.Fail(s, "never came: "+what, s.String())
		case <-tick.C:
		}
	}
}

// fault is one armed switch of the stand-in Stripe.
type fault struct {
	*story
	id string
}

// fails arms a fault for the calls about this story's payment: about pi, or where that is not known yet, about what.
func (s *story) fails(call string, kind faults.Kind, match string, times int) fault {
	s.Helper()
	rule := faults.Rule{Call: call, Kind: kind, Match: match, Times: times}
	if kind == faults.Delay || kind == faults.DelayReply || kind == faults.WebhookDelay {
		rule.DelayMS = 2500
	}
	armed, err := s.Stripe.Faults().Arm(rule)
	require.NoError(s, err)
	f := fault{s, armed.ID}
	s.Cleanup(func() { require.Positive(s, f.fired(), "%s of %s has never struck", kind, call) })
	return f
}

func (f fault) fired() int {
	for _, rule := range f.Stripe.Faults().Status().Rules {
		if rule.ID == f.id {
			return rule.Fired
		}
	}
	return 0
}

// unreadable makes every look-up about the payment fail until it is lifted.
func (s *story) unreadable(pi string) (lift func()) {
	s.Helper()
	var all []string
	for _, call := range []string{
		"payment_intents.retrieve", "payment_intents.list", "payment_intents.search", "checkout.sessions.retrieve",
		"charges.retrieve", "charges.list", "refunds.retrieve", "refunds.list",
	} {
		armed, err := s.Stripe.Faults().Arm(faults.Rule{Call: call, Kind: faults.LoseRequest, Match: pi, Times: -1})
		require.NoError(s, err)
		all = append(all, armed.ID)
	}
	return func() {
		for _, id := range all {
			s.Stripe.Faults().Disarm(id)
		}
	}
}

// silent drops every message of Stripe in which match occurs, until it is lifted.
func (s *story) silent(match string) (lift func()) {
	s.Helper()
	armed, err := s.Stripe.Faults().Arm(faults.Rule{Call: "*", Kind: faults.WebhookDrop, Match: match, Times: -1})
	require.NoError(s, err)
	return func() { s.Stripe.Faults().Disarm(armed.ID) }
}

// hand presses one of the stand-in Stripe's buttons and answers its status.
func (s *story) hand(path string) int {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.StripeURL+path, nil)
	require.NoError(s, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(s, err)
	return resp.StatusCode
}

// books are Stripe's own of the shop's account.
func (s *story) books() stripe.AccountBooks { return s.Stripe.Books("").Accounts[s.account] }

// total sums the account up.
func (s *story) total() stripe.Totals { return s.books().Totals["eur"] }
