// Package recharge is a witness stand-in of Recharge's Admin API in version 2021-11: charges that failed, lists by cursor, processing
// a charge again, customers, orders, webhooks signed both ways, and a leaky bucket, with books of its own that a test compares with
// ours. It is written from what is published about Recharge and not from our client, and imports none.
//
// What it is strict about: a known access token, X-Recharge-Version 2021-11 on every request (Recharge itself would fall back to the
// token's default), Accept and Content-Type, the scope that each call needs, known parameters only, a follow-up page that repeats
// filters, include as one comma list (Recharge ignores includes and a second include in silence; here that is an error).
//
// Choices where nothing is documented:
//   - Filters beside a cursor, and everything else that is wrong with a request, are 422.
//   - Charges with an odd id show their times without a zone, the others with one: callers must read both.
//   - A cursor stands behind a row, by its sort key and id. Options.OffsetCursors makes it count rows instead, so that a row that is
//     updated moves the ones behind it past the reader.
//   - Processing takes the card of the charge's customer: "good" pays, "slow" is pending until the next advance, anything else is an
//     error type and declines with it, as 402. A charge that is not in error is 409. A store without Plus is refused with 403.
//   - A failed charge is retried a day later, eight attempts in all; then its error type is CLOSED_MAX_RETRIES_REACHED.
//   - The note of a charge is copied to the order that it makes.
//   - A delivery is done with any 2xx. One that is never answered, or with 408, 429 or 5xx, is repeated; when all repeats are used up
//     the subscription is deleted. Any other answer ends that delivery alone.
//
// Beside the API, under /_ the switches of a test: /_/ is an overview for people, /_faults (see package faults), /_pages (what goes
// wrong with pages, see [PageFault]), /_books, /_charges, /_charges/{id}, /_cards, /_advance. These are not authenticated: never
// expose a stand-in beyond the machine it runs on.
package recharge
