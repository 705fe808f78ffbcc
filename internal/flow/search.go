package flow

import (
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"tillflow/internal/payment"
)

// Search attributes. They are plain text in Temporal: no names, mails, tokens.
var (
	PayShop          = temporal.NewSearchAttributeKeyKeyword("PayShop")
	PayStatus        = temporal.NewSearchAttributeKeyKeyword("PayStatus")
	PayPSP           = temporal.NewSearchAttributeKeyKeyword("PayPSP")
	PayOp            = temporal.NewSearchAttributeKeyKeyword("PayOp")
	PayRef           = temporal.NewSearchAttributeKeyKeyword("PayRef")
	PayReason        = temporal.NewSearchAttributeKeyKeyword("PayReason")
	PayClockName     = temporal.NewSearchAttributeKeyKeyword("PayClockName")
	PayDeadline      = temporal.NewSearchAttributeKeyTime("PayDeadline")
	PayNextClock     = temporal.NewSearchAttributeKeyTime("PayNextClock")
	PayNeedsOperator = temporal.NewSearchAttributeKeyBool("PayNeedsOperator")
	PayAmountMinor   = temporal.NewSearchAttributeKeyInt64("PayAmountMinor")
)

// SearchAttributes is what `tillflow migrate` registers in the namespace.
func SearchAttributes() map[string]enumspb.IndexedValueType {
	all := map[string]enumspb.IndexedValueType{}
	for _, k := range []temporal.SearchAttributeKey{
		PayShop, PayStatus, PayPSP, PayOp, PayRef, PayReason, PayClockName,
		PayDeadline, PayNextClock, PayNeedsOperator, PayAmountMinor,
	} {
		all[k.GetName()] = k.GetValueType()
	}
	return all
}

func chargeAttributes(r payment.RunRef, t Timing) temporal.SearchAttributes {
	deadline := r.ReceivedAt.Add(t.Resolution)
	return temporal.NewSearchAttributes(
		PayShop.ValueSet(r.Shop), PayOp.ValueSet(string(payment.OpCharge)), PayRef.ValueSet(r.ExternalID),
		PayStatus.ValueSet(string(payment.AwaitingBuyer)), PayDeadline.ValueSet(deadline),
		PayNeedsOperator.ValueSet(false), PayAmountMinor.ValueSet(r.Amount.Minor),
		PayClockName.ValueSet("decision"), PayNextClock.ValueSet(deadline.Add(-t.DecideAhead)),
	)
}

// MoveAttributes is what a run of a move starts with.
func MoveAttributes(r payment.MoveRef) temporal.SearchAttributes {
	set := []temporal.SearchAttributeUpdate{
		PayShop.ValueSet(r.Shop), PayOp.ValueSet(string(r.Kind)), PayRef.ValueSet(r.ExternalRef),
		PayStatus.ValueSet("open"), PayNeedsOperator.ValueSet(false), PayAmountMinor.ValueSet(r.Amount.Minor),
	}
	if r.Provider != "" { // a session is looked up by its run
		set = append(set, PayPSP.ValueSet(r.Provider))
	}
	return temporal.NewSearchAttributes(set...)
}
