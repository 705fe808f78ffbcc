package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"

	"tillflow/internal/config"
	"tillflow/internal/crypt"
	"tillflow/internal/flow"
	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/store"
)

// OpenStore opens the record alone, for commands that need no Temporal.
func OpenStore(ctx context.Context, c config.Config, now func() time.Time, log zerolog.Logger) (*store.Store, error) {
	masters, err := crypt.ParseKeyring(c.MasterKeys)
	if err != nil {
		return nil, fmt.Errorf("TILLFLOW_MASTER_KEYS: %w", err)
	}
	timing, err := c.Timing.Apply(flow.DefaultTiming())
	if err != nil {
		return nil, err
	}
	// Asked for their contracts only, so they need neither books nor a way out.
	providers, err := newConnectors(c, nil, now, nil)
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, c.DatabaseURL.Reveal(), store.Options{
		Now: now, Vault: crypt.NewVault(masters), MaxConns: int32(min(max(c.DatabaseConns, 1), 1000)),
		SweepAfter: c.SweepAfter, DecideAhead: timing.DecideAhead, Holds: holdTerms(providers), BuyerRetention: c.Privacy.Buyers, Log: log,
	})
}

// holdTerms reads from the connectors what their providers allow with money that
// they hold. What no connector here knows gets the widest terms: its provider
// refuses what it cannot do.
func holdTerms(providers *psp.Registry) func(string) payment.HoldTerms {
	return func(provider string) payment.HoldTerms {
		connector, err := providers.Connector(provider)
		if err != nil {
			return payment.HoldTerms{}
		}
		contract := connector.Contract()
		return payment.HoldTerms{
			Once: contract.Captures == psp.OneCapture, RestReleased: contract.RestReleased, Limit: contract.HoldLimit,
		}
	}
}

// clock is the service's clock as configured.
func clock(c config.Config) func() time.Time {
	return func() time.Time { return time.Now().Add(c.ClockOffset) }
}

// Migrate brings the database's schema and Temporal's search attributes up to
// date. It may be repeated.
func Migrate(ctx context.Context, c config.Config, log zerolog.Logger) error {
	st, err := OpenStore(ctx, c, clock(c), log)
	if err != nil {
		return err
	}
	defer st.Close()
	if err := st.Migrate(ctx); err != nil {
		return err
	}
	tc, err := client.DialContext(ctx, temporalOptions(c, nil, log))
	if err != nil {
		return fmt.Errorf("connect to Temporal at %s: %w", c.TemporalAddress, err)
	}
	defer tc.Close()
	// One call for all: names that exist are skipped by the server.
	_, err = tc.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: c.TemporalNamespace, SearchAttributes: flow.SearchAttributes(),
	})
	if err != nil {
		return fmt.Errorf("register search attributes: %w", err)
	}
	return nil
}

func migrate(ctx context.Context, e env, _ []string) error {
	c, log, err := load(e)
	if err != nil {
		return err
	}
	if err := Migrate(ctx, c, log); err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, "database and search attributes are up to date")
	return err
}

// withStore runs a command on the record.
func withStore(ctx context.Context, e env, do func(config.Config, *store.Store) error) error {
	c, log, err := load(e)
	if err != nil {
		return err
	}
	st, err := OpenStore(ctx, c, clock(c), log)
	if err != nil {
		return err
	}
	defer st.Close()
	return do(c, st)
}

// flags builds a command's flag set, which reports to the caller's writer.
func flags(e env, name string) *flag.FlagSet {
	f := flag.NewFlagSet("tillflow "+name, flag.ContinueOnError)
	f.SetOutput(e.err)
	return f
}

// parse reads flags and insists on the required ones.
func parse(f *flag.FlagSet, args []string, required ...string) error {
	if err := f.Parse(args); err != nil {
		return errUsage // the flag set has said what is wrong
	}
	for _, name := range required {
		if f.Lookup(name).Value.String() == "" {
			_, _ = fmt.Fprintf(f.Output(), "-%s is missing\n", name)
			f.Usage()
			return errUsage
		}
	}
	return nil
}

func shopCommand(ctx context.Context, e env, args []string) error {
	f := flags(e, "shop")
	shop := f.String("shop", "", "permanent domain at Shopify, or a merchant's id for /api/v1")
	label := f.String("label", "", "the shop's name as buyers read it")
	mail := f.String("mail", "", "the merchant's address for operator mails")
	locale := f.String("locale", "en", "language of those mails")
	attempts := f.Int("max-attempts", 5, "declines after which a payment is ended, against card testing")
	wait := f.Duration("refused-default", 24*time.Hour, "time until money goes back when the shop refuses our answer")
	active := f.Bool("active", true, "false: new sessions are refused, payments under way go on")
	token := f.Bool("token", false, "read an access token and a refresh token, one a line, from standard input")
	expires := f.Duration("expires-in", time.Hour, "life of that access token; 0 for one that does not expire")
	actor := f.String("actor", loginName(), "who does it, for the audit")
	if err := parse(f, args, "shop", "actor"); err != nil {
		return err
	}
	var access, refresh crypt.Secret
	if *token {
		var err error
		if access, refresh, err = twoLines(e.in); err != nil {
			return err
		}
		if access == "" || refresh == "" && *expires > 0 {
			return errors.New("-token reads two lines from standard input, and one is missing: access token, refresh token")
		}
	}
	return withStore(ctx, e, func(c config.Config, st *store.Store) error {
		row, err := st.Shop(ctx, *shop)
		if err != nil && payment.ClassOf(err, payment.Unavailable) != payment.NotFound {
			return err
		}
		known := err == nil
		row.Shop = *shop
		// Of a shop that is known only what is given changes.
		for name, set := range map[string]func(){
			"label": func() { row.Label = *label }, "mail": func() { row.Mail = *mail }, "locale": func() { row.Locale = *locale },
			"max-attempts": func() { row.MaxAttempts = *attempts }, "refused-default": func() { row.RefusedDefault = *wait },
			"active": func() { row.Active = *active },
		} {
			if !known || given(f, name) {
				set()
			}
		}
		var tokens *store.ShopTokens
		if *token {
			tokens = &store.ShopTokens{Access: access, Refresh: refresh}
			if *expires > 0 {
				tokens.Expires = clock(c)().Add(*expires)
			}
		}
		if err := checkShop(row); err != nil {
			return err
		}
		return st.SetShop(ctx, commandActor(*actor), row, tokens)
	})
}

// given reports whether a flag stands on the command line.
func given(f *flag.FlagSet, name string) bool {
	found := false
	f.Visit(func(one *flag.Flag) { found = found || one.Name == name })
	return found
}

func twoLines(r io.Reader) (first, second crypt.Secret, err error) {
	text, err := io.ReadAll(io.LimitReader(r, 64<<10))
	a, b, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return crypt.Secret(strings.TrimSpace(a)), crypt.Secret(strings.TrimSpace(b)), err
}

// readCredentials reads name=value lines, so that secrets stand in no process
// list and no shell history.
func readCredentials(r io.Reader) (map[string]string, error) {
	text, err := io.ReadAll(io.LimitReader(r, 64<<10))
	if err != nil {
		return nil, err
	}
	set := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		_, twice := set[name]
		switch {
		case !found, name == "":
			return nil, errors.New("credentials are lines name=value on standard input; a line has no name or no equals sign")
		case twice:
			return nil, fmt.Errorf("credential %q stands on two lines", name)
		}
		set[name] = strings.TrimSpace(value)
	}
	return set, nil
}
