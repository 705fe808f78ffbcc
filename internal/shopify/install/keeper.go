package install

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
	"tillflow/internal/shopify/app"
)

// RenewAfter is the age at which the sweep renews a refresh token. Shopify forgets it after 90 days, and a refund may come months
// after a shop's last sale.
const RenewAfter = 30 * 24 * time.Hour

// Exchange trades one token for a pair, as shopify.Refresher does for a refresh token or for one that does not expire.
type Exchange = func(ctx context.Context, token app.Secret) (app.Tokens, error)

// Tokens is the record of tokens, one lock per shop and app.
type Tokens interface {
	// Renewals lists tokens of installed shops that do not expire or were renewed before a time, the oldest first.
	Renewals(ctx context.Context, before time.Time) ([]app.Renewal, error)
	// RenewToken renews a token unless it was renewed after that time; whether it did.
	RenewToken(ctx context.Context, r app.Renewal, before time.Time, refresh Exchange) (bool, error)
	// ConvertToken replaces a token that does not expire; whether it did.
	ConvertToken(ctx context.Context, r app.Renewal, convert Exchange) (bool, error)
}

// Platform makes the calls for one app.
type Platform interface {
	RefreshToken(ctx context.Context, shop string, refresh app.Secret) (app.Tokens, error)
	ConvertToken(ctx context.Context, shop string, permanent app.Secret) (app.Tokens, error)
}

// Keeper keeps the tokens of idle shops alive and converts old ones. Run it daily.
type Keeper struct {
	Tokens    Tokens
	Platforms map[app.Name]Platform
	Now       func() time.Time
	Log       zerolog.Logger
}

// Kept is what a run of the keeper did.
type Kept struct {
	Renewed, Converted int
	// Lost are shops whose merchant has to open the app again, because Shopify does not take the token any more.
	Lost []app.Renewal
	// Failed are shops that the next run tries again.
	Failed []app.Renewal
}

// Keep renews and converts what is due, one after the other: Shopify counts our calls. A shop that fails does not stop the rest.
// The error is of the list, or of a context that ended.
func (k *Keeper) Keep(ctx context.Context) (Kept, error) {
	var out Kept
	before := k.Now().Add(-RenewAfter)
	list, err := k.Tokens.Renewals(ctx, before)
	if err != nil {
		return out, fmt.Errorf("keep tokens: %w", err)
	}
	for _, r := range list {
		if err := ctx.Err(); err != nil {
			return out, fmt.Errorf("keep tokens: %w", err)
		}
		k.one(ctx, r, before, &out)
	}
	return out, nil
}

func (k *Keeper) one(ctx context.Context, r app.Renewal, before time.Time, out *Kept) {
	did, err := k.renew(ctx, r, before)
	switch {
	case err == nil && did && r.Permanent:
		out.Converted++
	case err == nil && did:
		out.Renewed++
	case err == nil: // somebody else did meanwhile
	case lost(err):
		out.Lost = append(out.Lost, r)
		k.Log.Error().Err(err).Str("shop", r.Shop).Str("app", string(r.App)).Msg("the merchant has to open the app again")
	default:
		out.Failed = append(out.Failed, r)
		k.Log.Warn().Err(err).Str("shop", r.Shop).Str("app", string(r.App)).Msg("token not renewed yet")
	}
}

func (k *Keeper) renew(ctx context.Context, r app.Renewal, before time.Time) (bool, error) {
	platform, known := k.Platforms[r.App]
	if !known {
		return false, payment.Errorf(payment.Bug, "no platform for the %s app", r.App)
	}
	if r.Permanent {
		return k.Tokens.ConvertToken(ctx, r, func(ctx context.Context, token app.Secret) (app.Tokens, error) {
			return platform.ConvertToken(ctx, r.Shop, token)
		})
	}
	return k.Tokens.RenewToken(ctx, r, before, func(ctx context.Context, token app.Secret) (app.Tokens, error) {
		return platform.RefreshToken(ctx, r.Shop, token)
	})
}

// lost reports that Shopify refused the token itself.
func lost(err error) bool {
	e, ok := errors.AsType[*payment.Error](err)
	return ok && (e.Code == shopify.CodeInvalidGrant || e.Class == payment.Invalid)
}
