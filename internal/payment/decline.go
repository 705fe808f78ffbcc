package payment

// DeclineReason is our neutral word for why no money came. Connectors map
// their provider's codes to it, internal/shopify maps it to Shopify's codes of
// the API version in use, the buyer's page has a sentence for each.
type DeclineReason string

// Decline reasons.
const (
	DeclinedOther        DeclineReason = "declined"
	InsufficientFunds    DeclineReason = "insufficient_funds"
	ExpiredCard          DeclineReason = "expired_card"
	IncorrectCVC         DeclineReason = "incorrect_cvc"
	IncorrectNumber      DeclineReason = "incorrect_number"
	AuthenticationFailed DeclineReason = "authentication_failed"
	Fraud                DeclineReason = "fraud"
	LostOrStolen         DeclineReason = "lost_or_stolen"
	ProcessingError      DeclineReason = "processing_error"
	Cancelled            DeclineReason = "cancelled"         // the buyer or the merchant ended it
	TimedOut             DeclineReason = "expired"           // nobody paid before the deadline
	TooManyAttempts      DeclineReason = "too_many_attempts" // the cap against card testing
	AmountTooSmall       DeclineReason = "amount_too_small"
	AmountTooLarge       DeclineReason = "amount_too_large"
	NotSupported         DeclineReason = "not_supported"
	Duplicate            DeclineReason = "duplicate" // another session of the same checkout has paid
)

// DeclineReasons lists every reason.
var DeclineReasons = []DeclineReason{
	DeclinedOther, InsufficientFunds, ExpiredCard, IncorrectCVC, IncorrectNumber,
	AuthenticationFailed, Fraud, LostOrStolen, ProcessingError, Cancelled, TimedOut,
	TooManyAttempts, AmountTooSmall, AmountTooLarge, NotSupported, Duplicate,
}
