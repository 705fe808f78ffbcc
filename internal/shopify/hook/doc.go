// Package hook verifies the webhooks that Shopify sends and cuts them down to what is kept: ids, codes, amounts and times. It is
// pure.
//
// The signature is the base64 of HMAC-SHA256 under the app's client secret over the raw body. It covers no header, so the shop that
// a privacy request or an uninstallation names in its body must be the one of the header. Repeats carry the same webhook id; the
// time that orders messages is the one at which they were triggered, never that of their arrival.
//
// Facts are from shopify.dev (verify deliveries, delivery structure, ignore duplicates, privacy law compliance) and, for the names
// of headers and members, from Shopify's own client libraries and samples.
package hook
