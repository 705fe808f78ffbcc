package shopify_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
	"tillflow/internal/shopify/gql"
)

// codesBefore202604 are the codes of the versions without the new ones.
var codesBefore202604 = []string{
	"AUTHENTICATION_FAILED", "CARD_DECLINED", "CONFIRMATION_REJECTED", "EXPIRED_CARD", "INCORRECT_ADDRESS", "INCORRECT_CVC",
	"INCORRECT_NUMBER", "INCORRECT_PIN", "INCORRECT_ZIP", "INVALID_CVC", "INVALID_EXPIRY_DATE", "INVALID_NUMBER",
	"PROCESSING_ERROR", "RISKY",
}

func TestRejectReasons(t *testing.T) {
	t.Parallel()
	table := map[payment.DeclineReason][2]string{ // since 2026-04, before
		payment.DeclinedOther:        {"INSTRUMENT_DECLINED", "CARD_DECLINED"},
		payment.InsufficientFunds:    {"INSUFFICIENT_FUNDS", "CARD_DECLINED"},
		payment.ExpiredCard:          {"EXPIRED_CARD", "EXPIRED_CARD"},
		payment.IncorrectCVC:         {"INCORRECT_CVC", "INCORRECT_CVC"},
		payment.IncorrectNumber:      {"INCORRECT_NUMBER", "INCORRECT_NUMBER"},
		payment.AuthenticationFailed: {"AUTHENTICATION_FAILED", "AUTHENTICATION_FAILED"},
		payment.Fraud:                {"FRAUD_SUSPECTED", "RISKY"},
		payment.LostOrStolen:         {"PICK_UP_CARD", "CARD_DECLINED"},
		payment.ProcessingError:      {"PROCESSING_ERROR", "PROCESSING_ERROR"},
		payment.Cancelled:            {"CANCELLED_PAYMENT", "PROCESSING_ERROR"},
		payment.TimedOut:             {"CANCELLED_PAYMENT", "PROCESSING_ERROR"},
		payment.Duplicate:            {"CANCELLED_PAYMENT", "PROCESSING_ERROR"},
		payment.TooManyAttempts:      {"CARD_TESTING", "RISKY"},
		payment.AmountTooSmall:       {"AMOUNT_TOO_SMALL", "PROCESSING_ERROR"},
		payment.AmountTooLarge:       {"AMOUNT_TOO_LARGE", "PROCESSING_ERROR"},
		payment.NotSupported:         {"PAYMENT_METHOD_UNSUPPORTED", "PROCESSING_ERROR"},
		"":                           {"PROCESSING_ERROR", "PROCESSING_ERROR"},
		"of_a_newer_build":           {"PROCESSING_ERROR", "PROCESSING_ERROR"},
	}
	for _, reason := range payment.DeclineReasons {
		require.Contains(t, table, reason, "every reason has its words")
	}
	for reason, want := range table {
		for _, version := range []string{shopify.APIVersion, "2026-04", "unstable"} {
			got := shopify.RejectReasonFor(version, reason, "note")
			require.Equal(t, want[0], string(got.Code), "%s in %s", reason, version)
			require.Equal(t, "note", got.MerchantMessage)
			require.True(t, slices.Contains(gql.AllPaymentSessionStateRejectedReason, gql.PaymentSessionStateRejectedReason(got.Code)))
			if got.Source != "" {
				require.True(t, slices.Contains(gql.AllPaymentSessionStateRejectedSource, gql.PaymentSessionStateRejectedSource(got.Source)))
			}
		}
		old := shopify.RejectReasonFor("2026-01", reason, "note")
		require.Equal(t, shopify.RejectReason{Code: shopify.RejectCode(want[1]), MerchantMessage: "note"}, old, "no source before 2026-04")
		require.Contains(t, codesBefore202604, string(old.Code))
	}
}

func TestSourceNamesWhoDecided(t *testing.T) {
	t.Parallel()
	source := func(r payment.DeclineReason) shopify.RejectSource {
		return shopify.RejectReasonFor(shopify.APIVersion, r, "").Source
	}
	require.Equal(t, shopify.RejectedByNetwork, source(payment.InsufficientFunds))
	require.Equal(t, shopify.RejectedByProvider, source(payment.TooManyAttempts))
	require.Empty(t, source(payment.Cancelled), "the buyer is neither")
	require.Empty(t, source(payment.DeclinedOther), "not known")
}

func TestPendingReasonsAreShopifys(t *testing.T) {
	t.Parallel()
	ours := []shopify.PendingReason{shopify.PendingOnBuyer, shopify.PendingOnMerchant, shopify.PendingOnNetwork, shopify.PendingOnPartner}
	require.Len(t, ours, len(gql.AllPaymentSessionStatePendingReason))
	for _, reason := range ours {
		require.Contains(t, gql.AllPaymentSessionStatePendingReason, gql.PaymentSessionStatePendingReason(reason))
	}
	for _, code := range []shopify.CaptureRejectCode{shopify.CaptureAuthorizationExpired, shopify.CaptureProcessingError} {
		require.Contains(t, gql.AllCaptureSessionStatusReasonRejectionCode, gql.CaptureSessionStatusReasonRejectionCode(code))
	}
}
