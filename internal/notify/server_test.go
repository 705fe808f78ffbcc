package notify_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// box is a mail server that keeps what it gets.
type box struct {
	address string
	roots   *x509.CertPool // that sign its certificate

	// what goes wrong; set before the first mail
	refuseFrom, refuseTo, refuseData *smtp.SMTPError
	hang                             chan struct{} // Data waits for it
	users                            map[string]string

	mu    sync.Mutex
	mails []received
}

type received struct {
	from, to, user string
	data           []byte
	tls            bool
}

// serve starts a server; withTLS offers STARTTLS, change sets what goes wrong.
func serve(t *testing.T, withTLS bool, change ...func(*box)) *box {
	t.Helper()
	b := &box{}
	for _, c := range change {
		c(b)
	}
	s := smtp.NewServer(b)
	s.Domain, s.AllowInsecureAuth = "mail.example.test", true
	s.ReadTimeout, s.WriteTimeout = 10*time.Second, 10*time.Second
	s.ErrorLog = quiet{}
	if withTLS {
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{b.certificate(t)}, MinVersion: tls.VersionTLS12}
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b.address = l.Addr().String()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l) // it ends by Close; what went wrong before shows in the test
	}()
	t.Cleanup(func() {
		_ = s.Close()
		_ = l.Close() // a server that is closed before it served does not know its listener
		<-ended
	})
	return b
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// certificate makes one for 127.0.0.1 that only b.roots know.
func (b *box) certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	b.roots = x509.NewCertPool()
	b.roots.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (b *box) received() []received {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.mails)
}

// NewSession implements smtp.Backend.
func (b *box) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{box: b, conn: c}, nil
}

type session struct {
	box  *box
	conn *smtp.Conn
	mail received
}

func (s *session) AuthMechanisms() []string {
	if s.box.users == nil {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if s.box.users[user] != password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong password of " + user}
		}
		s.mail.user = user
		return nil
	}), nil
}

func (s *session) Reset()        { s.mail = received{user: s.mail.user} }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.box.refuseFrom != nil {
		return s.box.refuseFrom
	}
	s.mail.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.box.refuseTo != nil {
		return s.box.refuseTo
	}
	s.mail.to = to
	return nil
}

func (s *session) Data(r io.Reader) error {
	if s.box.refuseData != nil {
		return s.box.refuseData
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		return err
	}
	_, s.mail.tls = s.conn.TLSConnectionState()
	s.mail.data = b.Bytes()
	s.box.mu.Lock()
	s.box.mails = append(s.box.mails, s.mail)
	s.box.mu.Unlock()
	if s.box.hang != nil {
		<-s.box.hang
		return errors.Join(s.conn.Conn().Close(), errors.New("the line broke"))
	}
	return nil
}
