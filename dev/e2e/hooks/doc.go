// Package hooks tells stories of Shopify's webhooks through the whole stack: a
// thousand replays at once, and a subscription that is lost with the orders that
// it would have told of. The stand-in's books say what was sent.
package hooks
