package sandbox

import (
	"context"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/sandbox/books"
)

// Capture implements psp.Capturer. What is not captured stays held, until it is
// captured, voided or over.
func (c *Connector) Capture(ctx context.Context, acc psp.Account, m psp.Move) (psp.Outcome, error) {
	return c.move(ctx, acc, payment.OpCapture, m)
}

// Void implements psp.Voider. It gives back all that is still held, whatever
// m.Amount says.
func (c *Connector) Void(ctx context.Context, acc psp.Account, m psp.Move) (psp.Outcome, error) {
	return c.move(ctx, acc, payment.OpVoid, m)
}

// Refund implements psp.Refunder. A magic amount may be accepted and fail later.
func (c *Connector) Refund(ctx context.Context, acc psp.Account, m psp.Move) (psp.Outcome, error) {
	return c.move(ctx, acc, payment.OpRefund, m)
}

func (c *Connector) move(ctx context.Context, acc psp.Account, op payment.Operation, m psp.Move) (psp.Outcome, error) {
	if err := usable(acc); err != nil {
		return psp.Outcome{}, err
	}
	if err := named(m.AttemptID, m.Key); err != nil {
		return psp.Outcome{}, err
	}
	if m.PaymentRef == "" || op != payment.OpVoid && !m.Amount.IsPositive() {
		return psp.Outcome{}, payment.Errorf(payment.Bug, "a %s needs its payment and an amount above zero", op)
	}
	sum, err := hash(struct {
		Operation payment.Operation
		psp.Move
	}{op, m})
	if err != nil {
		return psp.Outcome{}, err
	}
	ctx, cancel, err := begin(ctx, string(op))
	if err != nil {
		return psp.Outcome{}, err
	}
	defer cancel()
	verdict := books.Verdict{Result: books.Success}
	if op == payment.OpRefund {
		verdict = books.MagicRefund(m.Amount)
	}
	done, err := c.books.SandboxMove(ctx, books.Order{
		Account: acc.ID, Key: m.Key, Hash: sum, Reference: m.AttemptID, PaymentID: m.PaymentRef, Operation: op,
		Amount: m.Amount, Verdict: verdict, Delay: c.delay,
	})
	if err != nil {
		return psp.Outcome{}, failed(string(op), payment.Unknown, err)
	}
	if books.MagicDoubt(m.Amount) != books.NoDoubt {
		return psp.Outcome{}, payment.Errorf(payment.Unknown, "%s at the sandbox: the answer was lost, as the amount asks for", op)
	}
	return c.moved(done), nil
}

// moved says what a move is now.
func (c *Connector) moved(m books.Move) psp.Outcome {
	now := c.now()
	out := psp.Outcome{Ref: m.ID, PaymentRef: m.PaymentID}
	switch {
	case m.Refusal != "":
		out.Status, out.Decline, out.Code = psp.Declined, refusal(m.Refusal), m.Refusal
	case m.Pending(now):
		out.Status, out.Amount, out.CheckAfter = psp.Processing, m.Amount, wait(m.SettlesAt, now)
	case m.Verdict.Result == books.Failure:
		out.Status, out.Decline, out.Code = psp.Declined, m.Verdict.Decline, m.Verdict.Code
	default:
		out.Status, out.Amount = psp.Succeeded, m.Amount
	}
	return out
}

// refusal is the sandbox's code in our words.
func refusal(code string) payment.DeclineReason {
	switch code {
	case books.HoldExpired:
		return payment.TimedOut
	case books.AlreadyVoided:
		return payment.Cancelled
	case books.TooMuch:
		return payment.AmountTooLarge
	}
	return payment.DeclinedOther
}

// hidden reports whether a magic amount keeps the looks at a move in the dark.
func (c *Connector) hidden(ref psp.Ref) bool {
	switch books.MagicDoubt(ref.Amount) {
	case books.LostForGood:
		return true
	case books.LostAnswer:
		return c.now().Before(ref.FirstSent.Add(c.delay))
	case books.NoDoubt:
	}
	return false
}

// Inquire implements psp.Connector.
func (c *Connector) Inquire(ctx context.Context, acc psp.Account, ref psp.Ref) (psp.Outcome, error) {
	const action = "inquire"
	if err := usable(acc); err != nil {
		return psp.Outcome{}, err
	}
	if ref.AttemptID == "" {
		return psp.Outcome{}, payment.Errorf(payment.Bug, "look-up without an attempt")
	}
	ctx, cancel, err := begin(ctx, action)
	if err != nil {
		return psp.Outcome{}, err
	}
	defer cancel()
	switch ref.Operation {
	case payment.OpCharge:
		if ref.Customer != "" && c.hidden(ref) {
			return psp.Outcome{}, payment.Errorf(payment.Unavailable, "the look at a charge is not answered, as the amount asks for")
		}
		checkout, err := c.books.SandboxCheckout(ctx, chargeName(acc, ref))
		if err != nil {
			return psp.Outcome{}, failed(action, payment.Unavailable, missing(ref, err))
		}
		if err := ours(checkout, ref); err != nil {
			return psp.Outcome{}, err
		}
		return c.charge(checkout), nil
	case payment.OpCapture, payment.OpVoid, payment.OpRefund, payment.OpReversal:
		out, err := c.lookAtMove(ctx, acc, ref)
		return out, failed(action, payment.Unavailable, err)
	case payment.OpDispute: // there are none here
	}
	return psp.Outcome{}, payment.Errorf(payment.Unsupported, "no look-up for operation %q", ref.Operation)
}

func (c *Connector) lookAtMove(ctx context.Context, acc psp.Account, ref psp.Ref) (psp.Outcome, error) {
	if ref.PaymentRef == "" {
		return psp.Outcome{}, payment.Errorf(payment.Bug, "look-up of a %s without its payment", ref.Operation)
	}
	if c.hidden(ref) {
		return psp.Outcome{}, payment.Errorf(payment.Unavailable, "the look at a %s is not answered, as the amount asks for", ref.Operation)
	}
	checkout, m, err := c.books.SandboxMoved(ctx, books.Name{Account: acc.ID, PaymentID: ref.PaymentRef, Reference: ref.AttemptID})
	if err != nil {
		return psp.Outcome{}, missing(ref, err)
	}
	if m.ID == "" {
		return c.unmoved(checkout, ref)
	}
	reversed := ref.Operation == payment.OpReversal && m.Operation != payment.OpCapture
	if m.Operation != ref.Operation && !reversed {
		return psp.Outcome{}, payment.Errorf(payment.Bug, "%s is a %s and no %s", m.ID, m.Operation, ref.Operation)
	}
	return c.moved(m), nil
}

// unmoved says what it means that nothing was done under our reference. What is
// not held any more can never be captured or voided, so that is decided;
// everything else is absence.
func (c *Connector) unmoved(checkout books.Checkout, ref psp.Ref) (psp.Outcome, error) {
	state, code := checkout.At(c.now()), ""
	switch {
	case ref.Operation == payment.OpCapture && (state == books.Taken || state == books.Voided || state == books.Lapsed):
		code = checkout.HoldEnded()
	case ref.Operation == payment.OpVoid && state == books.Taken:
		code = books.AlreadyCaptured
	case ref.Operation == payment.OpVoid && state == books.Voided:
		code = books.AlreadyVoided
	default:
		return psp.Outcome{}, payment.Errorf(payment.NotFound, "no %s of ours; the money is %s", ref.Operation, state)
	}
	return psp.Outcome{
		Status: psp.Declined, PaymentRef: checkout.PaymentID, Decline: refusal(code), Code: code,
	}, nil
}
