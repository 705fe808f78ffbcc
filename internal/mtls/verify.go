package mtls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Reason says why a caller was refused. The texts are labels of a metric.
type Reason string

const (
	// ReasonNoCertificate is a caller without a client certificate.
	ReasonNoCertificate Reason = "no_certificate"
	// ReasonExpired is a chain outside of its period of validity.
	ReasonExpired Reason = "expired"
	// ReasonUnknownAuthority is a chain that ends at no CA of the bundle;
	// self-signed certificates are among them.
	ReasonUnknownAuthority Reason = "unknown_authority"
	// ReasonWrongUsage is a certificate that is not meant for clients.
	ReasonWrongUsage Reason = "wrong_usage"
	// ReasonInvalid is any other fault of a chain.
	ReasonInvalid Reason = "invalid"
	// ReasonUntrustedProxy is a request that came past the proxies.
	ReasonUntrustedProxy Reason = "untrusted_proxy"
	// ReasonProxyVerdict is a request whose proxy did not vouch for it.
	ReasonProxyVerdict Reason = "proxy_verdict"
	// ReasonMalformedHeader is a certificate header that cannot be read without
	// guessing.
	ReasonMalformedHeader Reason = "malformed_header"
)

// Reasons lists every reason, so that a metric can show zeros.
func Reasons() []Reason {
	return []Reason{
		ReasonNoCertificate, ReasonExpired, ReasonUnknownAuthority, ReasonWrongUsage, ReasonInvalid,
		ReasonUntrustedProxy, ReasonProxyVerdict, ReasonMalformedHeader,
	}
}

// EventKind says what an [Event] reports.
type EventKind string

const (
	// EventRefused is a caller turned away.
	EventRefused EventKind = "refused"
	// EventReloaded is a file that changed and is in use from now on.
	EventReloaded EventKind = "reloaded"
	// EventReloadFailed is a file that cannot be used; what was read before
	// stays in use. It is reported at each check until the file is good.
	EventReloadFailed EventKind = "reload_failed"
)

// Event is one line for the log.
type Event struct {
	// Kind decides which of the other members are set.
	Kind EventKind
	// Reason of a refusal.
	Reason Reason
	// Remote is the address of the refused peer.
	Remote string
	// Issuer and Serial (hexadecimal) are of the presented certificate, as it
	// says itself: nothing vouches for them. Empty if there was none.
	Issuer, Serial string
	// File is what was read again.
	File string
	// Err is the fault of a refusal or a failed reload.
	Err error
}

// Stats is a snapshot for metrics.
type Stats struct {
	// Accepted counts handshakes (Server) or requests (Proxy) that were admitted.
	Accepted uint64
	// Refused counts those that were not, by every reason.
	Refused map[Reason]uint64
	// ReloadFailures counts checks that found a file unusable.
	ReloadFailures uint64
	// CAExpiry is when the first CA of the bundle expires.
	CAExpiry time.Time
	// CAExpiryDays is the whole days until then, negative afterwards.
	CAExpiryDays int
	// CertExpiry is when our own certificate expires; zero for a Proxy.
	CertExpiry time.Time
}

// refusal is an error with its reason.
type refusal struct {
	reason Reason
	err    error
}

func (r *refusal) Error() string { return fmt.Sprintf("client refused (%s): %v", r.reason, r.err) }
func (r *refusal) Unwrap() error { return r.err }

func refuse(reason Reason, format string, values ...any) *refusal {
	return &refusal{reason: reason, err: fmt.Errorf(format, values...)}
}

// verify checks a presented chain, leaf first, against the bundle. Whatever is not
// proven good is refused.
func verify(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) *refusal {
	if len(chain) == 0 {
		return refuse(ReasonNoCertificate, "no certificate was presented")
	}
	intermediates := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		intermediates.AddCert(certificate)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return &refusal{reason: reasonOf(err), err: err}
	}
	return nil
}

func reasonOf(err error) Reason {
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return ReasonUnknownAuthority
	}
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) {
		return ReasonInvalid
	}
	if invalid.Reason == x509.Expired {
		return ReasonExpired
	}
	if invalid.Reason == x509.IncompatibleUsage {
		return ReasonWrongUsage
	}
	return ReasonInvalid
}

// tally counts admissions and tells the log of refusals.
type tally struct {
	report func(Event)

	mu       sync.Mutex
	accepted uint64
	refused  map[Reason]uint64
}

func newTally(report func(Event)) *tally {
	return &tally{report: report, refused: make(map[Reason]uint64)}
}

func (t *tally) accept() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accepted++
}

func (t *tally) refuse(refused *refusal, remote string, chain []*x509.Certificate) {
	t.mu.Lock()
	t.refused[refused.reason]++
	t.mu.Unlock()

	event := Event{Kind: EventRefused, Reason: refused.reason, Remote: remote, Err: refused.err}
	if len(chain) > 0 {
		event.Issuer = clip(chain[0].Issuer.String())
		event.Serial = clip(chain[0].SerialNumber.Text(16))
	}
	t.report(event)
}

// stats fills the counters of a snapshot and the expiry of the bundle.
func (t *tally) stats(bundle authorities, now time.Time) Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	refused := make(map[Reason]uint64, len(Reasons()))
	for _, reason := range Reasons() {
		refused[reason] = t.refused[reason]
	}
	days := bundle.expiry.Sub(now) / (24 * time.Hour)
	if now.After(bundle.expiry) {
		days-- // a day that began is over
	}
	return Stats{Accepted: t.accepted, Refused: refused, CAExpiry: bundle.expiry, CAExpiryDays: int(days)}
}

// clip bounds what a stranger's certificate writes into the log.
func clip(text string) string {
	const most = 256
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
