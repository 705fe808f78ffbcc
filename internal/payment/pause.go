package payment

import "time"

// Codes of a send that was held back: it was certainly not sent.
const (
	CodePaused  = "account_paused" // the account's sends are paused
	CodeCrowded = "in_flight_cap"  // too many calls of the account or provider were in flight
)

// Pause is the time in which one worker sends nothing new to an account, because
// its provider did not answer. Look-ups go on.
type Pause struct {
	AccountID string
	Worker    string    // the process; each finds out for itself
	Since     time.Time // zero: sends go through
	Until     time.Time // then one send tries whether the provider is back
	Failures  int       // sends in a row that brought nothing
}
