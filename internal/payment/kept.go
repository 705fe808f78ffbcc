package payment

import "time"

// KeptMethod is what a customer paid with and left for later payments. Customer,
// Ref and Label open only as long as the customer is known.
type KeptMethod struct {
	ID        string // ours, a UUIDv7
	Shop      string
	AccountID string // of the provider account that keeps it
	Provider  string
	PaymentID string // whose page left it
	Customer  string // the provider's id of its owner
	Ref       string // the provider's id of the method
	Kind      string // in the provider's words: "card"
	Label     string // by which its owner knows it: "visa 4242"
	// ExpiresYear and ExpiresMonth are the last month in which it works; 0: it does not end by itself.
	ExpiresYear, ExpiresMonth int
	KeptAt                    time.Time
}

// String names the method without what the vault has of it.
func (m KeptMethod) String() string { return "method " + m.ID }

// GoString does the same.
func (m KeptMethod) GoString() string { return m.String() }

// EndsAt is when its last month is over everywhere on earth; zero: never.
func (m KeptMethod) EndsAt() time.Time {
	if m.ExpiresYear == 0 {
		return time.Time{}
	}
	// Noon of the next day in UTC is when the last day of a month ends at UTC-12.
	return time.Date(m.ExpiresYear, time.Month(m.ExpiresMonth)+1, 1, 12, 0, 0, 0, time.UTC)
}
