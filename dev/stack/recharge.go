package stack

import (
	"context"
	"slices"

	"tillflow/internal/access/audit"
	"tillflow/internal/crypt"
	"tillflow/internal/recharge"
	"tillflow/internal/store"
	standin "tillflow/standin/recharge"
)

// startRecharge runs the stand-in Recharge. Every shop has a store there; those of
// Options.Subscriptions are connected with it.
func (s *Stack) startRecharge(ctx context.Context) error {
	o := standin.Options{
		Now: s.Clock.Now, SnapshotPath: s.snapshot("recharge.json"), Log: s.opts.Log.With().Str("part", "recharge stand-in").Logger(),
	}
	for i, shop := range s.shops() {
		o.Stores = append(o.Stores, standin.Store{
			Name: shop, Token: standin.Secret(keyOf(s.secrets.RechargeToken, i)), ClientSecret: standin.Secret(s.secrets.RechargeSecret), Plus: true,
		})
	}
	server, err := standin.New(o)
	if err != nil {
		return err
	}
	s.Recharge = server
	s.closeOnStop(server)
	return s.handle(ctx, "the stand-in Recharge", s.ports.recharge, server)
}

// seedRecharge connects a shop, unless somebody has disconnected it.
func (s *Stack) seedRecharge(ctx context.Context, st *store.Store, i int, shop string) error {
	if !slices.Contains(s.opts.Subscriptions, shop) {
		return nil
	}
	standing, err := st.Recharges(ctx, shop)
	if err != nil || len(standing) > 0 {
		return err
	}
	_, err = st.SaveRecharge(ctx, audit.Actor{Name: "development stack"}, recharge.Connection{Shop: shop, Enabled: true}, &recharge.Credentials{
		Token: crypt.Secret(keyOf(s.secrets.RechargeToken, i)), Secret: crypt.Secret(s.secrets.RechargeSecret),
	})
	return err
}

// RechargeToken is a shop's access token at the stand-in Recharge, and the secret
// that signs its webhooks; empty for a shop that is not of the stack.
func (s *Stack) RechargeToken(shop string) (token, secret string) {
	if i := slices.Index(s.shops(), shop); i >= 0 {
		return keyOf(s.secrets.RechargeToken, i), s.secrets.RechargeSecret
	}
	return "", ""
}
