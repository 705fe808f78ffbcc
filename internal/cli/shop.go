package cli

import (
	"context"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
)

// shop wires Shopify's client to the stored tokens.
func (s *Service) shop() (*shopAPI, error) {
	refresher, err := shopify.NewRefresher(shopify.RefresherOptions{
		BaseURL: s.Config.ShopifyURL, ClientID: s.Config.ShopifyClientID,
		ClientSecret: shopify.Secret(s.Config.ShopifyClientSecret.Reveal()), HTTPClient: s.calls, Log: s.log, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	client, err := shopify.New(shopify.Options{
		BaseURL: s.Config.ShopifyURL, HTTPClient: s.calls, Tokens: tokens{s, refresher}, Log: s.log, Now: s.now,
	})
	return &shopAPI{client}, err
}

// tokens lets the store keep and lock what the refresher renews.
type tokens struct {
	service   *Service
	refresher *shopify.Refresher
}

func (t tokens) Token(ctx context.Context, shop string) (string, error) {
	return t.service.Store.Token(ctx, shop, t.renew(shop))
}

func (t tokens) Refresh(ctx context.Context, shop, stale string) (string, error) {
	return t.service.Store.RotateToken(ctx, shop, stale, t.renew(shop))
}

func (t tokens) renew(shop string) func(context.Context, string) (string, string, time.Time, error) {
	return func(ctx context.Context, refresh string) (string, string, time.Time, error) {
		fresh, err := t.refresher.RefreshToken(ctx, shop, shopify.Secret(refresh))
		return string(fresh.Access), string(fresh.Refresh), fresh.AccessExpiresAt, err
	}
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
