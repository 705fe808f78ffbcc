package install_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tillflow/internal/payment"
	"tillflow/internal/shopify"
	"tillflow/internal/shopify/app"
	"tillflow/internal/shopify/install"
)

// drawer is a record of tokens that a test fills.
type drawer struct {
	list   []app.Renewal
	err    error
	before time.Time
	after  func()
}

func (d *drawer) Renewals(_ context.Context, before time.Time) ([]app.Renewal, error) {
	d.before = before
	return d.list, d.err
}

func (d *drawer) RenewToken(ctx context.Context, r app.Renewal, _ time.Time, refresh install.Exchange) (bool, error) {
	return d.trade(ctx, r, refresh, "refresh of ")
}

func (d *drawer) ConvertToken(ctx context.Context, r app.Renewal, convert install.Exchange) (bool, error) {
	return d.trade(ctx, r, convert, "permanent of ")
}

func (d *drawer) trade(ctx context.Context, r app.Renewal, by install.Exchange, kind string) (bool, error) {
	if d.after != nil {
		defer d.after()
	}
	if r.Shop == "renewed.myshopify.com" {
		return false, nil
	}
	_, err := by(ctx, app.Secret(kind+r.Shop))
	return err == nil, err
}

// platform answers by the shop's name.
type platform struct{ asked []string }

func (p *platform) answer(shop string, token app.Secret) (app.Tokens, error) {
	p.asked = append(p.asked, string(token))
	switch shop {
	case "gone.myshopify.com":
		return app.Tokens{}, &payment.Error{Class: payment.Unauthorized, Code: shopify.CodeInvalidGrant, Message: "authorize again"}
	case "slow.myshopify.com":
		return app.Tokens{}, payment.Errorf(payment.Unavailable, "no answer")
	}
	return app.Tokens{Access: "a"}, nil
}

func (p *platform) RefreshToken(_ context.Context, shop string, token app.Secret) (app.Tokens, error) {
	return p.answer(shop, token)
}

func (p *platform) ConvertToken(_ context.Context, shop string, token app.Secret) (app.Tokens, error) {
	return p.answer(shop, token)
}

func TestKeeper(t *testing.T) {
	t.Parallel()
	renewal := func(shop string) app.Renewal { return app.Renewal{App: app.Payments, Shop: shop + ".myshopify.com"} }
	old := renewal("old")
	old.Permanent = true
	strange := app.Renewal{App: "third", Shop: "x.myshopify.com"}
	keeper := func(d *drawer, p *platform, log *bytes.Buffer) *install.Keeper {
		return &install.Keeper{
			Tokens: d, Platforms: map[app.Name]install.Platform{app.Payments: p}, Now: func() time.Time { return now }, Log: zerolog.New(log),
		}
	}
	t.Run("one shop's trouble does not keep the others from being renewed", func(t *testing.T) {
		t.Parallel()
		d := &drawer{list: []app.Renewal{renewal("gone"), renewal("slow"), strange, renewal("idle"), renewal("renewed"), old}}
		p, log := &platform{}, &bytes.Buffer{}
		kept, err := keeper(d, p, log).Keep(t.Context())
		require.NoError(t, err)
		require.Equal(t, install.Kept{
			Renewed: 1, Converted: 1, Lost: []app.Renewal{renewal("gone")}, Failed: []app.Renewal{renewal("slow"), strange},
		}, kept)
		require.Equal(t, now.Add(-30*24*time.Hour), d.before)
		require.Equal(t, []string{
			"refresh of gone.myshopify.com", "refresh of slow.myshopify.com", "refresh of idle.myshopify.com", "permanent of old.myshopify.com",
		}, p.asked)
		require.Contains(t, log.String(), "has to open the app again")
	})
	t.Run("without a list nothing is done", func(t *testing.T) {
		t.Parallel()
		_, err := keeper(&drawer{err: errors.New("away")}, &platform{}, &bytes.Buffer{}).Keep(t.Context())
		require.ErrorContains(t, err, "away")
	})
	t.Run("a keeper that is told to stop stops", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		kept, err := keeper(&drawer{list: []app.Renewal{renewal("a"), renewal("b")}, after: cancel}, &platform{}, &bytes.Buffer{}).Keep(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 1, kept.Renewed)
	})
}
