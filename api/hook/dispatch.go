package hook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

// Queue is the record of webhooks that have to be acted on.
type Queue interface {
	// ClaimDeliveries takes up what is due; each comes up again later unless it is done.
	ClaimDeliveries(ctx context.Context, limit int) ([]app.Claimed, error)
	DeliveryDone(ctx context.Context, id, note string) error
	DeliveryFailed(ctx context.Context, id, note string) error
}

// Shops is the record of installations.
type Shops interface {
	// Uninstall ends an installation; false for news from before the present one.
	Uninstall(ctx context.Context, name app.Name, shop string, at time.Time) (bool, error)
	// PutScopes notes grants that changed; false for old news.
	PutScopes(ctx context.Context, i app.Installation) (bool, error)
}

// PrivacyRequest is what the law asks for, by the id of the delivery whose sealed request says about whom.
type PrivacyRequest struct {
	DeliveryID string
	Shop       string
	Topic      app.Topic // customers/data_request, customers/redact or shop/redact
	ReceivedAt time.Time // the legal deadline counts from here
}

// Erasures serves privacy requests. It may be called again for the same delivery and has to do nothing then.
type Erasures interface {
	Request(ctx context.Context, r PrivacyRequest) error
}

// Hint says that something changed at the shop. It proves nothing: whoever acts reads the resource again. It may come twice.
type Hint struct {
	DeliveryID  string
	App         app.Name
	Shop        string
	Topic       app.Topic
	Resource    string
	Facts       map[string]string
	TriggeredAt time.Time
	APIVersion  string // in whose words the facts are
}

// Hints takes news of orders, disputes, subscriptions and the like.
type Hints interface {
	// Hint reports whether it told anything new.
	Hint(ctx context.Context, h Hint) (bool, error)
}

// Dispatcher acts on stored webhooks. Any number may run beside each other: the record gives each message to one of them.
type Dispatcher struct {
	Queue    Queue
	Shops    Shops
	Erasures Erasures
	// Hints by what they are about. A matter that nobody listens to ends with a note that says so.
	Hints map[app.Matter]Hints
	// Every is the pause between two looks when nothing wakes it; default 5 s.
	Every time.Duration
	Log   zerolog.Logger

	wake chan struct{}
}

const (
	defaultEvery = 5 * time.Second
	// batch is what one look takes and acts on side by side. Nothing that was taken waits, so that all of it is over within actTimeout,
	// which is below the lease: no message is acted on by two at once.
	batch      = 16
	actTimeout = 10 * time.Second
)

// NewDispatcher completes d.
func NewDispatcher(d Dispatcher) (*Dispatcher, error) {
	if d.Queue == nil || d.Shops == nil || d.Erasures == nil {
		return nil, errors.New("webhook dispatcher: Queue, Shops and Erasures are required")
	}
	if d.Every <= 0 {
		d.Every = defaultEvery
	}
	d.wake = make(chan struct{}, 1)
	return &d, nil
}

// Soon wakes the dispatcher. It never blocks.
func (d *Dispatcher) Soon() {
	select {
	case d.wake <- struct{}{}:
	default: // it is awake already and looks again
	}
}

// Run dispatches until ctx ends. Trouble is logged and tried again.
func (d *Dispatcher) Run(ctx context.Context) error {
	tick := time.NewTicker(d.Every)
	defer tick.Stop()
	for {
		if _, err := d.Dispatch(ctx); err != nil && ctx.Err() == nil {
			d.Log.Warn().Err(err).Msg("shopify webhooks not dispatched")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
		case <-tick.C:
		}
	}
}

// Dispatch acts on all that is due now and says how many messages that were.
func (d *Dispatcher) Dispatch(ctx context.Context) (int, error) {
	total := 0
	for {
		list, err := d.Queue.ClaimDeliveries(ctx, batch)
		if err != nil {
			return total, fmt.Errorf("dispatch webhooks: %w", err)
		}
		group, gctx := errgroup.WithContext(ctx)
		for _, claimed := range list {
			group.Go(func() error { return d.one(gctx, claimed) })
		}
		if err := group.Wait(); err != nil {
			return total, fmt.Errorf("dispatch webhooks: %w", err)
		}
		total += len(list)
		if len(list) < batch {
			return total, nil
		}
	}
}

// one acts on a message and notes what came of it. The error is of the record.
func (d *Dispatcher) one(ctx context.Context, c app.Claimed) error {
	call, cancel := context.WithTimeout(ctx, actTimeout)
	defer cancel()
	note, err := d.act(call, c)
	if err == nil {
		return d.Queue.DeliveryDone(ctx, c.ID, note)
	}
	d.Log.Warn().Err(err).Str("shop", c.Shop).Str("topic", string(c.Topic)).Str("delivery_id", c.ID).Int("tries", c.Tries).
		Msg("shopify webhook not acted on yet")
	// Codes only: the text of a foreign error may hold anything.
	reason := "not done yet: " + string(payment.ClassOf(err, payment.Unavailable))
	if e, ok := errors.AsType[*payment.Error](err); ok && e.Code != "" {
		reason += " " + e.Code
	}
	return d.Queue.DeliveryFailed(ctx, c.ID, reason)
}

// Notes on what came of a message.
const (
	noteDone       = "done"
	noteOld        = "from before the present installation"
	noteSuperseded = "something newer is known"
	noteRepeated   = "told before through another subscription"
	noteKnown      = "nothing new"
	noteNobody     = "nobody listens to this topic"
)

func (d *Dispatcher) act(ctx context.Context, c app.Claimed) (string, error) {
	switch {
	case c.Superseded:
		return noteSuperseded, nil
	case c.Repeated:
		return noteRepeated, nil
	}
	matter := c.Topic.Matter()
	switch matter {
	case app.AboutInstallation:
		return d.installation(ctx, c)
	case app.AboutPrivacy:
		return noteDone, d.Erasures.Request(ctx, PrivacyRequest{DeliveryID: c.ID, Shop: c.Shop, Topic: c.Topic, ReceivedAt: c.ReceivedAt})
	case app.AboutOrder, app.AboutDispute, app.AboutSubscription, app.AboutBulk, app.AboutFulfillment:
		if port := d.Hints[matter]; port != nil {
			news, err := port.Hint(ctx, Hint{
				DeliveryID: c.ID, App: c.App, Shop: c.Shop, Topic: c.Topic, Resource: c.Resource, Facts: c.Facts,
				TriggeredAt: c.TriggeredAt, APIVersion: c.APIVersion,
			})
			if err == nil && !news {
				return noteKnown, nil
			}
			return noteDone, err
		}
	case app.AboutUnknown:
	}
	return noteNobody, nil
}

func (d *Dispatcher) installation(ctx context.Context, c app.Claimed) (string, error) {
	var news bool
	var err error
	switch scopes := c.Facts["scopes"]; {
	case c.Topic == app.AppUninstalled:
		news, err = d.Shops.Uninstall(ctx, c.App, c.Shop, c.TriggeredAt)
	case scopes != "":
		news, err = d.Shops.PutScopes(ctx, app.Installation{App: c.App, Shop: c.Shop, Scopes: app.Scopes(scopes), AuthorizedAt: c.TriggeredAt})
	default:
		return noteNobody, nil
	}
	if err == nil && !news {
		return noteOld, nil
	}
	return noteDone, err
}
