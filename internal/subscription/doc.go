// Package subscription is the domain of recurring payments: what a plan is, when
// its periods begin and end, what a subscription may become, what a change of
// plan costs, and what follows when a renewal is declined. It is pure: every
// function is given the moment and the time zone, and answers a new value;
// nothing here moves money, reads a clock or stores anything. Only [LoadZone]
// reaches further, to the machine's time zone database.
//
// # Periods
//
// A period begins at a local wall-clock moment ([Wall]) of the subscription's
// time zone and ends where its successor begins. Boundaries are counted from
// the schedule's origin and never from the boundary before: what began on 31
// January renews on 28 or 29 February and then on 31 March, not on the 28th for
// ever. 29 February renews on 28 February in common years and returns.
//
// A wall-clock reading that daylight saving skips is read with the offset before
// the jump, so 02:30 becomes 03:30; one that comes twice means the first. Both
// rules are those of RFC 5545, section 3.3.5. Where a whole day is missing (Apia
// left out 30 December 2011), a daily plan has no period for it.
//
// The instants of a period are computed once, when it is opened, and belong in
// its row. The next one begins at the end that was stored, so a new edition of
// the time zone database moves future boundaries without gap or overlap.
//
// # Why a period is named by its number
//
// [Period.ID] is a counter, such as "000012", and not the date of its start. Two
// periods may begin on one local day (a plan changed in the evening of the
// renewal, a pause resumed at once), and a subscription's calendar may change;
// a date would then name two periods alike, or one period twice. The counter is
// also the lock: whoever opens the next period must use the number after the
// current one, so of two who race, both name the same renewal, and one charge
// comes of it. As text the numbers sort in the order of time.
//
// # One charge at a time
//
// A subscription has at most one charge that is not settled ([Subscription.Open]).
// Every command that would create another is refused with [WouldChargeTwice].
// So a change of plan never meets a renewal, a customer who pays now never meets
// a retry, and there is never more than one unpaid period: trying to collect it
// ends with the period itself.
//
// # How it is driven
//
// A subscription's workflow waits until [Period.End] (and for [Subscription.NoticeAt]
// before it), calls [Subscription.Renew], lets the renewal named by the open
// charge's key collect it, and tells the outcome to [Subscription.Settle]. While
// it is past due it follows [Subscription.NextStep]: [Subscription.Retry] or
// [Subscription.GiveUp] at the step's time. Each new state is stored in the same
// transaction as the rows of what it did, guarded by the state that was read.
//
// # Money
//
// See [Period.Rest] for the method of proration. A plan's price is paid in
// advance. What is left over from a cheaper plan is the customer's Balance and
// pays later charges; it is paid out only by who cancels with a refund.
package subscription
