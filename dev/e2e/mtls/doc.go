// Package mtls knocks at the session endpoint of the real service process with certificates of its own CAs: good ones,
// bad ones of every sort, files that change under the running process, and a proxy that ends the TLS. Each row of the
// matrix says what the caller got, what the service logged, and that nothing was stored unless the caller was admitted.
package mtls
