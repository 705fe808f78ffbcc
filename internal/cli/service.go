package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	sdkworker "go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	hookapi "tillflow/api/hook"
	"tillflow/internal/config"
	"tillflow/internal/crypt"
	"tillflow/internal/flow"
	"tillflow/internal/psp"
	"tillflow/internal/psp/sandbox"
	"tillflow/internal/psp/stripe"
	"tillflow/internal/store"
	"tillflow/worker"
)

// Roles say what a process does.
type Roles struct{ HTTP, Worker bool }

// Options are what a program around the service may set; the command line sets
// the roles and the log.
type Options struct {
	Roles Roles
	Log   zerolog.Logger
	// Now replaces the clock, for programs that skip time.
	Now func() time.Time
}

// Service is everything wired together. Its parts are open to programs that
// run the service inside themselves, such as the development stack.
type Service struct {
	Config     config.Config
	Store      *store.Store
	Temporal   client.Client
	Runs       *flow.Runs
	Connectors *psp.Registry
	Timing     flow.Timing

	roles Roles
	log   zerolog.Logger
	now   func() time.Time
	soon  *flow.Soon
	codec *crypt.Codec
	calls *http.Client
	// apps are ours at Shopify, those that are configured.
	apps []shopApp
	// dispatcher acts on Shopify's webhooks; nil where no worker runs.
	dispatcher *hookapi.Dispatcher
	notices    noticeBox
}

// New connects to the database and to Temporal and wires everything.
func New(ctx context.Context, c config.Config, o Options) (*Service, error) {
	s := &Service{Config: c, roles: o.Roles, log: o.Log, now: o.Now, calls: outboundClient(), notices: newNoticeBox()}
	if s.now == nil {
		s.now = clock(c)
	}
	timing, err := c.Timing.Apply(flow.DefaultTiming())
	if err != nil {
		return nil, err
	}
	s.Timing = timing
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Service) open(ctx context.Context) error {
	payloads, err := crypt.ParseKeyring(s.Config.PayloadKeys)
	if err != nil {
		return fmt.Errorf("TILLFLOW_PAYLOAD_KEYS: %w", err)
	}
	s.codec = crypt.NewCodec(payloads, crypt.CodecOptions{Namespace: s.Config.TemporalNamespace, AllowPlain: !s.Config.Production()})
	if s.Store, err = OpenStore(ctx, s.Config, s.now, s.log); err != nil {
		return err
	}
	if s.Connectors, err = newConnectors(s.Config, s.Store, s.now, s.calls); err != nil {
		return err
	}
	// Lazy: sessions are accepted while Temporal is away, and started by the sweep.
	if s.Temporal, err = client.NewLazyClient(temporalOptions(s.Config, s.codec, s.log)); err != nil {
		return fmt.Errorf("TILLFLOW_TEMPORAL_ADDRESS: %w", err)
	}
	// An eager start helps only where a worker shares this client.
	s.Runs = flow.NewRuns(s.Temporal, s.Timing, s.roles.HTTP && s.roles.Worker).WithErasures(s.Config.Privacy.Timing())
	s.soon = flow.NewSoon(ctx, s.Runs, s.log)
	if err := s.openApps(); err != nil {
		return err
	}
	return s.openDispatcher()
}

// newConnectors is the list of providers.
func newConnectors(c config.Config, books *store.Store, now func() time.Time, calls *http.Client) (*psp.Registry, error) {
	return psp.NewRegistry(
		stripe.New(stripe.Options{BaseURL: c.StripeURL, HTTPClient: calls, Now: now}),
		sandbox.New(sandbox.Options{Books: books, PublicURL: c.PublicURL, Now: now, Delay: c.SandboxDelay}),
	)
}

// temporalOptions connects to Temporal; without a codec for calls that carry no
// payloads.
func temporalOptions(c config.Config, codec *crypt.Codec, log zerolog.Logger) client.Options {
	o := client.Options{HostPort: c.TemporalAddress, Namespace: c.TemporalNamespace, Logger: worker.Log(log)}
	if codec != nil {
		o.DataConverter = converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), codec)
		// Error texts are sealed like payloads.
		o.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: o.DataConverter, EncodeCommonAttributes: true})
	}
	if c.TemporalTLS || c.TemporalAPIKey != "" {
		o.ConnectionOptions.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if c.TemporalAPIKey != "" {
		o.Credentials = client.NewAPIKeyStaticCredentials(c.TemporalAPIKey.Reveal())
	}
	return o
}

// outboundClient carries calls to providers and to Shopify: bounded, without
// redirects, with enough idle connections for a busy hour.
func outboundClient() *http.Client {
	return &http.Client{
		Timeout: 25 * time.Second,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: 22 * time.Second,
			IdleConnTimeout:       90 * time.Second,
			MaxIdleConns:          200,
			MaxIdleConnsPerHost:   64,
			ForceAttemptHTTP2:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close lets go of what New has opened.
func (s *Service) Close() {
	if s.soon != nil {
		s.soon.Wait()
	}
	if s.Temporal != nil {
		s.Temporal.Close()
	}
	if s.Store != nil {
		s.Store.Close()
	}
}

// Run serves until ctx ends, then stops in order: HTTP, starts under way,
// workers and what they do beside, connections.
func (s *Service) Run(ctx context.Context) error {
	defer s.Close()
	if err := s.checkKeys(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	if s.roles.Worker {
		shop, err := s.shop()
		if err != nil {
			return err
		}
		acts, err := s.activities(shop)
		if err != nil {
			return err
		}
		worker.SetCache(s.Config.WorkflowCache)
		group.Go(func() error { s.work(ctx, acts); return nil })
		group.Go(func() error { return s.dispatcher.Run(ctx) })
		group.Go(func() error { s.keepTokens(ctx); return nil })
		group.Go(func() error { s.keepGuard(ctx); return nil })
		group.Go(func() error { s.keepRecharge(ctx); return nil })
		group.Go(func() error { s.keepNotices(ctx); return nil })
		group.Go(func() error { s.keepReady(ctx, shop.client); return nil })
		group.Go(func() error { s.keepProven(ctx); return nil })
	}
	if s.roles.HTTP {
		group.Go(func() error { return s.serve(ctx) })
	}
	return group.Wait()
}

// stopWithin bounds the end of calls under way at shutdown.
const stopWithin = 40 * time.Second

// work runs a worker until ctx ends. Temporal may be away at the start: the
// worker then waits for it, and what this process serves beside goes on.
func (s *Service) work(ctx context.Context, acts worker.Activities) {
	var w sdkworker.Worker
	for pause := time.Second; ; pause = min(2*pause, 15*time.Second) {
		w = worker.New(s.Temporal, acts, worker.Options{StopTimeout: stopWithin})
		err := w.Start()
		if err == nil {
			break
		}
		s.log.Warn().Err(err).Str("again_in", pause.String()).Msg("worker waits for Temporal")
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
	s.log.Info().Msg("worker runs")
	// The schedule lives in Temporal's database, which may be lost and replaced
	// under a running worker: look after it all the time.
	s.keepSweep(ctx)
	w.Stop()
}

func (s *Service) keepSweep(ctx context.Context) {
	tick := time.NewTicker(max(s.Config.SweepEvery, time.Second))
	defer tick.Stop()
	owed := false    // the schedule was new, and the rows are not yet due
	aligned := false // its interval is known to be the configured one
	for {
		err := errors.Join(s.ensureSweep(ctx, &owed), s.Runs.EnsurePurge(ctx, s.Config.Privacy.PurgeEvery))
		if err == nil && !aligned {
			err = s.alignSweep(ctx)
			aligned = err == nil
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("sweep or purge could not be made sure of, trying again")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ensureSweep makes the schedule when there is none; then no row has a run
// either, and all are swept at once.
func (s *Service) ensureSweep(ctx context.Context, owed *bool) error {
	made, err := s.Runs.EnsureSweep(ctx, s.Config.SweepEvery)
	*owed = *owed || made
	if err != nil || !*owed {
		return err
	}
	rows, err := s.Store.SweepSoon(ctx)
	if err != nil {
		return err
	}
	*owed = false
	s.log.Info().Int64("rows", rows).Msg("sweep schedule made, all open rows are due")
	return nil
}

// alignSweep follows a setting that was changed after the schedule was made.
func (s *Service) alignSweep(ctx context.Context) error {
	changed, err := s.Runs.AlignSweep(ctx, s.Config.SweepEvery)
	if changed {
		s.log.Info().Str("every", s.Config.SweepEvery.String()).Msg("sweep schedule changed to the configured interval")
	}
	return err
}

// listen opens a listener, or says which setting names the taken address.
func listen(ctx context.Context, address, setting string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (change it with %s): %w", address, setting, err)
	}
	return l, nil
}

// stopped reads a server's end: closing it is how we stop it.
func stopped(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
