package subscription

import (
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// Portal is what a customer reads of the subscription, on a page of his own.
type Portal struct {
	Record
	Plan     string             // its name, as customers read it
	Label    string             // of the shop, as customers read it
	Brand    payment.Brand      // how its pages look
	Zone     *time.Location     // where the subscription lives
	Price    money.Amount       // of a full period
	Method   payment.KeptMethod // zero: there is none
	Standing Entitlement
	Step     Step     // what follows, when it owes
	Next     Upcoming // the next period, when Renews
	Renews   bool
}

// Owes reports whether a charge was declined and nothing is under way.
func (p Portal) Owes() bool { return p.Open != nil && p.Open.Owed }

// Underway reports whether a charge of the kept method waits for its result. The
// first payment waits for the customer himself.
func (p Portal) Underway() bool {
	return p.Open != nil && !p.Open.Owed && p.Open.Kind != FirstCharge && p.Open.Amount.IsPositive()
}
