package flow

import (
	"context"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// Soon starts charges, moves and subscriptions behind an answer that must not wait: the
// committed row is the acceptance, and the sweep starts what is not started here.
type Soon struct {
	*Runs
	ctx   context.Context // of the process, not of a request
	group errgroup.Group
	log   zerolog.Logger
}

// startsAtOnce bounds the starts under way; beyond it the sweep takes over.
const startsAtOnce = 64

// NewSoon gives a Soon over runs. Its starts outlive ctx.
func NewSoon(ctx context.Context, runs *Runs, log zerolog.Logger) *Soon {
	s := &Soon{Runs: runs, ctx: context.WithoutCancel(ctx), log: log}
	s.group.SetLimit(startsAtOnce)
	return s
}

// StartSoon starts the charge in the background.
func (s *Soon) StartSoon(ref payment.RunRef) {
	s.soon("payment_id", ref.PaymentID, func(ctx context.Context) error { return s.StartCharge(ctx, ref) })
}

// StartMoveSoon starts the capture, void or refund in the background.
func (s *Soon) StartMoveSoon(ref payment.MoveRef) {
	s.soon("operation_id", ref.OperationID, func(ctx context.Context) error { return s.StartMove(ctx, ref) })
}

// StartSubscriptionSoon starts the run of a subscription in the background.
func (s *Soon) StartSubscriptionSoon(ref subscription.Ref) {
	s.soon("subscription_id", ref.ID, func(ctx context.Context) error { return s.StartSubscription(ctx, ref) })
}

func (s *Soon) soon(kind, id string, start func(context.Context) error) {
	taken := s.group.TryGo(func() error {
		ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
		defer cancel()
		if err := start(ctx); err != nil {
			s.log.Warn().Err(err).Str(kind, id).Msg("run not started now, the sweep starts it")
		}
		return nil
	})
	if !taken {
		s.log.Warn().Str(kind, id).Msg("too many starts at once, the sweep starts this run")
	}
}

// Wait waits for the starts under way; call it at shutdown, after HTTP stopped.
func (s *Soon) Wait() { _ = s.group.Wait() } // its functions return no errors
