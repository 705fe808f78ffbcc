package subscription

import "fmt"

// Reason says why something asked for is not possible. Its text is part of the
// API's answers: never rename one.
type Reason string

// Reasons.
const (
	Missing       Reason = "missing"          // the field must be given
	NotANumber    Reason = "not_a_number"     // not a plain decimal number
	IsZero        Reason = "zero"             // free plans are none
	IsNegative    Reason = "negative"         //
	TooPrecise    Reason = "too_precise"      // more digits than the currency has
	OutOfRange    Reason = "out_of_range"     // outside the limits that the message names
	NoCurrency    Reason = "unknown_currency" // not an active ISO 4217 code
	OtherCurrency Reason = "other_currency"   // a subscription stays in the currency in which it began
	NoUnit        Reason = "unknown_unit"     // neither day, week, month nor year
	NoZone        Reason = "unknown_zone"     // no name of the IANA time zone database
	NoRule        Reason = "unknown_rule"     // not one of the values that the field has
	NoSuchDay     Reason = "no_such_day"      // the anchor names a day that no such interval has

	StaleVersion     Reason = "stale_version"      // the plan has a newer version than the caller knows
	Retired          Reason = "retired"            // the plan takes nobody new
	WrongState       Reason = "wrong_state"        // the subscription's state does not allow it
	WouldChargeTwice Reason = "would_charge_twice" // a charge is open, or the period is paid already
	Ending           Reason = "ending"             // it is set to be cancelled; withdraw that first
	NothingToDo      Reason = "nothing_to_do"      // it is so already, or nothing was scheduled
	NotDue           Reason = "not_due"            // the moment has not come
	TooMany          Reason = "too_many"           // the limit that the message names is used up
)

// Refusal is a well-formed request that is not possible, told to who asked. It
// changes nothing.
type Refusal struct {
	Field   string // of the request: "price", "interval.count", "plan"
	Reason  Reason
	Message string // a part of a sentence that follows the field's name
	Current int    // with StaleVersion: the version that stands
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%s %s (%s)", r.Field, r.Message, r.Reason)
}

func refuse(field string, reason Reason, format string, args ...any) *Refusal {
	return &Refusal{Field: field, Reason: reason, Message: fmt.Sprintf(format, args...)}
}
