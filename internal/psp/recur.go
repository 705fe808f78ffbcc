package psp

import (
	"context"

	"tillflow/internal/money"
)

// Method is what a buyer pays with, as the provider keeps it for later. It says
// no more than who reads it must know: the whole number of a card never comes here.
type Method struct {
	Customer string // the provider's id of the buyer; the Ref again where it knows none. Never empty
	Ref      string // the provider's id of the method
	Kind     string // in the provider's words: "card"
	Label    string // by which its owner knows it, "visa 4242", and never more
	// ExpiresYear and ExpiresMonth are the last month in which it works; 0: it does not end by itself.
	ExpiresYear, ExpiresMonth int
}

// Recurring is a charge of a kept method, without the buyer.
type Recurring struct {
	AttemptID   string
	Key         string
	Customer    string // of the Method
	Method      string // its Ref
	Amount      money.Amount
	Description string // the buyer may read it in his statement; no personal data
}

// Recurrer keeps what a buyer paid with, and charges it later. Who has it obeys
// Checkout.Remember.
type Recurrer interface {
	// MethodOf gives the method that a paid checkout with Remember left with the
	// provider. paymentRef is of the money that was paid there. payment.NotFound:
	// it left none, and none will come. It changes nothing.
	MethodOf(ctx context.Context, acc Account, paymentRef string) (Method, error)
	// ChargeMethod charges a method that MethodOf gave, initiated by the merchant.
	// A decline is an Outcome, decided for good: neither the provider nor the buyer
	// can make a success of it later. That the buyer must authenticate is a decline
	// for payment.AuthenticationFailed, that the method is no longer there one for
	// payment.NotSupported. Ref.Customer tells Inquire that an attempt was sent so.
	ChargeMethod(ctx context.Context, acc Account, r Recurring) (Outcome, error)
}
