package letter

import "slices"

// Kind is what a letter is about. Kinds stand in rows: never rename one.
type Kind string

// Letters to the customer.
const (
	// RenewalUpcoming tells of the next charge before it is made.
	RenewalUpcoming Kind = "renewal_upcoming"
	// PaymentRetry: declined, and tried again on a day.
	PaymentRetry Kind = "payment_retry"
	// InsufficientFunds: the same, and the customer can mend it until that day.
	InsufficientFunds Kind = "insufficient_funds"
	// MethodNeeded: the card has expired or is refused for good; another one is asked for.
	MethodNeeded Kind = "method_needed"
	// AuthenticationRequired: the customer has to confirm at the bank, by the link.
	AuthenticationRequired Kind = "authentication_required"
	// Recovered: paid after it had been declined.
	Recovered Kind = "recovered"
	// DunningPaused, DunningCancelled and DunningUnpaid: no money came, and this is the end of it.
	DunningPaused    Kind = "dunning_paused"
	DunningCancelled Kind = "dunning_cancelled"
	DunningUnpaid    Kind = "dunning_unpaid"
	// Started: the first payment, or the mandate of a trial, has come.
	Started Kind = "started"
	// Cancelled: by wish, at once or at the period's end.
	Cancelled Kind = "cancelled"
)

// Letters to the merchant.
const (
	// MerchantDeclined: declined, and tried again by itself.
	MerchantDeclined Kind = "merchant_declined"
	// MerchantWaiting: declined, and the customer has to act.
	MerchantWaiting Kind = "merchant_waiting"
	// MerchantRecovered: paid after it had been declined.
	MerchantRecovered Kind = "merchant_recovered"
	// MerchantEnded: no money came, and the shop's final action was taken.
	MerchantEnded Kind = "merchant_ended"
	// MerchantReview: refused for a reason that a person has to look at.
	MerchantReview Kind = "merchant_review"
	// MerchantStarted and MerchantCancelled: a subscription began, or ends by wish.
	MerchantStarted   Kind = "merchant_started"
	MerchantCancelled Kind = "merchant_cancelled"
)

// Kinds lists every kind, the customer's first.
var Kinds = []Kind{
	RenewalUpcoming, PaymentRetry, InsufficientFunds, MethodNeeded, AuthenticationRequired, Recovered,
	DunningPaused, DunningCancelled, DunningUnpaid, Started, Cancelled,
	MerchantDeclined, MerchantWaiting, MerchantRecovered, MerchantEnded, MerchantReview, MerchantStarted, MerchantCancelled,
}

// Known reports whether k is a kind.
func (k Kind) Known() bool { return slices.Contains(Kinds, k) }

// ToMerchant reports whether the merchant reads the letter.
func (k Kind) ToMerchant() bool {
	switch k {
	case MerchantDeclined, MerchantWaiting, MerchantRecovered, MerchantEnded, MerchantReview, MerchantStarted, MerchantCancelled:
		return true
	case RenewalUpcoming, PaymentRetry, InsufficientFunds, MethodNeeded, AuthenticationRequired, Recovered,
		DunningPaused, DunningCancelled, DunningUnpaid, Started, Cancelled:
		return false
	}
	return false
}

// HasButton reports whether the letter may have a link, and so a button's text.
func (k Kind) HasButton() bool { return k.Known() && k != DunningCancelled && k != Cancelled }

// Placeholder is a name that stands between braces in a template.
type Placeholder string

// Placeholders.
const (
	Shop        Placeholder = "shop"         // its name, as customers read it
	PlanName    Placeholder = "plan"         // what is bought
	Reference   Placeholder = "reference"    // the subscription's number
	Amount      Placeholder = "amount"       // with its currency
	Method      Placeholder = "method"       // "visa 4242", or words for a method that is not known
	PeriodStart Placeholder = "period_start" // the first day of the period that is paid
	PeriodEnd   Placeholder = "period_end"   // the day on which the next one begins
	RenewalDate Placeholder = "renewal_date" // the next charge
	RetryDate   Placeholder = "retry_date"   // the next attempt
	LastDate    Placeholder = "last_date"    // until which the customer may act
	EndDate     Placeholder = "end_date"     // of the subscription
	Reason      Placeholder = "reason"       // of the decline, in words
	Outcome     Placeholder = "outcome"      // of dunning, in words
)

// date is the placeholder of the day that a kind of letter is about; empty: it is
// about none.
func (k Kind) date() Placeholder {
	switch k {
	case RenewalUpcoming, Started, MerchantStarted:
		return RenewalDate
	case PaymentRetry, InsufficientFunds, MerchantDeclined:
		return RetryDate
	case MethodNeeded, AuthenticationRequired, MerchantWaiting:
		return LastDate
	case Cancelled, MerchantCancelled:
		return EndDate
	case Recovered, DunningPaused, DunningCancelled, DunningUnpaid, MerchantRecovered, MerchantEnded, MerchantReview:
		return ""
	}
	return ""
}

// Placeholders lists what a template of the kind may hold.
func (k Kind) Placeholders() []Placeholder {
	list := []Placeholder{Shop, PlanName, Reference, Amount, PeriodStart, PeriodEnd}
	if !k.ToMerchant() {
		list = append(list, Method)
	}
	if day := k.date(); day != "" {
		list = append(list, day)
	}
	switch k { //nolint:exhaustive // the others have no reason to tell
	case MerchantDeclined, MerchantWaiting, MerchantReview:
		list = append(list, Reason)
	case MerchantEnded:
		list = append(list, Reason, Outcome)
	}
	return list
}
