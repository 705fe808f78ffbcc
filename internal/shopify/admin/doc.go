// Package admin speaks Shopify's Admin API for our second app: the subscriptions to webhooks, the orders that a webhook should have
// told us about, and the versions that Shopify serves.
//
// The Admin API counts points in a bucket that all our calls to a shop share. Every answer says what it cost and what is left, so a
// walk through pages waits until the bucket holds the next page before it asks, and a refusal for want of points is waited out.
//
// Facts are from shopify.dev (Admin API reference, rate limits, pagination) and the API's published introspection.
package admin
