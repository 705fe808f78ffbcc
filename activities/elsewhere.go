package activities

import (
	"context"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// moved reads how a move stands. A refund that the provider refused may have
// found less money than we know of, because a message was lost: what was done
// elsewhere is booked before the refusal is told.
func (g *Gateway) moved(ctx context.Context, in MoveInput) (payment.MoveView, error) {
	view, err := g.Records.LoadMove(ctx, in.OperationID)
	if err != nil || !view.Refused || view.Kind != payment.OpRefund || view.LastDecided == "" {
		return view, plainErr(err)
	}
	send, err := g.Records.LoadAttempt(ctx, view.LastDecided)
	if err == nil {
		err = g.bookElsewhere(ctx, send)
	}
	return view, plainErr(err)
}

// bookElsewhere books what the provider did without us with the money of an
// attempt, where the provider lists that. A key that may not list it (a
// restricted one, say) is somebody's to mend and holds up nothing else: what
// was done elsewhere then comes by message only.
func (g *Gateway) bookElsewhere(ctx context.Context, send payment.Send) error {
	line, err := g.open(ctx, send)
	if err != nil {
		return err
	}
	lister, ok := line.connector.(psp.ElsewhereLister)
	if !ok || send.Attempt.PaymentRef == "" {
		return nil
	}
	var found []payment.Elsewhere
	err = line.ask(ctx, func(ctx context.Context) (err error) {
		found, err = lister.ListElsewhere(ctx, line.account, send.Attempt.PaymentRef)
		return err
	})
	if isClass(err, payment.Unauthorized) || isClass(err, payment.Invalid) {
		g.Log.Warn().Err(err).Str("attempt", send.Attempt.ID).
			Msg("what was refunded or disputed at the provider cannot be listed: let the account's key read refunds and disputes")
		return nil
	}
	if err != nil || len(found) == 0 {
		return err
	}
	_, err = g.Records.RecordElsewhere(ctx, send.Attempt.ID, found)
	return err
}
