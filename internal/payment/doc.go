// Package payment is the domain: what a payment is, which states it may pass
// through, what a failed call means for the money, and how one logical attempt
// is named towards a provider. It is pure: no clock, no network, no database.
package payment
