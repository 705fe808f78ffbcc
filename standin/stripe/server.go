package stripe

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"tillflow/standin/faults"
)

// apiVersion is the version objects are rendered in.
const apiVersion = "2026-08-26.dahlia"

// How often due settlements and expiries are acted on, changes are saved and old keys are dropped.
const (
	agendaEvery  = 200 * time.Millisecond
	journalEvery = time.Second
	pruneEvery   = time.Minute
)

// Secret is a key that prints as ***.
type Secret string

// String hides the value from logs and error texts.
func (Secret) String() string { return "***" }

// GoString hides the value from %#v.
func (Secret) GoString() string { return "***" }

// Options configure a stand-in. Accounts and PublicURL are required.
type Options struct {
	// Now is the clock of every timestamp and deadline. Default time.Now.
	Now func() time.Time
	// PublicURL is the base under which browsers reach this server, without a trailing slash.
	PublicURL string
	// Accounts are the merchants this Stripe knows.
	Accounts []Account
	// SnapshotPath is the file that keeps the books over a restart. Empty keeps them in memory.
	SnapshotPath string
	// HTTPClient delivers webhooks; redirects are never followed. Default: a client with a timeout of ten seconds.
	HTTPClient *http.Client
	// Log takes what a person may want to know of the stand-in. The zero value is silent.
	Log zerolog.Logger
	// SettleDelay is the time a bank debit is processing. Default five seconds.
	SettleDelay time.Duration
	// SearchLag is the time until a new PaymentIntent is found by search. Default none.
	SearchLag time.Duration
	// WebhookRetry are the pauses between delivery attempts; after the last one an event counts as failed.
	// Default 0.2 s, 1 s, 5 s, 15 s and then every minute for an hour.
	WebhookRetry []time.Duration
	// RefundsUnchecked refunds more than was captured, as gateways do that look at each refund alone.
	RefundsUnchecked bool
	// MaxEvents bounds the events kept per account; the oldest settled ones go first. Default 50,000.
	MaxEvents int
}

// Account is one merchant.
type Account struct {
	// ID begins with acct_.
	ID string
	// SecretKey begins with sk_test_, or sk_live_ when Livemode is set.
	SecretKey Secret
	Livemode  bool
	Webhooks  []Webhook
}

// Webhook is an endpoint registered from the start.
type Webhook struct {
	URL string
	// Secret signs the deliveries, with its whsec_ prefix as part of the key.
	Secret Secret
	// Events are the event types sent there. Empty means all.
	Events []string
}

// Server is the stand-in. Make it with New, stop it with Close.
type Server struct {
	opts    Options
	log     zerolog.Logger
	mux     *http.ServeMux
	faults  *faults.Switchboard
	cards   []testCard
	pages   *template.Template
	courier *courier
	journal *journal // nil: memory only

	mu           sync.Mutex
	accounts     map[string]*account
	byKey        map[string]*account
	serial       int64
	agenda       agenda
	dirty        map[rowKey]struct{}
	unauthorized int

	stop chan struct{}
	wg   sync.WaitGroup
	once sync.Once
}

// New loads the books, registers the configured webhooks and starts delivering. The error names the faulty option or
// says why the snapshot cannot be read.
func New(opts Options) (*Server, error) {
	if err := opts.complete(); err != nil {
		return nil, fmt.Errorf("stripe stand-in: %w", err)
	}
	pages, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("stripe stand-in: parse pages: %w", err)
	}
	s := &Server{
		opts: opts, log: opts.Log, pages: pages, cards: testCards(), stop: make(chan struct{}),
		accounts: make(map[string]*account), byKey: make(map[string]*account), dirty: make(map[rowKey]struct{}),
	}
	for _, a := range opts.Accounts {
		acct := newAccount(a, opts.Now)
		s.accounts[a.ID], s.byKey[string(a.SecretKey)] = acct, acct
	}
	if opts.SnapshotPath != "" {
		if err := s.load(); err != nil {
			return nil, fmt.Errorf("stripe stand-in: %w", err)
		}
	}
	s.mux = http.NewServeMux()
	s.faults = faults.New(faults.Options{Calls: s.routes(), ErrorBody: faultBody})
	s.mux.Handle("/_faults", s.faults.Handler())
	s.mux.Handle("/_faults/release", s.faults.Handler())
	s.courier = newCourier(s)
	s.resume()
	s.wg.Add(1)
	go s.housekeep()
	return s, nil
}

func (o *Options) complete() error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SettleDelay == 0 {
		o.SettleDelay = 5 * time.Second
	}
	if o.MaxEvents == 0 {
		o.MaxEvents = 50_000
	}
	if o.WebhookRetry == nil {
		o.WebhookRetry = []time.Duration{200 * time.Millisecond, time.Second, 5 * time.Second, 15 * time.Second}
		for range 60 {
			o.WebhookRetry = append(o.WebhookRetry, time.Minute)
		}
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	if !webAddress(o.PublicURL) {
		return fmt.Errorf("PublicURL %q is not an http address", o.PublicURL)
	}
	if len(o.Accounts) == 0 {
		return errors.New("no Accounts")
	}
	ids, keys := map[string]bool{}, map[Secret]bool{}
	for _, a := range o.Accounts {
		if err := a.validate(); err != nil {
			return fmt.Errorf("account %q: %w", a.ID, err)
		}
		if ids[a.ID] || keys[a.SecretKey] {
			return fmt.Errorf("account %q: id or secret key is used twice", a.ID)
		}
		ids[a.ID], keys[a.SecretKey] = true, true
	}
	return nil
}

func (a Account) validate() error {
	prefix := "sk_test_"
	if a.Livemode {
		prefix = "sk_live_"
	}
	if !strings.HasPrefix(a.ID, "acct_") {
		return errors.New("ID must begin with acct_")
	}
	if !strings.HasPrefix(string(a.SecretKey), prefix) {
		return fmt.Errorf("SecretKey must begin with %s", prefix)
	}
	for _, w := range a.Webhooks {
		if !webAddress(w.URL) {
			return fmt.Errorf("webhook URL %q is not an http address", w.URL)
		}
		if !strings.HasPrefix(string(w.Secret), "whsec_") {
			return fmt.Errorf("webhook %s: Secret must begin with whsec_", w.URL)
		}
	}
	return nil
}

// webAddress reports whether s is an absolute http or https URL.
func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// ServeHTTP serves the API, the hosted pages and the switches.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Faults are the switches of this stand-in, for tests in the same process.
func (s *Server) Faults() *faults.Switchboard { return s.faults }

// Close ends held and delayed calls, stops the deliveries and saves the books. Undelivered events are delivered by
// the next server on the same snapshot.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		s.faults.Close()
		close(s.stop)
		s.wg.Wait()
		s.courier.close()
		if s.journal != nil {
			err = s.compact()
		}
	})
	return err
}

// housekeep does what no request triggers: it lets time pass and saves.
func (s *Server) housekeep() {
	defer s.wg.Done()
	due, save, prune := time.NewTicker(agendaEvery), time.NewTicker(journalEvery), time.NewTicker(pruneEvery)
	defer due.Stop()
	defer save.Stop()
	defer prune.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-due.C:
			s.mu.Lock()
			events := s.advance(s.opts.Now())
			s.mu.Unlock()
			s.publish(events)
		case <-save.C:
			if err := s.flush(); err != nil {
				s.log.Error().Err(err).Msg("stripe stand-in: books not saved, will try again")
			}
		case <-prune.C:
			s.mu.Lock()
			s.pruneKeys(s.opts.Now())
			s.mu.Unlock()
		}
	}
}
