// Package activities is what the world does: one struct per neighbour
// (Gateway: providers, Shopify: the shop, Records: our own rows, Sweep: the
// clock's chores). A method is one external effect bracketed by the send log,
// or one transaction. It translates, calls and translates back; what follows is
// decided in package workflows. Inputs and results carry ids and amounts only.
package activities
