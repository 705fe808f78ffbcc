package mtls_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/mtls"
)

// listener is a running server with its files, clock and events.
type listener struct {
	server  *mtls.Server
	files   files
	clock   *clock
	events  *events
	url     string
	web     authority // issues the server's own certificate
	client  authority // the CA of the bundle
	options mtls.Options
}

func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{clock: &clock{now: today()}, events: &events{}, web: newRoot(t, "Web CA"), client: newRoot(t, "Client CA")}
	l.files = files{folder: t.TempDir(), clock: l.clock}
	l.renew(t)
	l.files.write(t, "ca.pem", bundle(l.client))
	l.options = mtls.Options{
		CertFile: l.files.path("cert.pem"), KeyFile: l.files.path("key.pem"), ClientCAFile: l.files.path("ca.pem"),
		CheckEvery: time.Minute, Now: l.clock.Now, Report: l.events.report,
	}
	server, err := mtls.NewServer(l.options)
	require.NoError(t, err)
	l.server = server

	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	web := &http.Server{
		TLSConfig:         server.TLSConfig(),
		ReadHeaderTimeout: time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Peer", r.TLS.PeerCertificates[0].Subject.CommonName)
		}),
	}
	done := make(chan error, 1)
	go func() { done <- web.ServeTLS(socket, "", "") }()
	t.Cleanup(func() {
		require.NoError(t, web.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	l.url = "https://" + socket.Addr().String()
	return l
}

// renew writes a new certificate and key of the server's own.
func (l *listener) renew(t *testing.T) tls.Certificate {
	t.Helper()
	certificate := l.web.issue(t, forServer)
	l.files.write(t, "cert.pem", pemOf(certificate.Certificate...))
	l.files.write(t, "key.pem", keyPEM(t, certificate))
	return certificate
}

// call makes one request over a connection of its own and returns the serial
// number of the server's certificate. A nil certificate presents none.
func (l *listener) call(t *testing.T, certificate *tls.Certificate, version uint16) (*x509.Certificate, error) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(l.web.certificate)
	transport := &http.Transport{
		DisableKeepAlives: true,
		ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{
			RootCAs: roots, Time: l.clock.Now, MinVersion: tls.VersionTLS12, MaxVersion: version,
			// A client that presents its certificate whatever the server would like.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if certificate == nil {
					return &tls.Certificate{}, nil
				}
				return certificate, nil
			},
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, http.NoBody)
	require.NoError(t, err)
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, 2, response.ProtoMajor)
	require.Equal(t, "client", response.Header.Get("Peer"))
	return response.TLS.PeerCertificates[0], nil
}

func (l *listener) requireAdmitted(t *testing.T, certificate tls.Certificate) {
	t.Helper()
	_, err := l.call(t, &certificate, tls.VersionTLS13)
	require.NoError(t, err)
}

func (l *listener) requireRefused(t *testing.T, certificate tls.Certificate) {
	t.Helper()
	_, err := l.call(t, &certificate, tls.VersionTLS13)
	require.Error(t, err)
}

func TestServerAdmits(t *testing.T) {
	t.Parallel()
	for version, code := range map[string]uint16{"TLS 1.3": tls.VersionTLS13, "TLS 1.2": tls.VersionTLS12} {
		t.Run("a certificate of a listed CA over "+version, func(t *testing.T) {
			t.Parallel()
			l := newListener(t)
			certificate := l.client.issue(t)
			_, err := l.call(t, &certificate, code)
			require.NoError(t, err)
			require.Empty(t, l.events.all())
			require.Equal(t, uint64(1), l.server.Stats().Accepted)
		})
	}
	t.Run("a renewed leaf with another name and key", func(t *testing.T) {
		t.Parallel()
		l := newListener(t)
		l.requireAdmitted(t, l.client.issue(t))
		l.requireAdmitted(t, l.client.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"other.example"} }))
	})
	t.Run("an intermediate from the handshake", func(t *testing.T) {
		t.Parallel()
		l := newListener(t)
		l.requireAdmitted(t, l.client.intermediate(t, "Client Issuing CA").issue(t))
	})
	t.Run("an intermediate from the bundle", func(t *testing.T) {
		t.Parallel()
		l := newListener(t)
		issuing := l.client.intermediate(t, "Client Issuing CA")
		bare := issuing.issue(t)
		bare.Certificate = bare.Certificate[:1]
		l.requireRefused(t, bare)
		l.files.write(t, "ca.pem", bundle(l.client, issuing))
		l.clock.advance(time.Minute)
		l.requireAdmitted(t, bare)
	})
	t.Run("each of several CAs", func(t *testing.T) {
		t.Parallel()
		l := newListener(t)
		second := newRoot(t, "Second CA")
		l.files.write(t, "ca.pem", append([]byte("# primary and secondary\n"), bundle(l.client, second)...))
		l.clock.advance(time.Minute)
		l.requireAdmitted(t, l.client.issue(t))
		l.requireAdmitted(t, second.issue(t))
	})
}

// refusedClient is a client that must not get in.
type refusedClient struct {
	rule    string
	present func(*testing.T, *listener) *tls.Certificate
	reason  mtls.Reason
	issuer  string
}

func refusedClients() []refusedClient {
	return []refusedClient{
		{"no certificate", func(*testing.T, *listener) *tls.Certificate { return nil }, mtls.ReasonNoCertificate, ""},
		{"an expired certificate", func(t *testing.T, l *listener) *tls.Certificate {
			return new(l.client.issue(t, valid(today().AddDate(0, -1, 0), today().Add(-time.Second))))
		}, mtls.ReasonExpired, "CN=Client CA"},
		{"a certificate that is not valid yet", func(t *testing.T, l *listener) *tls.Certificate {
			return new(l.client.issue(t, valid(today().AddDate(0, 0, 1), today().AddDate(0, 1, 0))))
		}, mtls.ReasonExpired, "CN=Client CA"},
		{"a certificate of a foreign CA", func(t *testing.T, _ *listener) *tls.Certificate {
			return new(newRoot(t, "Foreign CA").issue(t))
		}, mtls.ReasonUnknownAuthority, "CN=Foreign CA"},
		{"a certificate of a foreign CA with the listed one's name", func(t *testing.T, _ *listener) *tls.Certificate {
			return new(newRoot(t, "Client CA").issue(t))
		}, mtls.ReasonUnknownAuthority, "CN=Client CA"},
		{"a self-signed certificate", func(t *testing.T, _ *listener) *tls.Certificate {
			return selfSigned(t)
		}, mtls.ReasonUnknownAuthority, "CN=client"},
		{"a server's certificate", func(t *testing.T, l *listener) *tls.Certificate {
			return new(l.client.issue(t, usage(x509.ExtKeyUsageServerAuth)))
		}, mtls.ReasonWrongUsage, "CN=Client CA"},
		{"a certificate issued by a client's leaf", func(t *testing.T, l *listener) *tls.Certificate {
			parent := l.client.issue(t)
			key, ok := parent.PrivateKey.(*ecdsa.PrivateKey)
			require.True(t, ok)
			return new(authority{certificate: parent.Leaf, key: key}.issue(t))
		}, mtls.ReasonUnknownAuthority, "CN=client"},
		{"an expired CA", func(t *testing.T, l *listener) *tls.Certificate {
			old := newRoot(t, "Old CA", valid(today().AddDate(-2, 0, 0), today().AddDate(0, 0, -1)))
			l.files.write(t, "ca.pem", bundle(old))
			l.clock.advance(time.Minute)
			return new(old.issue(t))
		}, mtls.ReasonExpired, "CN=Old CA"},
	}
}

func TestServerRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range refusedClients() {
		for version, code := range map[string]uint16{"TLS 1.3": tls.VersionTLS13, "TLS 1.2": tls.VersionTLS12} {
			t.Run(c.rule+" over "+version+", counted and logged", func(t *testing.T) {
				t.Parallel()
				l := newListener(t)
				_, err := l.call(t, c.present(t, l), code)
				require.Error(t, err)
				stats := l.server.Stats()
				require.Zero(t, stats.Accepted)
				require.Len(t, stats.Refused, len(mtls.Reasons()))
				require.Equal(t, uint64(1), stats.Refused[c.reason])

				reported := l.events.all()
				last := reported[len(reported)-1]
				require.Equal(t, mtls.EventRefused, last.Kind)
				require.Equal(t, c.reason, last.Reason)
				require.Equal(t, c.issuer, last.Issuer)
				require.Equal(t, c.issuer != "", last.Serial == "abc")
				require.Contains(t, last.Remote, "127.0.0.1:")
				require.Error(t, last.Err)
			})
		}
	}
}

func TestServerReloads(t *testing.T) {
	t.Parallel()
	t.Run("a swapped bundle admits the new CA and refuses the old one, once it is looked at", func(t *testing.T) {
		t.Parallel()
		l := newListener(t)
		next := newRoot(t, "Next CA")
		before, after := l.client.issue(t), next.issue(t)
		l.requireAdmitted(t, before)
		l.files.write(t, "ca.pem", bundle(next))
		l.requireAdmitted(t, before)
		l.clock.advance(time.Minute)
		l.requireAdmitted(t, after)
		l.requireRefused(t, before)
		require.Equal(t, mtls.Event{Kind: mtls.EventReloaded, File: l.files.path("ca.pem")}, l.events.all()[0])
	})
	t.Run("a renewed certificate of our own is served to the next connection", func(t *testing.T) {
		t.Parallel()
		l := newListener(t)
		certificate := l.client.issue(t)
		first, err := l.call(t, &certificate, tls.VersionTLS13)
		require.NoError(t, err)
		renewed := l.renew(t)
		l.clock.advance(time.Minute)
		second, err := l.call(t, &certificate, tls.VersionTLS13)
		require.NoError(t, err)
		require.NotEqual(t, first.Raw, second.Raw)
		require.Equal(t, renewed.Leaf.Raw, second.Raw)
	})
	t.Run("a certificate without its key yet keeps the old pair until the key is there", func(t *testing.T) {
		t.Parallel()
		l := newListener(t)
		certificate := l.client.issue(t)
		first, err := l.call(t, &certificate, tls.VersionTLS13)
		require.NoError(t, err)
		renewed := l.web.issue(t, forServer)
		l.files.write(t, "cert.pem", pemOf(renewed.Certificate...))
		l.clock.advance(time.Minute)
		between, err := l.call(t, &certificate, tls.VersionTLS13)
		require.NoError(t, err)
		require.Equal(t, first.Raw, between.Raw)
		l.files.write(t, "key.pem", keyPEM(t, renewed))
		l.clock.advance(time.Minute)
		after, err := l.call(t, &certificate, tls.VersionTLS13)
		require.NoError(t, err)
		require.Equal(t, renewed.Leaf.Raw, after.Raw)
	})
}

func TestServerKeepsLastGood(t *testing.T) {
	t.Parallel()
	damaged := map[string]func(*testing.T, *listener) []byte{
		"an empty bundle":      func(*testing.T, *listener) []byte { return nil },
		"a text without PEM":   func(*testing.T, *listener) []byte { return []byte("see wiki") },
		"a bundle that is cut": func(t *testing.T, l *listener) []byte { return bundle(l.client, newRoot(t, "Second CA"))[:900] },
		"a damaged first block": func(_ *testing.T, l *listener) []byte {
			return append([]byte("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"), bundle(l.client)...)
		},
		"a leaf": func(t *testing.T, l *listener) []byte { return pemOf(l.client.issue(t).Certificate...) },
		"a key": func(t *testing.T, l *listener) []byte {
			return append(bundle(l.client), keyPEM(t, l.client.issue(t))...)
		},
		"an endless file": func(_ *testing.T, l *listener) []byte { return append(bundle(l.client), make([]byte, 1<<20)...) },
	}
	for rule, content := range damaged {
		t.Run(rule+" keeps the last good one and is reported until it is mended", func(t *testing.T) {
			t.Parallel()
			l := newListener(t)
			certificate := l.client.issue(t)
			l.files.write(t, "ca.pem", content(t, l))
			for check := 1; check <= 2; check++ {
				l.clock.advance(time.Minute)
				l.requireAdmitted(t, certificate)
				require.Equal(t, uint64(check), l.server.Stats().ReloadFailures)
				require.Len(t, l.events.all(), check)
				require.Equal(t, mtls.EventReloadFailed, l.events.all()[check-1].Kind)
				require.ErrorContains(t, l.events.all()[check-1].Err, "ca.pem")
			}
			l.files.write(t, "ca.pem", bundle(l.client))
			l.clock.advance(time.Minute)
			l.requireAdmitted(t, certificate)
			require.Equal(t, uint64(2), l.server.Stats().ReloadFailures)
		})
	}
	t.Run("a missing file keeps the last good one", func(t *testing.T) {
		t.Parallel()
		l := newListener(t)
		require.NoError(t, os.Remove(l.files.path("ca.pem")))
		l.clock.advance(time.Minute)
		l.requireAdmitted(t, l.client.issue(t))
		require.Equal(t, uint64(1), l.server.Stats().ReloadFailures)
	})
}

func TestServerStats(t *testing.T) {
	t.Parallel()
	l := newListener(t)
	soon := newRoot(t, "Old CA", valid(today().AddDate(-1, 0, 0), today().AddDate(0, 0, 30)))
	l.files.write(t, "ca.pem", bundle(l.client, soon))
	l.clock.advance(time.Minute)

	stats := l.server.Stats()
	require.Equal(t, today().AddDate(0, 0, 30), stats.CAExpiry)
	require.Equal(t, 29, stats.CAExpiryDays, "a day that has begun does not count")
	require.Equal(t, today().AddDate(0, 0, 15), stats.CertExpiry)
	l.clock.advance(30 * 24 * time.Hour)
	require.Equal(t, -1, l.server.Stats().CAExpiryDays)
}

func TestNewServer(t *testing.T) {
	t.Parallel()
	l := newListener(t)
	other := l.web.issue(t, forServer)
	l.files.write(t, "other-key.pem", keyPEM(t, other))
	for rule, spoil := range map[string]func(*mtls.Options){
		"a missing certificate":     func(o *mtls.Options) { o.CertFile = l.files.path("none.pem") },
		"another certificate's key": func(o *mtls.Options) { o.KeyFile = l.files.path("other-key.pem") },
		"no client CAs":             func(o *mtls.Options) { o.ClientCAFile = "" },
		"a key as client CAs":       func(o *mtls.Options) { o.ClientCAFile = l.files.path("key.pem") },
		"no clock":                  func(o *mtls.Options) { o.Now = nil },
		"no log":                    func(o *mtls.Options) { o.Report = nil },
	} {
		t.Run(rule+" stops the start", func(t *testing.T) {
			t.Parallel()
			options := l.options
			spoil(&options)
			server, err := mtls.NewServer(options)
			require.Error(t, err)
			require.Nil(t, server)
		})
	}
}
