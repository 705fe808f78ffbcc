// Package mtls admits callers by client certificate. Shopify's session requests
// carry no signature and no token, so the certificate is their only proof.
//
// [Server] ends TLS itself; [Proxy] takes the certificate from the header of a
// proxy that ended TLS. Both verify the chain against a bundle of CAs that is read
// again when the file changes, and both fail closed. Nothing about the leaf is
// pinned: neither its fingerprint nor its names outlive a renewal. Whoever a
// listed CA issued a client certificate to is admitted, so the bundle holds the
// private CAs of the one caller and never a public one.
package mtls
