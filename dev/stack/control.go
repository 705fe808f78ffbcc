package stack

import (
	"context"
	"net/url"

	"tillflow/dev/control"
)

// ControlCommand is what a person beside `make run` types for tillflow's commands.
const ControlCommand = ".cache/bin/tillflow-dev"

// startControl serves the page on which a person makes things go wrong.
func (s *Stack) startControl(ctx context.Context) error {
	if !s.opts.Service {
		return nil
	}
	s.opts.Say("starting the control page on port %d", s.ports.control)
	namespace := s.Config.TemporalNamespace
	page, err := control.New(ctx, control.Options{
		Stripe: s.Stripe.Faults(), Shopify: s.Shopify.Faults(),
		Runs:  control.Temporal{Client: s.Service.Temporal, Namespace: namespace},
		Clock: s.Clock, Skip: s.Skip, Command: ControlCommand,
		Links: control.Links{
			Shop: s.ShopURL + "/shops/" + Shop, Admin: s.ShopURL + "/shops/" + Shop + "/admin",
			TemporalUI: s.TemporalURL, Runs: s.TemporalURL + "/namespaces/" + url.PathEscape(namespace) + "/workflows",
			Mail: s.MailURL, Stripe: s.StripeURL, Recharge: s.RechargeURL + "/_/",
		},
		Log: s.opts.Log.With().Str("part", "control page").Logger(),
	})
	if err != nil {
		return err
	}
	s.Control = page
	s.closeOnStop(page)
	return s.handle(ctx, "the control page", s.ports.control, page)
}
