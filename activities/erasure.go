package activities

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/activity"

	"tillflow/internal/payment"
	"tillflow/internal/privacy"
)

// Requests is the part of the record that privacy requests need. Every method
// may be repeated: what is done stays done and is answered as it stands.
type Requests interface {
	// MatchRequest finds out whom a request is about and files it under them, so
	// that who comes back from here on is somebody new. beat is called while it
	// reads, and ends it when it fails.
	MatchRequest(ctx context.Context, id string, beat func() error) (privacy.View, error)
	// LoadRequest reads how a request stands. It writes nothing.
	LoadRequest(ctx context.Context, id string) (privacy.View, error)
	// EraseRequest frees the person's rows of texts and addresses, keeps sealed
	// what a scan has to look for, and destroys the keys. payment.Conflict
	// "open_payments" while a payment of the person is open.
	EraseRequest(ctx context.Context, id string, beat func() error) (privacy.View, error)
	// RequestWords opens what the scan has to look for.
	RequestWords(ctx context.Context, id string) (privacy.Words, error)
	// SearchRecord looks for words in every table but the vault's.
	SearchRecord(ctx context.Context, m *privacy.Matcher, beat func() error) (privacy.Place, error)
	// RequestRuns names the workflows of the person's payments.
	RequestRuns(ctx context.Context, id string) (privacy.Runs, error)
	// RecordScan keeps what a scan found.
	RecordScan(ctx context.Context, id string, s privacy.Scan) (privacy.View, error)
	// CertifyRequest signs what was done, destroys what was kept for the scan and
	// ends the request. payment.Conflict "residue" unless the last scan found nothing.
	CertifyRequest(ctx context.Context, id string) (privacy.View, error)
	// CallForRequest notes why a request needs a person; NoTrouble takes it back.
	CallForRequest(ctx context.Context, id string, why privacy.Trouble) (privacy.View, error)
	// ExportRequest gathers all that is known of the person into a parcel for the
	// merchant and answers the link to it, which nobody keeps.
	ExportRequest(ctx context.Context, id string, beat func() error) (privacy.Letter, error)
	// ExportSent ends a data request whose mail was taken.
	ExportSent(ctx context.Context, id string) (privacy.View, error)
}

// Searches looks for a person where our processes leave traces.
type Searches interface {
	// SearchHistories reads the histories of runs, sealed and opened.
	SearchHistories(ctx context.Context, runs privacy.Runs, m *privacy.Matcher, beat func() error) (privacy.Place, error)
	// SearchFiles reads the service's logs and the mail spool, as configured.
	SearchFiles(ctx context.Context, m *privacy.Matcher, beat func() error) ([]privacy.Place, error)
}

// PrivacyMailer sends mails about requests. None names a person.
type PrivacyMailer interface {
	// SendWarning tells the operator that a request needs somebody. payment.Invalid "no_address" without an address.
	SendWarning(ctx context.Context, w privacy.Warning) error
	// SendExport tells the merchant where the export waits. payment.Invalid "no_address" without an address.
	SendExport(ctx context.Context, l privacy.Letter) error
}

// Erasure serves what the law asks for: exports and erasures.
type Erasure struct {
	Requests Requests
	Searches Searches
	Mail     PrivacyMailer
	Now      func() time.Time
	Log      zerolog.Logger
}

// RequestInput names a privacy request.
type RequestInput struct{ RequestID string }

// TroubleInput names a request and why it needs a person.
type TroubleInput struct {
	RequestID string
	Why       privacy.Trouble
}

// MatchRequest finds out whom a request is about. A repeat finds the same people
// and those who came meanwhile.
func (e *Erasure) MatchRequest(ctx context.Context, in RequestInput) (privacy.View, error) {
	view, err := e.Requests.MatchRequest(ctx, in.RequestID, beat(ctx))
	return view, plainErr(err)
}

// LoadRequest reads how a request stands.
func (e *Erasure) LoadRequest(ctx context.Context, in RequestInput) (privacy.View, error) {
	view, err := e.Requests.LoadRequest(ctx, in.RequestID)
	return view, plainErr(err)
}

// AwaitPayments fails with StillPending while a payment of the person is open. It
// writes nothing.
func (e *Erasure) AwaitPayments(ctx context.Context, in RequestInput) (privacy.View, error) {
	view, err := e.Requests.LoadRequest(ctx, in.RequestID)
	if err == nil && view.State == privacy.Waiting && view.Open > 0 {
		err = payment.Errorf(payment.StillPending, "%d payments are open", view.Open)
	}
	return view, plainErr(err)
}

// EraseRequest destroys the keys. A repeat finds them destroyed.
func (e *Erasure) EraseRequest(ctx context.Context, in RequestInput) (privacy.View, error) {
	view, err := e.Requests.EraseRequest(ctx, in.RequestID, beat(ctx))
	return view, plainErr(err)
}

// ScanForRequest looks for the person everywhere and records what it found. It
// changes nothing else, so it may be repeated.
func (e *Erasure) ScanForRequest(ctx context.Context, in RequestInput) (privacy.View, error) {
	view, err := e.scan(ctx, in.RequestID)
	return view, plainErr(err)
}

func (e *Erasure) scan(ctx context.Context, id string) (privacy.View, error) {
	before, err := e.Requests.LoadRequest(ctx, id)
	if err != nil || before.State == privacy.Done {
		return before, err
	}
	words, err := e.Requests.RequestWords(ctx, id)
	if err != nil {
		return privacy.View{}, err
	}
	m := privacy.NewMatcher(words)
	scan := privacy.Scan{At: e.Now().UTC(), Words: m.Size()}
	place, err := e.Requests.SearchRecord(ctx, m, beat(ctx))
	if err != nil {
		return privacy.View{}, err
	}
	scan.Places = append(scan.Places, place)
	runs, err := e.Requests.RequestRuns(ctx, id)
	if err != nil {
		return privacy.View{}, err
	}
	if place, err = e.Searches.SearchHistories(ctx, runs, m, beat(ctx)); err != nil {
		return privacy.View{}, err
	}
	files, err := e.Searches.SearchFiles(ctx, m, beat(ctx))
	if err != nil {
		return privacy.View{}, err
	}
	scan.Places = append(append(scan.Places, place), files...)
	return e.Requests.RecordScan(ctx, id, scan)
}

// CertifyRequest signs what was done. A repeat answers the request as it ended.
func (e *Erasure) CertifyRequest(ctx context.Context, in RequestInput) (privacy.View, error) {
	view, err := e.Requests.CertifyRequest(ctx, in.RequestID)
	return view, plainErr(err)
}

// CallForRequest notes why a request needs a person.
func (e *Erasure) CallForRequest(ctx context.Context, in TroubleInput) (privacy.View, error) {
	view, err := e.Requests.CallForRequest(ctx, in.RequestID, in.Why)
	return view, plainErr(err)
}

// WarnOperator mails that a request needs somebody. A mail may go out twice when
// the worker dies between sending and saying so; its Message-ID is the same.
func (e *Erasure) WarnOperator(ctx context.Context, in privacy.Warning) error {
	err := e.Mail.SendWarning(ctx, in)
	if err != nil {
		e.Log.Error().Err(err).Str("request_id", in.RequestID).Str("shop", in.Shop).Str("kind", string(in.Kind)).
			Str("trouble", string(in.Trouble)).Time("deadline", in.DueAt).Msg("a privacy request needs somebody and the mail was not taken")
	}
	return plainErr(err)
}

// MailExport gathers the export and mails the merchant the link to it. A repeat
// makes a new parcel with a new link, and the one before opens no more: the
// newest mail is the good one.
func (e *Erasure) MailExport(ctx context.Context, in RequestInput) (privacy.View, error) {
	before, err := e.Requests.LoadRequest(ctx, in.RequestID)
	if err != nil || before.State == privacy.Done {
		return before, plainErr(err)
	}
	letter, err := e.Requests.ExportRequest(ctx, in.RequestID, beat(ctx))
	if err != nil {
		return privacy.View{}, plainErr(err)
	}
	if err := e.Mail.SendExport(ctx, letter); err != nil {
		return privacy.View{}, plainErr(err)
	}
	view, err := e.Requests.ExportSent(ctx, in.RequestID)
	return view, plainErr(err)
}

// beat tells Temporal that long work goes on, and the work that it was given up.
func beat(ctx context.Context) func() error {
	return func() error {
		if activity.IsActivity(ctx) && !activity.GetInfo(ctx).IsLocalActivity {
			activity.RecordHeartbeat(ctx)
		}
		return ctx.Err()
	}
}

// Retention is the part of the record that is kept for a while only.
type Retention interface {
	// Purge enforces every rule of retention once and says how many rows each took.
	Purge(ctx context.Context, beat func() error) ([]privacy.Purged, error)
}

// Purge forgets what is kept for a while only.
type Purge struct {
	Retention Retention
	Log       zerolog.Logger
}

// PurgeExpired enforces the rules of retention. A repeat finds less to do. What
// one rule could not do does not stop the others.
func (p *Purge) PurgeExpired(ctx context.Context) ([]privacy.Purged, error) {
	done, err := p.Retention.Purge(ctx, beat(ctx))
	for _, d := range done {
		p.Log.Info().Str("rule", d.Rule).Int64("rows", d.Rows).Msg("purged")
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		p.Log.Error().Err(err).Msg("the purge has not done everything")
	}
	return done, plainErr(err)
}
