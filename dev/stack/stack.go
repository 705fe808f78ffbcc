// Package stack runs everything that tillflow needs beside itself in one
// process: a private PostgreSQL, a Temporal server with its web UI, stand-ins
// for Shopify, Stripe and a mailbox, and, when asked, the service itself. It is
// what `make run`, the benchmarks and the end-to-end tests stand on.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"tillflow/dev/control"
	"tillflow/dev/internal/port"
	"tillflow/dev/postgres"
	"tillflow/dev/temporalserver"
	"tillflow/internal/cli"
	"tillflow/internal/config"
	"tillflow/internal/flow"
	"tillflow/standin/mail"
	"tillflow/standin/recharge"
	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// Shop is the domain of the stack's shop; further shops are named in Options.
const Shop = "acme-dev.myshopify.com"

// NewShop is the domain of the shop at which `make run` lets a person install.
const NewShop = "new-dev.myshopify.com"

// Options say what to run. Dir must be set.
type Options struct {
	// Dir keeps everything: database, books, secrets, logs.
	Dir string
	// BasePort is the first of eleven ports; 0 picks free ones.
	BasePort int
	// Volatile keeps the books of the stand-ins and Temporal in memory and lets
	// PostgreSQL skip its syncs: for tests.
	Volatile bool
	// Service runs the service inside this process, and the control page beside it.
	Service bool
	// Shops are further shops beside Shop.
	Shops []string
	// NewShops are shops at the stand-in Shopify that have not installed the app.
	NewShops []string
	// Subscriptions are those of the shops that are connected with Recharge.
	Subscriptions []string
	// Settings are TILLFLOW_ settings without the prefix, over the stack's own.
	Settings map[string]string
	// SettleDelay is how long the stand-in Stripe takes for delayed methods.
	SettleDelay time.Duration
	// DynamicConfig overrides settings of the Temporal server by name.
	DynamicConfig map[string]any
	// Say is told what happens, in one line each; nil is silent.
	Say func(format string, args ...any)
	// Log takes the logs of all parts. The zero value drops them.
	Log zerolog.Logger
}

// Stack is everything that runs. Stop ends it.
type Stack struct {
	Clock    *Clock
	Postgres *postgres.Server
	Temporal *temporalserver.Server
	Shopify  *shopify.Server
	Stripe   *stripe.Server
	Mail     *mail.Server
	Recharge *recharge.Server
	Service  *cli.Service    // nil unless asked for
	Control  *control.Server // nil without the service
	Config   config.Config

	// Addresses for people and programs.
	ShopURL, PayURL, SessionURL, StripeURL, MailURL, TemporalURL, ControlURL, RechargeURL string
	// APIKey opens /api/v1 for Shop.
	APIKey string

	opts    Options
	ports   ports
	secrets secrets
	env     map[string]string
	stops   []func() error // run backwards
}

// ports of the parts, in the order of their numbers.
type ports struct{ shop, pay, session, stripe, mail, smtp, temporal, temporalUI, postgres, control, recharge int }

// Start runs the parts one after the other. What was started is stopped again
// when a later part fails.
func Start(ctx context.Context, o Options) (*Stack, error) {
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	s := &Stack{Clock: &Clock{}, opts: o}
	for _, step := range []func(context.Context) error{
		s.prepare, s.startPostgres, s.startTemporal, s.configure, s.migrate, s.startStandins, s.startService, s.startControl,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	return s, nil
}

// Stop ends everything, the last started first.
func (s *Stack) Stop() error {
	var err error
	for i := len(s.stops) - 1; i >= 0; i-- {
		err = errors.Join(err, s.stops[i]())
	}
	s.stops = nil
	return err
}

func (s *Stack) prepare(ctx context.Context) error {
	if err := os.MkdirAll(s.opts.Dir, 0o755); err != nil { //nolint:gosec // PostgreSQL runs as another user below it
		return fmt.Errorf("make the data folder: %w", err)
	}
	p := &s.ports
	numbers := []*int{&p.shop, &p.pay, &p.session, &p.stripe, &p.mail, &p.smtp, &p.temporal, &p.temporalUI, &p.postgres, &p.control, &p.recharge}
	if s.opts.BasePort == 0 {
		free, err := port.Free(ctx, localhost, len(numbers))
		if err != nil {
			return err
		}
		for i, n := range numbers {
			*n = free[i]
		}
	} else {
		for i, n := range numbers {
			*n = s.opts.BasePort + i
		}
	}
	var err error
	if s.secrets, err = loadSecrets(s.opts.Dir); err != nil {
		return err
	}
	return s.restoreClock()
}

const localhost = "127.0.0.1"

func (s *Stack) startPostgres(ctx context.Context) error {
	s.opts.Say("starting PostgreSQL on port %d", s.ports.postgres)
	pg, err := postgres.Start(ctx, postgres.Options{
		Dir: filepath.Join(s.opts.Dir, "postgres"), Port: s.ports.postgres, PortSetting: "PORT",
		Volatile: s.opts.Volatile, Say: s.opts.Say,
	})
	if err != nil {
		return err
	}
	s.Postgres = pg
	s.onStop(func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		return pg.Stop(ctx)
	})
	return pg.CreateDatabase(ctx, "tillflow")
}

// TemporalFile is the database file of the Temporal server; empty when in memory.
func (s *Stack) TemporalFile() string {
	if s.opts.Volatile {
		return ""
	}
	return filepath.Join(s.opts.Dir, "temporal.db")
}

func (s *Stack) startTemporal(ctx context.Context) error {
	s.opts.Say("starting Temporal on port %d, its web UI on %d", s.ports.temporal, s.ports.temporalUI)
	if err := s.RunTemporal(ctx, s.TemporalFile()); err != nil {
		return err
	}
	s.TemporalURL = s.Temporal.UIURL()
	s.onStop(func() error { return s.Temporal.Stop() })
	return nil
}

// RunTemporal starts a Temporal server on the stack's ports: at start, and in
// fault runs that stop it or throw its database away.
func (s *Stack) RunTemporal(ctx context.Context, file string) error {
	log := s.opts.Log.Level(max(s.opts.Log.GetLevel(), zerolog.WarnLevel)).With().Str("part", "temporal").Logger()
	server, err := temporalserver.Start(ctx, temporalserver.Options{
		Port: s.ports.temporal, UIPort: s.ports.temporalUI, PortSetting: "PORT", UIPortSetting: "PORT",
		DBFile: file, SearchAttributes: flow.SearchAttributes(), DynamicConfig: s.opts.DynamicConfig, Log: &log,
		CodecEndpoint: s.url(s.ports.pay) + "/codec/" + s.secrets.CodecToken,
	})
	if err == nil {
		s.Temporal = server
	}
	return err
}

func (s *Stack) url(number int) string { return "http://" + port.Join(localhost, number) }

func (s *Stack) onStop(f func() error) { s.stops = append(s.stops, f) }

// handle serves an HTTP part.
func (s *Stack) handle(ctx context.Context, name string, number int, h http.Handler) error {
	address := port.Join(localhost, number)
	if err := port.Check(ctx, address, name, "PORT"); err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	s.onStop(func() error {
		err := server.Close()
		if serr := <-done; !errors.Is(serr, http.ErrServerClosed) {
			err = errors.Join(err, serr)
		}
		return err
	})
	return nil
}

// closeOnStop closes a part that keeps books.
func (s *Stack) closeOnStop(c io.Closer) { s.onStop(c.Close) }
