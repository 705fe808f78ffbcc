// Package subscription tells the story of a subscription over the real service:
// its clock is skipped from one thing that it waits for to the next, the stand-in
// Stripe charges the method that its customer left, and at the end the provider's
// books, ours, and the length of the histories are compared.
package subscription
