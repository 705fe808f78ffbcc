// Package stripe connects merchant accounts at Stripe: hosted Checkout,
// authorize and capture, void, refund, look-ups and webhooks.
//
// Facts this connector relies on. (S) is Stripe's OpenAPI document of version
// 2026-08-26.dahlia as shipped in github.com/stripe/stripe-mock v0.203.0, read
// for this connector in November 2026; (D) is docs.stripe.com and (G) the source
// of stripe-go v85, both through notes and copies of 2026 and not the live pages;
// (U) is unverified. No live account was used: the connector was run against our
// stand-in and its requests against stripe-mock.
//
//   - Authentication: "Authorization: Bearer" with a secret (sk_) or restricted
//     (rk_) key; the key's own prefix says test or live, the host is the same
//     for both (G). Objects repeat it as livemode (S); a difference is refused.
//   - Credentials: secret_key, and webhook_secret, which may hold several
//     comma-separated secrets while one is being rolled.
//   - Version: every request pins Stripe-Version. Webhooks come in the version
//     of their endpoint, so they are read tolerantly.
//   - Bodies are forms with brackets for nesting; answers are JSON (S).
//   - Idempotency: header Idempotency-Key, up to 255 characters, on POST. Stripe
//     keeps the first answer of a request that began to execute, also a 500,
//     and repeats it. Requests that fail validation or meet a running twin are
//     not kept. The same key with another body is a 400 idempotency_error, a
//     running twin a 409 idempotency_key_in_use. Keys may be pruned when 24 h
//     old (D); we stop an hour earlier.
//   - Because the body is compared, a request must be a pure function of what
//     the caller stored: nothing here reads the clock to build one.
//   - Amounts are whole minor units, with exceptions: see amount.go (D).
//   - Signature: header Stripe-Signature "t=…,v1=…"; HMAC-SHA256 over t, a dot
//     and the raw body, keyed with the endpoint's secret as it is written,
//     whsec_ included; hex; any v1 may match (G). Stripe's libraries accept
//     future timestamps, we accept 300 s in either direction.
//   - Deliveries are repeated for up to three days, in any order (D).
//   - Rates: 100 requests a second live, 25 in a sandbox (D).
//   - A page lives between 30 minutes and 24 hours; it can be expired while it
//     is open and not afterwards (S).
//   - A PaymentIntent of a page can be cancelled directly only while it is
//     requires_capture (S).
//   - Whether a page with manual capture reads paid or unpaid until the capture is
//     (U); the payment's own status and the kind in our metadata decide.
//   - The header Idempotent-Replayed is (U); it only shows in error texts.
//   - That expand[] with a path expands every object on the way is (U); where it
//     does not, a finished payment is Unknown and never a guess.
//   - The error codes for account trouble and for refunds that cannot be, in
//     errors.go, are (U) beyond those that the OpenAPI document's notes name; a
//     code we do not know falls back to its HTTP status.
//   - Holds end by themselves, usually after seven days; a card's capture_before
//     is the exact moment (S). The payment is then canceled with the reason
//     "automatic"; a capture after that is payment.CodeAuthorizationExpired.
//   - A hold is captured once, in whole or in part; a capture in parts needs
//     multicapture, which is off for most accounts (S). What is not captured is
//     released, so nothing is left to void. Stripe shows that rest, and a hold that
//     was cancelled, as a refund and in the charge's amount_refunded (seen in bug
//     reports of other integrations). It carries no balance transaction (U), by
//     which it is told from a refund of money.
//   - A capture has no object of its own. Ours writes its attempt on the payment's
//     metadata; a captured payment without it was captured by somebody else.
//   - Refunds: pending and requires_action are on their way, canceled and failed
//     are final, succeeded may still fail, days later (U). Hence messages that say
//     succeeded are a reason to look and only the ends are proofs. A refund whose
//     metadata has no attempt of ours was made elsewhere.
//   - More than is left to refund is a 400 at the parameter amount without a code
//     (U); nothing left is charge_already_refunded (D).
//   - A method is kept by a checkout with setup_future_usage=off_session and a
//     customer, which the checkout makes (customer_creation=always); the method is
//     then attached to it (S). It is charged by a PaymentIntent with off_session and
//     confirm. What would need the buyer fails at once instead of waiting for him
//     (error_on_requires_action, S), as a 402 with authentication_required; the
//     payment is then requires_payment_method and could be confirmed again only by
//     who has its secret, which we throw away.
//   - An issuer's advice_code goes before the decline code where nobody watches:
//     do_not_try_again means never, confirm_card_data other card data (S).
//   - Disputes take the money when they open, and give it back when they are won.
//     Inquiries (warning_…) take nothing; an inquiry that becomes a dispute says so
//     by charge.dispute.updated and funds_withdrawn (S, D).
//
// # What absence means
//
// A checkout whose id we never learned is looked for in the list of checkout
// sessions around the first send, by client_reference_id; a refund in the list
// of refunds of its payment, by metadata; a capture or void in the payment
// itself. Stripe warns that its *search* lags (S), so search is not used; that a
// list shows at once what was written is (U). LookupLag covers our own timeout
// and the longest that a request of ours may still execute at Stripe (its
// libraries give up at 80 s).
//
// What that rests on: a checkout that a list hides longer moves no money, because
// nobody has its address. A capture or void is read from the payment itself. A
// refund that the list hides would be sent a second time, so the list alone is
// not believed: the charge, read by its id, says how much of it was refunded, and
// only a list that explains that sum to the last unit proves that ours is not
// there. Where they differ, it is payment.Unavailable and looked at again. A
// charge of a kept method is looked for twice as well, among the customer's
// payments and among the charges of its transfer group.
//
// An object whose id Stripe gave us and that it no longer knows
// (resource_missing) is not absent: somebody exchanged the account's keys for
// those of another account. That is payment.Unauthorized, for an operator.
//
// # Why no SDK
//
// stripe-go is 13 MB of generated code, retries by itself, invents a random
// idempotency key when none is given, sends telemetry and refuses webhooks of
// newer API versions unless told otherwise. Fifteen kinds of request in one small HTTP
// core show what is sent and, with httptrace, whether anything was written at all,
// which the SDK does not tell.
package stripe
