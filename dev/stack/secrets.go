package stack

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// secrets are made once per data folder and kept, so that a second run reads
// what the first one sealed.
type secrets struct {
	MasterKey, PayloadKey           string
	CodecToken                      string
	AppSecret, AccessToken, Refresh string
	AdminSecret                     string
	StripeTest, StripeLive          string
	StripeTestHook, StripeLiveHook  string
	RechargeToken, RechargeSecret   string
	CACert, CAKey                   []byte // PEM: signs our server and Shopify's client certificate
	ServerCert, ServerKey           []byte
	ClientCert, ClientKey           []byte
}

// loadSecrets reads the folder's secrets or makes them.
func loadSecrets(dir string) (secrets, error) {
	path := filepath.Join(dir, "secrets.json")
	var s secrets
	data, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := json.Unmarshal(data, &s); err != nil {
			return s, fmt.Errorf("read %s: %w", path, err)
		}
		if s.AdminSecret == "" || s.RechargeToken == "" { // a folder from before there was a second app, or Recharge
			s.AdminSecret = cmp.Or(s.AdminSecret, rand.Text())
			s.RechargeToken, s.RechargeSecret = cmp.Or(s.RechargeToken, "sk_1x1_"+rand.Text()), cmp.Or(s.RechargeSecret, rand.Text())
			if err := s.keep(path); err != nil {
				return s, err
			}
		}
		return s, s.writeCertificates(dir)
	case !errors.Is(err, fs.ErrNotExist):
		return s, fmt.Errorf("read secrets: %w", err)
	}
	if s, err = newSecrets(); err != nil {
		return s, err
	}
	if err := s.keep(path); err != nil {
		return s, err
	}
	return s, s.writeCertificates(dir)
}

func (s *secrets) keep(path string) error {
	data, err := json.Marshal(s) //nolint:gosec // keeping the stack's secrets is what the file is for
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("keep secrets: %w", err)
	}
	return nil
}

func newSecrets() (secrets, error) {
	s := secrets{
		MasterKey: "dev:" + base64.StdEncoding.EncodeToString(random(32)), PayloadKey: "dev:" + base64.StdEncoding.EncodeToString(random(32)),
		CodecToken: rand.Text(), AppSecret: rand.Text(), AdminSecret: rand.Text(), AccessToken: "shpat_" + rand.Text(), Refresh: "shprt_" + rand.Text(),
		StripeTest: "sk_test_" + rand.Text(), StripeLive: "sk_live_" + rand.Text(),
		StripeTestHook: "whsec_" + rand.Text(), StripeLiveHook: "whsec_" + rand.Text(),
		RechargeToken: "sk_1x1_" + rand.Text(), RechargeSecret: rand.Text(),
	}
	err := s.certify()
	return s, err
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see its documentation
	return b
}

// certify makes a CA of our own, our server certificate and the client
// certificate that the stand-in Shopify presents.
func (s *secrets) certify() error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := template("tillflow development CA")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	if s.CACert, s.CAKey, err = encode(caDER, caKey); err != nil {
		return err
	}
	server := template("localhost")
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames, server.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if s.ServerCert, s.ServerKey, err = issue(server, ca, caKey); err != nil {
		return err
	}
	client := template("stand-in Shopify")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	s.ClientCert, s.ClientKey, err = issue(client, ca, caKey)
	return err
}

func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(random(16)), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

func issue(cert, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, ca, key.Public(), caKey)
	if err != nil {
		return nil, nil, err
	}
	return encode(der, key)
}

func encode(der []byte, key *ecdsa.PrivateKey) (certPEM, keyPEM []byte, err error) {
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), nil
}

// writeCertificates puts what the service reads from files beside the secrets.
func (s *secrets) writeCertificates(dir string) error {
	for name, data := range map[string][]byte{"ca.pem": s.CACert, "server.pem": s.ServerCert, "server.key": s.ServerKey} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return fmt.Errorf("write certificates: %w", err)
		}
	}
	return nil
}

func (s *secrets) clientCertificate() (tls.Certificate, error) {
	return tls.X509KeyPair(s.ClientCert, s.ClientKey)
}

func (s *secrets) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CACert)
	return pool
}
