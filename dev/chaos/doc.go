// Package chaos plays random stories against a running service and asks the other sides' own books what happened.
//
// A story is drawn from a seed: sessions that a shop sends, what their buyers, operators and the shop do, what happens
// to the runs at Temporal, and which calls of Stripe and Shopify go wrong, each by its n-th occurrence. Every play of a
// story has a shop, provider accounts and stand-ins of its own, so that many run beside each other in one process and
// one seed can be played alone. When the last step is over all faults are lifted; the story must then come to rest
// within a bounded number of looks, and the judge compares the books of the stand-ins with each other and with ours.
//
// A story that fails is cut down to its smallest form, printed in words and kept as a file; see Run. Stories are lists
// in which every step tolerates that what it needs never happened, so any part of a story is a story. That makes
// cutting down a search over two lists, in which candidates play at the same time and twice, because a failure may
// depend on timing: a property testing library shrinks one value at a time and takes a repeat that passes for a flaw
// of the test.
package chaos
