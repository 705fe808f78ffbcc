package chaoskill

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tillflow/standin/shopify"
)

// The buyers' ways to pay at the stand-in Stripe.
const (
	goodCard    = "success"
	refusedCard = "insufficient_funds"
	slowDebit   = "delayed_success"
	failedDebit = "delayed_failure"
)

const (
	// again is the pause after which a person or Shopify tries once more what has failed.
	again = 400 * time.Millisecond
	// buyerPatience is how long a buyer tries; it ends after the deadline of his payment.
	buyerPatience = 60 * time.Second
	// shopPatience is how long Shopify sends a session that is not accepted.
	shopPatience = 2 * time.Minute
)

// load runs all sales at their times. It answers when the last person has gone home; what people fail to do is part
// of the story and no error, except for Shopify itself, which does not give up.
func (b *batch) load(ctx context.Context) error {
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		failed error
	)
	for _, sale := range b.plan.Sales {
		all.Go(func() {
			wait(ctx, sale.At)
			if err := b.sell(ctx, sale); err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return failed
}

// sell is one checkout with its buyer, and what the shop does to the money later.
func (b *batch) sell(ctx context.Context, sale Sale) error {
	first, err := b.session(ctx, shopify.SessionRequest{
		Shop: shopName(sale.Shop), Amount: decimal(sale.Minor), Currency: "EUR", Test: true, Kind: sale.Kind,
		Customer: &shopify.Customer{Email: "buyer@example.com", Locale: "en"},
	})
	if err != nil {
		return err
	}
	var people sync.WaitGroup
	failed := make(chan error, 2)
	if sale.Habit == TwoTabs {
		people.Go(func() { failed <- b.secondTab(ctx, sale, first) })
	}
	people.Go(func() { failed <- b.later(ctx, sale, first) })
	b.pay(ctx, sale.Habit, first)
	people.Wait()
	close(failed)
	for one := range failed {
		err = errors.Join(err, one)
	}
	return err
}

// secondTab pays the same checkout once more.
func (b *batch) secondTab(ctx context.Context, sale Sale, first shopify.SessionAnswer) error {
	second, err := b.session(ctx, shopify.SessionRequest{
		Shop: shopName(sale.Shop), Amount: decimal(sale.Minor), Currency: "EUR", Test: true, Kind: sale.Kind, Group: first.Group,
		Customer: &shopify.Customer{Email: "buyer@example.com", Locale: "en"},
	})
	if err != nil {
		return err
	}
	b.pay(ctx, sale.Habit, second)
	return nil
}

// session sends a session as Shopify does: until it is accepted, and for this batch that must be so in the end.
func (b *batch) session(ctx context.Context, req shopify.SessionRequest) (shopify.SessionAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, shopPatience)
	defer cancel()
	answer, err := b.world.stack.Shopify.StartSession(ctx, req)
	for err == nil && !answer.Accepted {
		if answer.Status >= 400 && answer.Status < 500 && answer.Status != 429 {
			return answer, fmt.Errorf("%s session of %s refused: %d %s", req.Type, req.Shop, answer.Status, answer.Body)
		}
		if ctx.Err() != nil {
			return answer, fmt.Errorf("%s session of %s is not accepted: %d %s %s", req.Type, req.Shop, answer.Status, answer.Body, answer.Error)
		}
		wait(ctx, again)
		group := answer.Group
		answer, err = b.world.stack.Shopify.RepeatSession(ctx, answer.ID)
		answer.Group = group
	}
	return answer, err
}

// pay is the buyer's way. Whatever fails is tried again from the shop's link, as people do.
func (b *batch) pay(ctx context.Context, habit Habit, s shopify.SessionAnswer) {
	if habit == Abandons {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, buyerPatience)
	defer cancel()
	for ctx.Err() == nil && !b.final(s) {
		done, err := b.visit(ctx, habit, s)
		if done {
			return
		}
		if err != nil {
			b.tell("a buyer of %s tries again: %v", s.ID, err)
		}
		wait(ctx, again)
	}
}

// visit goes from the pay page to the provider and back. It reports whether the buyer is satisfied.
func (b *batch) visit(ctx context.Context, habit Habit, s shopify.SessionAnswer) (bool, error) {
	page, err := b.world.buyer.Choose(ctx, s.RedirectURL, "Card")
	if err != nil {
		return false, err
	}
	card := goodCard
	switch habit {
	case Leaves:
		_, err := b.world.buyer.Leave(ctx, s.RedirectURL)
		return err == nil, err
	case PaysAfterDecline:
		_, err = b.world.buyer.PayStripe(ctx, page, refusedCard) // the decline is the answer that he expects
		if err == nil {
			return false, errors.New("a card without funds was taken")
		}
	case PaysByDebit:
		card = slowDebit
	case DebitFails:
		card = failedDebit
	case PaysAtOnce, TwoTabs, Abandons:
	}
	back, err := b.world.buyer.PayStripe(ctx, page, card)
	if err != nil {
		return false, err
	}
	_, err = b.world.buyer.Return(ctx, back)
	return err == nil, err
}

// final says whether Shopify knows how the session ended.
func (b *batch) final(s shopify.SessionAnswer) bool {
	booked, _ := b.world.stack.Shopify.Session(s.GID)
	return booked.Final != nil
}

// later waits for the payment and does what the shop wants done with its money.
func (b *batch) later(ctx context.Context, sale Sale, s shopify.SessionAnswer) error {
	resolved := make(chan struct{})
	go func() { // ends with the payment's answer, or with the batch's patience
		defer close(resolved)
		for ctx.Err() == nil && !b.final(s) {
			wait(ctx, 200*time.Millisecond)
		}
	}()
	group := make([]error, len(sale.Moves))
	var all sync.WaitGroup
	for i, m := range sale.Moves {
		all.Go(func() { group[i] = b.move(ctx, m, s, resolved) })
	}
	all.Wait()
	<-resolved
	return errors.Join(group...)
}

func (b *batch) move(ctx context.Context, m Move, s shopify.SessionAnswer, resolved <-chan struct{}) error {
	if !m.Early {
		<-resolved
		booked, _ := b.world.stack.Shopify.Session(s.GID)
		if booked.State != shopify.StateResolved {
			return nil // Shopify offers none of this for an order that it does not have
		}
	}
	wait(ctx, m.After)
	req := shopify.SessionRequest{Type: m.Type, Shop: booked(b, s).Shop, PaymentID: s.ID, Test: true}
	if m.Type != shopify.VoidSession {
		req.Amount, req.Currency = decimal(m.Minor), "EUR"
	}
	_, err := b.session(ctx, req)
	return err
}

func booked(b *batch, s shopify.SessionAnswer) shopify.Session {
	session, _ := b.world.stack.Shopify.Session(s.GID)
	return session
}
