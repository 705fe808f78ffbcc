package activities

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/activity"

	"tillflow/internal/payment"
	"tillflow/internal/shopify/app"
)

// Guard looks after what Shopify should tell us: that its subscriptions are
// there, that no changed order was missed, and that the version of its API which
// we speak goes on being served. It moves no money and decides nothing about any.
type Guard struct {
	Records GuardRecords
	// Deliveries is nil without the second app: then no shop is guarded.
	Deliveries Deliveries
	// Versions lists what is to be checked, by the name of the API.
	Versions map[string]Versions
	Mail     WarningMailer
	Now      func() time.Time
	Log      zerolog.Logger
	// Every is the pause between two looks at one shop.
	Every time.Duration
	// Grace is how old a change must be before its webhook counts as missed;
	// Shopify's first try comes within seconds, and what comes late is recognised.
	Grace time.Duration
}

// DefaultGrace leaves a webhook its time to come.
const DefaultGrace = 10 * time.Minute

const (
	// guardBatch is how many shops one claim takes.
	guardBatch = 20
	// versionsEvery is the rhythm of the version check.
	versionsEvery = 7 * 24 * time.Hour
	// versionsTurn names it in the record.
	versionsTurn = "shopify api versions"
	// Trouble with a shop is tried again after a pause that doubles up to Every,
	// and told to a person when it has come so often in a row.
	guardPause, guardTries = time.Minute, 4
)

// GuardDueResult is what a run of the guardian has to do.
type GuardDueResult struct {
	Shops []app.Guarded
	// Versions: the week is over.
	Versions bool
}

// GuardDue claims the shops that have to be looked at now, at most a batch, and
// the weekly check of versions. A claim that nobody serves comes up again.
func (g *Guard) GuardDue(ctx context.Context) (GuardDueResult, error) {
	var due GuardDueResult
	var err error
	if g.Deliveries != nil {
		if due.Shops, err = g.Records.DueGuards(ctx, guardBatch); err != nil {
			return due, plainErr(err)
		}
	}
	due.Versions, err = g.Records.TakeTurn(ctx, versionsTurn, versionsEvery)
	return due, plainErr(err)
}

// GuardShop looks at one shop: it makes the subscriptions that are missing, then
// fills in the orders that changed and that no webhook told of. Trouble with the
// shop is no error: it is noted, and the shop comes up again. Repeating it is
// safe: a subscription exists once, a change is filled in once, and a look goes
// on from where the last one broke off.
func (g *Guard) GuardShop(ctx context.Context, in app.Guarded) (app.Checkup, error) {
	now := g.Now()
	done := app.Checkup{Shop: in.Shop, NextAt: now.Add(g.Every)}
	err := g.look(ctx, in, now.Add(-g.Grace), &done)
	if ctx.Err() != nil {
		return done, plainErr(ctx.Err()) // the worker stops, or the time is over: the claim comes up again
	}
	if err != nil {
		done.Trouble = troubleOf(err)
		done.NextAt = now.Add(min(guardPause<<min(in.Tries-1, 20), g.Every))
		g.Log.Warn().Err(err).Str("shop", in.Shop).Int("tries", in.Tries).Time("again_at", done.NextAt).Msg("shopify deliveries not looked after")
	}
	if err := g.report(ctx, in, done, now); err != nil {
		return done, plainErr(err)
	}
	return done, plainErr(g.Records.PutCheckup(ctx, done))
}

func (g *Guard) look(ctx context.Context, in app.Guarded, until time.Time, done *app.Checkup) error {
	made, refused, err := g.Deliveries.Restore(ctx, in.Shop)
	done.Made, done.Refused = made, refused
	if err != nil || !in.Since.Before(until) {
		return err
	}
	// Shopify's search may know a change a little later than its order: a stretch that is known is read again.
	since := in.Since.Add(-g.Grace)
	err = g.Deliveries.Changes(ctx, in.Shop, since, until, func(list []app.Delivery) error {
		for _, d := range list {
			filled, err := g.Records.BackfillDelivery(ctx, d)
			if err != nil {
				return err
			}
			done.Seen++
			if filled {
				done.Filled++
			}
		}
		activity.RecordHeartbeat(ctx)
		return g.Records.PutGuardUntil(ctx, in.Shop, list[len(list)-1].TriggeredAt)
	})
	if err == nil {
		done.Until = until
	}
	return err
}

// report says what was lost, once, and that a shop cannot be looked after, once
// until it can again.
func (g *Guard) report(ctx context.Context, in app.Guarded, done app.Checkup, now time.Time) error {
	unguarded := string(app.WarnUnguarded) + " " + in.Shop
	switch {
	case done.Trouble == "":
		if err := g.Records.EndWarning(ctx, unguarded); err != nil {
			return err
		}
	case in.Tries >= guardTries:
		err := g.warn(ctx, app.Warning{
			Key: unguarded, Kind: app.WarnUnguarded, Shop: in.Shop, At: now,
			Detail: "Shopify's messages about this shop's orders cannot be looked after: " + done.Trouble + ". Messages that come are kept; those that are lost are filled in once this is over. " +
				"No payment depends on it. Unauthorized means that the merchant has to open the second app once; everything else is tried again by itself.",
		})
		if err != nil {
			return err
		}
	}
	if w, lost := done.Lost(in.Before, now); lost {
		return g.warn(ctx, w)
	}
	if len(done.Made)+done.Filled > 0 {
		g.Log.Info().Str("shop", in.Shop).Int("subscriptions", len(done.Made)).Int("filled", done.Filled).Msg("shopify deliveries set up")
	}
	return nil
}

// warn keeps a warning and logs one that is new.
func (g *Guard) warn(ctx context.Context, w app.Warning) error {
	fresh, err := g.Records.RaiseWarning(ctx, w)
	if err == nil && fresh {
		g.Log.Warn().Str("kind", string(w.Kind)).Str("shop", w.Shop).Str("detail", w.Detail).Msg("warning")
	}
	return err
}

// troubleOf is what may be kept and mailed of an error: class and code. Foreign
// texts may hold anything.
func troubleOf(err error) string {
	text := string(payment.ClassOf(err, payment.Unavailable))
	if e, ok := errors.AsType[*payment.Error](err); ok && e.Code != "" {
		text += " " + e.Code
	}
	return text
}

// VersionsResult counts what a check of versions did.
type VersionsResult struct{ Checked, Warned int }

// CheckVersions asks Shopify which versions of its APIs it serves and warns when
// ours is not among them, or soon will not be. A check that fails is due again in
// an hour. Repeating it warns no second time.
func (g *Guard) CheckVersions(ctx context.Context) (VersionsResult, error) {
	var done VersionsResult
	var failed error
	for api, list := range g.Versions {
		warning, err := list.Warning(ctx)
		if err != nil {
			g.Log.Warn().Err(err).Str("api", api).Msg("shopify api versions not checked")
			failed = err
			continue
		}
		done.Checked++
		if warning == "" {
			continue
		}
		done.Warned++
		// The text names version and state, so a change for the worse is said again.
		err = g.warn(ctx, app.Warning{Key: string(app.WarnVersion) + " " + api + " " + warning, Kind: app.WarnVersion, Detail: api + " API: " + warning, At: g.Now()})
		if err != nil {
			return done, plainErr(err)
		}
	}
	if failed != nil {
		return done, plainErr(g.Records.ReturnTurn(ctx, versionsTurn, time.Hour))
	}
	return done, nil
}

// SendWarningsResult counts warnings that were told to a person, and those that
// could not be.
type SendWarningsResult struct{ Sent, Failed int }

// SendWarnings mails what nobody was told yet, all of one kind in one mail. A mail
// may go out twice when the worker dies between sending and noting it.
func (g *Guard) SendWarnings(ctx context.Context) (SendWarningsResult, error) {
	var done SendWarningsResult
	list, err := g.Records.DueWarnings(ctx, batch)
	if err != nil {
		return done, plainErr(err)
	}
	kinds := map[app.WarningKind][]app.Warning{}
	for _, w := range list {
		kinds[w.Kind] = append(kinds[w.Kind], w)
	}
	for kind, all := range kinds {
		err := g.Mail.SendWarnings(ctx, kind, all)
		for _, w := range all {
			if err == nil {
				err = g.Records.WarningSent(ctx, w.Key)
			}
		}
		if err != nil {
			done.Failed += len(all)
			g.Log.Warn().Err(err).Str("kind", string(kind)).Int("warnings", len(all)).Msg("warnings not mailed")
			continue
		}
		done.Sent += len(all)
	}
	return done, nil
}
