// Package app is what is remembered of our two apps at Shopify: who installed them, with which grants, and what Shopify has
// delivered to them. It is pure. The record, the handlers and package shopify share its types.
package app

// Name tells our apps apart. Each has its own client id, secret, scopes and tokens.
type Name string

const (
	// Payments is the payments app: sessions, and nothing of the Admin API, so that Shopify's restricted review stays small.
	Payments Name = "payments"
	// Admin is the second app, for orders, subscriptions and webhooks through the Admin API.
	Admin Name = "admin"
)

// Known reports whether n is one of ours.
func (n Name) Known() bool {
	switch n {
	case Payments, Admin:
		return true
	}
	return false
}
