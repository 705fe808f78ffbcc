package control

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"tillflow/standin/faults"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed pages/style.css
var styleSheet []byte

// Runs are the payments under way, as Temporal knows them.
type Runs interface {
	// Open lists open runs, the newest first; more says that there are others beyond limit.
	Open(ctx context.Context, limit int) (list []Run, more bool, err error)
	// IDs are the workflow ids of all open runs.
	IDs(ctx context.Context) ([]string, error)
	// Terminate ends a run; ErrNoRun when no payment's run of that id is open.
	Terminate(ctx context.Context, workflowID string) error
	// Follow brings the clock of a run to the moment that now tells. It answers when the run is there or has ended.
	Follow(ctx context.Context, workflowID string, now func() time.Time) error
}

// ErrNoRun says that no payment's run of the id is open.
var ErrNoRun = errors.New("no open run of that id")

// Clock is the one clock of the service and the stand-ins.
type Clock interface {
	// Now is the moved time.
	Now() time.Time
	// Offset is how far it has been moved.
	Offset() time.Duration
}

// Links lead on from the page. All are addresses for a browser.
type Links struct {
	Shop, Admin, TemporalUI, Mail, Stripe, Recharge string
	// Runs is the Temporal UI's list of workflows; a run's page is below it.
	Runs string
}

// Options are what the page works on. Everything but Log is required.
type Options struct {
	Stripe, Shopify *faults.Switchboard
	Runs            Runs
	Clock           Clock
	// Skip moves Clock forward and keeps that.
	Skip  func(time.Duration) error
	Links Links
	// Command is what a person types for tillflow's commands.
	Command string
	Log     zerolog.Logger
}

// Server is the page: an http.Handler. Make it with New and Close it.
type Server struct {
	opts    Options
	pages   *template.Template
	handler http.Handler
	skip    *skip

	mu      sync.Mutex
	journal []entry // the newest first
}

// New makes the page. What it does in the background ends with Close, not with ctx.
func New(ctx context.Context, o Options) (*Server, error) {
	pages, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("control page: %w", err)
	}
	s := &Server{opts: o, pages: pages}
	s.skip = newSkip(ctx, o, s.note)
	s.handler = s.guarded(s.routes())
	return s, nil
}

// Close ends a skip that is under way: the clock stays where it is then.
func (s *Server) Close() error {
	s.skip.close()
	return nil
}

// ServeHTTP serves the page and its buttons.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { s.show(w, r, nil) })
	mux.HandleFunc("GET /_style.css", serveStyle)
	mux.HandleFunc("POST /arm/{switch}", s.button(s.arm))
	mux.HandleFunc("POST /lift/{board}/{rule}", s.button(s.lift))
	mux.HandleFunc("POST /clear", s.button(s.clear))
	mux.HandleFunc("POST /release", s.button(s.release))
	mux.HandleFunc("POST /skip", s.button(s.startSkip))
	mux.HandleFunc("POST /terminate", s.button(s.terminate))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.show(w, r, &problem{http.StatusNotFound, "There is no such page or button", "Use the buttons of this page."})
	})
	return mux
}

// problem is a press that did not work: what happened, and what to do.
type problem struct {
	Status  int
	What    string
	Instead string
}

// maxForm bounds a posted form.
const maxForm = 16 << 10

// button takes a press: its words go to the journal and the browser goes back to the page, so that a reload presses
// nothing. A press that did not work shows the page with the problem.
func (s *Server) button(press func(*http.Request) (done string, bad *problem)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			s.show(w, r, &problem{http.StatusBadRequest, "The form could not be read, so nothing was pressed", "Load the page again and press once more."})
			return
		}
		done, bad := press(r)
		if bad != nil {
			s.opts.Log.Warn().Str("button", r.URL.Path).Str("problem", bad.What).Msg("press refused")
			s.show(w, r, bad)
			return
		}
		s.note(done)
		http.Redirect(w, r, "/#pressed", http.StatusSeeOther)
	}
}

// entry is one line of the journal.
type entry struct {
	At   string
	Text string
}

// journalLength is how many presses the page remembers.
const journalLength = 12

// note writes a line into the journal.
func (s *Server) note(text string) {
	s.opts.Log.Info().Str("did", text).Msg("control page")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal = append([]entry{{s.opts.Clock.Now().UTC().Format("2 Jan 15:04:05"), text}}, s.journal...)
	s.journal = s.journal[:min(len(s.journal), journalLength)]
}

func (s *Server) noted() []entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]entry(nil), s.journal...)
}

// board finds the switches of a stand-in; nil for a name that is none.
func (s *Server) board(name boardName) *faults.Switchboard {
	switch name {
	case atStripe:
		return s.opts.Stripe
	case atShopify:
		return s.opts.Shopify
	default:
		return nil
	}
}
