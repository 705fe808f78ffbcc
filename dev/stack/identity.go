package stack

import (
	"crypto/tls"
	"crypto/x509"

	"tillflow/standin/shopify"
)

// Identity is what one more stand-in Shopify needs to be taken for the real one
// by the stack's service, and to know the service in turn.
type Identity struct {
	Certificate tls.Certificate // presented on session requests
	Roots       *x509.CertPool  // verify the service's own certificate
	ClientID    string          // of the app
	Secret      shopify.Secret  // of the app
}

// ShopifyIdentity answers the stack's, for programs that run stand-ins of their own.
func (s *Stack) ShopifyIdentity() (Identity, error) {
	cert, err := s.secrets.clientCertificate()
	return Identity{Certificate: cert, Roots: s.secrets.roots(), ClientID: clientID, Secret: shopify.Secret(s.secrets.AppSecret)}, err
}
