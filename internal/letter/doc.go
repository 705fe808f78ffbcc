// Package letter writes the mails of subscriptions: to the customer, whom they
// tell what happened with a renewal and what to do, and to the merchant. It is
// pure; package notify sends what is written here.
//
// Each [Kind] has a [Template] in every one of [Languages]. A shop may put its own
// in place of one. Templates are texts with placeholders such as {amount}; there
// is nothing else in them that means something, so that nobody can write a mail
// that runs, and a value that looks like a placeholder stays a value. Whatever a
// template says, the mail has the facts (plan, amount, dates) in a table of ours
// below it, and the link on a button: neither can be edited away.
//
// Amounts and dates are written as the reader's locale has them. Grouping,
// decimal separators and currency symbols come from CLDR, as golang.org/x/text
// has it; month names and the order of a date are this package's, because x/text
// has none.
//
// Letters name a subscription and what is bought, and no person.
package letter
