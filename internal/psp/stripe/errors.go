package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
)

// maxRetryAfter bounds what a provider may make us wait by one header.
const maxRetryAfter = time.Hour

// refusal is Stripe's error object (S: api_errors). Its message is left out on
// purpose: it quotes what was sent, and that holds return addresses with tokens
// and the ends of keys.
type refusal struct {
	Status      int    `json:"-"`
	Replayed    bool   `json:"-"`
	Type        string `json:"type"`
	Code        string `json:"code"`
	DeclineCode string `json:"decline_code"`
	AdviceCode  string `json:"advice_code"`
	Param       string `json:"param"`
	// Intent is the payment that the error is about, where it has come into being.
	Intent expandable[struct{}] `json:"payment_intent"`
}

// Error implements error.
func (r *refusal) Error() string {
	text := fmt.Sprintf("status %d", r.Status)
	if r.Type != "" {
		text += " " + brief(r.Type)
	}
	if r.Param != "" {
		text += " at " + brief(r.Param)
	}
	if r.Replayed {
		text += ", replayed"
	}
	return text
}

// reason is the most telling code of the refusal.
func (r *refusal) reason() string {
	switch {
	case r.DeclineCode != "":
		return r.DeclineCode
	case r.Code != "":
		return r.Code
	}
	return r.Type
}

// refused turns an answer other than 2xx into its error.
func (r request) refused(resp *http.Response, body []byte, now time.Time) error {
	var envelope struct {
		Error refusal `json:"error"`
	}
	cause := &envelope.Error
	if json.Unmarshal(body, &envelope) != nil {
		envelope.Error = refusal{} // not an answer of Stripe's; classOf reads the missing type so
	}
	cause.Status = resp.StatusCode
	cause.Replayed = resp.Header.Get("Idempotent-Replayed") == "true"
	err := payment.Errorf(r.classOf(cause, resp.Header.Get("Stripe-Should-Retry")), "stripe %s %s, request %s: %w",
		r.method, r.path, brief(resp.Header.Get("Request-Id")), cause)
	err.Code = brief(cause.reason())
	err.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), now)
	return err
}

// classOf is the error table. Declines of an operation are taken out before, by
// declined. An answer without Stripe's envelope comes from something in between
// and tells nothing about Stripe.
func (r request) classOf(e *refusal, shouldRetry string) payment.Class {
	switch {
	case e.Status == http.StatusTooManyRequests:
		return payment.RateLimited // also lock_timeout: the object was busy, nothing was done
	case e.Type == "", e.Status >= http.StatusInternalServerError:
		return r.unanswered()
	case e.Type == "idempotency_error":
		return payment.Conflict
	}
	switch e.Code {
	case "idempotency_key_in_use":
		return payment.Unknown // our own earlier request is still being carried out
	case "payment_intent_unexpected_state", "charge_already_captured", "charge_already_refunded",
		"charge_expired_for_capture", "capture_charge_authorization_expired", "intent_invalid_state":
		return payment.Conflict
	case "resource_missing":
		return payment.Unauthorized // every id we send came from Stripe: these are keys of another account
	case "account_invalid", "api_key_expired", "livemode_mismatch", "platform_api_key_expired",
		"secret_key_required", "testmode_charges_only":
		return payment.Unauthorized
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return payment.Unauthorized
	case http.StatusBadRequest, http.StatusNotFound:
		return payment.Invalid
	case http.StatusPaymentRequired:
		return payment.Conflict
	case http.StatusConflict:
		if shouldRetry == "true" { // Stripe says that nothing was done
			return payment.RateLimited
		}
		return payment.Conflict
	}
	return r.unanswered()
}

// declined reads an error as the provider's decision against this operation. The
// answer is stored under the key, so a further attempt needs a new one.
func declined(err error, requestID string) (psp.Outcome, bool) {
	e, ok := errors.AsType[*refusal](err)
	if !ok {
		return psp.Outcome{}, false
	}
	card := e.Status == http.StatusPaymentRequired && e.Type == "card_error"
	switch e.Code {
	case "card_decline_rate_limit_exceeded": // a 429 that must not be repeated
		card = true
	case "amount_too_small", "amount_too_large":
		card = e.Status == http.StatusBadRequest
	case "balance_insufficient", "charge_disputed", "refund_disputed_payment":
		card = e.Status == http.StatusBadRequest // a refund that cannot be
	case "charge_expired_for_capture", "capture_charge_authorization_expired":
		return psp.Outcome{
			Status: psp.Declined, Decline: payment.TimedOut, Code: payment.CodeAuthorizationExpired, RequestID: requestID,
		}, e.Status == http.StatusBadRequest
	}
	if !card {
		return psp.Outcome{}, false
	}
	return psp.Outcome{
		Status: psp.Declined, Decline: declineReason(e.Code, e.DeclineCode),
		Code: brief(e.reason()), RequestID: requestID,
	}, true
}

// refusedByState reports that a payment is not in the state that a request on
// it needs. The request was not carried out.
func refusedByState(err error) bool {
	e, ok := errors.AsType[*refusal](err)
	if !ok || e.Status != http.StatusBadRequest {
		return false
	}
	switch e.Code {
	case "payment_intent_unexpected_state", "intent_invalid_state", "charge_already_captured":
		return true
	}
	return false
}

// refundRefused reads an error of a refund as a decision against it: nothing is
// left to refund, not so much is left, or nothing was taken. Such an answer is
// stored under the key like a success, so a request that had been carried out
// would have been answered with its refund and not with this.
func refundRefused(err error, requestID string) (psp.Outcome, bool) {
	e, ok := errors.AsType[*refusal](err)
	if !ok || e.Status != http.StatusBadRequest || e.Type != "invalid_request_error" {
		return psp.Outcome{}, false
	}
	out := psp.Outcome{Status: psp.Declined, Decline: payment.DeclinedOther, Code: brief(e.Code), RequestID: requestID}
	switch {
	case e.Code == "" && e.Param == "amount": // more than is left has no code of its own (U)
		out.Decline, out.Code = payment.AmountTooLarge, "amount_too_large"
		return out, true
	case e.Code == "charge_already_refunded", refusedByState(err):
		return out, true
	}
	return psp.Outcome{}, false
}

// declineReason is Stripe's code in our words; the finer decline code wins.
func declineReason(code, declineCode string) payment.DeclineReason {
	if declineCode != "" {
		if reason := declineWord(declineCode); reason != payment.DeclinedOther {
			return reason
		}
	}
	return declineWord(code)
}

func declineWord(code string) payment.DeclineReason {
	switch code {
	case "insufficient_funds":
		return payment.InsufficientFunds
	case "expired_card", "expired_or_canceled_card":
		return payment.ExpiredCard
	case "incorrect_cvc", "invalid_cvc":
		return payment.IncorrectCVC
	case "incorrect_number", "invalid_number":
		return payment.IncorrectNumber
	case "authentication_required", "payment_intent_authentication_failure", "payment_intent_action_required",
		"invoice_payment_intent_requires_action":
		return payment.AuthenticationFailed
	case "fraudulent", "merchant_blacklist", "security_violation", "restricted_card", "request_blocked":
		return payment.Fraud
	case "stolen_card", "lost_card", "pickup_card", "lost_or_stolen_card":
		return payment.LostOrStolen
	case "processing_error", "issuer_not_available", "try_again_later", "payment_method_provider_timeout":
		return payment.ProcessingError
	case "card_decline_rate_limit_exceeded":
		return payment.TooManyAttempts
	case "merchant_request": // somebody took a refund back at the dashboard
		return payment.Cancelled
	case "amount_too_small":
		return payment.AmountTooSmall
	case "amount_too_large":
		return payment.AmountTooLarge
	case "card_not_supported", "currency_not_supported":
		return payment.NotSupported
	}
	return payment.DeclinedOther
}

// retryAfter reads the header in seconds or as a date; anything else is no wish.
func retryAfter(header string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// brief bounds a code or id of the other side before it goes into texts and rows.
func brief(text string) string {
	const most = 100
	if len(text) > most {
		text = text[:most]
	}
	if !printable(text) {
		return ""
	}
	return text
}
