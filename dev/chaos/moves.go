package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"tillflow/internal/flow"
	"tillflow/internal/payment"
	stripepsp "tillflow/internal/psp/stripe"
	"tillflow/standin/shopify"
)

// app is where the service takes sessions.
func (s *scene) app() shopify.App {
	base := s.stack.SessionURL + "/shopify/"
	return shopify.App{
		PaymentSessionURL: base + "payment_session", RefundSessionURL: base + "refund_session",
		CaptureSessionURL: base + "capture_session", VoidSessionURL: base + "void_session",
	}
}

// events are the messages that the service asks the provider for.
func events() []string { return stripepsp.Events() }

// request is one capture, void or refund that the shop asks for.
type request struct {
	id    string
	kind  payment.Operation
	minor int64
	sale  *sale
	at    time.Time // before it was sent
}

// run is the request's workflow.
func (r request) run(shop string) string {
	return flow.MoveID(payment.MoveRef{Kind: r.kind, Source: payment.SourceShopify, Shop: shop, ExternalRef: r.id})
}

// percent is a part of the sale's amount.
func (x *sale) percent(n int) int64 { return x.Minor * int64(n) / 100 }

func (s *scene) move(ctx context.Context, x *sale, number int, step Step) error {
	r := request{id: fmt.Sprintf("%sm%d", x.id, number), sale: x, at: s.stack.Clock.Now()}
	req := shopify.SessionRequest{Shop: s.shop, ID: r.id, PaymentID: x.id, Test: true, Tries: 2}
	switch step.Do {
	case Capture:
		r.kind, req.Type = payment.OpCapture, shopify.CaptureSession
	case Void:
		r.kind, req.Type = payment.OpVoid, shopify.VoidSession
	default:
		r.kind, req.Type = payment.OpRefund, shopify.RefundSession
	}
	if step.Do != Void {
		r.minor = x.percent(step.N)
		req.Amount, req.Currency = Sale{Minor: r.minor, Currency: x.Currency}.amount(), x.Currency
	}
	if known, _ := s.shopify.Session(x.id); known.ID == "" {
		return errMissing
	}
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	answer, err := s.shopify.StartSession(ctx, req)
	if err != nil {
		return err
	}
	if !answer.Accepted {
		return fmt.Errorf("not accepted: %d %s %s", answer.Status, answer.Error, answer.Body)
	}
	return nil
}

// sent is when each session was sent first.
func (s *scene) sent() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := map[string]time.Time{}
	for _, x := range s.sales {
		at[x.id] = x.at
	}
	for _, r := range s.requests {
		at[r.id] = r.at
	}
	return at
}

// last is the sale's newest request.
func (s *scene) last(x *sale) (request, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.requests) - 1; i >= 0; i-- {
		if s.requests[i].sale == x {
			return s.requests[i], true
		}
	}
	return request{}, false
}

func (s *scene) moveAgain(ctx context.Context, x *sale, times int) error {
	r, ok := s.last(x)
	if !ok {
		return errMissing
	}
	var posts errgroup.Group
	for range max(times, 1) {
		posts.Go(func() error {
			answer, err := s.shopify.RepeatSession(ctx, r.id)
			if err == nil && !answer.Accepted {
				err = fmt.Errorf("not accepted: %d %s", answer.Status, answer.Error)
			}
			return err
		})
	}
	return posts.Wait()
}

// await waits until the shop has its answer about a sale.
func (s *scene) await(ctx context.Context, x *sale) error {
	for {
		if known, _ := s.shopify.Session(x.id); known.Final != nil {
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return errors.New("not yet")
		}
	}
}

// meddle moves a sale's money at the provider, without the service.
func (s *scene) meddle(ctx context.Context, x *sale, step Step) error {
	intent, ok := s.intent(x)
	if !ok {
		return errMissing
	}
	switch step.Do {
	case Dashboard:
		return s.press(ctx, fmt.Sprintf("%s/_refund/%s?amount=%d", s.pages, intent, x.percent(step.N)))
	case Object:
		return s.press(ctx, fmt.Sprintf("%s/_dispute/%s?amount=%d", s.pages, intent, x.percent(step.N)))
	default:
		return s.press(ctx, fmt.Sprintf("%s/_dispute/%s/win", s.pages, intent))
	}
}

// intent finds the money of a sale at the provider.
func (s *scene) intent(x *sale) (string, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, page := range x.pages {
		for _, books := range s.stripe.Books("").Accounts {
			for _, pi := range books.Intents {
				if pi.Checkout == checkoutOf(page) && pi.Captured > 0 {
					return pi.ID, true
				}
			}
		}
	}
	return "", false
}

// verdicts ends every objection: what the merchant has not won is lost.
func (s *scene) verdicts(ctx context.Context) error {
	for _, books := range s.stripe.Books("").Accounts {
		for _, d := range books.Disputes {
			if d.Status != "needs_response" {
				continue
			}
			if err := s.press(ctx, s.pages+"/_dispute/"+d.ID+"/lose"); err != nil {
				return err
			}
		}
	}
	return nil
}
