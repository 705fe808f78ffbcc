// Package moves tells stories of captures, voids and refunds through the whole stack and asks the other sides' own
// books what happened: a thousand refunds at once, holds that are taken in parts or lapse, refunds that fail later,
// money that the provider moves without us, and what has hurt other payment systems.
package moves
