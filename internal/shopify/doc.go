// Package shopify speaks Shopify's Payments Apps API: it reads the payment sessions Shopify posts to us and sends the mutations
// that answer them.
//
// Authentication of what Shopify sends is mutual TLS and happens before this package; there is no signature on those requests.
// What we send carries a per-shop access token, taken from a [TokenSource] and renewed once when Shopify refuses it.
//
// Every mutation may be repeated: Shopify performs it once per session and operation name and gives the same answer again, so a
// call that ended without an answer is payment.Unavailable, never payment.Unknown. The other final mutation for the same session
// is refused with a user error, because the first one wins; that is a [Result], not an error.
//
// Facts are from shopify.dev (Payments Apps API reference and "Build a payments app") and the API's published introspection.
package shopify

// APIVersion is the one version pinned for GraphQL and for the payments extension. Shopify serves the oldest supported version
// instead of one it no longer knows, so an answer that names another version raises a [Notice].
const APIVersion = "2026-10"
