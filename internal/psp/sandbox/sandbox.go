package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"tillflow/internal/payment"
	"tillflow/internal/psp"
	"tillflow/internal/psp/sandbox/books"
)

// Name is the provider's name.
const Name = "sandbox"

// Key is the only value that the optional credential "key" may have.
const Key = "sandbox"

const credentialKey = "key"

// Books are the sandbox's own record, internal/store/sandbox.go. An error of a
// write carries payment.Unknown when it may have been carried out; any other
// class says that it was not.
type Books interface {
	// Ping reports whether the books can be reached.
	Ping(ctx context.Context) error
	// SandboxOpen writes a checkout down, or answers the one that its key has.
	SandboxOpen(ctx context.Context, o books.Opening) (books.Checkout, error)
	// SandboxCheckout reads a checkout, SandboxMoved one and what was done with
	// its money under a reference, at one moment.
	SandboxCheckout(ctx context.Context, n books.Name) (books.Checkout, error)
	SandboxMoved(ctx context.Context, n books.Name) (books.Checkout, books.Move, error)
	// SandboxClose shuts a checkout if it is open and answers what it is.
	SandboxClose(ctx context.Context, n books.Name) (books.Checkout, error)
	// SandboxMove captures, voids or refunds, or answers what its key was answered.
	SandboxMove(ctx context.Context, o books.Order) (books.Move, error)
	// SandboxKept reads a checkout and the card that it kept, SandboxCharge charges
	// one, or answers what its key was answered.
	SandboxKept(ctx context.Context, n books.Name) (books.Checkout, books.Kept, error)
	SandboxCharge(ctx context.Context, o books.Charge) (books.Checkout, error)
}

// defaultDelay is what Options.Delay is when it is not given.
const defaultDelay = 5 * time.Second

// Options are what a Connector needs. Books and PublicURL are required.
type Options struct {
	Books Books
	// PublicURL is where the hosted pages are reached, without a slash at its end.
	PublicURL string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Delay is how long magic amounts and slow results take. Default 5 s.
	Delay time.Duration
}

// Connector is the sandbox as the service sees it. It is safe for concurrent use.
type Connector struct {
	books Books
	pages string
	now   func() time.Time
	delay time.Duration
}

var (
	_ psp.Connector   = (*Connector)(nil)
	_ psp.Redirector  = (*Connector)(nil)
	_ psp.Capturer    = (*Connector)(nil)
	_ psp.Voider      = (*Connector)(nil)
	_ psp.Refunder    = (*Connector)(nil)
	_ psp.Recurrer    = (*Connector)(nil)
	_ psp.Verifier    = (*Connector)(nil)
	_ psp.Connectable = (*Connector)(nil)
)

// New builds a Connector.
func New(o Options) *Connector {
	c := &Connector{books: o.Books, pages: strings.TrimRight(o.PublicURL, "/") + "/sandbox/", now: o.Now, delay: o.Delay}
	if c.now == nil {
		c.now = time.Now
	}
	if c.delay <= 0 {
		c.delay = defaultDelay
	}
	return c
}

// Name implements psp.Connector.
func (*Connector) Name() string { return Name }

// callTimeout is far above what the database takes.
const callTimeout = 10 * time.Second

// Contract implements psp.Connector; doc.go gives the reasons.
func (c *Connector) Contract() psp.Contract {
	return psp.Contract{
		KeyRetention: 10 * 365 * 24 * time.Hour, // for ever, in effect
		KeyMax:       maxName,
		LookupLag:    90 * time.Second,
		Absence: map[payment.Operation]psp.Absence{
			payment.OpCharge: psp.Authoritative, payment.OpCapture: psp.Authoritative, payment.OpVoid: psp.Authoritative,
			payment.OpRefund: psp.Authoritative, payment.OpReversal: psp.Authoritative,
		},
		CheckoutMin: c.delay + time.Minute, // a magic amount comes to its result on the page
		CheckoutMax: 7 * 24 * time.Hour,
		LateSuccess: time.Minute,
		HoldLimit:   books.HoldLimit,
		Captures:    psp.SeveralCaptures,
		CallTimeout: callTimeout,
		InFlight:    32,
	}
}

// VerifyAccount implements psp.Verifier.
func (c *Connector) VerifyAccount(ctx context.Context, acc psp.Account) error {
	if acc.Live {
		return payment.Errorf(payment.Unauthorized, "the sandbox has no live mode")
	}
	if err := usable(acc); err != nil {
		return err
	}
	return failed("verify account", payment.Unavailable, c.books.Ping(ctx))
}

// maxName is the longest key and reference.
const maxName = 255

// usable refuses accounts that the sandbox must not or will not serve.
func usable(acc psp.Account) error {
	if acc.Live {
		return payment.Errorf(payment.Unsupported, "the sandbox serves no live account")
	}
	if acc.ID == "" {
		return payment.Errorf(payment.Bug, "the account has no id")
	}
	if key, given := acc.Credentials[credentialKey]; given && key != Key {
		return payment.Errorf(payment.Unauthorized, "the sandbox knows no such key; leave it out or set it to %q", Key)
	}
	return nil
}

// named refuses what would be asked without a name of ours.
func named(attempt, key string) error {
	if attempt == "" || len(attempt) > maxName || key == "" || len(key) > maxName {
		return payment.Errorf(payment.Bug, "attempt id has %d characters, its key %d", len(attempt), len(key))
	}
	return nil
}

// failed says what was being done. An error without a class has the given one.
func failed(action string, class payment.Class, err error) error {
	if err == nil {
		return nil
	}
	if payment.ClassOf(err, "") == "" {
		return payment.Errorf(class, "%s at the sandbox: %w", action, err)
	}
	return fmt.Errorf("%s at the sandbox: %w", action, err)
}

// begin bounds a call. A caller who has already gone has asked for nothing.
func begin(ctx context.Context, action string) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, payment.Errorf(payment.Unavailable, "%s at the sandbox: %w", action, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	return ctx, cancel, nil
}

// hash is the identity of a request under its key.
func hash(request any) ([]byte, error) {
	text, err := json.Marshal(request)
	if err != nil {
		return nil, payment.Errorf(payment.Bug, "request cannot be hashed: %w", err)
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}

func isWebAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
