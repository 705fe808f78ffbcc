package cli

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"tillflow/activities"
	"tillflow/api"
	hookapi "tillflow/api/hook"
	privacyapi "tillflow/api/privacy"
	"tillflow/internal/flow"
	"tillflow/internal/notify"
	"tillflow/internal/privacy/spool"
	"tillflow/internal/store"
)

// requests takes up what the law asks for: the row first, then its run. A run that
// cannot be started now is started by the sweep.
type requests struct {
	store *store.Store
	runs  *flow.Runs
	term  time.Duration
	log   zerolog.Logger
}

// Request implements hook.Erasures.
func (r requests) Request(ctx context.Context, asked hookapi.PrivacyRequest) error {
	ref, err := r.store.TakeRequest(ctx, asked.DeliveryID, r.term)
	if err != nil {
		return err
	}
	if err := r.runs.StartErasure(ctx, ref); err != nil {
		r.log.Warn().Err(err).Str("request_id", ref.ID).Msg("run not started now, the sweep starts it")
	}
	return nil
}

func (s *Service) requests() requests {
	return requests{store: s.Store, runs: s.Runs, term: s.Config.Privacy.Term, log: s.log}
}

// searches looks for a person in histories and files.
type searches struct {
	*flow.Tracer
	spool.Files
}

// erasure is what the Erasure workflow calls.
func (s *Service) erasure(mailer *notify.Mailer) *activities.Erasure {
	p := s.Config.Privacy
	return &activities.Erasure{
		Requests: s.Store, Searches: searches{flow.NewTracer(s.Runs, s.codec), spool.Files{Logs: p.Logs, Mails: p.Mails}},
		Mail: &notify.PrivacyMails{Mailer: mailer, Operator: s.Config.OperatorMail, PublicURL: s.Config.PublicURL},
		Now:  s.now, Log: s.log,
	}
}

// downloads serves the exports that merchants fetch.
func (s *Service) downloads() (api.Group, error) { return privacyapi.New(s.Store, s.log) }
