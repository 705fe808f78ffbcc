package program

import (
	"tillflow/dev/stack"
	"tillflow/standin/recharge"
)

// subscribers gives the shop some subscribers whose charges failed, once: a new
// data folder has none.
func subscribers(s *stack.Stack) error {
	if len(s.Recharge.Books(stack.Shop).Stores[stack.Shop].Charges) > 0 {
		return nil
	}
	const hour = 3600
	for i, spec := range []recharge.ChargeSpec{
		{ErrorType: "CARD_EXPIRED", Note: "Leave it with the neighbour", Title: "Coffee of the month"},
		{ErrorType: "INSUFFICIENT_FUNDS", Total: "12.00", Title: "Tea of the month"},
		{ErrorType: "AUTHENTICATION_REQUIRED", Total: "59.90", Note: "Gift wrap, please", Title: "Wine of the season"},
		{ErrorType: "FRAUD_SUSPECTED", Total: "480.00", Title: "Coffee of the month"},
		{ErrorType: "SHIPPING_RATE_ERROR", Title: "Coffee of the month"},
		{ErrorType: "CLOSED_MAX_RETRIES_REACHED", Attempts: 8, Title: "Tea of the month", Override: map[string]any{"retry_date": nil}},
	} {
		spec.AgeSeconds = int64(i+1) * 5 * hour
		if _, err := s.Recharge.AddCharges(stack.Shop, 1, spec); err != nil {
			return err
		}
	}
	return nil
}
