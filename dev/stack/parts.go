package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"tillflow/dev/internal/port"
	"tillflow/internal/access/audit"
	"tillflow/internal/cli"
	"tillflow/internal/config"
	stripepsp "tillflow/internal/psp/stripe"
	"tillflow/internal/store"
	"tillflow/standin/mail"
	"tillflow/standin/shopify"
	"tillflow/standin/stripe"
)

// configure decides every setting of the service and writes them to dev.env, so
// that the operator's commands find the stack.
func (s *Stack) configure(context.Context) error {
	p, sec := s.ports, s.secrets
	s.PayURL, s.ShopURL, s.StripeURL, s.MailURL = s.url(p.pay), s.url(p.shop), s.url(p.stripe), s.url(p.mail)
	s.ControlURL, s.RechargeURL = s.url(p.control), s.url(p.recharge)
	s.SessionURL = "https://" + port.Join(localhost, p.session)
	set := map[string]string{
		"ENVIRONMENT": "development", "DATABASE_URL": s.Postgres.URL("tillflow"),
		"TEMPORAL_ADDRESS": port.Join(localhost, p.temporal), "TEMPORAL_UI": s.TemporalURL,
		"LISTEN": port.Join(localhost, p.pay), "PUBLIC_URL": s.PayURL,
		"SHOPIFY_LISTEN": port.Join(localhost, p.session), "SHOPIFY_CLIENT_CA": filepath.Join(s.opts.Dir, "ca.pem"),
		"SHOPIFY_CERT": filepath.Join(s.opts.Dir, "server.pem"), "SHOPIFY_KEY": filepath.Join(s.opts.Dir, "server.key"),
		"SHOPIFY_URL": s.ShopURL + "/shops/{shop}", "SHOPIFY_CLIENT_ID": clientID, "SHOPIFY_CLIENT_SECRET": sec.AppSecret,
		"SHOPIFY_ADMIN_CLIENT_ID": adminClientID, "SHOPIFY_ADMIN_CLIENT_SECRET": sec.AdminSecret,
		"CONSOLE_DEV_LOGIN": "true",
		"STRIPE_URL":        s.StripeURL, "RECHARGE_URL": s.RechargeURL, "MASTER_KEYS": sec.MasterKey, "PAYLOAD_KEYS": sec.PayloadKey, "CODEC_TOKEN": sec.CodecToken,
		"SMTP_ADDRESS": port.Join(localhost, p.smtp), "SMTP_PLAIN": "true", "SMTP_FROM": "tillflow@example.com",
	}
	maps.Copy(set, s.opts.Settings)
	s.env = make(map[string]string, len(set))
	for name, value := range set {
		s.env["TILLFLOW_"+name] = value
	}
	if err := s.keepSettings(); err != nil {
		return err
	}
	var err error
	s.Config, err = config.Load(s.Getenv)
	return err
}

// Getenv reads a setting of the stack's service.
func (s *Stack) Getenv(name string) string { return s.env[name] }

// Env lists the settings for a child process.
func (s *Stack) Env() []string {
	env := make([]string, 0, len(s.env))
	for name, value := range s.env {
		env = append(env, name+"="+value)
	}
	return append(env, s.clockSetting())
}

func (s *Stack) migrate(ctx context.Context) error {
	s.opts.Say("migrating the database")
	return cli.Migrate(ctx, s.Config, s.opts.Log)
}

func (s *Stack) startStandins(ctx context.Context) error {
	s.opts.Say("starting the stand-ins: Shopify on port %d, Stripe on %d, Recharge on %d, mail on %d", s.ports.shop, s.ports.stripe, s.ports.recharge, s.ports.mail)
	accounts, err := s.seed(ctx)
	if err != nil {
		return err
	}
	if err := s.startStripe(ctx, accounts); err != nil {
		return err
	}
	if err := s.startShopify(ctx); err != nil {
		return err
	}
	if err := s.startRecharge(ctx); err != nil {
		return err
	}
	return s.startMail(ctx)
}

// seeded are a shop's account ids at Stripe.
type seeded struct{ test, live string }

// seed writes what an installed app has: shops, tokens, accounts, an API key.
// It changes nothing on a second run.
func (s *Stack) seed(ctx context.Context) ([]seeded, error) {
	st, err := cli.OpenStore(ctx, s.Config, s.Clock.Now, s.opts.Log)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	var all []seeded
	for i, shop := range s.shops() {
		ids, err := s.seedShop(ctx, st, i, shop)
		if err != nil {
			return nil, err
		}
		all = append(all, ids)
	}
	return all, s.seedKey(ctx, st)
}

func (s *Stack) seedShop(ctx context.Context, st *store.Store, i int, shop string) (seeded, error) {
	var ids seeded
	if err := s.seedInstallation(ctx, st, shop); err != nil {
		return ids, err
	}
	account := func(provider, label string, live bool, position int, credentials map[string]string) (string, error) {
		return st.PutAccount(ctx, store.Account{Shop: shop, Provider: provider, Live: live, Label: label, Position: position, Enabled: true}, credentials)
	}
	var err error
	ids.test, err = account("stripe", "Card", false, 1, map[string]string{"secret_key": keyOf(s.secrets.StripeTest, i), "webhook_secret": s.secrets.StripeTestHook})
	if err != nil {
		return ids, err
	}
	ids.live, err = account("stripe", "Card", true, 1, map[string]string{"secret_key": keyOf(s.secrets.StripeLive, i), "webhook_secret": s.secrets.StripeLiveHook})
	if err != nil {
		return ids, err
	}
	if _, err = account("sandbox", "Sandbox", false, 2, map[string]string{}); err != nil {
		return ids, err
	}
	return ids, s.seedRecharge(ctx, st, i, shop)
}

// seedKey makes an API key once and keeps it beside the secrets.
func (s *Stack) seedKey(ctx context.Context, st *store.Store) error {
	path := filepath.Join(s.opts.Dir, "api_key")
	text, err := os.ReadFile(path)
	if err == nil {
		s.APIKey = string(text)
		return nil
	}
	_, key, err := st.IssueAPIKey(ctx, audit.Actor{Name: "development stack"}, store.NewAPIKey{Shop: Shop, Label: "development"})
	if err != nil {
		return err
	}
	s.APIKey = key.Reveal()
	return os.WriteFile(path, []byte(s.APIKey), 0o600)
}

func (s *Stack) shops() []string { return append([]string{Shop}, s.opts.Shops...) }

func (s *Stack) snapshot(name string) string {
	if s.opts.Volatile {
		return ""
	}
	return filepath.Join(s.opts.Dir, name)
}

// keyOf gives each shop a Stripe account of its own.
func keyOf(key string, shop int) string { return key + strconv.Itoa(shop) }

func (s *Stack) startStripe(ctx context.Context, shops []seeded) error {
	var accounts []stripe.Account
	for i, ids := range shops {
		accounts = append(accounts,
			s.stripeAccount(fmt.Sprintf("acct_test%d", i), keyOf(s.secrets.StripeTest, i), s.secrets.StripeTestHook, ids.test, false),
			s.stripeAccount(fmt.Sprintf("acct_live%d", i), keyOf(s.secrets.StripeLive, i), s.secrets.StripeLiveHook, ids.live, true))
	}
	for i, shop := range s.opts.NewShops { // accounts that their owners connect by themselves, and whose webhooks they add
		accounts = append(accounts, stripe.Account{ID: fmt.Sprintf("acct_new%d", i), SecretKey: stripe.Secret(s.NewStripeKey(shop))})
	}
	server, err := stripe.New(stripe.Options{
		Now: s.Clock.Now, PublicURL: s.StripeURL, SnapshotPath: s.snapshot("stripe.json"), SettleDelay: s.opts.SettleDelay,
		Log:      s.opts.Log.With().Str("part", "stripe stand-in").Logger(),
		Accounts: accounts,
	})
	if err != nil {
		return err
	}
	s.Stripe = server
	s.closeOnStop(server)
	return s.handle(ctx, "the stand-in Stripe", s.ports.stripe, server)
}

func (s *Stack) stripeAccount(id, key, hook, account string, live bool) stripe.Account {
	return stripe.Account{
		ID: id, SecretKey: stripe.Secret(key), Livemode: live,
		Webhooks: []stripe.Webhook{{URL: s.PayURL + "/webhook/stripe/" + account, Secret: stripe.Secret(hook), Events: stripepsp.Events()}},
	}
}

func (s *Stack) startShopify(ctx context.Context) error {
	cert, err := s.secrets.clientCertificate()
	if err != nil {
		return err
	}
	o := shopify.Options{
		Now: s.Clock.Now, PublicURL: s.ShopURL, ClientCertificate: cert, RootCAs: s.secrets.roots(),
		App: shopify.App{
			PaymentSessionURL: s.SessionURL + "/shopify/payment_session", RefundSessionURL: s.SessionURL + "/shopify/refund_session",
			CaptureSessionURL: s.SessionURL + "/shopify/capture_session", VoidSessionURL: s.SessionURL + "/shopify/void_session",
		},
		// Load runs must meet our limits, not the stand-in's; a fault throttles on demand.
		Throttle:     shopify.Throttle{MaximumAvailable: 1e6, RestoreRate: 1e5},
		SnapshotPath: s.snapshot("shopify.json"),
		Log:          s.opts.Log.With().Str("part", "shopify stand-in").Logger(),
	}
	s.register(&o)
	server, err := shopify.New(o)
	if err != nil {
		return err
	}
	s.Shopify = server
	s.closeOnStop(server)
	return s.handle(ctx, "the stand-in Shopify", s.ports.shop, server)
}

func (s *Stack) startMail(ctx context.Context) error {
	server, err := mail.New(mail.Options{Now: s.Clock.Now, SnapshotPath: s.snapshot("mail.json"), Log: s.opts.Log})
	if err != nil {
		return err
	}
	s.Mail = server
	s.closeOnStop(server)
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", port.Join(localhost, s.ports.smtp))
	if err != nil {
		return fmt.Errorf("start the mail catcher (choose another PORT): %w", err)
	}
	go func() { _ = server.Serve(l) }() // ends when the server is closed
	return s.handle(ctx, "the mail catcher", s.ports.mail, server)
}

// startService runs the service in this process.
func (s *Stack) startService(ctx context.Context) error {
	if !s.opts.Service {
		return nil
	}
	s.opts.Say("starting the service on port %d, Shopify's sessions on %d", s.ports.pay, s.ports.session)
	service, err := cli.New(ctx, s.Config, cli.Options{Roles: cli.Roles{HTTP: true, Worker: true}, Log: s.opts.Log, Now: s.Clock.Now})
	if err != nil {
		return err
	}
	s.Service = service
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- service.Run(run) }()
	s.onStop(func() error {
		cancel()
		return <-done
	})
	return s.AwaitService(ctx, done)
}

// AwaitService waits until the service answers, or until it has ended.
func (s *Stack) AwaitService(ctx context.Context, ended <-chan error) error {
	client := &http.Client{Timeout: 5 * time.Second}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.PayURL+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusNoContent {
				return nil
			}
		}
		select {
		case err := <-ended:
			return errors.Join(errors.New("the service ended at its start"), err)
		case <-ctx.Done():
			return fmt.Errorf("the service does not answer: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// NewStripeKey is the test mode key of the account that a shop of NewShops has at
// the stand-in Stripe and has not connected.
func (s *Stack) NewStripeKey(shop string) string {
	return s.secrets.StripeTest + "new" + strconv.Itoa(slices.Index(s.opts.NewShops, shop))
}

// StripeKey is the test mode key of the first shop's account at the stand-in.
func (s *Stack) StripeKey() string { return keyOf(s.secrets.StripeTest, 0) }

// StripeKeyOf is the same of any shop; empty for one that is not of the stack.
func (s *Stack) StripeKeyOf(shop string) string {
	if i := slices.Index(s.shops(), shop); i >= 0 {
		return keyOf(s.secrets.StripeTest, i)
	}
	return ""
}
