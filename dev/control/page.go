package control

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tillflow/internal/payment"
)

const (
	// shownRuns is how many open runs the page lists.
	shownRuns = 20
	// askLimit bounds the questions to Temporal for one page.
	askLimit = 5 * time.Second
	// liveSeconds is how often the page reloads itself when it was asked to, and while time is skipped.
	liveSeconds = 3
)

// page is everything on the page.
type page struct {
	Problem *problem
	Links   Links
	Refresh int
	Live    bool

	Toggles  []toggle
	Armed    []armedRow
	HeldBack int

	Clock, Ahead string
	Skipping     string // how far a skip is, empty while none is under way

	Runs     []runRow
	MoreRuns bool
	Away     string // why there is no list of runs

	Pressed []entry
}

// runRow is one open run as the page shows it.
type runRow struct {
	ID, Link     string
	Title        string
	Status, Tone string
	Doubtful     bool
	Facts        []string
	// Show is the command that prints the payment; empty for a run that is not named like one.
	Show string
}

// show writes the page, with the problem of a press on top if there is one.
func (s *Server) show(w http.ResponseWriter, r *http.Request, bad *problem) {
	p := page{
		Problem: bad, Links: s.opts.Links, Toggles: toggles(), Pressed: s.noted(),
		Clock: stamp(s.opts.Clock.Now()), Ahead: ahead(s.opts.Clock.Offset()),
		// Only the page itself reloads: the answer to a press would press again.
		Live: r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.Query().Has("live"),
	}
	p.Armed, p.HeldBack = s.armed()
	moved, running := s.skip.progress()
	if running {
		p.Skipping = fmt.Sprintf("%d of %d hours are skipped", int(moved.Hours()), int(leap.Hours()))
	}
	if p.Live || running && r.Method == http.MethodGet {
		p.Refresh = liveSeconds
	}
	s.addRuns(r.Context(), &p)
	status := http.StatusOK
	if bad != nil {
		status = bad.Status
	}
	s.render(w, status, p)
}

func (s *Server) addRuns(ctx context.Context, p *page) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	list, more, err := s.opts.Runs.Open(ctx, shownRuns)
	if err != nil {
		s.opts.Log.Warn().Err(err).Msg("open runs not listed")
		p.Away = err.Error()
		return
	}
	p.MoreRuns = more
	for _, r := range list {
		p.Runs = append(p.Runs, s.row(r))
	}
}

func (s *Server) row(r Run) runRow {
	row := runRow{
		ID: r.WorkflowID, Link: s.opts.Links.Runs + "/" + url.PathEscape(r.WorkflowID) + "/" + url.PathEscape(r.RunID) + "/timeline",
		Title: r.Type, Status: strings.ReplaceAll(r.Status, "_", " "), Doubtful: r.Doubtful(),
	}
	if r.Op == payment.OpCharge {
		row.Show = s.opts.Command + " payment show " + word(r.Ref)
	}
	if r.Provider != "" {
		row.Facts = append(row.Facts, "at "+r.Provider)
	}
	if r.Clock != "" {
		row.Facts = append(row.Facts, "clock: "+r.Clock+" at "+stamp(r.ClockAt))
	}
	if r.Reason != payment.NobodyNeeded {
		row.Facts = append(row.Facts, "a person is needed: "+string(r.Reason))
	}
	for _, a := range r.Pending {
		fact := "waits for " + a.Activity
		if a.Try > 1 {
			fact += ", try " + strconv.Itoa(int(a.Try))
		}
		if a.Last != "" {
			fact += ", the last one ended " + string(a.Last)
		}
		row.Facts = append(row.Facts, fact)
	}
	if len(r.Pending) == 0 {
		row.Facts = append(row.Facts, "no call is under way: it waits for the buyer, a message or its clock")
	}
	return row
}

// word quotes what a shell would read otherwise: a merchant's reference may be any text.
func word(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:", r)
	}
	if text != "" && strings.TrimFunc(text, plain) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// stamp is a time as the other pages and commands write it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// ahead says how far the clock was moved; empty for the real time.
func ahead(offset time.Duration) string {
	if offset == 0 {
		return ""
	}
	return count(int(offset.Hours()), "hour") + " ahead of real time"
}

// render writes the page, or a plain 500 if its template fails: half a page is never sent.
func (s *Server) render(w http.ResponseWriter, status int, p page) {
	var body bytes.Buffer
	if err := s.pages.ExecuteTemplate(&body, "control", p); err != nil {
		s.opts.Log.Error().Err(err).Msg("page not rendered")
		http.Error(w, "internal error, see the log", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	// Not no-referrer: browsers that do not send Sec-Fetch-Site must send a true Origin with our own forms.
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the reader is gone when this fails
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=300")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(styleSheet) // the reader is gone when this fails
}
