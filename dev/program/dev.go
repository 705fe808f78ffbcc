package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"tillflow/dev/buyer"
	"tillflow/dev/postgres"
	"tillflow/dev/stack"
	"tillflow/standin/shopify"
)

// defaultPort is the first of the stack's ports.
const defaultPort = 7400

// runDev starts the whole stack, runs one charge through it and stays up.
func runDev(ctx context.Context, _ []string, getenv func(string) string, out io.Writer) error {
	began := time.Now()
	dir, err := filepath.Abs(dataDir(getenv))
	if err != nil {
		return err
	}
	base, err := basePort(getenv("PORT"))
	if err != nil {
		return err
	}
	say := func(format string, args ...any) {
		fmt.Fprintf(out, "%5.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	if getenv("FRESH") == "1" {
		say("starting over: %s is emptied", dir)
		if err := postgres.Remove(ctx, postgres.Options{Dir: filepath.Join(dir, "postgres"), Say: say}); err != nil {
			return err
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	log, closeLog, err := logFile(dir)
	if err != nil {
		return err
	}
	defer closeLog()
	s, err := stack.Start(ctx, stack.Options{Dir: dir, BasePort: base, Service: true, NewShops: []string{stack.NewShop}, Subscriptions: []string{stack.Shop}, Say: say, Log: log})
	if err != nil {
		return err
	}
	if err := errors.Join(subscribers(s), tryOut(ctx, s, say)); err != nil {
		if stopErr := s.Stop(); stopErr != nil {
			say("stopping failed too: %v", stopErr)
		}
		return fmt.Errorf("trying the stack out (logs are in %s): %w", filepath.Join(dir, "service.log"), err)
	}
	addresses(out, s, dir)
	say("ready; Ctrl-C stops everything and keeps the data")
	<-ctx.Done()
	say("stopping")
	if err := s.Stop(); err != nil {
		return err
	}
	say("stopped; `make run` goes on from here, `make run FRESH=1` starts over")
	return nil
}

// tryOut runs the smoke charge, unless a person has uninstalled the app.
func tryOut(ctx context.Context, s *stack.Stack, say func(string, ...any)) error {
	shop, err := s.Service.Store.Shop(ctx, stack.Shop)
	if err != nil {
		return err
	}
	if !shop.Active {
		say("no smoke charge: %s has uninstalled the app; its Admin installs it again under Apps", stack.Shop)
		return nil
	}
	say("running a smoke charge")
	if err := smoke(ctx, s); err != nil {
		return err
	}
	say("smoke charge: checkout → pay page → Stripe → Shopify told, one capture, one answer")
	return nil
}

func basePort(setting string) (int, error) {
	if setting == "" {
		return defaultPort, nil
	}
	n, err := strconv.Atoi(setting)
	if err != nil || n < 1024 || n > 65500 {
		return 0, fmt.Errorf("PORT=%s is not a port between 1024 and 65500; the stack uses eleven ports from it on", setting)
	}
	return n, nil
}

func logFile(dir string) (zerolog.Logger, func(), error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL runs as another user below it
		return zerolog.Nop(), nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "service.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return zerolog.Nop(), nil, fmt.Errorf("open the log: %w", err)
	}
	return zerolog.New(f).Level(zerolog.InfoLevel).With().Timestamp().Logger(), func() { _ = f.Close() }, nil
}

func addresses(out io.Writer, s *stack.Stack, dir string) {
	fmt.Fprintf(out, `
  shop           %s/shops/%s        buy something
  Shopify Admin  %s/shops/%s/admin  orders and what Shopify was told
  new shop       %s/shops/%s/admin/apps   has no app yet: install it; its key at Stripe: %s
  console        %s/console         payments, why one is stuck, what may be pressed
  Temporal UI    %s                 every payment as a workflow, texts readable
  mail box       %s                 what operators are sent
  Stripe         %s                 the stand-in's books, /_faults its switches
  Recharge       %s/_/              the stand-in's subscribers: let charges fail, change a card
  control        %s                 make something go wrong, skip time, terminate a run
  API            %s/api/v1/payment  key: %s
  logs           %s
  operator       %s payment list

`, s.ShopURL, stack.Shop, s.ShopURL, stack.Shop, s.ShopURL, stack.NewShop, s.NewStripeKey(stack.NewShop), s.PayURL, s.TemporalURL, s.MailURL, s.StripeURL, s.RechargeURL, s.ControlURL, s.PayURL, s.APIKey,
		filepath.Join(dir, "service.log"), stack.ControlCommand)
}

// smoke runs one charge from checkout to Shopify's answer and asks the
// stand-ins' own books whether money moved once.
func smoke(ctx context.Context, s *stack.Stack) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	before := captured(s)
	session, err := s.Shopify.StartSession(ctx, shopify.SessionRequest{
		Shop: stack.Shop, Amount: "49.90", Currency: "EUR", Test: true, Tries: 3,
		Customer: &shopify.Customer{Email: "smoke.buyer@example.com", Locale: "en", BillingAddress: &shopify.Address{
			GivenName: "Smoke", FamilyName: "Buyerova", Line1: "1 Canary Row", City: "Berlin", PostalCode: "10115", CountryCode: "DE",
		}},
	})
	if err != nil {
		return err
	}
	if !session.Accepted {
		return fmt.Errorf("the session was not accepted: %d %s %s", session.Status, session.Body, session.Error)
	}
	b := buyer.New()
	checkout, err := b.Choose(ctx, session.RedirectURL, "Card")
	if err != nil {
		return fmt.Errorf("pay page: %w", err)
	}
	back, err := b.PayStripe(ctx, checkout, "4242424242424242")
	if err != nil {
		return fmt.Errorf("provider's page: %w", err)
	}
	if _, err := b.Return(ctx, back); err != nil {
		return fmt.Errorf("return page: %w", err)
	}
	if moved := captured(s) - before; moved != 4990 {
		return fmt.Errorf("books of Stripe show %d cents captured, 4990 were to be", moved)
	}
	return witnessed(s, session.ID)
}

// captured sums what Stripe's books show as captured, in cents.
func captured(s *stack.Stack) int64 {
	var sum int64
	for _, account := range s.Stripe.Books("").Accounts {
		sum += account.Totals["eur"].Captured
	}
	return sum
}

// witnessed asks the stand-ins' own books: resolved once at Shopify, and the
// money moved once at Stripe.
func witnessed(s *stack.Stack, session string) error {
	booked, known := s.Shopify.Session(session)
	if !known || booked.Final == nil || booked.State != shopify.StateResolved {
		return fmt.Errorf("books of Shopify show session %s as %q", session, booked.State)
	}
	finals := 0
	for _, m := range booked.Mutations {
		if m.Result == shopify.ResultEffective {
			finals++
		}
	}
	if finals != 1 {
		return fmt.Errorf("books of Shopify show %d effective answers for session %s", finals, session)
	}
	return nil
}
