package subscription

import (
	"time"

	"tillflow/internal/money"
	"tillflow/internal/payment"
)

// FigureFilter selects what figures are about.
type FigureFilter struct {
	Shop     string // empty: all
	Test     bool   // of test subscriptions instead of live ones
	From, To time.Time
	// Ahead is until when renewals count as upcoming, from now on.
	Ahead time.Duration
}

// Figures are what finance wants to know. Amounts are per currency and never
// added across them.
type Figures struct {
	Monthly   []CurrencyFigure // what the subscriptions of now bring in a month
	Churn     Churn
	Failed    []FailedFigure   // renewals that were declined, by reason
	Recovered []CurrencyFigure // paid after a decline, settled in the time
	Lost      []CurrencyFigure // given up or cancelled while owed, in the time
	Upcoming  []CurrencyFigure // renewals to come, at the price of a full period
}

// CurrencyFigure is a number of things and what they are worth together.
type CurrencyFigure struct {
	Count  int
	Amount money.Amount
}

// Churn counts subscriptions that are paid for: active, or past due.
type Churn struct {
	AtStart int // paid for when the time began
	Lost    int // of those: cancelled, paused or unpaid when it ended
	Began   int // begun within it, trials included
}

// FailedFigure is one reason in one currency.
type FailedFigure struct {
	Reason    payment.DeclineReason // of the last decline
	Failed    CurrencyFigure        // renewals that opened in the time and were declined at least once
	Recovered CurrencyFigure        // of those: paid by now
	Owed      CurrencyFigure        // of those: still collected
}

// FailedRenewal is a renewal that was declined, for a list.
type FailedRenewal struct {
	SubscriptionID, Shop, Ref, Plan string

	Key       string
	Amount    money.Amount
	Reason    payment.DeclineReason
	Declines  int
	State     ChargeState
	OpenedAt  time.Time
	SettledAt time.Time // zero: it is not
}

// UpcomingRenewal is a renewal to come, for a list.
type UpcomingRenewal struct {
	SubscriptionID, Shop, Ref, Plan string

	Amount money.Amount // of a full period, before the balance
	At     time.Time
}

// LostSubscription is one that stopped being paid for, for a list.
type LostSubscription struct {
	SubscriptionID, Shop, Ref, Plan string

	Before, After State
	Amount        money.Amount // of a full period
	At            time.Time
}
