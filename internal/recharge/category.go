package recharge

import "strings"

// Category is our word for why a charge failed: it decides who hears of it.
type Category string

// Categories of failed charges.
const (
	InsufficientFunds      Category = "insufficient_funds"
	ExpiredCard            Category = "expired_card"
	AuthenticationRequired Category = "authentication_required"
	Fraud                  Category = "fraud"
	// Declined: the method does not pay; another one may.
	Declined Category = "declined"
	// Unavailable: somebody's service failed; Recharge tries again by itself.
	Unavailable Category = "unavailable"
	// Merchant: the shop's stock, shipping, tax, discount or settings are in the way; no customer can help it.
	Merchant Category = "merchant"
	// NoAction: the customer has already done what was needed.
	NoAction Category = "no_action"
	// Unmapped: a word that is not published, or none. An operator is told, the customer is not written to.
	Unmapped Category = "unmapped"
)

// Categories lists every category, for filters.
func Categories() []Category {
	return []Category{
		InsufficientFunds, ExpiredCard, AuthenticationRequired, Fraud, Declined, Unavailable, Merchant, NoAction, Unmapped,
	}
}

// Audience is who is told.
type Audience string

// Audiences.
const (
	ToCustomer Audience = "customer"
	// ToOperator is the merchant's people and ours.
	ToOperator Audience = "operator"
	ToNobody   Audience = "nobody"
)

// Audience says who has to hear of a failure of this category. An unknown one is for operators.
func (c Category) Audience() Audience {
	switch c {
	case InsufficientFunds, ExpiredCard, AuthenticationRequired, Declined:
		return ToCustomer
	case Unavailable, NoAction:
		return ToNobody
	case Fraud, Merchant, Unmapped:
		return ToOperator
	default:
		return ToOperator
	}
}

// normalise is how error types are compared.
func normalise(errorType string) string { return strings.ToUpper(strings.TrimSpace(errorType)) }

// exhausted is the error type of a charge that Recharge has given up.
const exhausted = "CLOSED_MAX_RETRIES_REACHED"

// Exhausted reports that Recharge will not try the charge again. A subscription may say so too, or a webhook's topic
// ([TopicMaxRetries]), when the charge still shows the reason of its last attempt.
func (c Charge) Exhausted() bool { return c.ErrorType == exhausted }

// Category is the charge's own, by its error type.
func (c Charge) Category() Category { return CategoryOf(c.ErrorType) }

// CategoryOf places each of the 109 error types that Recharge publishes (support article "Managing order errors"); everything else
// is Unmapped. Recharge does not say who can help: the placing is ours, and where a word is ambiguous it is on the side on which no
// customer gets a mail that he cannot act on.
func CategoryOf(errorType string) Category {
	switch normalise(errorType) {
	case "INSUFFICIENT_FUNDS", "INSUFFICIENT_CREDIT_BALANCE":
		return InsufficientFunds
	case "CARD_EXPIRED", "EXPIRED_PAYMENT_METHOD", "INVALID_EXPIRY_DATE":
		return ExpiredCard
	case "AUTHENTICATION_REQUIRED", "AUTHENTICATION_FAILED", "CONFIRMATION_REJECTED", "EXPIRED_BUYER_ACTION",
		"OFF_SESSION_REJECTED", "SCA_CONFIRM_FAILED", "PENDING_SCA_AUTHENTICATION":
		return AuthenticationRequired
	case "FRAUD_SUSPECTED", "HIGH_RISK_FRAUD_SUSPECTED", "CARD_TESTING", "PICK_UP_CARD":
		return Fraud
	case "CARD_DECLINED", "DO_NOT_HONOR", "CALL_ISSUER", "REFER_TO_CUSTOMER", "INSTRUMENT_DECLINED", "RETRY_DECLINED",
		"CARD_ERROR_GENERAL", "CARDNUMBER_INCORRECT", "INCORRECT_NUMBER", "INVALID_NUMBER", "INVALID_TOKEN",
		"PAYMENT_METHOD_DECLINED", "PAYMENT_METHOD_REVOKED", "PAYMENT_METHOD_NOT_FOUND", "PAYMENT_METHOD_NOT_SPECIFIED",
		"PAYMENT_METHOD_UNSUPPORTED", "INVALID_PAYMENT_METHOD", "INVALID_PURCHASE_TYPE", "PURCHASE_TYPE_NOT_SUPPORTED_BY_CARD",
		"CUSTOMER_NEEDS_TO_UPDATE_CARD", "CUSTOMER_NO_TOKEN", exhausted, "PAYMENT_INTENT_PAYMENT_ATTEMPT_FAILED",
		"BUYER_CANCELED_PAYMENT_METHOD", "CANCELLED_PAYMENT", "INVALID_CUSTOMER_BILLING_AGREEMENT",
		"ACCOUNT_CLOSED", "BANK_ACCOUNT_RESTRICTED", "INVALID_ACCOUNT_NUMBER", "INVALID_ROUTING_NUMBER",
		"DEBIT_AUTHORIZATION_REVOKED", "DEBIT_NOT_AUTHORIZED", "SEPA_DEBIT_FAILURE",
		"AMOUNT_TOO_LARGE", "TRANSACTION_LIMIT_EXCEEDED", "TRANSACTION_SIZE_DECLINE",
		"BILLING_ADDRESS_ERROR", "INVALID_BILLING_ADDRESS", "CARD_ZIPCODE_FAILED_VALIDATION", "INCORRECT_ADDRESS", "INCORRECT_ZIP":
		return Declined
	case "PAYMENT_PROVIDER_ERROR", "THROTTLE", "TRANSIENT_ERROR", "PROCESSING_ERROR", "UNEXPECTED_ERROR", "COULD_NOT_PROCESS",
		"GENERIC_ERROR", "PAYPAL_ERROR_GENERAL":
		return Unavailable
	case "CARD_UPDATED_NOW_PENDING_NEXT_ATTEMPT":
		return NoAction
	}
	if concernsMerchant(normalise(errorType)) {
		return Merchant
	}
	return Unmapped
}

func concernsMerchant(errorType string) bool {
	switch errorType {
	case "INVENTORY_ALLOCATIONS_NOT_FOUND", "UNEXPECTED_INVENTORY_LEVEL", "UNEXPECTED_VARIANT_ERROR_TYPE", "VARIANT_DOES_NOT_EXIST",
		"SHIPPING_RATE_ERROR", "INVALID_SHIPPING_ADDRESS", "INVALID_SHIPPING_PROVINCE", "INVALID_PICK_UP_LOCATION",
		"INVALID_COUNTRY", "INVALID_ZIP_CODE", "INVALID_PHONE_NUMBER", "TAX_RATE_ERROR",
		"INVALID_DISCOUNT", "INVALID_DISCOUNT_AMOUNT", "INVALID_LINE_ITEM_PROPERTY", "FREE_GIFT_CARD_NOT_ALLOWED", "INVALID_CURRENCY",
		"TEST_MODE", "NON_TEST_ORDER_LIMIT_REACHED", "MERCHANT_ACCOUNT_ERROR", "MERCHANT_RULE", "SHOPIFY_REJECTED",
		"CONTRACT_NOT_AVAILABLE", "CONTRACT_TERMINATED", "CONTRACT_UNDER_REVIEW",
		"CAPTURE_AMOUNT_EXCEEDS_AUTHORIZED", "CAPTURE_FAILED", "CAPTURE_PAYMENT_ERROR", "PAYMENT_CAPTURE_ERROR",
		"PAYMENT_PROVIDER_IS_NOT_ENABLED", "PAYMENT_METHOD_INCOMPATIBLE_WITH_GATEWAY_CONFIG", "AUTHENTICATION_ERROR",
		"AMOUNT_TOO_SMALL", "MIN_CHARGE_ERROR", "EMPTY_CHARGE_ENTRY", "CUSTOMER_INVALID", "CUSTOMER_NOT_FOUND",
		"BLOCKED_FROM_AUTOMATIC_PROCESSING", "UNEXPECTED_REGEN_ERROR", "NO_JSON_FOUND", "INVALID", "GENERAL_FAILURE", "UNKNOWN_ERROR":
		return true
	}
	return false
}

// Recovery is what Recharge's own Failed Payment Recovery does with an error type.
type Recovery string

// Recoveries.
const (
	// Retried: Recharge tries again by its schedule; trying beside it charges in parallel.
	Retried Recovery = "retried"
	// HardDecline: Recharge does not try again by itself.
	HardDecline Recovery = "hard_decline"
	// OutsideRecovery: the failure is none of the method, and the schedule does not cover it.
	OutsideRecovery Recovery = "outside"
	// RecoveryUnknown: not a published word.
	RecoveryUnknown Recovery = "unknown"
)

// RecoveryOf says what Recharge does with an error type (46 are retried, 32 hard declines, 31 neither).
func RecoveryOf(errorType string) Recovery {
	errorType = normalise(errorType)
	switch errorType {
	case "AMOUNT_TOO_SMALL", "AUTHENTICATION_FAILED", "AUTHENTICATION_REQUIRED", "CONFIRMATION_REJECTED", "CUSTOMER_INVALID",
		"DO_NOT_HONOR", "EXPIRED_BUYER_ACTION", "FRAUD_SUSPECTED", "GENERAL_FAILURE", "HIGH_RISK_FRAUD_SUSPECTED",
		"INCORRECT_ADDRESS", "INCORRECT_ZIP", "INSTRUMENT_DECLINED", "INSUFFICIENT_CREDIT_BALANCE", "INVALID_BILLING_ADDRESS",
		"INVALID_COUNTRY", "INVALID_CURRENCY", "INVALID_DISCOUNT", "INVALID_DISCOUNT_AMOUNT", "INVALID_EXPIRY_DATE",
		"INVALID_LINE_ITEM_PROPERTY", "INVALID_PHONE_NUMBER", "INVALID_PICK_UP_LOCATION", "INVALID_SHIPPING_ADDRESS",
		"INVALID_SHIPPING_PROVINCE", "INVALID_ZIP_CODE", "OFF_SESSION_REJECTED", "PAYMENT_METHOD_NOT_FOUND",
		"PAYMENT_METHOD_NOT_SPECIFIED", "PAYMENT_METHOD_UNSUPPORTED", "PICK_UP_CARD", "RETRY_DECLINED":
		return HardDecline
	case "AUTHENTICATION_ERROR", "BLOCKED_FROM_AUTOMATIC_PROCESSING", "CAPTURE_AMOUNT_EXCEEDS_AUTHORIZED", "CAPTURE_FAILED",
		"CAPTURE_PAYMENT_ERROR", "CARD_TESTING", "CONTRACT_NOT_AVAILABLE", "CONTRACT_TERMINATED", "CONTRACT_UNDER_REVIEW",
		"CUSTOMER_NOT_FOUND", "CUSTOMER_NO_TOKEN", "EMPTY_CHARGE_ENTRY", "FREE_GIFT_CARD_NOT_ALLOWED", "INVALID",
		"MERCHANT_ACCOUNT_ERROR", "MERCHANT_RULE", "MIN_CHARGE_ERROR", "NO_JSON_FOUND", "NON_TEST_ORDER_LIMIT_REACHED",
		"PAYMENT_CAPTURE_ERROR", "PAYMENT_METHOD_INCOMPATIBLE_WITH_GATEWAY_CONFIG", "PAYMENT_PROVIDER_IS_NOT_ENABLED",
		"PENDING_SCA_AUTHENTICATION", "SHIPPING_RATE_ERROR", "SHOPIFY_REJECTED", "TAX_RATE_ERROR", "TEST_MODE",
		"UNEXPECTED_REGEN_ERROR", "UNEXPECTED_VARIANT_ERROR_TYPE", "UNKNOWN_ERROR", "VARIANT_DOES_NOT_EXIST":
		return OutsideRecovery
	}
	if CategoryOf(errorType) == Unmapped {
		return RecoveryUnknown
	}
	return Retried // every other published word; a test counts them
}
