// Package stripe is a witness stand-in of Stripe: the part of its public API that takes card and bank-debit payments
// through hosted Checkout, with capture, cancellation, refunds, events, signed webhooks and idempotency keys, and with
// books of its own that a fault run compares with ours. It is written from Stripe's published API description
// (2026-08-26.dahlia) and documentation, not from any connector, and imports none.
//
// What it is strict about: a Bearer key of a known account, a Stripe-Version header (we always send it; Stripe itself
// would fall back to the account's default), form bodies with known parameters of the right type, currencies with
// their amount rules, states, and the use of idempotency keys. A parameter that exists at Stripe but that this
// stand-in does not act on is refused like an unknown one, never ignored.
//
// Choices where the documentation leaves room:
//   - The PaymentIntent of a Checkout Session is created by the buyer's first attempt; until then payment_intent is
//     null (so since API version 2022-08-01).
//   - A session paid with manual capture is complete and unpaid; it turns paid with the capture.
//   - Lists and retrievals read what was just written; only search lags (Options.SearchLag).
//   - What a capture or a cancellation releases of a hold is shown as a refund without a balance transaction, and
//     amount_refunded counts it; the books do not.
//   - A dispute blocks refunds while it is open and after it was lost, makes pending ones fail, and its fee is kept.
//     An inquiry does none of this.
//   - The fee of every captured charge is 2.9 % and 30 minor units, rounded half up, and is kept on refund.
//   - After a session expired its unfinished PaymentIntent is canceled with reason "expired".
//   - A checkout with customer_creation=always makes its customer when it is completed, and keeps the method there when
//     setup_future_usage asks for it. Kept cards expire by the clock, at the end of their last month. Of the cards that
//     ask for 3-D Secure one needs it at every charge, the other not any more once it is kept.
//   - PaymentIntents are created for kept methods only, off session, confirmed at once and failing where they would
//     need their buyer; all others are made by checkouts. Whatever a refused one says of the method, its words are ours.
//   - Webhooks leave after the reply of the call that caused them, in order per checkout; a failed delivery is retried
//     later and does not hold up those behind it.
//
// Beside the API under /v1: the hosted page /c/pay/{session}, an overview at /, and under /_ the switches of a test:
// /_faults (see package faults), /_books, /_pay/{session}, /_settle/{session, intent or refund}, /_late/{session},
// /_method/{method}, /_dashboard/refund, /_refund/{intent}, /_dispute/{intent} and
// /_dispute/{intent or dispute}/{verdict}. Those are not authenticated: never expose a stand-in beyond the machine it runs on.
package stripe
