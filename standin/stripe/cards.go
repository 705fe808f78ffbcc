package stripe

import (
	"net/http"
	"strings"
)

const (
	methodCard  = "card"
	methodDebit = "sepa_debit"
)

// cardBehaviour is what a test card does when it is charged.
type cardBehaviour string

const (
	pays         cardBehaviour = "pays"
	declines     cardBehaviour = "declines"
	asksBuyer    cardBehaviour = "asks_buyer" // 3-D Secure
	paysLater    cardBehaviour = "pays_later"
	failsLater   cardBehaviour = "fails_later"
	neverSettles cardBehaviour = "never_settles"

	// These pay, and what comes after is special.
	isDisputed    cardBehaviour = "is_disputed"    // a dispute follows
	isInquired    cardBehaviour = "is_inquired"    // an inquiry follows, which takes no money
	refundsSlowly cardBehaviour = "refunds_slowly" // a refund is pending first
	refundsFail   cardBehaviour = "refunds_fail"   // a refund succeeds and fails later
)

// testCard is one of Stripe's documented test numbers (or a bank account) under a name of its own.
type testCard struct {
	name   string
	number string
	label  string
	method string
	brand  string
	does   cardBehaviour
	code   string // of the decline
	setUp  bool   // once its owner has confirmed it, the bank asks him no more

	expMonth, expYear int // of a card: as printed, or as its buyer typed it
}

// lastMonth and lastYear are printed on every test card.
const (
	lastMonth = 12
	lastYear  = 2034
)

// testCards are the payment methods of the hosted page. None of them is secret or real.
func testCards() []testCard {
	visa := func(name, number, label string, does cardBehaviour, code string) testCard {
		return testCard{
			name: name, number: number, label: label, method: methodCard, brand: "visa", does: does, code: code,
			expMonth: lastMonth, expYear: lastYear,
		}
	}
	debit := func(name, iban, label string, does cardBehaviour) testCard {
		return testCard{name: name, number: iban, label: label, method: methodDebit, does: does}
	}
	mastercard := visa("mastercard", "5555555555554444", "Success (Mastercard)", pays, "")
	mastercard.brand = "mastercard"
	onceConfirmed := visa("three_d_secure", "4000002500003155", "3-D Secure required, until it is kept", asksBuyer, "")
	onceConfirmed.setUp = true
	return []testCard{
		visa("success", "4242424242424242", "Success", pays, ""),
		mastercard,
		visa("generic_decline", "4000000000000002", "Declined: no reason given", declines, "generic_decline"),
		visa("insufficient_funds", "4000000000009995", "Declined: insufficient funds", declines, "insufficient_funds"),
		visa("lost_card", "4000000000009987", "Declined: lost card", declines, "lost_card"),
		visa("stolen_card", "4000000000009979", "Declined: stolen card", declines, "stolen_card"),
		visa("expired_card", "4000000000000069", "Declined: expired card", declines, "expired_card"),
		visa("incorrect_cvc", "4000000000000127", "Declined: wrong security code", declines, "incorrect_cvc"),
		visa("processing_error", "4000000000000119", "Declined: processing error", declines, "processing_error"),
		visa("fraudulent", "4100000000000019", "Blocked as fraud", declines, "fraudulent"),
		// Stripe documents no number for a mandate that its owner has revoked; this one is ours.
		visa("never_again", "4000009999999998", "Declined: payments to this shop were revoked", declines, "revocation_of_authorization"),
		visa("declined_later", "4000000000000341", "Attaches, then declined", declines, "generic_decline"),
		onceConfirmed,
		visa("three_d_secure_always", "4000002760003184", "3-D Secure required, always", asksBuyer, ""),
		visa("dispute", "4000000000000259", "Success, then disputed", isDisputed, ""),
		visa("inquiry", "4000000000001976", "Success, then an inquiry", isInquired, ""),
		visa("refund_pending", "4000000000007726", "Success, refunds are pending first", refundsSlowly, ""),
		visa("refund_fails_later", "4000000000005126", "Success, refunds fail later", refundsFail, ""),
		debit("delayed_success", "DE89370400440532013000", "Bank debit, succeeds later", paysLater),
		debit("delayed_failure", "DE62370400440532013001", "Bank debit, fails later", failsLater),
		debit("never_settles", "DE35370400440532013002", "Bank debit, never finishes processing", neverSettles),
	}
}

// card finds a test card by name or by number, with or without spaces.
func (s *Server) card(typed string) (testCard, bool) {
	compact := strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, typed)
	for _, card := range s.cards {
		if card.name == typed || card.number == strings.ToUpper(compact) {
			return card, true
		}
	}
	return testCard{}, false
}

// usedCard is what a charge keeps of its card.
type usedCard struct {
	Name, Method, Brand, Last4 string
	Authenticated              bool
	ExpMonth, ExpYear          int // 0: it has no end
}

func (t testCard) used() usedCard {
	return usedCard{
		Name: t.name, Method: t.method, Brand: t.brand, Last4: t.number[len(t.number)-4:], Authenticated: t.does == asksBuyer,
		ExpMonth: t.expMonth, ExpYear: t.expYear,
	}
}

// cardError is why an attempt failed.
type cardError struct {
	Code        string
	DeclineCode string
	AdviceCode  string
	Message     string
	Charge      string
}

// declineError words a decline code as Stripe does: some codes are the error's own code, all others come under
// card_declined.
func declineError(code string) *cardError {
	e := &cardError{Code: "card_declined", DeclineCode: code, Message: "Your card was declined."}
	switch code {
	case "insufficient_funds":
		e.Message, e.AdviceCode = "Your card has insufficient funds.", "try_again_later"
	case "expired_card":
		e.Code, e.Message, e.AdviceCode = code, "Your card has expired.", "confirm_card_data"
	case "incorrect_cvc":
		e.Code, e.Message, e.AdviceCode = code, "Your card's security code is incorrect.", "confirm_card_data"
	case "processing_error":
		e.Code, e.AdviceCode = code, "try_again_later"
		e.Message = "An error occurred while processing your card. Try again in a little bit."
	case "authentication_required":
		e.Code, e.Message = code, "Your card was declined. This transaction requires authentication."
	case "generic_decline", "do_not_honor", "try_again_later", "issuer_not_available":
		e.AdviceCode = "try_again_later"
	default: // fraud, loss, revocation and codes this list does not know
		e.AdviceCode = "do_not_try_again"
	}
	return e
}

// authenticationFailed is the error after the buyer did not pass 3-D Secure.
func authenticationFailed() *cardError {
	return &cardError{
		Code: "payment_intent_authentication_failure", Message: "We are unable to authenticate your payment method. " +
			"Please choose a different payment method and try again.",
	}
}

// bankFailed is the error of a bank debit that was returned.
func bankFailed() *cardError {
	return &cardError{
		Code: "payment_method_provider_decline", Message: "The payment method was declined by the bank.",
	}
}

// object is the error as in last_payment_error.
func (e *cardError) object() object {
	o := object{"type": cardFault, "code": e.Code, "message": e.Message}
	for k, v := range map[string]string{"decline_code": e.DeclineCode, "advice_code": e.AdviceCode, "charge": e.Charge} {
		if v != "" {
			o[k] = v
		}
	}
	return o
}

// outcome is the member of a failed charge that says who refused.
func (e *cardError) outcome() object {
	o := object{
		"type": "issuer_declined", "network_status": "declined_by_network", "reason": orNull(e.DeclineCode),
		"risk_level": "normal", "seller_message": "The bank did not return any further details with this decline.",
		"advice_code": orNull(e.AdviceCode), "network_advice_code": nil, "network_decline_code": nil,
	}
	if e.DeclineCode == "fraudulent" {
		o["type"], o["network_status"], o["reason"] = "blocked", "not_sent_to_network", "highest_risk_level"
		o["risk_level"], o["seller_message"] = "highest", "Stripe blocked this payment as too risky."
	}
	return o
}

// declined402 is a decline as the answer of an API call.
func declined402(e *cardError) *apiError {
	return &apiError{
		status: http.StatusPaymentRequired, kind: cardFault, code: e.Code, message: e.Message,
		declineCode: e.DeclineCode, adviceCode: e.AdviceCode, charge: e.Charge,
	}
}
