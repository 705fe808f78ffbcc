// Package notify mails operators what a person must know about a payment: what
// happened, what it means for the money, and what to do. A mail names a
// payment, never a person.
package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	gomail "github.com/wneessen/go-mail"

	"tillflow/internal/crypt"
	"tillflow/internal/payment"
)

// timeout bounds one mail, from dialling to the server's last word.
const timeout = 15 * time.Second

// implicitTLS is the port on which TLS begins before SMTP does (RFC 8314).
const implicitTLS = 465

// Options configure a Mailer.
type Options struct {
	// Address is the mail server's host and port. Empty: mails are not
	// configured, see SendNotice.
	Address string
	// User and Password log in there; no user, no login. A password is never
	// sent in clear over a connection without TLS.
	User     string
	Password crypt.Secret
	// From is the sender's address.
	From string
	// Operator is the address of those who run the service; empty: they read the
	// log and the console.
	Operator string
	// Plain permits a connection without TLS where the server offers none.
	Plain bool
	// Roots are the authorities that sign the server's certificate; nil means the system's.
	Roots *x509.CertPool
	// TemporalUI and Namespace build the link to the payment's runs; without
	// TemporalUI there is none.
	TemporalUI string
	Namespace  string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	Log zerolog.Logger
}

// Mailer sends operator mails. It is safe for concurrent use.
type Mailer struct {
	opts  Options
	host  string
	port  int
	from  *mail.Address
	pages *templates
}

// New checks the options; it does not connect.
func New(o Options) (*Mailer, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	pages, err := parse()
	if err != nil {
		return nil, err
	}
	m := &Mailer{opts: o, pages: pages}
	if o.Address == "" {
		return m, nil
	}
	host, port, err := net.SplitHostPort(o.Address)
	if err != nil || host == "" {
		return nil, fmt.Errorf("mail server %q is not a host and port", o.Address)
	}
	if m.port, err = strconv.Atoi(port); err != nil || m.port < 1 || m.port > 65535 {
		return nil, fmt.Errorf("mail server %q has no usable port", o.Address)
	}
	m.host = host
	if m.from, err = mail.ParseAddress(o.From); err != nil {
		return nil, fmt.Errorf("mail sender %q is not an address", o.From)
	}
	return m, nil
}

// SendNotice mails a notice to its shop. The Message-ID is the notice's own, so
// that a mail that went out twice is recognised as one.
//
// Where mails are not configured nothing is sent and the answer is an error, so
// that the notice stays due and is sent once they are; the first try logs the
// reason as an error, because no person has been told.
//
// Errors: payment.Invalid for a mail that the server refuses for good and for a
// shop without a usable address, payment.Unauthorized for a refused login or
// certificate, payment.Unknown when the server's answer to the whole mail was
// lost, payment.Bug for an unknown reason, payment.Unavailable for everything
// that may pass. None holds an address.
func (m *Mailer) SendNotice(ctx context.Context, n payment.Notice) error {
	message, err := m.compose(n)
	if err != nil {
		return err
	}
	if m.host == "" {
		if n.Tries <= 1 {
			m.opts.Log.Error().Int64("notice", n.ID).Str("payment_id", n.PaymentID).Str("shop", n.Shop).Str("reason", string(n.Reason)).
				Msg("a person is needed and cannot be told: mails are not configured")
		}
		return notConfigured()
	}
	return m.deliver(ctx, message)
}

func notConfigured() error {
	return &payment.Error{Class: payment.Unavailable, Code: "mail_not_configured", Message: "mails are not configured"}
}

// deliver hands a mail to the server; its errors are those of [Mailer.SendNotice].
func (m *Mailer) deliver(ctx context.Context, message *gomail.Msg) error {
	client, err := m.client(ctx)
	if err != nil {
		return payment.Errorf(payment.Bug, "prepare to send mail: %w", err)
	}
	if err := client.DialWithContext(ctx); err != nil {
		return unreachable(err)
	}
	err = client.Send(message)
	// The server has the mail or has it not; how the conversation ends changes neither.
	_ = client.Close()
	if err != nil && !message.IsDelivered() {
		return refused(err)
	}
	return nil
}

// client is a fresh one for each mail: they are rare, and idle connections die.
func (m *Mailer) client(ctx context.Context) (*gomail.Client, error) {
	left := timeout
	if end, bounded := ctx.Deadline(); bounded {
		// A deadline is a moment of the real clock, whatever ours says.
		left = max(min(left, time.Until(end)), time.Millisecond) //nolint:forbidigo // see above
	}
	policy := gomail.TLSMandatory
	if m.opts.Plain {
		policy = gomail.TLSOpportunistic
	}
	options := []gomail.Option{
		gomail.WithPort(m.port), gomail.WithTimeout(left), gomail.WithTLSPolicy(policy),
		gomail.WithTLSConfig(&tls.Config{ServerName: m.host, RootCAs: m.opts.Roots, MinVersion: tls.VersionTLS12}),
		gomail.WithHELO(domain(m.from)), // by the sender's domain, not by the machine's name
	}
	if m.port == implicitTLS {
		options = append(options, gomail.WithSSL())
	}
	if m.opts.User != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(m.opts.User), gomail.WithPassword(m.opts.Password.Reveal()))
	}
	return gomail.NewClient(m.host, options...)
}

func domain(from *mail.Address) string {
	return from.Address[strings.LastIndexByte(from.Address, '@')+1:]
}

// unreachable is the error of a conversation that did not come to the mail.
func unreachable(err error) error {
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad {
		return &payment.Error{Class: payment.Unauthorized, Code: "tls", Message: "the mail server's certificate is not trusted"}
	}
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		class := payment.Unavailable
		if reply.Code == 530 || reply.Code == 534 || reply.Code == 535 || reply.Code == 538 { // RFC 4954: authentication
			class = payment.Unauthorized
		}
		return &payment.Error{Class: class, Code: strconv.Itoa(reply.Code), Message: "the mail server refuses to talk to us"}
	}
	if errors.Is(err, gomail.ErrNoSupportedAuthDiscovered) {
		return &payment.Error{Class: payment.Unauthorized, Code: "auth", Message: "the mail server offers no login that is safe on this connection"}
	}
	return &payment.Error{Class: payment.Unavailable, Message: "the mail server cannot be reached, or offers no TLS"}
}

// refused is the error of a mail that the server did not take. The server's own
// text is left out: it quotes addresses.
func refused(err error) error {
	failed, ok := errors.AsType[*gomail.SendError](err)
	if !ok {
		return &payment.Error{Class: payment.Unavailable, Message: "the mail was not sent"}
	}
	code := failed.ErrorCode()
	out := &payment.Error{Class: payment.Unavailable, Message: "the mail was not taken, when " + failed.Reason.String()}
	if code != 0 {
		out.Code = strings.TrimSpace(strconv.Itoa(code) + " " + failed.EnhancedStatusCode())
	}
	switch {
	case code == 530:
		out.Class = payment.Unauthorized
	case code >= 500:
		out.Class = payment.Invalid
	case code == 0 && failed.Reason == gomail.ErrSMTPDataClose:
		out.Class, out.Message = payment.Unknown, "the mail was sent whole and the answer was lost"
	}
	return out
}
