package activities

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/activity"

	"tillflow/internal/payment"
	"tillflow/internal/recharge"
	"tillflow/internal/shopify/app"
)

// RechargeRecords is the part of the record that failed subscription charges need.
type RechargeRecords interface {
	// DueRecharges claims stores whose turn it is; PutRechargeVisit ends the claim.
	DueRecharges(ctx context.Context, limit int) ([]recharge.Visit, error)
	PutRechargeVisit(ctx context.Context, v recharge.Visited) error
	RechargeJournal(shop string) recharge.Journal
	// KeepCharge keeps what Recharge says of one charge now.
	KeepCharge(ctx context.Context, shop string, charge recharge.Charge, exhausted bool) error
	// StaleCharges lists charges in error that nobody has spoken of since; LoseCharge notes that one is gone.
	StaleCharges(ctx context.Context, shop string, since time.Time, limit int) ([]int64, error)
	LoseCharge(ctx context.Context, shop string, chargeID int64) error
	DueRechargeDeliveries(ctx context.Context, shop string, limit int) ([]recharge.Arrived, error)
	EndRechargeDelivery(ctx context.Context, shop, key, note string) error
	// ReportCharges puts charges into reports, each into one; DueReports claims those to send.
	ReportCharges(ctx context.Context, shop string) (int, error)
	DueReports(ctx context.Context, shop string, limit int) ([]recharge.Report, error)
	ReportSent(ctx context.Context, id string) error
	// BeginProcessing writes before anything is sent; Again: it stood before.
	DueProcessings(ctx context.Context, shop string, limit int) ([]int64, error)
	BeginProcessing(ctx context.Context, shop string, chargeID int64) (p recharge.Processing, due bool, err error)
	PutProcessing(ctx context.Context, p recharge.Processing) error
	RestProcessing(ctx context.Context, shop string, until time.Time) error
	RaiseWarning(ctx context.Context, w app.Warning) (bool, error)
	EndWarning(ctx context.Context, key string) error
}

// RechargeStore is one store at Recharge, with its token.
type RechargeStore interface {
	recharge.Lister
	Charge(ctx context.Context, id int64) (recharge.Charge, error)
	EnsureWebhooks(ctx context.Context, address string) ([]recharge.Topic, error)
	ProcessCharge(ctx context.Context, mark recharge.Mark) (recharge.Processed, error)
	InquireCharge(ctx context.Context, mark recharge.Mark) (recharge.Processed, error)
}

// RechargeStores opens stores.
type RechargeStores interface {
	// Open gives a store and the address at which its webhooks should arrive. One client serves a whole visit: the pause that
	// Recharge asks for holds for all calls with the token.
	Open(ctx context.Context, shop string) (store RechargeStore, hooks string, err error)
}

// RechargeMailer tells merchants.
type RechargeMailer interface {
	SendReport(ctx context.Context, r recharge.Report) error
}

// Recharge looks after the failed charges of shops that sell subscriptions through Recharge.
type Recharge struct {
	Records RechargeRecords
	Stores  RechargeStores
	Mail    RechargeMailer
	Now     func() time.Time
	Log     zerolog.Logger
	// Every is the pause between two visits of one store.
	Every time.Duration
	// Turn bounds the work of one visit, so that a store with a hundred thousand charges is visited often and no other waits for
	// it. Zero is DefaultTurn.
	Turn time.Duration
	// Page is the size of a page of a list; zero is the largest.
	Page int
}

// DefaultTurn is some 40 pages, as fast as Recharge serves them.
const DefaultTurn = time.Minute

const (
	// rechargeBatch is how many stores one claim takes.
	rechargeBatch = 8
	// Bounds of one visit, beside the walk: webhooks that are acted on, charges that are read again, mails.
	deliveriesAtOnce, rereadsAtOnce, reportsAtOnce = 100, 40, 50
	// rereadAfter is how long Recharge may say nothing of a charge in error: the walk meets no charge that has left the state.
	rereadAfter = 24 * time.Hour
	// patientPause is the longest pause that a visit waits out. For a longer one it ends, and the next comes when it is over.
	patientPause = 15 * time.Second
	// pageTries is how often one page is asked for in a visit, with pauses of 2, 4 and 8 seconds.
	pageTries = 4
	// Trouble with a store is tried again after a pause that doubles, and told to a person when it has come so often in a row.
	rechargePause, rechargeTries = time.Minute, 4
)

// DueStores claims stores whose turn it is. A claim that nobody serves comes up again.
func (r *Recharge) DueStores(ctx context.Context) ([]recharge.Visit, error) {
	list, err := r.Records.DueRecharges(ctx, rechargeBatch)
	return list, plainErr(err)
}

// VisitStoreResult is what came of a visit.
type VisitStoreResult struct {
	// Fresh are charges that were not known, Pages those that the walk has read, Read the charges that were read by their id.
	Fresh, Pages, Read int
	// Settled: the walk has everything. More: the turn was over before the work was.
	Settled, More bool
	Trouble       string
}

// VisitStore makes sure of a store's webhooks, acts on those that came, walks its failed charges from where the last visit
// stopped, and reads again what nobody has spoken of. Trouble with the store is no error: it is noted, and the store comes up
// again. Repeating it is safe: a charge is kept once, and the walk's place is kept with what it found.
func (r *Recharge) VisitStore(ctx context.Context, in recharge.Visit) (VisitStoreResult, error) {
	var done VisitStoreResult
	turn, cancel := context.WithTimeout(ctx, r.turn())
	defer cancel()
	hooked, err := r.visit(turn, in, &done)
	if ctx.Err() != nil {
		return done, plainErr(ctx.Err()) // the worker stops: the claim comes up again
	}
	over := recharge.Visited{Shop: in.Shop, Hooked: hooked, NextAt: r.Now().Add(r.Every)}
	switch {
	case err == nil:
	case turn.Err() != nil:
		over.More, over.NextAt = true, r.Now()
	default:
		over.NextAt, over.Trouble = r.again(in, err)
	}
	done.More, done.Trouble = over.More, over.Trouble
	if err := r.warn(ctx, in, over); err != nil {
		return done, plainErr(err)
	}
	return done, plainErr(r.Records.PutRechargeVisit(ctx, over))
}

func (r *Recharge) turn() time.Duration {
	if r.Turn > 0 {
		return r.Turn
	}
	return DefaultTurn
}

// again says when a visit that met trouble is repeated, and what may be kept of the trouble. That Recharge asks for a pause is none.
func (r *Recharge) again(in recharge.Visit, err error) (time.Time, string) {
	pause := min(rechargePause<<min(in.Tries-1, 20), max(r.Every, rechargePause))
	e, ok := errors.AsType[*payment.Error](err)
	if ok && e.Class == payment.RateLimited {
		r.Log.Info().Str("shop", in.Shop).Dur("pause_ms", e.RetryAfter).Msg("recharge asks for a pause")
		return r.Now().Add(max(e.RetryAfter, recharge.MinimumPause)), ""
	}
	if ok && e.Code == recharge.CodeUnsettled {
		return r.Now().Add(pause), "" // what it found is kept, and it goes on
	}
	r.Log.Warn().Err(err).Str("shop", in.Shop).Int("tries", in.Tries).Dur("pause_ms", pause).Msg("recharge store not looked after")
	return r.Now().Add(pause), troubleOf(err)
}

// warn tells a person once that a store cannot be looked after.
func (r *Recharge) warn(ctx context.Context, in recharge.Visit, over recharge.Visited) error {
	key := string(app.WarnRecharge) + " " + in.Shop
	switch {
	case over.Trouble == "":
		return r.Records.EndWarning(ctx, key)
	case in.Tries < rechargeTries:
		return nil
	}
	fresh, err := r.Records.RaiseWarning(ctx, app.Warning{
		Key: key, Kind: app.WarnRecharge, Shop: in.Shop, At: r.Now(),
		Detail: "Failed charges of this shop cannot be read from Recharge: " + over.Trouble + ". Nothing is lost: the walk goes on from where it stands. " +
			"Unauthorized means that the access token is refused or lacks a scope: make a new one at Recharge and run tillflow recharge connect. Everything else is tried again by itself.",
	})
	if err == nil && fresh {
		r.Log.Warn().Str("kind", string(app.WarnRecharge)).Str("shop", in.Shop).Str("detail", over.Trouble).Msg("warning")
	}
	return err
}

func (r *Recharge) visit(ctx context.Context, in recharge.Visit, done *VisitStoreResult) (hooked bool, err error) {
	store, address, err := r.Stores.Open(ctx, in.Shop)
	if err != nil {
		return false, err
	}
	var hookErr error
	if in.Hooks {
		var made []recharge.Topic
		made, hookErr = store.EnsureWebhooks(ctx, address)
		hooked = hookErr == nil
		if len(made) > 0 {
			r.Log.Info().Str("shop", in.Shop).Int("webhooks", len(made)).Msg("recharge webhooks made")
		}
	}
	if err := r.look(ctx, store, in.Shop, done); err != nil {
		return hooked, err
	}
	return hooked, hookErr // without webhooks the walk finds what failed all the same, later
}

// look reads what webhooks named, walks the list, and reads again what nobody has spoken of.
func (r *Recharge) look(ctx context.Context, store RechargeStore, shop string, done *VisitStoreResult) error {
	if err := r.deliveries(ctx, store, shop, done); err != nil {
		return err
	}
	walk, err := recharge.NewWalk(recharge.WalkOptions{
		Lister: store, Journal: beating{r.Records.RechargeJournal(shop)}, Now: r.Now, Wait: waitPatiently, Limit: r.Page, Tries: pageTries,
		Log: r.Log.With().Str("shop", shop).Logger(),
	})
	if err != nil {
		return payment.Errorf(payment.Bug, "walk over failed charges: %w", err)
	}
	sum, err := walk.Run(ctx)
	done.Fresh, done.Pages, done.Settled = sum.Fresh, sum.Pages, sum.Settled
	if err != nil {
		return err
	}
	return r.reread(ctx, store, shop, done)
}

// deliveries acts on the webhooks that came: what they say is a reason to read the charge, never the truth about it.
func (r *Recharge) deliveries(ctx context.Context, store RechargeStore, shop string, done *VisitStoreResult) error {
	for {
		list, err := r.Records.DueRechargeDeliveries(ctx, shop, deliveriesAtOnce)
		if err != nil || len(list) == 0 {
			return err
		}
		for len(list) > 0 {
			same := func(a recharge.Arrived) bool { return a.Object == list[0].Object && a.ObjectID == list[0].ObjectID }
			one, rest := []recharge.Arrived{}, []recharge.Arrived{}
			for _, a := range list {
				if same(a) {
					one = append(one, a)
				} else {
					rest = append(rest, a)
				}
			}
			if err := r.deliver(ctx, store, one, done); err != nil {
				return err
			}
			list = rest
		}
	}
}

// deliver acts on all webhooks about one object.
func (r *Recharge) deliver(ctx context.Context, store RechargeStore, about []recharge.Arrived, done *VisitStoreResult) error {
	note := "not about a charge"
	if about[0].Object == "charge" {
		exhausted := slices.ContainsFunc(about, func(a recharge.Arrived) bool { return a.Topic == recharge.TopicMaxRetries })
		known, err := r.read(ctx, store, about[0].Shop, about[0].ObjectID, exhausted)
		if err != nil {
			return err
		}
		if note = "gone"; known {
			note = "read"
		}
		done.Read++
	}
	for _, a := range about {
		if err := r.Records.EndRechargeDelivery(ctx, a.Shop, a.Key, note); err != nil {
			return err
		}
	}
	return nil
}

// read keeps what Recharge says of a charge now; false if it knows none.
func (r *Recharge) read(ctx context.Context, store RechargeStore, shop string, id int64, exhausted bool) (bool, error) {
	alive(ctx)
	var charge recharge.Charge
	for pause := recharge.MinimumPause; ; pause *= 2 {
		var err error
		if charge, err = store.Charge(ctx, id); err == nil {
			break
		}
		e, ok := errors.AsType[*payment.Error](err)
		switch {
		case ok && e.Class == payment.NotFound:
			return false, r.Records.LoseCharge(ctx, shop, id)
		case !ok || e.Class != payment.RateLimited:
			return false, err
		}
		if err := waitPatiently(ctx, max(e.RetryAfter, pause)); err != nil {
			return false, err
		}
	}
	return true, r.Records.KeepCharge(ctx, shop, charge, exhausted)
}

func (r *Recharge) reread(ctx context.Context, store RechargeStore, shop string, done *VisitStoreResult) error {
	stale, err := r.Records.StaleCharges(ctx, shop, r.Now().Add(-rereadAfter), rereadsAtOnce)
	if err != nil {
		return err
	}
	for _, id := range stale {
		if _, err := r.read(ctx, store, shop, id, false); err != nil {
			return err
		}
		done.Read++
	}
	return nil
}

// beating tells Temporal after each page that the visit goes on.
type beating struct{ recharge.Journal }

func (j beating) Keep(ctx context.Context, found recharge.Findings, behind func([]int64) recharge.Position) error {
	alive(ctx)
	return j.Journal.Keep(ctx, found, behind)
}

func alive(ctx context.Context) {
	if activity.IsActivity(ctx) {
		activity.RecordHeartbeat(ctx)
	}
}

// waitPatiently waits a short pause out. A long one ends the visit, so that the place is another store's meanwhile.
func waitPatiently(ctx context.Context, pause time.Duration) error {
	if pause > patientPause {
		return &payment.Error{Class: payment.RateLimited, Code: recharge.CodePaused, RetryAfter: pause, Message: "recharge asks for a long pause; nothing was sent"}
	}
	alive(ctx)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// StoreInput names a store.
type StoreInput struct{ Shop string }

// ReportStoreResult counts mails to a merchant: made, sent, and those that could not be sent.
type ReportStoreResult struct{ Made, Sent, Failed int }

// ReportStore tells a merchant of the charges that nobody has told them of. A charge is in one mail for ever; a mail may go out
// twice when the worker dies between sending and noting it, with the same Message-ID.
func (r *Recharge) ReportStore(ctx context.Context, in StoreInput) (ReportStoreResult, error) {
	var done ReportStoreResult
	var err error
	if done.Made, err = r.Records.ReportCharges(ctx, in.Shop); err != nil {
		return done, plainErr(err)
	}
	due, err := r.Records.DueReports(ctx, in.Shop, reportsAtOnce)
	if err != nil {
		return done, plainErr(err)
	}
	for _, report := range due {
		alive(ctx)
		err := r.Mail.SendReport(ctx, report)
		if err == nil {
			err = r.Records.ReportSent(ctx, report.ID)
		}
		if err != nil {
			done.Failed++
			r.Log.Warn().Err(err).Str("shop", in.Shop).Str("report", report.ID).Msg("report of failed charges not mailed")
			continue
		}
		done.Sent++
	}
	return done, nil
}
