package mtls_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tillflow/internal/mtls"
)

// today is the tests' own date; certificates are made around it.
func today() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// authority is a CA, root or intermediate, that issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// change adjusts a certificate before it is signed.
type change func(*x509.Certificate)

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), nil) // the source of randomness is not read since Go 1.26
	require.NoError(t, err)
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, public any, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(nil, template, parent, public, by)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate
}

func caTemplate(name string, changes []change) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: today().AddDate(-1, 0, 0), NotAfter: today().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	for _, apply := range changes {
		apply(template)
	}
	return template
}

func newRoot(t *testing.T, name string, changes ...change) authority {
	t.Helper()
	key := newKey(t)
	template := caTemplate(name, changes)
	return authority{certificate: sign(t, template, template, key.Public(), key), key: key}
}

func (a authority) intermediate(t *testing.T, name string, changes ...change) authority {
	t.Helper()
	key := newKey(t)
	return authority{certificate: sign(t, caTemplate(name, changes), a.certificate, key.Public(), a.key), key: key}
}

// issue makes a client certificate with serial 0xabc, valid for a month around
// today, followed by the issuer if that is no root.
func (a authority) issue(t *testing.T, changes ...change) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0xabc), Subject: pkix.Name{CommonName: "client"},
		NotBefore: today().AddDate(0, 0, -15), NotAfter: today().AddDate(0, 0, 15),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, apply := range changes {
		apply(template)
	}
	key := newKey(t)
	leaf := sign(t, template, a.certificate, key.Public(), a.key)
	issued := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	if a.certificate.Issuer.String() != a.certificate.Subject.String() {
		issued.Certificate = append(issued.Certificate, a.certificate.Raw)
	}
	return issued
}

// selfSigned makes a client certificate that is its own issuer.
func selfSigned(t *testing.T) *tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0xabc), Subject: pkix.Name{CommonName: "client"},
		NotBefore: today().AddDate(0, 0, -15), NotAfter: today().AddDate(0, 0, 15),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	leaf := sign(t, template, template, key.Public(), key)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

func valid(from, to time.Time) change {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to }
}

func usage(usages ...x509.ExtKeyUsage) change {
	return func(c *x509.Certificate) { c.ExtKeyUsage = usages }
}

func forServer(c *x509.Certificate) {
	c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
}

func pemOf(ders ...[]byte) []byte {
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text
}

func bundle(authorities ...authority) []byte {
	var text []byte
	for _, a := range authorities {
		text = append(text, pemOf(a.certificate.Raw)...)
	}
	return text
}

func keyPEM(t *testing.T, certificate tls.Certificate) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// files is a folder whose files get a new modification time at every write, so
// that no test depends on the resolution of the file system's clock.
type files struct {
	folder string
	clock  *clock
}

func (f files) path(name string) string { return filepath.Join(f.folder, name) }

func (f files) write(t *testing.T, name string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(f.path(name), content, 0o600))
	modified := f.clock.advance(time.Millisecond)
	require.NoError(t, os.Chtimes(f.path(name), modified, modified))
}

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { return c.advance(0) }

func (c *clock) advance(by time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
	return c.now
}

// events collects what is reported.
type events struct {
	mu   sync.Mutex
	list []mtls.Event
}

func (e *events) report(event mtls.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, event)
}

func (e *events) all() []mtls.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.list)
}
