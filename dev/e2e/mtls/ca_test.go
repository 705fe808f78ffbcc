package mtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authority is a CA of the test's own.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// change adjusts a certificate before it is signed.
type change func(*x509.Certificate)

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func sign(t *testing.T, of, by *x509.Certificate, public any, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, of, by, public, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// template is valid for a day around the real time, which is the service's too. Its serial number finds it in the log.
func template(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-12 * time.Hour), NotAfter: now.Add(12 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

func isCA(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

func newCA(t *testing.T, name string) authority {
	t.Helper()
	key, c := newKey(t), template(t, name)
	isCA(c)
	return authority{cert: sign(t, c, c, key.Public(), key), key: key}
}

// below makes an intermediate CA.
func (a authority) below(t *testing.T, name string) authority {
	t.Helper()
	key, c := newKey(t), template(t, name)
	isCA(c)
	return authority{cert: sign(t, c, a.cert, key.Public(), a.key), key: key}
}

// issue makes a client certificate; an intermediate comes with it.
func (a authority) issue(t *testing.T, changes ...change) tls.Certificate {
	t.Helper()
	key, c := newKey(t), template(t, "Shopify")
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, apply := range changes {
		apply(c)
	}
	leaf := sign(t, c, a.cert, key.Public(), a.key)
	issued := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	if a.cert.Issuer.String() != a.cert.Subject.String() {
		issued.Certificate = append(issued.Certificate, a.cert.Raw)
	}
	return issued
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, c := newKey(t), template(t, "Shopify")
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	leaf := sign(t, c, c, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

func expired(c *x509.Certificate) { c.NotBefore, c.NotAfter = daysOff(-2), daysOff(-1) }

func notYet(c *x509.Certificate) { c.NotBefore, c.NotAfter = daysOff(1), daysOff(2) }

func daysOff(n int) time.Time { return time.Now().AddDate(0, 0, n) }

func forServers(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }

func forLocalhost(c *x509.Certificate) {
	forServers(c)
	c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
}

func pemOf(blocks ...[]byte) []byte {
	var text []byte
	for _, der := range blocks {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text
}

func bundle(cas ...authority) []byte {
	var text []byte
	for _, ca := range cas {
		text = append(text, pemOf(ca.cert.Raw)...)
	}
	return text
}

func keyOf(t *testing.T, cert tls.Certificate) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
