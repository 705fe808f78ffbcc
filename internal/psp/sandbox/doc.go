// Package sandbox is a provider that needs no outside: hosted pages served by
// ourselves, books of its own in our database, and no real money. It is for
// trying a shop's checkout and an integration with /api/v1, and behaves towards
// the service as any provider does: what it did is learned from its answers and
// by looking.
//
// It serves accounts with live = false only. A live account is refused with
// payment.Unsupported (payment.Unauthorized when it is verified), so it can
// never stand in for a provider of real money.
//
// # On the page
//
// The buyer chooses what happens: success, a decline with its reason, 3-D Secure
// that is passed or failed, a success or failure that comes later, no answer for
// ever, or going back without paying. After a decline the page stays open for
// another try. An authorization is held for seven days and may be captured in
// parts until all of it is taken; a void gives the rest back, and so does the
// end of the hold. Captures, voids and refunds are answered at once, but for the
// magic ones below. There is no dashboard and there are no disputes: no money
// moves elsewhere.
//
// A checkout that asks for it keeps the card of a sale that succeeds. On its page
// the buyer also chooses what the card's bank says to later charges, which are made
// without him; the card expires at the end of the month in three years.
//
// # Magic amounts
//
// Without a browser, the last three digits of the amount in minor units decide.
// "In between" and "then" are Options.Delay apart each (TILLFLOW_SANDBOX_DELAY);
// a refund is accepted and then shows the same, with no first step.
//
//	…101   1.01 EUR   the checkout succeeds by itself                      refund: at once
//	…102   1.02 EUR   it is declined: insufficient funds                   refund: at once
//	…103   1.03 EUR   it is declined: authentication failed                refund: at once
//	…104   1.04 EUR   in between it is processing, then it succeeds        refund: processing, then done
//	…105   1.05 EUR   in between it is processing, then it fails           refund: processing, then fails
//	…106   1.06 EUR   it is processing for ever                            refund: processing for ever
//
// Every other amount waits for its buyer until the checkout ends, and is
// refunded at once. Two of them bring a capture, void or refund, or a charge of a
// kept card, in doubt:
//
//	…107   it is done, the answer is lost, and looks are answered only after the delay
//	…108   it is done, the answer is lost, and looks are never answered: a person decides
//
// A charge of a kept card is decided by these and by a few of its own, at once:
//
//	…111   the charge is declined: no reason given, it may be tried again
//	…112   the charge is declined: insufficient funds
//	…113   the charge is declined: stolen card
//	…114   the charge is declined: expired card
//	…115   the charge is declined: the buyer must confirm it with 3-D Secure
//
// # Credentials
//
// None are needed. An account may have the credential "key"; any value other
// than "sandbox" is refused as payment.Unauthorized, which shows what operators
// see when a provider blocks an account.
//
// # Contract
//
// Keys are unique for ever, up to 255 characters; the same key with another
// request is payment.Conflict. Our attempt id is the reference, unique too, by
// which everything is found. There are no webhooks: results are learned by the
// buyer's return and by looking, which is cheap.
//
// A look reads the database that the send wrote to, so it lags by nothing once
// the send has ended. LookupLag is not zero all the same, because a send may
// outlive its caller: PostgreSQL ends a transaction of ours that idles after 60
// seconds, and until then a commit may still arrive. Absence after that is
// authoritative. LateSuccess covers the difference between the clocks of the
// processes that serve pages and those that look.
package sandbox
