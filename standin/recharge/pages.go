package recharge

import (
	"bytes"
	"embed"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"tillflow/standin/faults"
)

//go:embed pages
var pageFiles embed.FS

// overviewRows is how many charges the overview shows per store; overviewAdd how many its form adds at most.
const (
	overviewRows = 30
	overviewAdd  = 5000
)

// overview is the data of pages/overview.html.
type overview struct {
	Problem string
	Stores  []overviewStore
}

type overviewStore struct {
	Name                              string
	Failed, Paid, Subscribed, Deleted int
	Charges                           []ChargeEntry
	More                              bool
}

// routePages registers the overview and its buttons. The forms are taken from the page itself only; what they ask for is what the
// switches do.
func (s *Server) routePages() {
	s.mux.HandleFunc("GET /_/{$}", s.serveOverview)
	s.mux.HandleFunc("GET /_/style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, pageFiles, "pages/style.css")
	})
	own := http.NewCrossOriginProtection()
	for path, do := range map[string]func(*http.Request) error{"add": s.addByForm, "card": s.cardByForm, "advance": s.advanceByForm} {
		s.mux.Handle("POST /_/"+path, own.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			back := "/_/"
			if err := do(r); err != nil {
				back += "?problem=" + url.QueryEscape(err.Error())
			}
			http.Redirect(w, r, back, http.StatusSeeOther)
		})))
	}
}

func (s *Server) addByForm(r *http.Request) error {
	count, err := strconv.Atoi(r.PostFormValue("count"))
	if err != nil || count < 1 || count > overviewAdd {
		return fmt.Errorf("how many must be between 1 and %d", overviewAdd)
	}
	_, err = s.AddCharges(r.PostFormValue("store"), count, ChargeSpec{
		ErrorType: r.PostFormValue("error_type"), Note: r.PostFormValue("note"), AgeSeconds: 1, Announce: true,
	})
	return err
}

func (s *Server) cardByForm(r *http.Request) error {
	id, err := strconv.ParseInt(r.PostFormValue("customer"), 10, 64)
	if err != nil {
		return fmt.Errorf("customer %q: %w", r.PostFormValue("customer"), errUnknown)
	}
	return s.SetCard(r.PostFormValue("store"), id, r.PostFormValue("card"))
}

func (s *Server) advanceByForm(*http.Request) error {
	s.Advance()
	return nil
}

func (s *Server) serveOverview(w http.ResponseWriter, r *http.Request) {
	books := s.Books("")
	data := overview{Problem: r.URL.Query().Get("problem")}
	for _, name := range slices.Sorted(maps.Keys(books.Stores)) {
		b := books.Stores[name]
		row := overviewStore{Name: name, Paid: len(b.Payments), Subscribed: len(b.Subscribed), Deleted: len(b.Deleted)}
		for _, c := range slices.Backward(b.Charges) {
			if c.Status == statusError {
				row.Failed++
			}
			if len(row.Charges) < overviewRows {
				row.Charges = append(row.Charges, c)
			}
		}
		row.More = len(b.Charges) > overviewRows
		data.Stores = append(data.Stores, row)
	}
	var page bytes.Buffer
	if err := s.pages.Execute(&page, data); err != nil {
		s.log.Error().Err(err).Msg("recharge stand-in: overview not rendered")
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	writeReply(w, faults.Reply{Status: http.StatusOK, Body: page.Bytes(), Header: http.Header{
		"Content-Type":            {"text/html; charset=utf-8"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"},
		"Cache-Control":           {"no-store"},
		"Referrer-Policy":         {"same-origin"},
	}})
}
