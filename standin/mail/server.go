package mail

import (
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/rs/zerolog"

	"tillflow/standin/faults"
)

const (
	defaultMaxMessages     = 500
	defaultMaxMessageBytes = 1 << 20
	maxRecipients          = 100
	smtpTimeout            = 30 * time.Second
)

// opMessage is the one operation faults are armed for: taking in a message.
const opMessage = "message"

// Options configure a catcher. The zero value is usable.
type Options struct {
	// Now is the catcher's clock. Nil means time.Now.
	Now func() time.Time
	// MaxMessages is how many messages are kept; the oldest goes first. Zero means 500.
	MaxMessages int
	// MaxMessageBytes is the largest message taken, in bytes. Zero means 1 MiB.
	MaxMessageBytes int64
	// SnapshotPath is the file that keeps the messages across restarts. Empty keeps them in memory only.
	SnapshotPath string
	// Log receives failures. The zero value is silent.
	Log zerolog.Logger
}

// Server is the catcher: an http.Handler for the pages, and an SMTP server through Serve.
type Server struct {
	opts   Options
	smtp   *smtp.Server
	faults *faults.Switchboard
	pages  *template.Template
	mux    *http.ServeMux

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	received  int
	messages  []stored // oldest first
}

// stored is a message as it is kept: the raw text, and what was read out of it.
type stored struct {
	ID   int       `json:"id"`
	At   time.Time `json:"at"`
	From string    `json:"from"`
	To   []string  `json:"to"`
	Raw  []byte    `json:"raw"`

	parsed Message
}

// New makes a catcher and loads its snapshot, if there is one.
func New(opts Options) (*Server, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.MaxMessages < 0 || opts.MaxMessageBytes < 0 {
		return nil, errors.New("mail stand-in: limits must not be negative")
	}
	if opts.MaxMessages == 0 {
		opts.MaxMessages = defaultMaxMessages
	}
	if opts.MaxMessageBytes == 0 {
		opts.MaxMessageBytes = defaultMaxMessageBytes
	}
	pages, err := parsePages()
	if err != nil {
		return nil, fmt.Errorf("mail stand-in: %w", err)
	}
	s := &Server{opts: opts, pages: pages, faults: faults.New(faults.Options{Calls: []string{opMessage}})}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("mail stand-in: %w", err)
	}
	s.smtp = s.newSMTP()
	s.mux = s.routes()
	return s, nil
}

func (s *Server) newSMTP() *smtp.Server {
	server := smtp.NewServer(smtp.BackendFunc(s.session))
	server.Domain = "localhost"
	server.MaxMessageBytes = s.opts.MaxMessageBytes
	server.MaxRecipients = maxRecipients
	server.ReadTimeout, server.WriteTimeout = smtpTimeout, smtpTimeout
	server.EnableSMTPUTF8 = true
	server.ErrorLog = smtpLog{s.opts.Log}
	return server
}

// Serve takes mail on a listener until Close, and closes the listener. It returns nil after Close.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return closeListener(l)
	}
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	if err := s.smtp.Serve(l); err != nil {
		return fmt.Errorf("serve smtp: %w", err)
	}
	return nil
}

// Close ends Serve and every SMTP connection. Messages that were accepted are in the snapshot already.
func (s *Server) Close() error {
	s.faults.Close()
	var faulty []error
	if err := s.smtp.Close(); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		faulty = append(faulty, fmt.Errorf("close smtp: %w", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	// The SMTP server knows only the listeners on which it already accepts; one that is about to would be left open.
	for _, l := range s.listeners {
		faulty = append(faulty, closeListener(l))
	}
	s.listeners = nil
	return errors.Join(faulty...)
}

func closeListener(l net.Listener) error {
	if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close listener: %w", err)
	}
	return nil
}

// ServeHTTP serves the list (/), one message (/messages/{id}), GET /_books and /_faults.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Faults is the switchboard, for tests in the same process.
func (s *Server) Faults() *faults.Switchboard { return s.faults }

// Books are what GET /_books answers.
type Books struct {
	// Received counts the messages accepted since the books began; Messages are those still kept, oldest first.
	Received int       `json:"received"`
	Messages []Message `json:"messages"`
}

// Books copies the books.
func (s *Server) Books() Books {
	s.mu.Lock()
	defer s.mu.Unlock()
	books := Books{Received: s.received, Messages: make([]Message, 0, len(s.messages))}
	for _, m := range s.messages {
		books.Messages = append(books.Messages, m.parsed)
	}
	return books
}

// message finds a kept message by id.
func (s *Server) message(id int) (Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.ID == id {
			return m.parsed, true
		}
	}
	return Message{}, false
}

// keep adds a message and saves; the message is not kept if it cannot be saved.
func (s *Server) keep(m stored) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.ID, m.At = s.received+1, s.opts.Now().UTC()
	m.parsed = parse(m)
	messages := append(append([]stored(nil), s.messages...), m)
	messages = messages[max(0, len(messages)-s.opts.MaxMessages):]
	if err := s.save(snapshotFile{Format: snapshotFormat, Received: m.ID, Messages: messages}); err != nil {
		return err
	}
	s.received, s.messages = m.ID, messages
	return nil
}

// smtpLog hands the SMTP server's complaints to the log.
type smtpLog struct{ log zerolog.Logger }

func (l smtpLog) Printf(format string, v ...any) {
	l.log.Warn().Str("detail", fmt.Sprintf(format, v...)).Msg("smtp connection failed")
}

func (l smtpLog) Println(v ...any) {
	l.log.Warn().Str("detail", fmt.Sprint(v...)).Msg("smtp connection failed")
}
