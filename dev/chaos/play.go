package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tillflow/standin/shopify"
)

// stepLimit is everybody's patience with one step: buyers and operators give up, the story goes on.
const stepLimit = 3 * time.Second

// play arms the faults and does the steps. Whatever a step comes to is part of the story: only what the neighbours'
// books say in the end counts.
func (s *scene) play(ctx context.Context) error {
	if err := s.arm(); err != nil {
		return err
	}
	var under sync.WaitGroup
	for i, step := range s.story.Steps {
		if !step.Along {
			under.Wait()
		}
		if err := pause(ctx, time.Duration(step.Wait)*time.Millisecond); err != nil {
			break
		}
		under.Go(func() {
			limit := stepLimit
			if step.Do == Await && step.N > 0 {
				limit = time.Duration(step.N) * time.Second
			}
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			outcome := "done"
			if err := s.do(ctx, i+1, step); err != nil {
				outcome = err.Error()
			}
			s.say("%2d. %s: %s", i+1, step.text(), outcome)
		})
	}
	under.Wait()
	return ctx.Err()
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *scene) arm() error {
	for _, f := range s.story.Faults {
		board := s.stripe.Faults()
		switch f.At {
		case AtShopify:
			board = s.shopify.Faults()
		case AtTemporal:
			board = s.temporal
		case AtStripe, OfMessage, OfRun, OfPerson:
		}
		if _, err := board.Arm(f.rule()); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	return nil
}

// errMissing says that an earlier step did not bring what this one needs.
var errMissing = errors.New("nothing to do it with")

func (s *scene) do(ctx context.Context, number int, step Step) error {
	if step.Sale >= len(s.sales) {
		return errMissing
	}
	sale := s.sales[step.Sale]
	switch step.Do {
	case Begin:
		return s.begin(ctx, sale)
	case Repeat:
		return s.repeat(ctx, sale, step.N)
	case Choose:
		return s.choose(ctx, sale, step.N)
	case DoubleClick:
		var clicks errgroup.Group
		clicks.Go(func() error { return s.choose(ctx, sale, step.N) })
		clicks.Go(func() error { return s.choose(ctx, sale, step.N) })
		return clicks.Wait()
	case Pay:
		return s.pay(ctx, sale, step)
	case Return:
		return s.visit(sale, func(link string) error {
			_, err := s.buyer.Return(ctx, strings.Replace(link, "/pay/", "/return/", 1))
			return err
		})
	case Leave:
		return s.visit(sale, func(link string) error {
			_, err := s.buyer.Leave(ctx, link)
			return err
		})
	case PayLate:
		return s.payLate(ctx, sale)
	case Retry, Note, Expire, Decide:
		return s.operate(ctx, sale, step.Do)
	case Reset, Terminate, Delete, ResetBack, StopBack, DeleteBack, ResetMove, StopMove, LoseMove:
		return s.disturb(ctx, sale, step)
	case Echo, Forge, Foreign:
		return s.again(ctx, step)
	case Skip:
		return s.skip(ctx, time.Duration(step.N)*time.Minute)
	case Await:
		return s.await(ctx, sale)
	case Capture, Void, Refund:
		return s.move(ctx, sale, number, step)
	case MoveAgain:
		return s.moveAgain(ctx, sale, step.N)
	case Dashboard, Object, Win:
		return s.meddle(ctx, sale, step)
	}
	return fmt.Errorf("unknown verb %q", string(step.Do))
}

func (s *scene) begin(ctx context.Context, sale *sale) error {
	sale.mu.Lock()
	if sale.at.IsZero() {
		sale.at = s.stack.Clock.Now()
	}
	sale.mu.Unlock()
	answer, err := s.shopify.StartSession(ctx, shopify.SessionRequest{
		Shop: s.shop, ID: sale.id, Amount: sale.amount(), Currency: sale.Currency, Kind: sale.Kind, Test: true, Tries: 2,
		Group: fmt.Sprintf("%s-%d", s.shop, sale.Group), Customer: &shopify.Customer{Email: "buyer@example.com", Locale: "en"},
	})
	if err != nil {
		return err
	}
	return errors.Join(sale.accepted(answer), s.catchUp(ctx, sale))
}

func (s *scene) repeat(ctx context.Context, sale *sale, times int) error {
	var posts errgroup.Group
	for range max(times, 1) {
		posts.Go(func() error {
			answer, err := s.shopify.RepeatSession(ctx, sale.id)
			if err != nil {
				return err
			}
			return sale.accepted(answer)
		})
	}
	return posts.Wait()
}

func (x *sale) accepted(answer shopify.SessionAnswer) error {
	if !answer.Accepted {
		return fmt.Errorf("not accepted: %d %s", answer.Status, answer.Error)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.link = answer.RedirectURL
	return nil
}

// visit does something with the buyer's link.
func (s *scene) visit(sale *sale, do func(link string) error) error {
	sale.mu.Lock()
	link := sale.link
	sale.mu.Unlock()
	if link == "" {
		return errMissing
	}
	return do(link)
}

func (s *scene) choose(ctx context.Context, sale *sale, option int) error {
	label := options[option%len(options)]
	return s.visit(sale, func(link string) error {
		page, err := s.buyer.Choose(ctx, link, label)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(page, s.pages) {
			return fmt.Errorf("led to %s", page)
		}
		sale.mu.Lock()
		defer sale.mu.Unlock()
		sale.pages[label] = page
		return nil
	})
}

// page is the provider's page behind an option, or behind the other one.
func (x *sale) page(option int) (string, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range options {
		if page, ok := x.pages[options[(option+i)%len(options)]]; ok {
			return page, true
		}
	}
	return "", false
}

func (s *scene) pay(ctx context.Context, sale *sale, step Step) error {
	page, ok := sale.page(step.N)
	if !ok {
		return errMissing
	}
	_, err := s.buyer.PayStripe(ctx, page, step.Card)
	return err
}

func (s *scene) payLate(ctx context.Context, sale *sale) error {
	page, ok := sale.page(0)
	if !ok {
		return errMissing
	}
	return s.press(ctx, s.pages+"/_late/"+checkoutOf(page))
}

// checkoutOf is the id of the checkout that a provider's page shows.
func checkoutOf(page string) string {
	u, err := url.Parse(page)
	if err != nil {
		return ""
	}
	return u.Path[strings.LastIndex(u.Path, "/")+1:]
}

// press posts to one of a stand-in's own switches.
func (s *scene) press(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return err
	}
	resp, err := s.post.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxLetter))
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("answered %d %s", resp.StatusCode, bytes.TrimSpace(answer))
	}
	return err
}

// moreMoney finds the amounts in a message.
var moreMoney = regexp.MustCompile(`("amount[a-z_]*": ?)([1-9])`)

// again brings an old message of the provider once more.
func (s *scene) again(ctx context.Context, step Step) error {
	l, ok := s.post.copy(step.N)
	if !ok {
		return errMissing
	}
	owner := l.of(s.rows)
	now := s.stack.Clock.Now()
	switch step.Do {
	case Forge: // signed with the right secret: what a provider with a fault in its ids would send
		l.body = moreMoney.ReplaceAll(l.body, []byte(`${1}1${2}`))
		l = l.sign(s.secrets[owner], now)
	case Foreign:
		other := (owner + 1) % len(s.rows)
		l.path = strings.Replace(l.path, s.rows[owner], s.rows[other], 1)
		l = l.sign(s.secrets[other], now)
	default:
		l = l.sign(s.secrets[owner], now)
	}
	status, err := s.post.deliver(ctx, l)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("answered %d", status)
	}
	return err
}
