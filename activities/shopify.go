package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"tillflow/internal/payment"
)

// Shopify tells the shop what became of a session. The shop performs a mutation
// once per session and operation name, so repeating the same one is always
// safe; which one it is stands in the row and never changes.
type Shopify struct {
	Records Records
	Shop    Shop
	Now     func() time.Time
}

// Schedule is the pauses between tries of a mutation: Steps in turn, then Slow
// for ever.
type Schedule struct {
	Steps []time.Duration
	Slow  time.Duration
}

// TellInput names a payment and the pauses between tries.
type TellInput struct {
	PaymentID string
	Schedule
}

// TellMoveInput names a move and the pauses between tries.
type TellMoveInput struct {
	OperationID string
	Schedule
}

// TellShop sends the decided final answer, resolve or reject.
func (s *Shopify) TellShop(ctx context.Context, in TellInput) (payment.View, error) {
	t, err := s.Records.LoadTelling(ctx, in.PaymentID)
	if err != nil {
		return payment.View{}, plainErr(err)
	}
	if t.Told || t.Final == payment.Undecided {
		return recorded(s.Records.LoadCharge(ctx, in.PaymentID))
	}
	var told payment.Told
	switch t.Final {
	case payment.Resolve:
		told, err = s.Shop.ResolvePayment(ctx, t.Shop, t.GID, t.HoldUntil)
	case payment.Reject:
		told, err = s.Shop.RejectPayment(ctx, t.Shop, t.GID, t.Reason)
	case payment.Undecided:
	}
	if err != nil {
		return payment.View{}, onSchedule(ctx, in.Schedule, err)
	}
	told.PaymentID = in.PaymentID
	return recorded(s.Records.RecordTold(ctx, told))
}

// PendShop tells the shop that the provider is processing the payment.
func (s *Shopify) PendShop(ctx context.Context, in TellInput) (payment.View, error) {
	t, err := s.Records.LoadTelling(ctx, in.PaymentID)
	if err != nil {
		return payment.View{}, plainErr(err)
	}
	if t.Pending || t.Final != payment.Undecided {
		return recorded(s.Records.LoadCharge(ctx, in.PaymentID))
	}
	until := t.Deadline
	told, err := s.Shop.PendPayment(ctx, t.Shop, t.GID, until)
	// The shop keeps an upper limit of its own that it does not publish: come nearer by halves.
	for err == nil && told.Refused == "OUT_OF_RANGE_PENDING_EXPIRES_AT" && until.Sub(s.Now()) > time.Hour {
		until = s.Now().Add(until.Sub(s.Now()) / 2)
		told, err = s.Shop.PendPayment(ctx, t.Shop, t.GID, until)
	}
	if err != nil {
		return payment.View{}, onSchedule(ctx, in.Schedule, err)
	}
	told.PaymentID, told.Pending = in.PaymentID, true
	return recorded(s.Records.RecordTold(ctx, told))
}

// TellMove sends the decided answer to a capture, void or refund session.
// Where no shop waits for a mutation, because the request came in over our own
// API, the record alone is the answer.
func (s *Shopify) TellMove(ctx context.Context, in TellMoveInput) (payment.MoveView, error) {
	t, err := s.Records.LoadMoveTelling(ctx, in.OperationID)
	if err != nil {
		return payment.MoveView{}, plainErr(err)
	}
	if t.Told || t.Final == payment.Undecided {
		view, err := s.Records.LoadMove(ctx, in.OperationID)
		return view, plainErr(err)
	}
	told, err := s.answer(ctx, t)
	if err != nil {
		return payment.MoveView{}, onSchedule(ctx, in.Schedule, err)
	}
	told.OperationID = in.OperationID
	view, err := s.Records.RecordMoveTold(ctx, told)
	return view, plainErr(err)
}

func (s *Shopify) answer(ctx context.Context, t payment.MoveTelling) (payment.MoveTold, error) {
	switch {
	case t.Source != payment.SourceShopify:
		return payment.MoveTold{}, nil
	case t.Final == payment.Resolve:
		return s.Shop.ResolveMove(ctx, t)
	}
	return s.Shop.RejectMove(ctx, t)
}

// onSchedule keeps the error's class and sets the pause before the next try:
// the shop's own wish when it is longer, else the schedule of the contract.
func onSchedule(ctx context.Context, in Schedule, err error) error {
	class := payment.ClassOf(err, payment.Unavailable)
	if final(class) {
		return plainErr(err)
	}
	pause, try := in.Slow, int(attemptOf(ctx))
	if try >= 1 && try <= len(in.Steps) {
		pause = in.Steps[try-1]
	}
	if e, ok := asPaymentError(err); ok && e.RetryAfter > pause {
		pause = e.RetryAfter
	}
	activity.GetLogger(ctx).Warn("shop not told yet", "class", string(class), "next_in", pause.String())
	return temporal.NewApplicationErrorWithOptions("the shop was not told: "+string(class), string(class),
		temporal.ApplicationErrorOptions{NextRetryDelay: pause, Category: temporal.ApplicationErrorCategoryBenign})
}
