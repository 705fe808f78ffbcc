package activities

import (
	"context"
	"errors"

	"tillflow/internal/payment"
)

// Rows are the steps that only touch our own record. Each is one transaction
// that changes nothing when repeated.
type Rows struct{ Records Records }

// PaymentInput names a payment.
type PaymentInput struct{ PaymentID string }

// WhyInput names a payment and a reason from an enum.
type WhyInput struct {
	PaymentID string
	Why       payment.DeclineReason
}

// OperatorInput names a payment and why a person is needed.
type OperatorInput struct {
	PaymentID string
	Why       payment.OperatorReason
}

// OperatorMoveInput names a move and why a person is needed.
type OperatorMoveInput struct {
	OperationID string
	Why         payment.OperatorReason
}

// ActionInput names what a person wrote about a payment.
type ActionInput struct {
	PaymentID string
	ActionID  string
}

// LoadCharge reads how a charge stands.
func (r *Rows) LoadCharge(ctx context.Context, in PaymentInput) (payment.View, error) {
	return recorded(r.Records.LoadCharge(ctx, in.PaymentID))
}

// LoadMove reads how a move stands.
func (r *Rows) LoadMove(ctx context.Context, in MoveInput) (payment.MoveView, error) {
	view, err := r.Records.LoadMove(ctx, in.OperationID)
	return view, plainErr(err)
}

// ClaimMove claims the amount of a move session, or decides that it is refused,
// or answers that the payment's own money is not decided yet. It serves as the
// first look of every run: what is claimed or decided is answered as it stands.
func (r *Rows) ClaimMove(ctx context.Context, in MoveInput) (payment.MoveView, error) {
	view, err := r.Records.ClaimMove(ctx, in.OperationID)
	return view, plainErr(err)
}

// AwaitClaim does the same and fails with StillPending while the payment's own
// money is not decided, so that waiting costs no history.
func (r *Rows) AwaitClaim(ctx context.Context, in MoveInput) (payment.MoveView, error) {
	view, err := r.ClaimMove(ctx, in)
	if err == nil && view.Waits {
		return payment.MoveView{}, plainErr(payment.Errorf(payment.StillPending, "the payment's own money is not decided"))
	}
	return view, err
}

// CallOperatorMove notes on a move that a person is needed.
func (r *Rows) CallOperatorMove(ctx context.Context, in OperatorMoveInput) (payment.MoveView, error) {
	view, err := r.Records.CallOperatorMove(ctx, in.OperationID, in.Why)
	return view, plainErr(err)
}

// Proof is what stored messages say of an attempt.
type Proof struct {
	View   payment.View
	Proved bool // a message proved a success, and it is recorded
}

// RecordProof records the success that a stored, signed message proves of an
// attempt. When none proves one it changes nothing, and the provider must be asked.
func (r *Rows) RecordProof(ctx context.Context, in AttemptInput) (Proof, error) {
	events, err := r.Records.PendingEvents(ctx, in.AttemptID)
	if err != nil {
		return Proof{}, plainErr(err)
	}
	f, ok := proof(events)
	if !ok || !f.State.Succeeded() {
		return Proof{}, nil
	}
	view, err := r.Records.RecordFinding(ctx, f)
	return Proof{View: view, Proved: err == nil}, plainErr(err)
}

// ShutDoor forbids new checkouts of a payment.
func (r *Rows) ShutDoor(ctx context.Context, in WhyInput) (payment.View, error) {
	return recorded(r.Records.ShutDoor(ctx, in.PaymentID, in.Why))
}

// DecideReject decides the final answer when nothing is paid or in doubt.
func (r *Rows) DecideReject(ctx context.Context, in WhyInput) (payment.View, error) {
	return recorded(r.Records.DecideReject(ctx, in.PaymentID, in.Why))
}

// CallOperator notes that a person is needed, or no longer.
func (r *Rows) CallOperator(ctx context.Context, in OperatorInput) (payment.View, error) {
	return recorded(r.Records.CallOperator(ctx, in.PaymentID, in.Why))
}

// GiveBack claims a reversal of the money that the payment holds.
func (r *Rows) GiveBack(ctx context.Context, in OperatorInput) (payment.View, error) {
	return recorded(r.Records.GiveBack(ctx, in.PaymentID, string(in.Why)))
}

// ApplyAction carries out a person's action. The row is the authority: the
// message that named it could have been sent by anybody.
func (r *Rows) ApplyAction(ctx context.Context, in ActionInput) (payment.View, error) {
	return recorded(r.Records.ApplyAction(ctx, in.PaymentID, in.ActionID))
}

func asPaymentError(err error) (*payment.Error, bool) { return errors.AsType[*payment.Error](err) }
