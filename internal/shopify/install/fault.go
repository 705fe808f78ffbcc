package install

import "net/http"

// Fault is why an installation was refused.
type Fault string

// The faults.
const (
	Malformed    Fault = "malformed_request"
	NotAShop     Fault = "not_a_shop"
	Forged       Fault = "bad_signature"
	Stale        Fault = "stale_request"
	StateUnknown Fault = "unknown_state"
	OtherBrowser Fault = "other_browser"
	OtherShop    Fault = "other_shop"
	StateExpired Fault = "expired_state"
	StateSpent   Fault = "spent_state"
	CodeRefused  Fault = "code_refused"
	AppRefused   Fault = "app_refused"
	ScopeMissing Fault = "scope_missing"
	Unreachable  Fault = "unreachable"
	Broken       Fault = "internal"
)

// Error is a refused installation. It never repeats what was sent.
type Error struct {
	Fault Fault
	// Detail is for the log: which parameter, which class of error.
	Detail string
	// Err is the cause, if there is one.
	Err error
}

func refuse(fault Fault, detail string) *Error { return &Error{Fault: fault, Detail: detail} }

// Error implements error.
func (e *Error) Error() string { return "install: " + string(e.Fault) + ": " + e.Detail }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Status is the HTTP status of the refusal: 400 for what cannot be read, 401 for what cannot be believed, 403 for what is not
// allowed, 503 for what could not be tried.
func (e *Error) Status() int {
	switch e.Fault {
	case Malformed, NotAShop:
		return http.StatusBadRequest
	case Forged, Stale, CodeRefused, AppRefused:
		return http.StatusUnauthorized
	case StateUnknown, OtherBrowser, OtherShop, StateExpired, StateSpent, ScopeMissing:
		return http.StatusForbidden
	case Unreachable:
		return http.StatusServiceUnavailable
	case Broken:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// Advice is a refusal in words for the person in front of the browser.
type Advice struct {
	Happened string
	Means    string
	Do       string
}

const startAgain = "Open the app again from your Shopify admin, or start the installation again."

// Advice says what happened, what it means and what to do.
func (e *Error) Advice() Advice {
	switch e.Fault {
	case Malformed:
		return Advice{"The address is incomplete or was changed.", "A part of it is missing, there twice, or cannot be read.", startAgain}
	case NotAShop:
		return Advice{"The address does not name a Shopify shop.", "A shop's permanent address ends in .myshopify.com, such as example.myshopify.com.", "Check the shop's address under Settings, Domains, and start again with it."}
	case Forged:
		return Advice{"The signature of this address is not Shopify's.", "It was changed on its way, or it does not come from Shopify.", startAgain + " If it happens again, tell the operator of this app: its client secret may not be the one at Shopify."}
	case Stale:
		return Advice{"This address is too old.", "Shopify signs each one with its time, and it is accepted for a minute and a half.", startAgain + " If it happens again, tell the operator of this app: the server's clock may be wrong."}
	case StateUnknown:
		return Advice{"This installation was not started here.", "We did not ask Shopify for what it answers.", startAgain}
	case OtherBrowser:
		return Advice{"This installation was started in another browser.", "To protect your shop it has to end in the browser where it began, with cookies allowed.", startAgain}
	case OtherShop:
		return Advice{"This installation was started for another shop.", "Shopify answered for a shop that we did not ask about.", startAgain}
	case StateExpired:
		return Advice{"The installation took too long.", "It has to be finished within ten minutes.", startAgain}
	case StateSpent:
		return Advice{"This address was used before.", "Each one is good once. If you have just seen the installation succeed, it has.", startAgain}
	case CodeRefused:
		return Advice{"Shopify did not accept the installation's code.", "Each code is good once and for a short time.", startAgain}
	case AppRefused:
		return Advice{"Shopify does not accept this app's own credentials, or blocks the shop.", "The client secret may have been changed at Shopify, or the shop is frozen or closed.", "Tell the operator of this app."}
	case ScopeMissing:
		return Advice{"Shopify granted less than the app needs.", "Without all of its permissions the app cannot answer for payments.", startAgain + " If it happens again, tell the operator of this app: its permissions at Shopify may not be approved yet."}
	case Unreachable:
		return Advice{"The installation could not be finished just now.", "Shopify or our own database did not answer in time. Nothing was changed.", "Wait a minute and start the installation again."}
	case Broken:
	}
	return Advice{"The installation failed.", "The reason is in the log of the app.", "Tell the operator of this app."}
}
