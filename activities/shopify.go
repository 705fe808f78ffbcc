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

// TellInput names a payment and the pauses between tries.
type TellInput struct {
	PaymentID string
	Steps     []time.Duration
	Slow      time.Duration
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
		return payment.View{}, onSchedule(ctx, in, err)
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
		return payment.View{}, onSchedule(ctx, in, err)
	}
	told.PaymentID, told.Pending = in.PaymentID, true
	return recorded(s.Records.RecordTold(ctx, told))
}

// onSchedule keeps the error's class and sets the pause before the next try:
// the shop's own wish when it is longer, else the schedule of the contract.
func onSchedule(ctx context.Context, in TellInput, err error) error {
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
