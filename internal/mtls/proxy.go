package mtls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"
)

// Headers in which proxies pass the client's certificate.
const (
	// HeaderEnvoy is written by Envoy with forward_client_cert_details
	// SANITIZE_SET and set_current_client_cert_details cert (and chain).
	HeaderEnvoy = "X-Forwarded-Client-Cert"
	// HeaderALB is written by an AWS load balancer in passthrough mode.
	HeaderALB = "X-Amzn-Mtls-Clientcert"
	// HeaderALBLeaf is written by an AWS load balancer in verify mode.
	HeaderALBLeaf = "X-Amzn-Mtls-Clientcert-Leaf"
	// HeaderNginx is the usual name for nginx's $ssl_client_escaped_cert.
	HeaderNginx = "Ssl-Client-Cert"
)

// maxHeaderSize bounds a certificate header; a chain of three is below 10 kB.
const maxHeaderSize = 64 << 10

// ProxyOptions are the settings of a [Proxy].
type ProxyOptions struct {
	// Header carries the certificate: HeaderEnvoy in Envoy's own format, any
	// other name as URL-escaped PEM, leaf first.
	Header string
	// Trusted are the addresses of the proxies, required. The header proves
	// nothing by itself, since certificates are public: it counts because these
	// peers, and nobody else, write it after a handshake and drop what a client
	// sent under its name.
	Trusted []netip.Prefix
	// ClientCAFile is the bundle of CAs whose clients are admitted, in PEM.
	ClientCAFile string
	// VerifyHeader, if set, must carry exactly VerifyValue, such as nginx's
	// $ssl_client_verify with "SUCCESS". The chain is verified here all the same.
	VerifyHeader, VerifyValue string
	// CheckEvery is how often the bundle is looked at, at most; 0 means 10 s.
	CheckEvery time.Duration
	// Now is the clock, required.
	Now func() time.Time
	// Report receives every refusal and reload, required. It logs and returns,
	// and does not call back into the Proxy.
	Report func(Event)
}

// Proxy admits requests whose proxy saw a good client certificate. It is safe for
// concurrent use.
type Proxy struct {
	options     ProxyOptions
	authorities *watched[authorities]
	tally       *tally
}

// NewProxy checks the settings and reads the bundle; it fails if no proxy is
// trusted, or everybody is.
func NewProxy(options ProxyOptions) (*Proxy, error) {
	if options.Now == nil || options.Report == nil {
		return nil, errors.New("mtls: Now and Report are required")
	}
	if options.Header == "" {
		return nil, errors.New("mtls: the header that carries the certificate is required")
	}
	if (options.VerifyHeader == "") != (options.VerifyValue == "") {
		return nil, errors.New("mtls: VerifyHeader and VerifyValue come together")
	}
	if len(options.Trusted) == 0 {
		return nil, errors.New("mtls: no trusted proxy")
	}
	for _, prefix := range options.Trusted {
		if !prefix.IsValid() || prefix.Bits() == 0 {
			return nil, fmt.Errorf("mtls: %s is no range of proxies", prefix)
		}
	}
	if options.CheckEvery == 0 {
		options.CheckEvery = defaultCheckEvery
	}
	proxy := &Proxy{
		options: options,
		authorities: &watched[authorities]{
			files: []string{options.ClientCAFile}, parse: parseAuthorities,
			every: options.CheckEvery, clock: options.Now, report: options.Report,
		},
		tally: newTally(options.Report),
	}
	if err := proxy.authorities.start(); err != nil {
		return nil, fmt.Errorf("mtls: client CAs: %w", err)
	}
	return proxy, nil
}

// Middleware admits a request to next only if its peer is a trusted proxy and the
// certificate in the header verifies; otherwise it answers 401 with problem JSON
// that does not say why. The certificate headers never reach next. It reads the
// peer from Request.RemoteAddr, so nothing before it may rewrite that from
// X-Forwarded-For.
func (p *Proxy) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chain, refused := p.admit(r)
		if refused != nil {
			p.tally.refuse(refused, r.RemoteAddr, chain)
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			// The caller may be gone; there is nobody to tell.
			_, _ = w.Write([]byte(`{"code":"client_certificate","message":"a valid client certificate is required"}` + "\n"))
			return
		}
		p.tally.accept()
		admitted := r.Clone(r.Context())
		admitted.Header.Del(p.options.Header)
		admitted.Header.Del(p.options.VerifyHeader)
		next.ServeHTTP(w, admitted)
	})
}

// admit returns the presented chain, as far as it could be read, and the refusal.
func (p *Proxy) admit(r *http.Request) ([]*x509.Certificate, *refusal) {
	if !p.trusts(r.RemoteAddr) {
		return nil, refuse(ReasonUntrustedProxy, "peer is not a trusted proxy")
	}
	values := r.Header.Values(p.options.Header)
	if len(values) == 0 || (len(values) == 1 && values[0] == "") {
		return nil, refuse(ReasonNoCertificate, "header %s is missing", p.options.Header)
	}
	if len(values) > 1 || len(values[0]) > maxHeaderSize {
		return nil, refuse(ReasonMalformedHeader, "header %s is repeated or over %d bytes", p.options.Header, maxHeaderSize)
	}
	chain, err := p.parse(values[0])
	if err != nil {
		return nil, refuse(ReasonMalformedHeader, "header %s: %w", p.options.Header, err)
	}
	if verdicts := r.Header.Values(p.options.VerifyHeader); p.options.VerifyHeader != "" &&
		(len(verdicts) != 1 || verdicts[0] != p.options.VerifyValue) {
		return chain, refuse(ReasonProxyVerdict, "header %s does not say %q", p.options.VerifyHeader, p.options.VerifyValue)
	}
	return chain, verify(chain, p.authorities.get().pool, p.options.Now())
}

func (p *Proxy) parse(value string) ([]*x509.Certificate, error) {
	if http.CanonicalHeaderKey(p.options.Header) == HeaderEnvoy {
		return parseEnvoy(value)
	}
	return parseEscaped(value)
}

// trusts compares the peer's address; one that cannot be read, such as a Unix
// socket's, is not trusted.
func (p *Proxy) trusts(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	address := peer.Addr().Unmap().WithZone("")
	for _, prefix := range p.options.Trusted {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// Stats returns the counters and the expiry of the bundle. It looks at the file
// too, so that a broken one shows before the next request.
func (p *Proxy) Stats() Stats {
	stats := p.tally.stats(p.authorities.get(), p.options.Now())
	stats.ReloadFailures = p.authorities.failed()
	return stats
}
