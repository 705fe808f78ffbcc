package shopify

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// OrderStatus is Shopify's financial status of an order, or StatusNone while there is no order.
type OrderStatus string

// The financial statuses.
const (
	StatusNone              OrderStatus = ""
	StatusPending           OrderStatus = "PENDING"
	StatusAuthorized        OrderStatus = "AUTHORIZED"
	StatusExpired           OrderStatus = "EXPIRED"
	StatusPaid              OrderStatus = "PAID"
	StatusPartiallyPaid     OrderStatus = "PARTIALLY_PAID"
	StatusPartiallyRefunded OrderStatus = "PARTIALLY_REFUNDED"
	StatusRefunded          OrderStatus = "REFUNDED"
	StatusVoided            OrderStatus = "VOIDED"
)

// errAmount says that a text is no amount.
var errAmount = errors.New("amount is not a positive decimal")

// balance is what the sessions of one checkout add up to. Amounts are exact decimals of the checkout's currency.
type balance struct {
	payment    *Session // the resolved or pending payment session, nil if none
	authorized *big.Rat
	captured   *big.Rat
	refunded   *big.Rat
	// capturing and refunding are asked for and not answered yet.
	capturing *big.Rat
	refunding *big.Rat
	voided    bool
	voiding   bool
}

// balance adds the checkout's sessions up. Amounts that do not parse count as zero: they can only come from a
// test that sends them on purpose.
func (sh *shop) balance(c *checkout) balance {
	b := balance{
		authorized: new(big.Rat), captured: new(big.Rat), refunded: new(big.Rat),
		capturing: new(big.Rat), refunding: new(big.Rat),
	}
	for _, gid := range c.Sessions {
		rec := sh.Sessions[gid]
		if rec == nil {
			continue
		}
		b.add(&rec.Session)
	}
	return b
}

func (b *balance) add(s *Session) {
	amount := amountOf(s)
	switch s.Type {
	case PaymentSession:
		b.addPayment(s, amount)
	case CaptureSession:
		addMove(s, amount, b.captured, b.capturing)
	case RefundSession:
		addMove(s, amount, b.refunded, b.refunding)
	case VoidSession:
		b.voided = b.voided || s.State == StateResolved
		b.voiding = b.voiding || s.State == StateOpen
	}
}

func (b *balance) addPayment(s *Session, amount *big.Rat) {
	switch s.State {
	case StateResolved:
		b.payment = s
		if s.Kind == KindAuthorization {
			b.authorized.Add(b.authorized, amount)
			return
		}
		b.captured.Add(b.captured, amount)
	case StatePending:
		if b.payment == nil {
			b.payment = s
		}
	case StateOpen, StateRejected:
	}
}

func addMove(s *Session, amount, done, underway *big.Rat) {
	switch s.State {
	case StateResolved:
		done.Add(done, amount)
	case StateOpen, StatePending:
		underway.Add(underway, amount)
	case StateRejected:
	}
}

// status is the order's financial status at a moment.
func (sh *shop) status(c *checkout, now time.Time) OrderStatus {
	if c.Number == 0 {
		return StatusNone
	}
	b := sh.balance(c)
	switch {
	case b.payment == nil:
		return StatusVoided // the pending payment that made the order was rejected
	case b.refunded.Sign() > 0 && b.refunded.Cmp(b.captured) >= 0:
		return StatusRefunded
	case b.refunded.Sign() > 0:
		return StatusPartiallyRefunded
	case b.voided && b.captured.Sign() == 0:
		return StatusVoided
	case b.payment.State == StatePending:
		return openUntil(StatusPending, b.payment.PendingExpiresAt, now)
	case b.payment.Kind == KindAuthorization && b.captured.Sign() == 0:
		return openUntil(StatusAuthorized, b.payment.AuthorizationExpiresAt, now)
	case b.payment.Kind == KindAuthorization && b.captured.Cmp(b.authorized) < 0:
		return StatusPartiallyPaid
	default:
		return StatusPaid
	}
}

// statusOf is the status of the order that a session belongs to.
func (sh *shop) statusOf(session *Session, now time.Time) OrderStatus {
	c := sh.Checkouts[session.Checkout]
	if c == nil {
		return StatusNone
	}
	return sh.status(c, now)
}

func openUntil(status OrderStatus, end *time.Time, now time.Time) OrderStatus {
	if end != nil && !now.Before(*end) {
		return StatusExpired
	}
	return status
}

// canRefund, canCapture and canVoid say what Admin offers of an order: what is left after everything resolved and
// everything under way. Without several an authorization is captured once.
func (b balance) canRefund() *big.Rat {
	left := new(big.Rat).Sub(b.captured, b.refunded)
	return left.Sub(left, b.refunding)
}

func (b balance) canCapture(several bool) *big.Rat {
	begun := b.captured.Sign() > 0 || b.capturing.Sign() > 0
	if b.voided || b.voiding || begun && !several {
		return new(big.Rat)
	}
	left := new(big.Rat).Sub(b.authorized, b.captured)
	return left.Sub(left, b.capturing)
}

func (b balance) canVoid(several bool) bool {
	return b.capturing.Sign() == 0 && b.canCapture(several).Sign() > 0
}

// parseAmount reads a plain non-negative decimal such as 12.30 exactly.
func parseAmount(text string) (*big.Rat, error) {
	whole, fraction, hasPoint := strings.Cut(text, ".")
	amount, ok := new(big.Rat).SetString(text)
	if !ok || !isDigits(whole) || hasPoint && !isDigits(fraction) {
		return nil, fmt.Errorf("%w: %q", errAmount, text)
	}
	return amount, nil
}

// isDigits bounds the length too: amounts have at most 15 digits on either side of the point.
func isDigits(text string) bool {
	return text != "" && len(text) <= 15 && strings.Trim(text, "0123456789") == ""
}

// formatAmount writes an amount as Shopify does: at least two decimals, three where the currency has three.
func formatAmount(amount *big.Rat, currency string) string {
	return amount.FloatString(max(2, fractionDigits(currency)))
}

// payable reads an amount typed by a person: positive, and no finer than the currency.
func payable(text, currency string) (*big.Rat, error) {
	amount, err := parseAmount(strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	if amount.Sign() == 0 {
		return nil, errAmount
	}
	rounded, ok := new(big.Rat).SetString(amount.FloatString(fractionDigits(currency)))
	if !ok || rounded.Cmp(amount) != 0 {
		return nil, fmt.Errorf("%w: %s has %d decimals", errAmount, currency, fractionDigits(currency))
	}
	return amount, nil
}

// fractionDigits is ISO 4217's number of decimals for the currencies the shop page sells in.
func fractionDigits(currency string) int {
	switch currency {
	case "JPY", "KRW":
		return 0
	case "KWD", "BHD":
		return 3
	default:
		return 2
	}
}
