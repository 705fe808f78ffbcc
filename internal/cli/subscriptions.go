package cli

import (
	"context"

	"tillflow/activities"
	"tillflow/internal/flow"
	"tillflow/internal/letter"
	"tillflow/internal/notify"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/store"
	"tillflow/internal/subscription"
)

// members is the record of subscriptions and their runs, as /api/v1 and the
// console see them.
type members struct {
	*store.Store
	soon *flow.Soon
}

// Plans lists plans by their ids.
func (m members) Plans(ctx context.Context, shop string, retired bool, after string, limit int) ([]subscription.Offer, error) {
	return m.ListPlans(ctx, store.PlanFilter{Shop: shop, Retired: retired, After: after, Limit: limit})
}

// StartSubscriptionSoon starts the run behind the answer.
func (m members) StartSubscriptionSoon(ref subscription.Ref) { m.soon.StartSubscriptionSoon(ref) }

// AskSubscription has the run carry a command out. Where the run is over, the
// record does it by itself, once.
func (m members) AskSubscription(ctx context.Context, ref subscription.Ref, commandID string) (subscription.Answer, error) {
	result, err := m.soon.Command(ctx, ref, commandID)
	if err != nil && payment.ClassOf(err, payment.Unavailable) == payment.NotFound {
		answer, _, err := m.ApplyCommand(ctx, ref.ID, commandID)
		return answer, err
	}
	return result.Answer, err
}

// keepers lists the providers that can charge a method which a buyer has left.
func (s *Service) keepers() []string {
	var names []string
	for _, name := range s.Connectors.Names() {
		c, err := s.Connectors.Connector(name)
		if err != nil {
			continue // a name of the registry's own has a connector
		}
		if _, keeps := c.(psp.Recurrer); keeps {
			names = append(names, name)
		}
	}
	return names
}

// ownPage is where a customer sees and pays a subscription.
func (s *Service) ownPage(id string) (string, error) {
	link, err := s.Store.SubscriptionLink(id)
	if err != nil {
		return "", err
	}
	return origin(s.Config.PublicURL) + "/subscription/" + link, nil
}

// news tells people what happens to subscriptions.
func (s *Service) news(mailer *notify.Mailer) (*activities.NewsSweep, error) {
	writer, err := letter.NewWriter()
	if err != nil {
		return nil, err
	}
	return &activities.NewsSweep{Due: s.Store, Mail: &notify.News{
		Letters: &notify.Letters{Mailer: mailer, Writer: writer, Records: s.Store, PublicURL: origin(s.Config.PublicURL)},
		Records: s.Store, Page: s.ownPage, Console: origin(s.Config.PublicURL) + "/console/subscriptions/", Log: s.log,
		Method: func(ctx context.Context, id string) (string, error) {
			kept, err := s.Store.KeptMethod(ctx, id)
			return kept.Label, err
		},
	}}, nil
}
