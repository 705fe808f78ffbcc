package cli

import (
	"context"
	"errors"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
	"tillflow/internal/shopify/app"
)

// shop wires Shopify's client to the stored tokens.
func (s *Service) shop() (*shopAPI, error) {
	payments, configured := s.app(app.Payments)
	if !configured {
		return nil, errors.New("TILLFLOW_SHOPIFY_CLIENT_ID: a worker cannot tell shops anything without the payments app")
	}
	client, err := shopify.New(shopify.Options{
		BaseURL: s.Config.ShopifyURL, HTTPClient: s.calls, Tokens: s.tokenSource(payments), Log: s.log, Now: s.now,
		OnNotice: s.notices.offer,
	})
	return &shopAPI{client}, err
}

// shopAPI says our answers in Shopify's words.
type shopAPI struct{ client *shopify.Client }

func (a *shopAPI) ResolvePayment(ctx context.Context, shop, gid string, holdUntil time.Time) (payment.Told, error) {
	var until *time.Time
	if !holdUntil.IsZero() {
		until = &holdUntil
	}
	return told(a.client.ResolvePayment(ctx, shop, gid, until))
}

func (a *shopAPI) RejectPayment(ctx context.Context, shop, gid string, why payment.DeclineReason) (payment.Told, error) {
	return told(a.client.RejectPayment(ctx, shop, gid, shopify.RejectReasonFor(shopify.APIVersion, why, merchantMessage(why))))
}

func (a *shopAPI) PendPayment(ctx context.Context, shop, gid string, until time.Time) (payment.Told, error) {
	return told(a.client.PendPayment(ctx, shop, gid, until, shopify.PendingOnNetwork))
}

// ResolveMove implements activities.Shop: each kind of session has a mutation of its own.
func (a *shopAPI) ResolveMove(ctx context.Context, t payment.MoveTelling) (payment.MoveTold, error) {
	switch t.Kind {
	case payment.OpRefund:
		return toldMove(a.client.ResolveRefund(ctx, t.Shop, t.GID))
	case payment.OpCapture:
		return toldMove(a.client.ResolveCapture(ctx, t.Shop, t.GID))
	case payment.OpVoid:
		return toldMove(a.client.ResolveVoid(ctx, t.Shop, t.GID))
	case payment.OpCharge, payment.OpReversal, payment.OpDispute:
	}
	return payment.MoveTold{}, noSession(t)
}

// RejectMove implements activities.Shop.
func (a *shopAPI) RejectMove(ctx context.Context, t payment.MoveTelling) (payment.MoveTold, error) {
	message := refusalMessage(t.Kind, t.Refusal)
	switch t.Kind {
	case payment.OpRefund:
		return toldMove(a.client.RejectRefund(ctx, t.Shop, t.GID, message))
	case payment.OpCapture:
		return toldMove(a.client.RejectCapture(ctx, t.Shop, t.GID, captureCode(t.Refusal), message))
	case payment.OpVoid:
		return toldMove(a.client.RejectVoid(ctx, t.Shop, t.GID, message))
	case payment.OpCharge, payment.OpReversal, payment.OpDispute:
	}
	return payment.MoveTold{}, noSession(t)
}

func noSession(t payment.MoveTelling) error {
	return payment.Errorf(payment.Bug, "no shop waits for an answer about a %s", t.Kind)
}

// captureCode: Shopify has one reason of its own, for captures alone.
func captureCode(why payment.Refusal) shopify.CaptureRejectCode {
	if why == payment.RefusedAuthorizationExpired {
		return shopify.CaptureAuthorizationExpired
	}
	return shopify.CaptureProcessingError
}

func toldMove(r shopify.Result, err error) (payment.MoveTold, error) {
	t, err := told(r, err)
	return payment.MoveTold{Refused: t.Refused, RequestID: t.RequestID}, err
}

func told(r shopify.Result, err error) (payment.Told, error) {
	t := payment.Told{NextURL: r.NextURL, RequestID: r.RequestID}
	if err == nil && !r.Accepted() {
		t.Refused = "refused"
		if code := r.UserErrors[0].Code; code != "" {
			t.Refused = code
		}
	}
	return t, err
}

// merchantMessage is what the merchant reads in the Admin; Shopify shows the
// buyer a text of its own.
func merchantMessage(why payment.DeclineReason) string {
	switch why {
	case payment.TimedOut:
		return "The buyer did not finish the payment in time."
	case payment.Cancelled:
		return "The payment was ended before it was paid."
	case payment.TooManyAttempts:
		return "Too many declined attempts; the payment was ended to guard against card testing."
	case payment.Duplicate:
		return "Another attempt for the same checkout was paid; money that arrived here goes back."
	case payment.DeclinedOther, payment.InsufficientFunds, payment.ExpiredCard, payment.IncorrectCVC, payment.IncorrectNumber,
		payment.AuthenticationFailed, payment.Fraud, payment.LostOrStolen, payment.ProcessingError, payment.AmountTooSmall,
		payment.AmountTooLarge, payment.NotSupported:
	}
	return "The payment was declined: " + string(why) + "."
}

// refusalMessage is what the merchant reads in the Admin about a capture, void
// or refund that was not done.
func refusalMessage(kind payment.Operation, why payment.Refusal) string {
	switch why {
	case payment.RefusedUnknownPayment:
		return "There is no payment that this " + string(kind) + " belongs to."
	case payment.RefusedNotPaid:
		return "The payment was not paid, so there is nothing to " + string(kind) + "."
	case payment.RefusedNotHeld:
		return "Nothing is held for this payment any more: it was captured, voided, or paid at once."
	case payment.RefusedAuthorizationExpired:
		return "The authorization has expired; the money is no longer held for you."
	case payment.RefusedZeroAmount:
		return "The amount is zero."
	case payment.RefusedOtherCurrency:
		return "The amount is in another currency than the payment."
	case payment.RefusedTooLarge:
		if kind == payment.OpRefund {
			return "The amount is more than what is left of the payment after refunds and disputes."
		}
		return "The amount is more than what is still held for the payment."
	case payment.RefusedNotSupported:
		return "The payment provider cannot do this, such as a second capture of one authorization."
	case payment.RefusedByProvider:
		return "The payment provider refused the " + string(kind) + "; its reason is in the payment's timeline."
	case payment.RefusedByOperator:
		return "The " + string(kind) + " was not done: a person looked it up at the payment provider and ended it."
	case payment.NotRefused:
	}
	return "The " + string(kind) + " could not be done."
}
