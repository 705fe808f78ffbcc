package recharge

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"tillflow/internal/money"
	"tillflow/standin/faults"
)

// apiVersion is the only version this stand-in speaks.
const apiVersion = "2021-11"

// How often what is due happens and changes are saved.
const (
	advanceEvery = 200 * time.Millisecond
	saveEvery    = time.Second
)

// The bucket of one token (docs.getrecharge.com/docs/api-rate-limits).
const (
	bucketSize = 40
	leakEvery  = 500 * time.Millisecond
)

// Secret is a key that prints as ***.
type Secret string

// String hides the value from logs and error texts.
func (Secret) String() string { return "***" }

// GoString hides the value from %#v.
func (Secret) GoString() string { return "***" }

// Options configure a stand-in. Stores are required.
type Options struct {
	// Now is the clock of every timestamp. Default time.Now.
	Now func() time.Time
	// Stores are the stores this Recharge knows.
	Stores []Store
	// SnapshotPath is the file that keeps the books over a restart. Empty keeps them in memory.
	SnapshotPath string
	// HTTPClient delivers webhooks; redirects are never followed. Default: a client with the timeout of five seconds that
	// Recharge has.
	HTTPClient *http.Client
	// Log takes what a person may want to know of the stand-in. The zero value is silent.
	Log zerolog.Logger
	// WebhookRetry are the pauses between the attempts to deliver; behind the last one the subscription is deleted. Default: 20
	// within 48 hours, at first fast.
	WebhookRetry []time.Duration
	// RetryEvery is the time until a failed charge is tried again. Default a day.
	RetryEvery time.Duration
	// OffsetCursors makes cursors count rows.
	OffsetCursors bool
}

// Store is one merchant.
type Store struct {
	// Name is how the switches call it.
	Name string
	// Token is the access token.
	Token Secret
	// ClientSecret signs the deliveries.
	ClientSecret Secret
	// Currency of its charges. Default USD.
	Currency money.Currency
	// Plus is the plan on which charges may be processed by the API.
	Plus bool
	// Scopes of the token. Empty means all.
	Scopes []string
}

// Server is the stand-in. Make it with New, stop it with Close.
type Server struct {
	opts   Options
	log    zerolog.Logger
	mux    *http.ServeMux
	faults *faults.Switchboard
	client *http.Client
	pages  *template.Template

	mu           sync.Mutex
	stores       map[string]*store
	serial       int64
	version      uint64      // counts changes, for saving
	outbox       []*delivery // raised and not yet published
	pageFaults   []*ArmedPage
	unauthorized int

	ctx    context.Context // of the deliveries
	cancel context.CancelFunc
	slots  chan struct{}
	timers map[*time.Timer]struct{} // nil once closed
	wg     sync.WaitGroup
	once   sync.Once
}

// New loads the books and goes on delivering what an earlier server left. The error names the faulty option, or says why the
// snapshot cannot be read.
func New(opts Options) (*Server, error) {
	if err := opts.complete(); err != nil {
		return nil, fmt.Errorf("recharge stand-in: %w", err)
	}
	pages, err := template.ParseFS(pageFiles, "pages/overview.html")
	if err != nil {
		return nil, fmt.Errorf("recharge stand-in: parse pages: %w", err)
	}
	client := *opts.HTTPClient
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := &Server{
		opts: opts, log: opts.Log, mux: http.NewServeMux(), client: &client, pages: pages, stores: make(map[string]*store),
		serial: firstID, slots: make(chan struct{}, couriers), timers: make(map[*time.Timer]struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background()) //nolint:forbidigo // New has no caller's context; Close ends it
	for _, st := range opts.Stores {
		s.stores[st.Name] = newStore(st)
	}
	if err := s.load(); err != nil {
		s.cancel()
		return nil, fmt.Errorf("recharge stand-in: %w", err)
	}
	s.faults = faults.New(faults.Options{Calls: s.routes(), ErrorBody: faultBody})
	s.mux.Handle("/_faults", s.faults.Handler())
	s.mux.Handle("/_faults/release", s.faults.Handler())
	s.resume()
	s.wg.Add(1)
	go s.housekeep()
	return s, nil
}

func (o *Options) complete() error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{Timeout: deliveryTimeout}
	}
	if o.RetryEvery == 0 {
		o.RetryEvery = 24 * time.Hour
	}
	if o.WebhookRetry == nil {
		o.WebhookRetry = defaultRetries()
	}
	if len(o.Stores) == 0 {
		return errors.New("no Stores")
	}
	names, tokens := map[string]bool{}, map[Secret]bool{}
	for i, st := range o.Stores {
		if st.Currency == "" {
			o.Stores[i].Currency, st.Currency = "USD", "USD"
		}
		if st.Name == "" || st.Token == "" || st.ClientSecret == "" {
			return fmt.Errorf("store %q: Name, Token and ClientSecret are required", st.Name)
		}
		if _, err := money.ParseCurrency(string(st.Currency)); err != nil {
			return fmt.Errorf("store %q: %w", st.Name, err)
		}
		if names[st.Name] || tokens[st.Token] {
			return fmt.Errorf("store %q: name or token is used twice", st.Name)
		}
		names[st.Name], tokens[st.Token] = true, true
	}
	return nil
}

// defaultRetries are 20 pauses that add up to about 48 hours.
func defaultRetries() []time.Duration {
	pauses := []time.Duration{
		time.Second, 5 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
	}
	for len(pauses) < 20 {
		pauses = append(pauses, 3*time.Hour+50*time.Minute)
	}
	return pauses
}

// ServeHTTP serves the API and the switches.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Faults are the switches of this stand-in, for tests in the same process.
func (s *Server) Faults() *faults.Switchboard { return s.faults }

// Close ends held and delayed calls, stops the deliveries and saves the books. What is undelivered is delivered by the next server on
// the same snapshot.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		s.faults.Close()
		s.mu.Lock()
		for t := range s.timers {
			t.Stop()
		}
		s.timers = nil
		s.mu.Unlock()
		s.cancel()
		s.wg.Wait()
		_, err = s.save(0)
	})
	return err
}

// housekeep does what no request triggers: it lets time pass and saves.
func (s *Server) housekeep() {
	defer s.wg.Done()
	due, keep := time.NewTicker(advanceEvery), time.NewTicker(saveEvery)
	defer due.Stop()
	defer keep.Stop()
	var saved uint64
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-due.C:
			s.Advance()
		case <-keep.C:
			version, err := s.save(saved)
			if err != nil {
				s.log.Error().Err(err).Msg("recharge stand-in: books not saved, will try again")
				continue
			}
			saved = version
		}
	}
}

// webAddress reports whether text is an absolute http or https URL.
func webAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
