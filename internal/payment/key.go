package payment

import (
	"fmt"
	"strings"
)

// Key names one logical attempt towards a provider, for life: the payment, what
// is wanted, which leg of it (empty for the only one) and the sequence that
// Postgres allocated with the attempt row. Connectors only shorten or hash it.
// The result is at most 100 characters of [a-z0-9:-].
func Key(paymentID string, op Operation, leg string, seq int) string {
	parts := []string{"tf", paymentID, string(op)}
	if leg != "" {
		parts = append(parts, leg)
	}
	return strings.Join(append(parts, fmt.Sprint(seq)), ":")
}
