package recharge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// Mark is what a charge looked like before it was processed: what moves when Recharge tries to charge. Store it before
// [Client.ProcessCharge] is called, it is the only thing that later tells a charge that was tried from one that was not.
type Mark struct {
	ChargeID    int64        `json:"charge_id"`
	Status      Status       `json:"status"`
	Attempts    int64        `json:"attempts"`
	ProcessedAt time.Time    `json:"processed_at"`
	Refunded    money.Amount `json:"refunded"`
}

// Mark takes the mark of a charge as it is now.
func (c Charge) Mark() Mark {
	return Mark{ChargeID: c.ID, Status: c.Status, Attempts: c.Attempts, ProcessedAt: c.ProcessedAt, Refunded: c.Refunded}
}

// moved reports whether the charge is another than when the mark was taken.
func (m Mark) moved(c Charge) bool {
	now := c.Mark()
	return m.Status != now.Status || m.Attempts != now.Attempts || !m.ProcessedAt.Equal(now.ProcessedAt) || m.Refunded != now.Refunded
}

// Verdict is what became of a charge.
type Verdict string

// Verdicts.
const (
	// Paid: the money was taken.
	Paid Verdict = "paid"
	// Refused: it was tried and declined; Charge has the error type.
	Refused Verdict = "declined"
	// Pending: Recharge or the processor is at work (queued, pending, pending_manual_payment); look again.
	Pending Verdict = "pending"
	// Skipped: somebody took it out of the queue.
	Skipped Verdict = "skipped"
	// Unclear: the status is a word that nobody published; an operator has to look.
	Unclear Verdict = "unclear"
)

// Processed is a charge after it was processed.
type Processed struct {
	Verdict Verdict
	// Sent is false when the charge had already moved since its mark and was left alone: somebody else, Recharge's own schedule
	// or an earlier call of ours, had charged it.
	Sent   bool
	Charge Charge
}

// ProcessCharge asks Recharge to charge now (POST /charges/{id}/process; scope write_payments, and a plan on which Recharge allows
// it, else Unauthorized with [CodeScope]). Call it once for a mark.
//
// It is not idempotent, so the charge is read first and left alone if it is not as marked or not in [StatusError], and it is read
// again afterwards: a decline (402), a refusal, a timeout and a 5xx are all decided by what the charge then shows. When it shows
// nothing new after a call that may have been carried out, the error is Unknown with [CodeNotDecided]: never call this again for
// that reason, ask [Client.InquireCharge] later. RateLimited, Unavailable, Unauthorized and Invalid mean that nothing was done.
func (c *Client) ProcessCharge(ctx context.Context, mark Mark) (Processed, error) {
	before, err := c.Charge(ctx, mark.ChargeID)
	if err != nil {
		return Processed{}, fmt.Errorf("process charge, nothing was sent: %w", err)
	}
	if mark.moved(before) || before.Status != StatusError {
		return Processed{Verdict: verdictOn(before), Charge: before}, nil
	}
	r := post(object("charges", mark.ChargeID)+"/process", nil)
	members, sendErr := c.call(ctx, r)
	switch class := payment.ClassOf(sendErr, payment.Unknown); {
	case sendErr == nil:
	case class == payment.Unknown, class == payment.Conflict, class == payment.Invalid, class == payment.NotFound:
		// Decided by what the charge shows: 402 is a decline, 409 and 422 say that it had moved, the rest says nothing.
	default:
		return Processed{}, fmt.Errorf("process charge %d: %w", mark.ChargeID, sendErr)
	}
	// The caller's deadline may be what ended the call; the look that decides must not end with it.
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	after, readErr := c.Charge(look, mark.ChargeID)
	if readErr != nil && sendErr == nil {
		after, readErr = chargeIn(members, mark.ChargeID) // its own answer is evidence as well
	}
	if readErr != nil {
		return Processed{}, notDecided(mark, errors.Join(sendErr, readErr))
	}
	if mark.moved(after) {
		return Processed{Verdict: verdictOn(after), Sent: true, Charge: after}, nil
	}
	return c.unmoved(mark, after, sendErr)
}

// unmoved decides about a charge that shows nothing new after it was processed.
func (c *Client) unmoved(mark Mark, after Charge, sendErr error) (Processed, error) {
	e, ok := errors.AsType[*payment.Error](sendErr)
	switch {
	case ok && e.Code == CodePaymentRequired:
		return Processed{Verdict: Refused, Sent: true, Charge: after}, nil
	case ok && (e.Class == payment.Conflict || e.Class == payment.Invalid || e.Class == payment.NotFound):
		return Processed{}, fmt.Errorf("process charge %d, nothing was done: %w", mark.ChargeID, sendErr)
	}
	return Processed{}, notDecided(mark, sendErr)
}

// InquireCharge looks what became of a charge since its mark, and changes nothing. Unknown with [CodeNotDecided] as long as it
// shows nothing new: Recharge does not say for how long a call may still be worked on, so an unchanged charge is no proof that
// nothing happens.
func (c *Client) InquireCharge(ctx context.Context, mark Mark) (Processed, error) {
	now, err := c.Charge(ctx, mark.ChargeID)
	if err != nil {
		return Processed{}, fmt.Errorf("inquire charge: %w", err)
	}
	if !mark.moved(now) {
		return Processed{}, notDecided(mark, nil)
	}
	return Processed{Verdict: verdictOn(now), Charge: now}, nil
}

func notDecided(mark Mark, err error) error {
	e := &payment.Error{
		Class: payment.Unknown, Code: CodeNotDecided, Err: err,
		Message: fmt.Sprintf("charge %d may have been processed and shows nothing new; do not process it again, look at it later",
			mark.ChargeID),
	}
	if err != nil {
		e.Message += ": " + err.Error()
	}
	return e
}

// verdictOn reads a charge's status as the end of an attempt.
func verdictOn(c Charge) Verdict {
	switch c.Status {
	case StatusSuccess, StatusRefunded, StatusPartiallyRefunded:
		return Paid
	case StatusError:
		return Refused
	case StatusQueued, StatusPending, StatusPendingManualPayment:
		return Pending
	case StatusSkipped:
		return Skipped
	default:
		return Unclear
	}
}
