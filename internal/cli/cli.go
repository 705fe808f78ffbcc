// Package cli is the command line and the only place of wiring: it alone knows
// every package.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"

	"tillflow/internal/config"
	"tillflow/internal/safety"
)

// Version is set by the linker for releases.
var Version = "development"

// env is what a command may use of its surroundings.
type env struct {
	get      func(string) string
	in       io.Reader
	out, err io.Writer
}

// command is one subcommand.
type command struct {
	name, does string
	run        func(ctx context.Context, e env, args []string) error
}

func commands() []command {
	return []command{
		{"all", "serve HTTP and run workers in one process", func(ctx context.Context, e env, _ []string) error {
			return run(ctx, e, Roles{HTTP: true, Worker: true})
		}},
		{"serve", "serve HTTP: Shopify's sessions, buyers' pages, webhooks, /api/v1", func(ctx context.Context, e env, _ []string) error { return run(ctx, e, Roles{HTTP: true}) }},
		{"worker", "run workflows and activities", func(ctx context.Context, e env, _ []string) error { return run(ctx, e, Roles{Worker: true}) }},
		{"migrate", "bring the database and Temporal's search attributes up to date", migrate},
		{"payment", "show, list, resolve, retry, expire, note: what operators do; `tillflow payment` tells more", paymentVerbs().run},
		{"shop", "add a shop, or set its mail address and token", shopCommand},
		{"account", "add a shop's account at a provider", accountCommand},
		{"recharge", "connect, policy, list, disconnect: failed subscription charges at Recharge; `tillflow recharge` tells more", rechargeVerbs().run},
		{"key", "add, list, rotate, revoke keys for /api/v1; `tillflow key` tells more", keyVerbs().run},
		{"user", "add, list, disable people of the console; `tillflow user` tells more", userVerbs().run},
		{"vault", "keys, rewrap: which master keys the record needs, and how one retires; `tillflow vault` tells more", vaultVerbs().run},
		{"audit", "verify or list what people did; `tillflow audit` tells more", auditVerbs().run},
		{"privacy", "list, show, export, verify: what the law lets people ask for; `tillflow privacy` tells more", privacyVerbs().run},
		{"version", "print the version", func(_ context.Context, e env, _ []string) error { _, err := fmt.Fprintln(e.out, Version); return err }},
	}
}

// errUsage ends with a usage text that was already printed.
var errUsage = errors.New("usage")

// Main runs one subcommand and answers the process's exit code: 0 done, 1
// failed, 2 called wrongly. It stops what it runs on SIGINT and SIGTERM.
func Main(ctx context.Context, args []string, getenv func(string) string, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	e := env{get: getenv, in: os.Stdin, out: out, err: errOut}
	if safety.Mutable {
		fmt.Fprintln(errOut, "tillflow: this build can leave out what keeps money from moving twice: it is for tests of the tests and serves nobody")
		return 1
	}
	if len(args) > 0 {
		for _, c := range commands() {
			if c.name == args[0] {
				return exit(e, c.run(ctx, e, args[1:]))
			}
		}
	}
	fmt.Fprintln(errOut, "usage: tillflow <command>")
	for _, c := range commands() {
		fmt.Fprintf(errOut, "  %-9s %s\n", c.name, c.does)
	}
	return 2
}

func exit(e env, err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintln(e.err, "tillflow: "+err.Error())
	return 1
}

// run runs the service until it is told to stop.
func run(ctx context.Context, e env, roles Roles) error {
	c, log, err := load(e)
	if err != nil {
		return err
	}
	s, err := New(ctx, c, Options{Roles: roles, Log: log})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

func load(e env) (config.Config, zerolog.Logger, error) {
	c, err := config.Load(e.get)
	if err != nil {
		return c, zerolog.Nop(), fmt.Errorf("configuration:\n%w", err)
	}
	level, err := zerolog.ParseLevel(c.LogLevel)
	if err != nil {
		return c, zerolog.Nop(), fmt.Errorf("TILLFLOW_LOG_LEVEL: %w", err)
	}
	return c, zerolog.New(e.err).Level(level).With().Timestamp().Str("service", "tillflow").Logger(), nil
}
