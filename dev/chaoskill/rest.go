package chaoskill

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// restLimit is how long a world may take to come to rest when nothing is broken any more. It covers the deadline of a
// payment that nobody finishes, the message that a stand-in repeats after a minute, and a busy machine.
const restLimit = 4 * time.Minute

// calm is how many looks in a row must find nothing open.
const calm = 3

// unrest counts what is not over.
type unrest struct {
	Charges, Moves, Operations, Attempts, Events int
	sessions, letters                            int
}

func (u unrest) String() string {
	var open []string
	for _, part := range []struct {
		n    int
		what string
	}{
		{u.sessions, "sessions that Shopify has no answer to"},
		{u.letters, "messages of Stripe on their way"},
		{u.Charges, "payments not closed"},
		{u.Moves, "captures, voids and refunds not closed"},
		{u.Operations, "operations open"},
		{u.Attempts, "attempts not decided"},
		{u.Events, "messages not acted on"},
	} {
		if part.n > 0 {
			open = append(open, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return strings.Join(open, ", ")
}

const selectUnrest = `
	SELECT (SELECT count(*) FROM payments WHERE closed_at IS NULL),
	       (SELECT count(*) FROM move_sessions WHERE closed_at IS NULL),
	       (SELECT count(*) FROM operations WHERE state = 'open' AND kind <> 'charge'),
	       (SELECT count(*) FROM attempts WHERE state IN ('allocated', 'sent', 'in_doubt', 'open', 'processing')),
	       (SELECT count(*) FROM provider_events WHERE dispatched_at IS NULL AND attempt_id IS NOT NULL)`

// rest waits until nothing is left to do, and answers what is left when that takes too long.
func (b *batch) rest(ctx context.Context) (unrest, error) {
	ctx, cancel := context.WithTimeout(ctx, restLimit)
	defer cancel()
	quiet := 0
	for {
		open, err := b.look(ctx)
		if ctx.Err() != nil {
			return open, nil
		}
		if err != nil {
			return open, err
		}
		if quiet++; open != (unrest{}) {
			quiet = 0
		}
		if quiet == calm {
			b.tell("at rest")
			return open, nil
		}
		wait(ctx, 300*time.Millisecond)
	}
}

func (b *batch) look(ctx context.Context) (unrest, error) {
	var u unrest
	for _, shop := range b.world.stack.Shopify.Books("", false).Shops {
		for _, session := range shop.Sessions {
			if session.Final == nil {
				u.sessions++
			}
		}
	}
	for _, account := range b.world.stack.Stripe.Books("").Accounts {
		for _, hook := range account.Webhooks {
			if hook.State == "pending" {
				u.letters++
			}
		}
	}
	row := b.world.pool.QueryRow(ctx, selectUnrest)
	if err := row.Scan(&u.Charges, &u.Moves, &u.Operations, &u.Attempts, &u.Events); err != nil {
		return u, fmt.Errorf("look for what is open: %w", err)
	}
	return u, nil
}
