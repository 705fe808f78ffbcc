// Package recharge speaks the Admin API of Recharge, the subscription app for Shopify: it lists the charges that failed,
// reads and re-processes one, finds the customer at Shopify, keeps the webhooks registered and verifies what they deliver.
//
// Authentication is an access token per store in X-Recharge-Access-Token; [Version] is pinned by a header, because without it
// Recharge answers in the version that the token was made for. There is no sandbox host: a development store takes its place.
//
// Recharge retries failed charges by a schedule of its own, Failed Payment Recovery ([RecoveryOf]). Whoever processes a charge
// beside it charges in parallel to it, so that is a policy somebody has to choose, never a default.
//
// Nothing here has an idempotency key. Processing a charge twice may take money twice, so [Client.ProcessCharge] reads before and
// after, and a call without an answer is payment.Unknown until [Client.InquireCharge] sees what became of it.
//
// Lists are walked by cursor: the request that follows carries the cursor and the page size and nothing else, repeated filters are
// an error. [Walk] reports every failed charge once, whatever pages are lost, halved or served twice.
//
// Money is a decimal text in major units (older versions also sent numbers), read exactly or not at all. Times are ISO 8601, some
// of them without a zone; these are read as UTC, which no document confirms, so a window of updates overlaps by a day.
//
// What does not fit is kept and told, never dropped: an unknown status stays as Recharge writes it, a field that cannot be read is
// an [Oddity], a row without an id is [Unreadable].
//
// The note. Recharge's own types (npm @rechargeapps/storefront-client 2.3.0) have note on the charge ("Notes associated with the
// Charge") and on the order, both text or null, and order_note on the address, which is added to every order of that address; the
// singer tap's schema has note on charges and orders of the older version as well. So [Charge.Note] and [Order.Note] are
// verified to exist. Not verified against a live store: that a failed charge already carries it (there is no order yet to look it
// up at), that the two are always the same text, and how long it may be.
//
// Sources: Recharge's API reference (developer.rechargepayments.com/2021-11), its rate-limit and webhook guides
// (docs.getrecharge.com), its support article on order errors, the types named above, and the singer tap's client.
package recharge
