package shopify

import (
	"tillflow/internal/payment"
	"tillflow/internal/shopify/gql"
)

// RejectCode is one of Shopify's codes for a refused payment. It selects the text the buyer sees.
type RejectCode string

// RejectSource says who refused a payment.
type RejectSource string

// Sources of a refusal, known since 2026-04.
const (
	// RejectedByNetwork: the card network or the issuer.
	RejectedByNetwork RejectSource = "NETWORK"
	// RejectedByProvider: the payment provider, or we on its behalf.
	RejectedByProvider RejectSource = "PROVIDER"
)

// newCodesSince is the version that brought most of the codes and the source. Sending either to an older version is a schema error.
const newCodesSince = "2026-04"

// RejectReasonFor translates our neutral reason into the words of an API version ("2026-10"; "unstable" counts as newest).
// A reason without a counterpart, and one this build does not know, becomes PROCESSING_ERROR.
func RejectReasonFor(version string, reason payment.DeclineReason, merchantMessage string) RejectReason {
	word := wordFor(reason)
	if version < newCodesSince {
		return RejectReason{Code: RejectCode(word.before), MerchantMessage: merchantMessage}
	}
	return RejectReason{Code: RejectCode(word.code), MerchantMessage: merchantMessage, Source: word.source}
}

type word struct {
	code   gql.PaymentSessionStateRejectedReason // since newCodesSince
	before gql.PaymentSessionStateRejectedReason // in older versions
	source RejectSource                          // empty where a decline does not tell who decided it
}

// wordFor is the whole mapping. AUTHENTICATION_FAILED is allowed only after a completed 3-D Secure step, which is what our reason
// means; CONFIRMATION_REJECTED belongs to a flow we do not use.
func wordFor(reason payment.DeclineReason) word {
	switch reason {
	case payment.DeclinedOther:
		return word{gql.PaymentSessionStateRejectedReasonInstrumentDeclined, gql.PaymentSessionStateRejectedReasonCardDeclined, ""}
	case payment.InsufficientFunds:
		return word{gql.PaymentSessionStateRejectedReasonInsufficientFunds, gql.PaymentSessionStateRejectedReasonCardDeclined, RejectedByNetwork}
	case payment.ExpiredCard:
		return same(gql.PaymentSessionStateRejectedReasonExpiredCard, RejectedByNetwork)
	case payment.IncorrectCVC:
		return same(gql.PaymentSessionStateRejectedReasonIncorrectCvc, RejectedByNetwork)
	case payment.IncorrectNumber:
		return same(gql.PaymentSessionStateRejectedReasonIncorrectNumber, RejectedByNetwork)
	case payment.AuthenticationFailed:
		return same(gql.PaymentSessionStateRejectedReasonAuthenticationFailed, "")
	case payment.Fraud:
		return word{gql.PaymentSessionStateRejectedReasonFraudSuspected, gql.PaymentSessionStateRejectedReasonRisky, ""}
	case payment.LostOrStolen:
		return word{gql.PaymentSessionStateRejectedReasonPickUpCard, gql.PaymentSessionStateRejectedReasonCardDeclined, RejectedByNetwork}
	case payment.TooManyAttempts:
		return word{gql.PaymentSessionStateRejectedReasonCardTesting, gql.PaymentSessionStateRejectedReasonRisky, RejectedByProvider}
	case payment.Cancelled, payment.TimedOut, payment.Duplicate:
		return orProcessingError(gql.PaymentSessionStateRejectedReasonCancelledPayment, "")
	case payment.AmountTooSmall:
		return orProcessingError(gql.PaymentSessionStateRejectedReasonAmountTooSmall, RejectedByProvider)
	case payment.AmountTooLarge:
		return orProcessingError(gql.PaymentSessionStateRejectedReasonAmountTooLarge, RejectedByProvider)
	case payment.NotSupported:
		return orProcessingError(gql.PaymentSessionStateRejectedReasonPaymentMethodUnsupported, RejectedByProvider)
	case payment.ProcessingError:
		return same(gql.PaymentSessionStateRejectedReasonProcessingError, RejectedByProvider)
	default: // none given, or newer than this build
		return same(gql.PaymentSessionStateRejectedReasonProcessingError, "")
	}
}

func same(code gql.PaymentSessionStateRejectedReason, source RejectSource) word {
	return word{code: code, before: code, source: source}
}

func orProcessingError(code gql.PaymentSessionStateRejectedReason, source RejectSource) word {
	return word{code: code, before: gql.PaymentSessionStateRejectedReasonProcessingError, source: source}
}
