package mtls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// Options are the settings of a [Server]. Files are PEM.
type Options struct {
	// CertFile is our certificate with its intermediates, KeyFile its key.
	CertFile, KeyFile string
	// ClientCAFile is the bundle of CAs whose clients are admitted.
	ClientCAFile string
	// CheckEvery is how often the files are looked at, at most; 0 means 10 s.
	CheckEvery time.Duration
	// Now is the clock, required.
	Now func() time.Time
	// Report receives every refusal and reload, required. It runs within the
	// handshake: it logs and returns, and does not call back into the Server.
	Report func(Event)
}

// Server makes the TLS configuration of a listener that admits clients by
// certificate. It is safe for concurrent use.
type Server struct {
	identity    *watched[*tls.Certificate]
	authorities *watched[authorities]
	tally       *tally
	clock       func() time.Time
}

// NewServer reads all files once and fails if one of them cannot be used; later
// faults keep what was good.
func NewServer(options Options) (*Server, error) {
	if options.Now == nil || options.Report == nil {
		return nil, errors.New("mtls: Now and Report are required")
	}
	every := options.CheckEvery
	if every == 0 {
		every = defaultCheckEvery
	}
	server := &Server{
		identity: &watched[*tls.Certificate]{
			files: []string{options.CertFile, options.KeyFile}, parse: parseIdentity,
			every: every, clock: options.Now, report: options.Report,
		},
		authorities: &watched[authorities]{
			files: []string{options.ClientCAFile}, parse: parseAuthorities,
			every: every, clock: options.Now, report: options.Report,
		},
		tally: newTally(options.Report),
		clock: options.Now,
	}
	if err := server.identity.start(); err != nil {
		return nil, fmt.Errorf("mtls: server certificate: %w", err)
	}
	if err := server.authorities.start(); err != nil {
		return nil, fmt.Errorf("mtls: client CAs: %w", err)
	}
	return server, nil
}

// TLSConfig returns the configuration for http.Server.TLSConfig, to be served with
// ServeTLS(listener, "", ""). Every connection gets the certificate and the CAs
// of its moment; connections that are open outlive a change.
//
// Handshakes that fail before a certificate is seen (an old TLS version, a probe
// that hangs up) are not refusals and reach http.Server.ErrorLog only.
func (s *Server) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"h2", "http/1.1"}, // http.Server looks here for HTTP/2
		GetConfigForClient: s.configFor,
	}
}

// configFor builds the configuration of one connection.
//
// The client's certificate is verified in VerifyConnection and not by a ClientAuth
// mode that verifies, because crypto/tls then refuses a stranger without telling
// anybody who he was. VerifyConnection runs in every handshake, one without
// certificate included, and its error ends it. No CA names are sent as a hint: a
// client has one certificate for us or none, and strangers are to show theirs.
func (s *Server) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	remote := hello.Conn.RemoteAddr().String()
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
		Certificates: []tls.Certificate{*s.identity.get()},
		ClientAuth:   tls.RequestClientCert,
		// A resumed session would prove possession of the key only once.
		SessionTicketsDisabled: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			return s.admit(state, remote)
		},
	}, nil
}

func (s *Server) admit(state tls.ConnectionState, remote string) error {
	refused := verify(state.PeerCertificates, s.authorities.get().pool, s.clock())
	if refused != nil {
		s.tally.refuse(refused, remote, state.PeerCertificates)
		return refused
	}
	s.tally.accept()
	return nil
}

// Stats returns the counters and expiry dates. It looks at the files too, so that
// a broken one shows before the next handshake.
func (s *Server) Stats() Stats {
	identity := s.identity.get()
	stats := s.tally.stats(s.authorities.get(), s.clock())
	stats.CertExpiry = identity.Leaf.NotAfter
	stats.ReloadFailures = s.identity.failed() + s.authorities.failed()
	return stats
}
