package sandbox

import (
	"context"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/sandbox/books"
)

// kindCard is what the sandbox keeps.
const kindCard = "card"

// MethodOf implements psp.Recurrer.
func (c *Connector) MethodOf(ctx context.Context, acc psp.Account, paymentRef string) (psp.Method, error) {
	const action = "look for a kept method"
	if err := usable(acc); err != nil {
		return psp.Method{}, err
	}
	if paymentRef == "" {
		return psp.Method{}, payment.Errorf(payment.Bug, "a kept method without the payment that left it")
	}
	ctx, cancel, err := begin(ctx, action)
	if err != nil {
		return psp.Method{}, err
	}
	defer cancel()
	checkout, kept, err := c.books.SandboxKept(ctx, books.Name{Account: acc.ID, PaymentID: paymentRef})
	if err != nil {
		return psp.Method{}, failed(action, payment.Unavailable, missing(psp.Ref{PaymentRef: paymentRef}, err))
	}
	switch state := checkout.At(c.now()); {
	case state != books.Taken && state != books.Held && state != books.Processing:
		return psp.Method{}, payment.Errorf(payment.Conflict, "nothing was paid at the sandbox yet: it is %s", state)
	case kept.ID == "":
		return psp.Method{}, payment.Errorf(payment.NotFound, "payment %s left no method for later", paymentRef)
	}
	year, month := kept.LastMonth()
	return psp.Method{
		Customer: kept.Customer, Ref: kept.ID, Kind: kindCard, Label: kept.Label(), ExpiresYear: year, ExpiresMonth: int(month),
	}, nil
}

// ChargeMethod implements psp.Recurrer.
func (c *Connector) ChargeMethod(ctx context.Context, acc psp.Account, r psp.Recurring) (psp.Outcome, error) {
	const action = "charge a kept method"
	if err := usable(acc); err != nil {
		return psp.Outcome{}, err
	}
	if err := named(r.AttemptID, r.Key); err != nil {
		return psp.Outcome{}, err
	}
	if r.Customer == "" || r.Method == "" {
		return psp.Outcome{}, payment.Errorf(payment.Bug, "a charge of a kept method without its names")
	}
	if !r.Amount.IsPositive() {
		return psp.Outcome{}, payment.Errorf(payment.Invalid, "a charge needs an amount above zero")
	}
	if _, err := r.Amount.Currency.Exponent(); err != nil {
		return psp.Outcome{}, payment.Errorf(payment.Invalid, "currency of the charge: %w", err)
	}
	sum, err := hash(r)
	if err != nil {
		return psp.Outcome{}, err
	}
	ctx, cancel, err := begin(ctx, action)
	if err != nil {
		return psp.Outcome{}, err
	}
	defer cancel()
	charged, err := c.books.SandboxCharge(ctx, books.Charge{
		Account: acc.ID, Key: r.Key, Hash: sum, Reference: r.AttemptID, Customer: r.Customer, Method: r.Method, Amount: r.Amount,
		Description: r.Description, Delay: c.delay,
	})
	if err != nil {
		return psp.Outcome{}, failed(action, payment.Unknown, err)
	}
	if books.MagicDoubt(r.Amount) != books.NoDoubt {
		return psp.Outcome{}, payment.Errorf(payment.Unknown, "%s at the sandbox: the answer was lost, as the amount asks for", action)
	}
	return c.charge(charged), nil
}
