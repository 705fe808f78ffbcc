package payment

// CodeAuthorizationExpired is the code, at every provider, of a decline whose
// reason is that the hold is over: of a capture that came too late, and of a
// charge whose authorization lapsed before anybody captured it. Shopify has a
// reason of its own for it. All other codes are the provider's words.
const CodeAuthorizationExpired = "authorization_expired"
