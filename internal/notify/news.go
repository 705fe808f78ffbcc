package notify

import (
	"context"
	"errors"
	"strings"

	"github.com/rs/zerolog"

	"tillflow/internal/letter"
	"tillflow/internal/payment"
	"tillflow/internal/subscription"
)

// NewsRecords is what letters tell beside the news itself.
type NewsRecords interface {
	Subscription(ctx context.Context, shop, id string) (subscription.Record, error)
	PlanVersions(ctx context.Context, shop, id string) ([]subscription.Offer, error)
	// SubscriptionBuyer opens who the customer is, as JSON; empty: nobody knows, any more.
	SubscriptionBuyer(ctx context.Context, id string) (string, error)
}

// News tells customers and merchants what happened to subscriptions.
type News struct {
	Letters *Letters
	Records NewsRecords
	// Method gives the label of a kept method, "visa 4242"; nil: none is shown.
	Method func(ctx context.Context, id string) (string, error)
	// Page is the customer's own page of a subscription; nil: there is none.
	Page func(id string) (string, error)
	// Console is where the merchant sees a subscription, its id appended; empty: nowhere.
	Console string
	Log     zerolog.Logger
}

// SendNews sends the letters that news asks for. All are tried; the errors are
// those of [Letters.SendLetter], without the ones of letters that nobody can ever
// get: those are logged, by subscription and kind, and are done.
func (s *News) SendNews(ctx context.Context, n subscription.News) error {
	o, err := s.occasion(ctx, n)
	if err != nil {
		return err
	}
	list, err := letter.Postings(o)
	if err != nil {
		return payment.Errorf(payment.Bug, "%w", err)
	}
	var failed error
	for _, p := range list {
		err := s.Letters.SendLetter(ctx, p)
		if err != nil && payment.ClassOf(err, payment.Unavailable) == payment.Invalid {
			s.Log.Warn().Err(err).Str("subscription_id", n.SubscriptionID).Str("kind", string(p.Kind)).Msg("nobody can get this letter")
			continue
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

func (s *News) occasion(ctx context.Context, n subscription.News) (letter.Occasion, error) {
	o := letter.Occasion{News: n}
	var err error
	if o.Now, err = s.Records.Subscription(ctx, n.Shop, n.SubscriptionID); err != nil {
		return o, err
	}
	versions, err := s.Records.PlanVersions(ctx, n.Shop, o.Now.Terms.Plan.ID)
	if err != nil {
		return o, err
	}
	for _, v := range versions {
		if v.Plan.Version == o.Now.Terms.Plan.Version {
			o.Plan = v.Name
		}
	}
	buyer, err := s.Records.SubscriptionBuyer(ctx, n.SubscriptionID)
	if err != nil {
		return o, err
	}
	if o.Locale = o.Now.Locale; buyer != "" {
		if o.To, err = payment.Contact([]byte(buyer)); err != nil {
			return o, payment.Errorf(payment.Bug, "a customer that cannot be read") // the cause may repeat the data
		}
	}
	if !strings.Contains(o.To, "@") {
		o.To = "" // a phone number, or nothing
	}
	if s.Method != nil && o.Now.Method != "" {
		if o.Method, err = s.Method(ctx, o.Now.Method); err != nil && payment.ClassOf(err, payment.Unavailable) != payment.NotFound {
			return o, err
		}
	}
	if s.Page != nil {
		if o.CustomerLink, err = s.Page(n.SubscriptionID); err != nil {
			return o, err
		}
	}
	if s.Console != "" {
		o.MerchantLink = s.Console + n.SubscriptionID
	}
	return o, nil
}
