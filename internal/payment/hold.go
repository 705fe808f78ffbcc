package payment

import "time"

// HoldTerms says what a provider allows with money that it holds. The zero
// value is the widest: captured in any number of parts, the rest stays held.
type HoldTerms struct {
	Once         bool // a hold is captured once, in whole or in part
	RestReleased bool // what a capture leaves is given back by itself, at once
	// Limit is how long a hold lasts from our request on where nobody says; zero: not known.
	Limit time.Duration
}
