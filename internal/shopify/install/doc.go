// Package install is the pure half of installing our apps at Shopify: the address that asks the merchant for access, and the
// verification of what the merchant's browser brings back. The calls of the token endpoint are package shopify's, the record of
// states and installations is the store's.
//
// The flow is OAuth's authorization code for an app that is not embedded:
//
//	GET /shopify/install?shop=…  → a state is recorded, its half goes into the browser's cookie → Shopify's page of consent
//	GET /shopify/callback?…      → signature, time, shop; the state is spent; the code becomes tokens; the shop is installed
//
// Every refusal is an [Error] that says what happened, what it means and what to do; nothing but a spent state is left behind.
//
// Facts are from shopify.dev (authorization code grant, offline access tokens) and from Shopify's own client libraries, which
// define the normal form of the signed query.
package install
