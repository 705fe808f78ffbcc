package sandbox

import (
	"tillflow/internal/payment"
	"tillflow/internal/psp/sandbox/books"
)

// leave is the choice of going back without paying. It decides nothing.
const leave = "leave"

// choice is one button: its value in the form, what it says, what it does.
type choice struct {
	Name, Label string
	verdict     books.Verdict
}

func decline(reason payment.DeclineReason, code string) books.Verdict {
	return books.Verdict{Decline: reason, Code: code} // undecided: the buyer may try again
}

// declines are the refusals that a buyer may meet, with the bank's code.
func declines() []choice {
	return []choice{
		{"insufficient_funds", "Insufficient funds", decline(payment.InsufficientFunds, "insufficient_funds")},
		{"expired_card", "Expired card", decline(payment.ExpiredCard, "expired_card")},
		{"incorrect_cvc", "Wrong CVC", decline(payment.IncorrectCVC, "incorrect_cvc")},
		{"incorrect_number", "Wrong number", decline(payment.IncorrectNumber, "incorrect_number")},
		{"stolen_card", "Stolen card", decline(payment.LostOrStolen, "stolen_card")},
		{"fraudulent", "Suspected fraud", decline(payment.Fraud, "fraudulent")},
		{"processing_error", "Error at the bank", decline(payment.ProcessingError, "processing_error")},
		{"generic_decline", "No reason given", decline(payment.DeclinedOther, "generic_decline")},
	}
}

// delayed are the results that come later.
func delayed() []choice {
	return []choice{
		{"delayed_success", "Success later", books.Verdict{Result: books.Success, Slow: true}},
		{
			"delayed_failure", "Failure later",
			books.Verdict{Result: books.Failure, Slow: true, Decline: payment.DeclinedOther, Code: "delayed_failure"},
		},
		{"never", "No answer: processing for ever", books.Verdict{Result: books.Never}},
	}
}

// twice is how often a card declines that pays afterwards.
const twice = 2

// laters are what the bank of a kept card says to charges that its owner does not
// watch; this payment succeeds.
func laters() []choice {
	pays := func(reason payment.DeclineReason, code string, times int) books.Verdict {
		return books.Verdict{Result: books.Success, Later: books.Bank{Decline: reason, Code: code, Left: times}}
	}
	return []choice{
		{"later_funds", "Insufficient funds twice, then it pays", pays(payment.InsufficientFunds, "insufficient_funds", twice)},
		{"later_generic", "No reason given twice, then it pays", pays(payment.DeclinedOther, "generic_decline", twice)},
		{"later_expired", "Expired card", pays(payment.ExpiredCard, "expired_card", 0)},
		{"later_authentication", "Asks for 3-D Secure", pays(payment.AuthenticationFailed, "authentication_required", 0)},
		{"later_stolen", "Stolen card", pays(payment.LostOrStolen, "stolen_card", 0)},
		{"later_revoked", "Payments to this shop were revoked", pays(payment.Cancelled, "revocation_of_authorization", 0)},
	}
}

// checked are the ends of 3-D Secure.
func checked() []choice {
	return []choice{
		{"authenticated", "Confirm: it is me", books.Verdict{Result: books.Success}},
		{"authentication_failed", "Fail the check", decline(payment.AuthenticationFailed, "authentication_failed")},
	}
}

// verdictOf is what a button of any page does. Where no card is kept, what its bank
// would say later does not matter.
func verdictOf(name string) (books.Verdict, bool) {
	all := append([]choice{{Name: "success", verdict: books.Verdict{Result: books.Success}}}, checked()...)
	for _, c := range append(append(append(all, declines()...), delayed()...), laters()...) {
		if c.Name == name {
			return c.verdict, true
		}
	}
	return books.Verdict{}, false
}

// refusal tells the buyer why a try failed, no more than a bank would.
func refusal(r payment.DeclineReason) string {
	switch r {
	case "":
		return ""
	case payment.InsufficientFunds:
		return "Declined: not enough funds."
	case payment.ExpiredCard:
		return "Declined: the card has expired."
	case payment.IncorrectCVC:
		return "Declined: the security code is wrong."
	case payment.IncorrectNumber:
		return "Declined: the card number is wrong."
	case payment.AuthenticationFailed:
		return "Declined: the bank could not confirm that it was you."
	case payment.ProcessingError:
		return "Declined: the bank could not process the payment."
	case payment.DeclinedOther, payment.Fraud, payment.LostOrStolen, payment.Cancelled, payment.TimedOut,
		payment.TooManyAttempts, payment.AmountTooSmall, payment.AmountTooLarge, payment.NotSupported, payment.Duplicate:
		return "Declined by the bank."
	}
	return "Declined by the bank."
}
