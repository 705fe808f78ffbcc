package recharge_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/recharge"
)

// published are the error types of Recharge's support article, by what Failed Payment Recovery does with them.
func published() map[recharge.Recovery][]string {
	return map[recharge.Recovery][]string{
		recharge.Retried: strings.Fields(`ACCOUNT_CLOSED AMOUNT_TOO_LARGE BANK_ACCOUNT_RESTRICTED BILLING_ADDRESS_ERROR
			BUYER_CANCELED_PAYMENT_METHOD CALL_ISSUER CANCELLED_PAYMENT CARDNUMBER_INCORRECT CARD_DECLINED CARD_ERROR_GENERAL
			CARD_EXPIRED CARD_UPDATED_NOW_PENDING_NEXT_ATTEMPT CARD_ZIPCODE_FAILED_VALIDATION CLOSED_MAX_RETRIES_REACHED
			COULD_NOT_PROCESS CUSTOMER_NEEDS_TO_UPDATE_CARD DEBIT_AUTHORIZATION_REVOKED DEBIT_NOT_AUTHORIZED EXPIRED_PAYMENT_METHOD
			GENERIC_ERROR INCORRECT_NUMBER INSUFFICIENT_FUNDS INVALID_ACCOUNT_NUMBER INVALID_CUSTOMER_BILLING_AGREEMENT
			INVALID_NUMBER INVALID_PAYMENT_METHOD INVALID_PURCHASE_TYPE INVALID_ROUTING_NUMBER INVALID_TOKEN
			INVENTORY_ALLOCATIONS_NOT_FOUND PAYMENT_INTENT_PAYMENT_ATTEMPT_FAILED PAYMENT_METHOD_DECLINED PAYMENT_METHOD_REVOKED
			PAYMENT_PROVIDER_ERROR PAYPAL_ERROR_GENERAL PROCESSING_ERROR PURCHASE_TYPE_NOT_SUPPORTED_BY_CARD REFER_TO_CUSTOMER
			SCA_CONFIRM_FAILED SEPA_DEBIT_FAILURE THROTTLE TRANSACTION_LIMIT_EXCEEDED TRANSACTION_SIZE_DECLINE TRANSIENT_ERROR
			UNEXPECTED_ERROR UNEXPECTED_INVENTORY_LEVEL`),
		recharge.HardDecline: strings.Fields(`AMOUNT_TOO_SMALL AUTHENTICATION_FAILED AUTHENTICATION_REQUIRED CONFIRMATION_REJECTED
			CUSTOMER_INVALID DO_NOT_HONOR EXPIRED_BUYER_ACTION FRAUD_SUSPECTED GENERAL_FAILURE HIGH_RISK_FRAUD_SUSPECTED
			INCORRECT_ADDRESS INCORRECT_ZIP INSTRUMENT_DECLINED INSUFFICIENT_CREDIT_BALANCE INVALID_BILLING_ADDRESS INVALID_COUNTRY
			INVALID_CURRENCY INVALID_DISCOUNT INVALID_DISCOUNT_AMOUNT INVALID_EXPIRY_DATE INVALID_LINE_ITEM_PROPERTY
			INVALID_PHONE_NUMBER INVALID_PICK_UP_LOCATION INVALID_SHIPPING_ADDRESS INVALID_SHIPPING_PROVINCE INVALID_ZIP_CODE
			OFF_SESSION_REJECTED PAYMENT_METHOD_NOT_FOUND PAYMENT_METHOD_NOT_SPECIFIED PAYMENT_METHOD_UNSUPPORTED PICK_UP_CARD
			RETRY_DECLINED`),
		recharge.OutsideRecovery: strings.Fields(`AUTHENTICATION_ERROR BLOCKED_FROM_AUTOMATIC_PROCESSING
			CAPTURE_AMOUNT_EXCEEDS_AUTHORIZED CAPTURE_FAILED CAPTURE_PAYMENT_ERROR CARD_TESTING CONTRACT_NOT_AVAILABLE
			CONTRACT_TERMINATED CONTRACT_UNDER_REVIEW CUSTOMER_NOT_FOUND CUSTOMER_NO_TOKEN EMPTY_CHARGE_ENTRY
			FREE_GIFT_CARD_NOT_ALLOWED INVALID MERCHANT_ACCOUNT_ERROR MERCHANT_RULE MIN_CHARGE_ERROR NO_JSON_FOUND
			NON_TEST_ORDER_LIMIT_REACHED PAYMENT_CAPTURE_ERROR PAYMENT_METHOD_INCOMPATIBLE_WITH_GATEWAY_CONFIG
			PAYMENT_PROVIDER_IS_NOT_ENABLED PENDING_SCA_AUTHENTICATION SHIPPING_RATE_ERROR SHOPIFY_REJECTED TAX_RATE_ERROR TEST_MODE
			UNEXPECTED_REGEN_ERROR UNEXPECTED_VARIANT_ERROR_TYPE UNKNOWN_ERROR VARIANT_DOES_NOT_EXIST`),
	}
}

func TestCategories(t *testing.T) {
	t.Parallel()
	t.Run("each of the 109 published words has its place", func(t *testing.T) {
		t.Parallel()
		count := map[recharge.Recovery]int{}
		for recovery, words := range published() {
			for _, word := range words {
				require.NotEqual(t, recharge.Unmapped, recharge.CategoryOf(word), word)
				require.Contains(t, recharge.Categories(), recharge.CategoryOf(word))
				require.Equal(t, recovery, recharge.RecoveryOf(word), word)
				require.Equal(t, recharge.CategoryOf(word), recharge.CategoryOf(" "+strings.ToLower(word)))
				count[recovery]++
			}
		}
		require.Equal(t, map[recharge.Recovery]int{recharge.Retried: 46, recharge.HardDecline: 32, recharge.OutsideRecovery: 31}, count)
	})
	t.Run("a word that nobody published is for operators, never for customers", func(t *testing.T) {
		t.Parallel()
		for _, word := range []string{"", "DOG_ATE_IT", "CARD", "CARD_DECLINED_TWICE"} {
			require.Equal(t, recharge.Unmapped, recharge.CategoryOf(word))
			require.Equal(t, recharge.ToOperator, recharge.CategoryOf(word).Audience())
			require.Equal(t, recharge.RecoveryUnknown, recharge.RecoveryOf(word))
		}
		require.Equal(t, recharge.ToOperator, recharge.Category("new").Audience())
	})
	for word, want := range map[string]struct {
		category recharge.Category
		audience recharge.Audience
	}{
		"INSUFFICIENT_FUNDS":                    {recharge.InsufficientFunds, recharge.ToCustomer},
		"CARD_EXPIRED":                          {recharge.ExpiredCard, recharge.ToCustomer},
		"PENDING_SCA_AUTHENTICATION":            {recharge.AuthenticationRequired, recharge.ToCustomer},
		"CARD_TESTING":                          {recharge.Fraud, recharge.ToOperator},
		"DO_NOT_HONOR":                          {recharge.Declined, recharge.ToCustomer},
		"THROTTLE":                              {recharge.Unavailable, recharge.ToNobody},
		"INVALID_SHIPPING_ADDRESS":              {recharge.Merchant, recharge.ToOperator},
		"CARD_UPDATED_NOW_PENDING_NEXT_ATTEMPT": {recharge.NoAction, recharge.ToNobody},
	} {
		t.Run(word+" is "+string(want.category)+" and for "+string(want.audience), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want.category, recharge.CategoryOf(word))
			require.Equal(t, want.audience, want.category.Audience())
		})
	}
}
