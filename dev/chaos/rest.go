package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A story comes to rest within so many looks; the pause between them is short, and the bound generous: a provider that
// replays a stored failure is given up half a minute after the first send.
const (
	maxLooks   = 350
	underLooks = 20 // while faults still strike
	between    = 200 * time.Millisecond
	calm       = 2 // looks in a row that find nothing open
)

// unrest counts what of a story is not over.
type unrest struct {
	Charges, Attempts, Moves, Requests, Events, Watches int

	letters  int
	sessions int
	runs     []string
}

func (u unrest) String() string {
	var open []string
	for _, part := range []struct {
		n    int
		what string
	}{
		{u.Charges, "payments not closed"},
		{u.Attempts, "attempts not decided"},
		{u.Moves, "operations not done"},
		{u.Requests, "captures, voids or refunds not closed"},
		{u.Events, "messages not acted on"},
		{u.Watches, "late looks due"},
		{u.letters, "messages on their way"},
		{u.sessions, "sessions not answered"},
	} {
		if part.n > 0 {
			open = append(open, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	if len(u.runs) > 0 {
		open = append(open, "running: "+strings.Join(u.runs, ", "))
	}
	return strings.Join(open, "; ")
}

// rest gives the faults time to strike what the last steps caused, lifts them all and waits until nothing is left to
// do, twice: the second time after everything that a sweep does in the course of days was due at once. What it answers
// is empty when the story came to rest.
func (s *scene) rest(ctx context.Context) (unrest, error) {
	if open, err := s.settle(ctx, underLooks); err != nil {
		return open, err
	}
	hits(AtStripe, s.stripe.Faults(), s.hits)
	hits(AtShopify, s.shopify.Faults(), s.hits)
	hits(AtTemporal, s.temporal, s.hits)
	s.stripe.Faults().Clear()
	s.shopify.Faults().Clear()
	s.temporal.Clear()
	if err := s.verdicts(ctx); err != nil {
		return unrest{}, err
	}
	open, err := s.settle(ctx, maxLooks)
	if err != nil || open.String() != "" {
		return open, err
	}
	if err := s.hurry(ctx, true); err != nil {
		return open, err
	}
	return s.settle(ctx, maxLooks)
}

func (s *scene) settle(ctx context.Context, looks int) (open unrest, err error) {
	quiet := 0
	for look := range looks {
		if open, err = s.look(ctx); err != nil {
			return open, err
		}
		if quiet++; open.String() != "" {
			quiet = 0
		}
		if quiet == calm {
			return open, nil
		}
		if look%25 == 24 { // five seconds: what the sweep would find in its own time
			if err := errors.Join(s.hurry(ctx, false), s.hurryRuns(ctx, open.runs)); err != nil {
				return open, err
			}
		}
		if look%50 == 49 && looks == maxLooks {
			s.clerk(ctx)
		}
		if err := pause(ctx, between); err != nil {
			return open, err
		}
	}
	return open, nil
}

const selectUnrest = `
	SELECT (SELECT count(*) FROM payments WHERE shop = $1 AND closed_at IS NULL),
	       (SELECT count(*) FROM attempts a JOIN payments p ON p.id = a.payment_id
	        WHERE p.shop = $1 AND a.state IN ('allocated', 'sent', 'in_doubt', 'open', 'processing')),
	       (SELECT count(*) FROM operations o JOIN payments p ON p.id = o.payment_id WHERE p.shop = $1 AND o.state = 'open'),
	       (SELECT count(*) FROM move_sessions WHERE shop = $1 AND closed_at IS NULL),
	       (SELECT count(*) FROM provider_events e JOIN accounts a ON a.id = e.account_id
	        WHERE a.shop = $1 AND e.attempt_id IS NOT NULL AND e.dispatched_at IS NULL),
	       (SELECT count(*) FROM payments WHERE shop = $1 AND watch_at <= $2)`

func (s *scene) look(ctx context.Context) (unrest, error) {
	var u unrest
	err := s.pool.QueryRow(ctx, selectUnrest, s.shop, s.stack.Clock.Now()).Scan(&u.Charges, &u.Attempts, &u.Moves, &u.Requests, &u.Events, &u.Watches)
	if err != nil {
		return u, fmt.Errorf("look for what is open: %w", err)
	}
	for _, books := range s.stripe.Books("").Accounts {
		for _, hook := range books.Webhooks {
			if hook.State == "pending" {
				u.letters++
			}
		}
	}
	for _, session := range s.shopify.Books(s.shop, false).Shops[s.shop].Sessions {
		if session.Posts.Accepted > 0 && session.Final == nil {
			u.sessions++
		}
	}
	if u.String() != "" {
		return u, nil // the runs are asked last: that costs most
	}
	u.runs, err = s.running(ctx)
	return u, err
}

// hurry makes the sweep look at the story's rows now; with watches also for money that came late, which it does over
// days.
func (s *scene) hurry(ctx context.Context, watches bool) error {
	now := s.stack.Clock.Now()
	statements := []string{
		`UPDATE payments SET sweep_at = $2 WHERE shop = $1 AND closed_at IS NULL AND sweep_at > $2`,
		`UPDATE move_sessions SET sweep_at = $2 WHERE shop = $1 AND closed_at IS NULL AND sweep_at > $2`,
		`UPDATE operations o SET sweep_at = $2 FROM payments p WHERE p.id = o.payment_id AND p.shop = $1 AND o.state = 'open' AND o.origin = 'ours' AND o.sweep_at > $2`,
		`UPDATE provider_events e SET dispatch_at = $2 FROM accounts a WHERE a.id = e.account_id AND a.shop = $1 AND dispatched_at IS NULL AND dispatch_at > $2`,
	}
	if watches {
		statements = append(statements, `UPDATE payments SET watch_at = $2 WHERE shop = $1 AND watch_at > $2`)
	}
	for _, sql := range statements {
		if _, err := s.pool.Exec(ctx, sql, s.shop, now); err != nil {
			return fmt.Errorf("make the sweep look: %w", err)
		}
	}
	return nil
}
