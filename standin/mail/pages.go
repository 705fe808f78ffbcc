package mail

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed pages/style.css
var styleSheet []byte

// refreshSeconds is how often the list reloads itself.
const refreshSeconds = 5

// sandbox lets links of a message open in a new tab and forbids it everything else.
const sandbox = "allow-popups allow-popups-to-escape-sandbox"

type page struct {
	Title    string
	Refresh  int
	Messages []Message
	Kept     int
	Received int
	Message  Message
	Text     []span
	Sandbox  string
}

// span is a stretch of text; Link is set where it is an address.
type span struct {
	Text string
	Link bool
}

func parsePages() (*template.Template, error) {
	pages, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	return pages, nil
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.serveList)
	mux.HandleFunc("GET /messages/{id}", s.serveMessage)
	mux.HandleFunc("GET /messages/{id}/html", s.serveHTMLPart)
	mux.HandleFunc("GET /_style.css", s.serveStyle)
	mux.HandleFunc("GET /_books", s.serveBooks)
	mux.Handle("/_faults", s.faults.Handler())
	mux.Handle("/_faults/", s.faults.Handler())
	return mux
}

func (s *Server) serveList(w http.ResponseWriter, _ *http.Request) {
	books := s.Books()
	slices.Reverse(books.Messages)
	s.render(w, http.StatusOK, "list", page{
		Title: "Mail box", Refresh: refreshSeconds, Messages: books.Messages, Kept: len(books.Messages),
		Received: books.Received,
	})
}

func (s *Server) serveMessage(w http.ResponseWriter, r *http.Request) {
	m, ok := s.requested(r)
	if !ok {
		s.render(w, http.StatusNotFound, "missing", page{Title: "No such message"})
		return
	}
	s.render(w, http.StatusOK, "message", page{Title: m.Subject, Message: m, Text: links(m.Text), Sandbox: sandbox})
}

// serveHTMLPart serves a message's HTML for the frame on its page. Whatever is in it cannot run a script, load
// anything from elsewhere or reach this origin.
func (s *Server) serveHTMLPart(w http.ResponseWriter, r *http.Request) {
	m, ok := s.requested(r)
	if !ok || m.HTML == "" {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy",
		"sandbox "+sandbox+"; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'")
	header.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(`<base target="_blank">` + m.HTML)) // the reader is gone when this fails
}

func (s *Server) requested(r *http.Request) (Message, bool) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return Message{}, false
	}
	return s.message(id)
}

func (s *Server) serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(styleSheet) // the reader is gone when this fails
}

func (s *Server) serveBooks(w http.ResponseWriter, _ *http.Request) {
	body, err := json.Marshal(s.Books())
	if err != nil {
		http.Error(w, "books not encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(body) // the reader is gone when this fails
}

// render writes a page, or a plain 500 if its template fails: half a page is never sent.
func (s *Server) render(w http.ResponseWriter, status int, name string, data page) {
	var body bytes.Buffer
	if err := s.pages.ExecuteTemplate(&body, name, data); err != nil {
		s.opts.Log.Error().Err(err).Str("page", name).Msg("page not rendered")
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the reader is gone when this fails
}

// links splits a text at its web addresses, so that a page can make them clickable.
func links(text string) []span {
	var spans []span
	for text != "" {
		start := addressStart(text)
		if start < 0 {
			return append(spans, span{Text: text})
		}
		if start > 0 {
			spans = append(spans, span{Text: text[:start]})
		}
		end := strings.IndexAny(text[start:], " \t\r\n<>\"")
		if end < 0 {
			end = len(text) - start
		}
		address := strings.TrimRight(text[start:start+end], ".,;:!?)")
		spans = append(spans, span{Text: address, Link: true})
		text = text[start+len(address):]
	}
	return spans
}

// addressStart finds the first http or https address, -1 if there is none.
func addressStart(text string) int {
	plain, secure := strings.Index(text, "http://"), strings.Index(text, "https://")
	if plain < 0 || secure >= 0 && secure < plain {
		return secure
	}
	return plain
}
